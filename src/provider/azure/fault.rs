//! What Azure refuses, in the words of its users.

use crate::failure::{Explain, nearest, one_line};
use crate::http::AddressFault;

use super::answer::after;

/// What is wrong with a reference.
pub(super) enum Miswritten {
    FolderAsValue,
    VersionOfFolder,
    Version,
    Letter(char),
    Long,
    Identifier,
    OldVersion,
}

impl Explain for Miswritten {
    fn what(&self) -> String {
        match self {
            Miswritten::FolderAsValue => {
                "`*` names several secrets, and a variable holds one".to_owned()
            }
            Miswritten::VersionOfFolder => {
                "the parameter `version` is of one secret, and `*` names several".to_owned()
            }
            Miswritten::Version => "the version is not one of Key Vault".to_owned(),
            Miswritten::Letter(c) => format!(
                "no secret in Key Vault has the letter `{}` in its name",
                one_line(&c.to_string())
            ),
            Miswritten::Long => "no secret in Key Vault has a name this long".to_owned(),
            Miswritten::Identifier => "is not the identifier of a secret".to_owned(),
            Miswritten::OldVersion => {
                "names a version, and what is written is always a new one".to_owned()
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Miswritten::FolderAsValue => "write its name, or ENVSHIM_IMPORT=azure:*",
                Miswritten::VersionOfFolder => "leave it out",
                Miswritten::Version => "write it as the vault shows it: 32 letters and digits",
                Miswritten::Letter('/') => {
                    "a version is written as NAME?version=..., another vault as NAME?vault=..."
                }
                Miswritten::Letter('.' | ':') => "such names are written with `--` there",
                Miswritten::Letter(_) => {
                    "names have letters, digits and `-`; `_` is asked for as `-`"
                }
                Miswritten::Long => "names have at most 127 letters",
                Miswritten::Identifier => {
                    "write NAME, or https://VAULT.vault.azure.net/secrets/NAME[/VERSION] without ?vault="
                }
                Miswritten::OldVersion => "leave the version out",
            }
            .to_owned(),
        )
    }
}

/// Which secret is meant, or the vault itself.
pub(super) struct Where {
    pub(super) vault: String,
    pub(super) name: Option<String>,
}

