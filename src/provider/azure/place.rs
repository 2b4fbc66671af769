//! Which vault is meant, and what is known of it without asking: its cloud.

use crate::failure::Failure;
use crate::format::reference::Reference;
use crate::http::{Address, Cause, Exposure, Fault as NoAnswer};
use crate::provider::{Context, Lookup};

use super::fault::Fault;

/// The settings that name the vault, the first one set counts.
pub(super) const URL: &str = "AZURE_VAULT_URL";
pub(super) const OTHER_URL: &str = "AZURE_KEY_VAULT_URL";
pub(super) const NAME: &str = "KEY_VAULT_NAME";

/// A cloud: the domain of its vaults, and the host that gives tokens.
struct Cloud {
    domain: &'static str,
    login: &'static str,
}

const CLOUDS: &[Cloud] = &[
    Cloud {
        domain: "vault.azure.net",
        login: "login.microsoftonline.com",
    },
    Cloud {
        domain: "vault.usgovcloudapi.net",
        login: "login.microsoftonline.us",
    },
    Cloud {
        domain: "vault.azure.cn",
        login: "login.chinacloudapi.cn",
    },
];

/// A vault.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Vault {
    /// Its origin.
    pub(super) address: Address,
    /// The first part of its host name.
    pub(super) name: String,
}

/// The parts of an identifier of a secret, as the portal shows it.
pub(super) struct Identifier<'a> {
    vault: &'a str,
    pub(super) name: &'a str,
    pub(super) version: Option<&'a str>,
}

/// `https://NAME.vault.azure.net/secrets/NAME[/VERSION]`. None where a locator is no address,
/// nothing in it where it is an address of something else.
pub(super) fn identifier(locator: &str) -> Option<Option<Identifier<'_>>> {
    let rest = locator.strip_prefix("https://")?;
    let parts: Vec<&str> = rest.split('/').collect();
    Some(
        match parts[..] {
            [_, "secrets", name] => Some((name, None)),
            [_, "secrets", name, version] => Some((name, Some(version))),
            _ => None,
        }
        .map(|(name, version)| Identifier {
            vault: parts.first().copied().unwrap_or_default(),
            name,
            version,
        }),
    )
}

impl Vault {
    /// The vault of the settings.
    pub(super) fn home(context: Context<'_>) -> Result<Option<Vault>, Failure> {
        let set = |name| {
            let text = context.settings.text(name)?.trim_ascii();
            (!text.is_empty()).then_some((name, text))
        };
        let Some((variable, text)) = set(URL).or_else(|| set(OTHER_URL)).or_else(|| set(NAME))
        else {
            return Ok(None);
        };
        Vault::read(variable, text, None).map(Some)
    }

    /// The vault that a reference names, else the one of the settings. A reference leads to a known
    /// cloud, or to where the settings lead: nobody else is shown a token.
    pub(super) fn of(reference: &Reference, home: Option<&Vault>) -> Result<Vault, Failure> {
        let of_identifier = identifier(&reference.locator).flatten().map(|i| i.vault);
        let Some(text) = reference.parameter("vault").or(of_identifier) else {
            return home.cloned().ok_or_else(|| Fault::NoVault.into());
        };
        let vault = Vault::read("?vault=", text, home)?;
        let beside = home.is_some_and(|home| {
            home.domain() == vault.domain() && home.address.port() == vault.address.port()
        });
        if vault.cloud().is_none() && !beside {
            return Err(Fault::ForeignVault(vault.address.origin()).into());
        }
        Ok(vault)
    }

    /// A name, a host or an address. A name lies in the domain of `home`.
    fn read(place: &'static str, text: &str, home: Option<&Vault>) -> Result<Vault, Failure> {
        let bad = |fault| Failure::from(Fault::BadVault(place, fault));
        let text = text.trim_end_matches('/');
        let address = if text.contains("://") {
            Address::parse(text)
        } else if text.contains(['.', ':']) {
            Address::parse(&format!("https://{text}"))
        } else {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if text.is_empty() || !text.chars().all(fits) {
                return Err(Fault::BadName(place).into());
            }
            let domain = home.map_or("vault.azure.net", Vault::domain);
            let port = home.map_or(443, |home| home.address.port());
            Address::parse(&format!("https://{text}.{domain}:{port}"))
        };
        let address = address.map_err(bad)?;
        if address.path() != "/" {
            return Err(Fault::VaultPath(place).into());
        }
        if address.exposure() == Exposure::Clear {
            return Err(Fault::ClearVault(place).into());
        }
        let name = address.host().split('.').next().unwrap_or_default();
        Ok(Vault {
            name: name.to_owned(),
            address,
        })
    }

