//! What a vault says to who comes without a token: which tenant it trusts, and for whom its tokens
//! are. The latter must be the domain it is in: a server that asks for a token for another service
//! would use it there in our name.

use crate::http::{Address, Answer};

use super::place::Vault;

/// The challenge of a vault.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) tenant: Option<String>,
    pub(super) resource: String,
}

/// Why there is none.
pub(super) enum NoChallenge {
    /// The answer has none.
    None,
    /// It asks for a token for this resource, which is another's.
    Other(String),
}

impl Challenge {
    /// The challenge in an answer of this vault.
    pub(super) fn of(answer: &Answer, vault: &Vault) -> Result<Challenge, NoChallenge> {
        let header = answer.header("www-authenticate");
        let challenge = header.and_then(read).ok_or(NoChallenge::None)?;
        if is_of(&challenge.resource, &vault.address) {
            Ok(challenge)
        } else {
            Err(NoChallenge::Other(challenge.resource))
        }
    }
}

/// `Bearer authorization="https://login.../TENANT", resource="https://vault.azure.net"`; some say
/// `authorization_uri`, some `scope`.
fn read(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim_ascii().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let value = |name: &str| {
        rest.split(',').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key.trim_ascii() == name).then(|| value.trim_ascii().trim_matches('"'))
        })
    };
    let scope = || Some(value("scope")?.trim_end_matches("/.default"));
    let resource = value("resource").or_else(scope)?.trim_end_matches('/');
    let authority = value("authorization").or_else(|| value("authorization_uri"))?;
    let tenant = Address::parse(authority).ok();
    let tenant = tenant
        .as_ref()
        .and_then(|address| address.path().split('/').nth(1));
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let tenant = tenant.filter(|tenant| !tenant.is_empty() && tenant.chars().all(fits));
    Some(Challenge {
        tenant: tenant.map(str::to_owned),
        resource: resource.to_owned(),
    })
}

/// The vault lies in the domain of the resource.
fn is_of(resource: &str, vault: &Address) -> bool {
    let Ok(resource) = Address::parse(resource) else {
        return false;
    };
    let parent = vault.host().strip_suffix(resource.host());
    resource.https() && parent.is_some_and(|parent| parent.len() > 1 && parent.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::{is_of, read};
    use crate::http::Address;

    #[test]
    fn challenges_are_read() {
        for (header, tenant) in [
            (
                r#"Bearer authorization="https://login.microsoftonline.com/72f9", resource="https://vault.azure.net""#,
                Some("72f9"),
            ),
            (
                r#"bearer authorization_uri="https://login.windows.net/72f9/x",scope="https://vault.azure.net/.default""#,
                Some("72f9"),
            ),
            (
                r#"Bearer resource="https://vault.azure.net/", authorization="https://login.windows.net""#,
                None,
            ),
        ] {
            let found = read(header).expect(header);
            assert_eq!(found.tenant.as_deref(), tenant);
            assert_eq!(found.resource, "https://vault.azure.net");
        }
        for bad in [
            "",
            "Basic realm=x",
            "Bearer",
            r#"Bearer resource="https://x""#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_resource_is_the_domain_of_the_vault() {
        let Ok(vault) = Address::parse("https://kv.vault.azure.net") else {
            panic!("an address")
        };
        assert!(is_of("https://vault.azure.net", &vault));
        assert!(is_of("https://Vault.Azure.NET/", &vault));
        for other in [
            "https://kv.vault.azure.net",
            "https://management.azure.com",
            "https://ault.azure.net",
            "https://vault.azure.net.example",
            "http://vault.azure.net",
            "vault.azure.net",
            "",
        ] {
            assert!(!is_of(other, &vault), "{other}");
        }
    }
}