impl Where {
    fn shown(&self) -> String {
        match &self.name {
            Some(name) => format!("the secret `{name}` of the vault `{}`", self.vault),
            None => format!("the list of secrets of the vault `{}`", self.vault),
        }
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// What a denial says: who asked, for what, and which of the two systems of permissions decided.
pub(super) struct Denial {
    who: Option<String>,
    vault: Option<String>,
    policies: bool,
}

impl Denial {
    /// Out of the inner code and the message.
    pub(super) fn read(inner: &str, message: &str) -> Denial {
        let who = after(message, "oid=", "").or_else(|| after(message, "appid=", ""));
        let resource = after(message, "Resource: '", "/._()");
        // The vault, whatever in it was asked for.
        let vault = resource.and_then(|resource| {
            let parts: Vec<&str> = resource.split('/').take(9).collect();
            (parts.len() == 9).then(|| parts.join("/"))
        });
        Denial {
            who,
            vault,
            policies: inner == "ForbiddenByPolicy" || inner == "AccessDenied",
        }
    }
}

/// What Azure refuses.
pub(super) enum Fault {
    /// Nothing says which vault.
    NoVault,
    /// Not an address; what has it.
    BadVault(&'static str, AddressFault),
    /// Not the name of a vault.
    BadName(&'static str),
    /// The address of something in a vault.
    VaultPath(&'static str),
    /// In clear over a network.
    ClearVault(&'static str),
    /// A reference that leads out of Azure.
    ForeignVault(String),
    /// No such host.
    NoSuchVault(String, String),
    /// The server asks for no token, but answers with this status.
    NotAVault(String, u16),
    /// The server asks for a token for another one's resource.
    OtherResource(String, String),
    Missing(Where, Option<String>),
    NoVersion(Where, String),
    Disabled(Where),
    Denied(Where, Denial),
    /// The same, to write.
    MayNotWrite(Where, Denial),
    /// It was deleted, and can be recovered.
    Deleted(Where),
    /// It is the key of a certificate, which the vault writes itself.
    Managed(Where),
    /// The vault's firewall; our address.
    Firewall(String, Option<String>),
    /// The vault is open to private networks only.
    Private(String),
    /// The token is not accepted.
    Token(String),
    Throttled(String),
    Answer(String, String, u16),
    Malformed(String),
    /// A listing that goes on at another host.
    NextElsewhere(String, String),
    /// A listing with more pages than anybody has secrets for.
    Endless(String),
    /// There is no answer to a question that was not asked.
    Lost,
}

impl Fault {
    /// A missing one, with the name that it was most likely meant to have.
    pub(super) fn missing<'n>(
        vault: &str,
        name: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Fault {
        let place = Where {
            vault: vault.to_owned(),
            name: Some(name.to_owned()),
        };
        let near = nearest(name, names).map(str::to_owned);
        Fault::Missing(place, near)
    }
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoVault => "it is not said which vault: AZURE_VAULT_URL is unset".to_owned(),
            Fault::BadVault(place, fault) => format!("{place}: {}", fault.what()),
            Fault::BadName(place) => format!("{place}: is not the name of a vault"),
            Fault::VaultPath(place) => {
                format!("{place}: is the address of something in a vault, not of the vault")
            }
            Fault::ClearVault(place) => format!("{place}: a vault is asked over https only"),
            Fault::ForeignVault(origin) => {
                format!("{origin} is in no cloud of Azure, and is shown no token")
            }
            Fault::NoSuchVault(vault, host) => {
                format!("there is no vault `{vault}`: the name {host} is not known")
            }
            Fault::NotAVault(origin, status) => {
                format!(
                    "{origin} is not a vault: it answers with status {status} and asks for no token"
                )
            }
            Fault::OtherResource(origin, resource) => format!(
                "{origin} asks for a token for {}, which is not the domain it is in",
                one_line(resource)
            ),
            Fault::Missing(at, _) => {
                format!("the vault `{}` has no secret `{}`", at.vault, at.name())
            }
            Fault::NoVersion(at, version) => format!(
                "the vault `{}` has no secret `{}` with the version {version}",
                at.vault,
                at.name()
            ),
            Fault::Disabled(at) => format!("{} is disabled", at.shown()),
            Fault::Denied(at, denial) => {
                let who = denial.who.as_ref();
                let who = who.map_or(String::new(), |who| format!(" for {who}"));
                format!("access is denied to {}{who}", at.shown())
            }
            Fault::MayNotWrite(at, denial) => {
                let who = denial.who.as_ref();
                let who = who.map_or(String::new(), |who| format!(" for {who}"));
                format!("writing is denied to {}{who}", at.shown())
            }
            Fault::Deleted(at) => format!("{} was deleted, and keeps its name", at.shown()),
            Fault::Managed(at) => {
                format!(
                    "{} is the key of a certificate, and changes with it",
                    at.shown()
                )
            }
            Fault::Firewall(vault, address) => {
                let address = address.as_ref();
                let address = address.map_or(String::new(), |ip| format!(" ({ip})"));
                format!("the firewall of the vault `{vault}` does not let this address in{address}")
            }
            Fault::Private(vault) => {
                format!("the vault `{vault}` can be reached from its private network only")
            }
            Fault::Token(vault) => {
                format!("the vault `{vault}` does not accept the token (status 401)")
            }
            Fault::Throttled(vault) => {
                format!("the vault `{vault}` asks to slow down (status 429)")
            }
            Fault::Answer(vault, code, status) if code.is_empty() => {
                format!("the vault `{vault}` answers with status {status}")
            }
            Fault::Answer(vault, code, status) => {
                format!("the vault `{vault}` answers {code} (status {status})")
            }
            Fault::Malformed(vault) => {
                format!("the answer of the vault `{vault}` is not one of Key Vault")
            }
            Fault::NextElsewhere(vault, origin) => format!(
                "the list of the vault `{vault}` goes on at {origin}, which must not see the token"
            ),
            Fault::Endless(vault) => format!("the list of the vault `{vault}` has no end"),
            Fault::Lost => "Azure Key Vault gave no answer".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NoVault => {
                "set AZURE_VAULT_URL=https://NAME.vault.azure.net, or add ?vault=NAME".to_owned()
            }
            Fault::BadVault(..) | Fault::BadName(_) | Fault::VaultPath(_) | Fault::ClearVault(_) => {
                "write NAME, or https://NAME.vault.azure.net".to_owned()
            }
            Fault::ForeignVault(origin) => {
                format!("if it is yours, set AZURE_VAULT_URL={origin} and leave ?vault= out")
            }
            Fault::NoSuchVault(..) => {
                "az keyvault list --query \"[].name\"; a vault with a private endpoint has its name in the private DNS zone".to_owned()
            }
            Fault::NotAVault(..) => "check AZURE_VAULT_URL".to_owned(),
            Fault::OtherResource(..) => {
                "check AZURE_VAULT_URL; whoever answers there must not have such a token".to_owned()
            }
            Fault::Missing(_, Some(near)) => format!("did you mean `{near}`?"),
            Fault::Missing(at, None) => format!(
                "az keyvault secret list --vault-name {0}, and list-deleted for those that can be recovered; ?default=text or ?optional=1 allow that it is missing",
                at.vault
            ),
            Fault::NoVersion(at, _) => format!(
                "az keyvault secret list-versions --vault-name {} --name {}",
                at.vault,
                at.name()
            ),
            Fault::Disabled(at) => format!(
                "az keyvault secret set-attributes --vault-name {} --name {} --enabled true",
                at.vault,
                at.name()
            ),
            Fault::Denied(at, denial) => granted(at, denial, false),
            Fault::MayNotWrite(at, denial) => granted(at, denial, true),
            Fault::Deleted(at) => format!(
                "az keyvault secret recover --vault-name {} --name {}, and set it again",
                at.vault,
                at.name()
            ),
            Fault::Managed(_) => "name another secret, or az keyvault certificate import".to_owned(),
            Fault::Firewall(vault, Some(address)) => {
                format!("az keyvault network-rule add --name {vault} --ip-address {address}")
            }
            Fault::Firewall(vault, None) => {
                format!("az keyvault network-rule add --name {vault} --ip-address ADDRESS")
            }
            Fault::Private(_) => {
                "start it in that network, where the name of the vault leads to its private endpoint".to_owned()
            }
            Fault::Token(vault) => format!(
                "are AZURE_TENANT_ID and the cloud those of the vault? az keyvault show --name {vault} --query properties.tenantId"
            ),
            Fault::Throttled(_) => {
                "give it more time: --timeout 60s; or spread the starts over several vaults".to_owned()
            }
            Fault::Answer(..)
            | Fault::Malformed(_)
            | Fault::NextElsewhere(..)
            | Fault::Endless(_)
            | Fault::Lost => return None,
        })
    }
}

/// The command that grants what was denied, on the vault.
fn granted(at: &Where, denial: &Denial, writes: bool) -> String {
    let vault = &at.vault;
    let who = denial.who.as_deref().unwrap_or("PRINCIPAL");
    if denial.policies {
        let right = match at.name {
            _ if writes => "get list set",
            Some(_) => "get",
            None => "get list",
        };
        return format!(
            "az keyvault set-policy --name {vault} --object-id {who} --secret-permissions {right}"
        );
    }
    let scope = match &denial.vault {
        Some(scope) => scope.clone(),
        None => format!("\"$(az keyvault show --name {vault} --query id --output tsv)\""),
    };
    let role = if writes { "Officer" } else { "User" };
    format!(
        "az role assignment create --role \"Key Vault Secrets {role}\" --assignee {who} --scope {scope}"
    )
}

#[cfg(test)]
mod tests {
    use super::{Denial, Where, granted};

    #[test]
    fn what_to_grant() {
        let message = "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=aa-1;oid=bb-2;iss=https://sts.windows.net/t/\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: '/subscriptions/s/resourcegroups/r_g/providers/microsoft.keyvault/vaults/kv/secrets/a'\r\nAssignment: (not found)\r\nVault: kv;location=westeurope\r\n";
        let at = Where {
            vault: "kv".into(),
            name: Some("a".into()),
        };
        assert_eq!(
            granted(&at, &Denial::read("ForbiddenByRbac", message), false),
            "az role assignment create --role \"Key Vault Secrets User\" --assignee bb-2 --scope /subscriptions/s/resourcegroups/r_g/providers/microsoft.keyvault/vaults/kv"
        );
        let message = "The user, group or application 'appid=aa-1;oid=bb-2;iss=x' does not have secrets get permission on key vault 'kv;location=westeurope'.";
        assert_eq!(
            granted(&at, &Denial::read("AccessDenied", message), false),
            "az keyvault set-policy --name kv --object-id bb-2 --secret-permissions get"
        );
        let nothing = granted(&at, &Denial::read("", "$(rm -rf /)"), false);
        assert_eq!(
            nothing,
            "az role assignment create --role \"Key Vault Secrets User\" --assignee PRINCIPAL --scope \"$(az keyvault show --name kv --query id --output tsv)\""
        );
    }
}