    /// What follows its name.
    fn domain(&self) -> &str {
        let host = self.address.host();
        host.split_once('.').map_or(host, |(_, domain)| domain)
    }

    fn cloud(&self) -> Option<&'static Cloud> {
        let own = |cloud: &&Cloud| cloud.domain == self.domain();
        CLOUDS
            .iter()
            .find(own)
            .filter(|_| self.address.https() && self.address.port() == 443)
    }

    /// For whom its tokens are, where that is known without asking.
    pub(super) fn resource(&self) -> Option<String> {
        let cloud = self.cloud()?;
        Some(format!("https://{}", cloud.domain))
    }

    /// The host that gives tokens.
    pub(super) fn login(&self) -> &'static str {
        let cloud = self.cloud().or(CLOUDS.first());
        cloud.map_or("", |cloud| cloud.login)
    }

    /// A path of it.
    pub(super) fn at(&self, path: &str) -> Result<Address, Failure> {
        let address = self.address.with_path(path);
        address.map_err(|fault| Fault::BadVault(URL, fault).into())
    }
}

/// Why a vault did not answer. A name that nobody knows is most often that of no vault.
pub(super) fn unheard(place: Option<&Vault>, fault: NoAnswer) -> Failure {
    match (&fault.cause, place) {
        (Cause::NameNotFound(host), Some(place)) if place.cloud().is_some() => {
            Fault::NoSuchVault(place.name.clone(), host.clone()).into()
        }
        _ => fault.into(),
    }
}

/// The variables that name a secret themselves (`AZURE_MONGO_URI_NAME=prod-mongo`), and its name.
pub(super) fn renames(settings: &dyn Lookup) -> Vec<(String, String)> {
    let names = settings.names();
    let named = names.iter().filter_map(|name| {
        let variable = name.strip_prefix("AZURE_")?.strip_suffix("_NAME")?;
        let secret = settings.text(name)?.trim_ascii().replace('_', "-");
        (!variable.is_empty()).then(|| (variable.to_owned(), secret))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::{Vault, identifier};

    fn read(text: &str) -> Vault {
        Vault::read("x", text, None).expect(text)
    }

    #[test]
    fn vaults_are_read_in_every_form() {
        for text in [
            "kv-1",
            "kv-1.vault.azure.net",
            "https://KV-1.vault.azure.net",
            "https://kv-1.vault.azure.net:443/",
        ] {
            let vault = read(text);
            assert_eq!(vault.address.origin(), "https://kv-1.vault.azure.net");
            assert_eq!(vault.name, "kv-1");
            assert_eq!(vault.resource().as_deref(), Some("https://vault.azure.net"));
        }
        let china = read("kv.vault.azure.cn");
        assert_eq!(china.login(), "login.chinacloudapi.cn");
        assert_eq!(china.resource().as_deref(), Some("https://vault.azure.cn"));
        // What only looks like one is asked for whom its tokens are.
        for text in [
            "vault.azure.net",
            "kv.vault.azure.net.example",
            "a.b.vault.azure.net",
            "kv.vault.azure.net:8443",
        ] {
            assert_eq!(read(text).resource(), None, "{text}");
        }
        for bad in [
            "",
            "a_b",
            "http://kv.vault.azure.net",
            "https://kv.vault.azure.net/secrets",
        ] {
            assert!(Vault::read("x", bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_that_nobody_knows_is_that_of_no_vault() {
        let fault = |host: &str| crate::http::Fault {
            at: format!("https://{host}"),
            cause: crate::http::Cause::NameNotFound(host.to_owned()),
            tries: 1,
            deadline: None,
        };
        let known = super::unheard(Some(&read("kv-2")), fault("kv-2.vault.azure.net"));
        assert_eq!(
            known.what,
            "there is no vault `kv-2`: the name kv-2.vault.azure.net is not known"
        );
        let other = super::unheard(Some(&read("kv.example")), fault("kv.example"));
        assert_eq!(
            other.what,
            "https://kv.example: the name `kv.example` is not known"
        );
    }

    #[test]
    fn identifiers() {
        let parts = |text| {
            let found: super::Identifier<'_> = identifier(text)??;
            Some((found.vault, found.name, found.version))
        };
        assert_eq!(
            parts("https://kv.vault.azure.net/secrets/a/b"),
            Some(("kv.vault.azure.net", "a", Some("b")))
        );
        assert_eq!(parts("https://kv/secrets/a"), Some(("kv", "a", None)));
        assert_eq!(parts("https://kv/keys/a"), None);
        assert!(identifier("a").is_none());
    }
}
