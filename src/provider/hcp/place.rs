//! Where an app of HCP Vault Secrets is: the address that the settings give or that is made of
//! organisation, project and app, and the addresses below it in both versions of the API.

use crate::credential::hcp::Doors;
use crate::credential::sigv4::encoded;
use crate::failure::Failure;
use crate::http::{Address, AddressFault};
use crate::provider::{Context, Lookup};

use super::fault::Fault;

/// An app.
pub(super) struct App {
    /// Its name, for the hint of a migration.
    pub(super) name: Option<String>,
    /// Opens all secrets.
    all: Address,
    /// Its own path, where the address is of the form that HCP has.
    path: Option<String>,
    version: Version,
    /// A choice of secrets by the user's own query.
    chosen: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// 2023-06-13: static secrets only, all in one answer.
    First,
    /// 2023-11-28.
    Second,
}

/// Whether a server is asked with TLS, and believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Verified,
    Insecure,
    Disabled,
}

impl Trust {
    /// Reads `HCP_API_TLS` or `HCP_AUTH_TLS`.
    pub(super) fn read(settings: &dyn Lookup, variable: &'static str) -> Result<Trust, Fault> {
        match settings.text(variable) {
            None => Ok(Trust::Verified),
            Some("insecure") => Ok(Trust::Insecure),
            Some("disabled") => Ok(Trust::Disabled),
            Some(_) => Err(Fault::BadTls(variable)),
        }
    }

    fn scheme(self) -> &'static str {
        match self {
            Trust::Disabled => "http",
            Trust::Verified | Trust::Insecure => "https",
        }
    }
}

fn address(variable: &'static str, text: &str) -> Result<Address, Fault> {
    Address::parse(text).map_err(|fault| Fault::Address(variable, fault))
}

/// `.eu` for the European region.
fn region(settings: &dyn Lookup) -> Result<&'static str, Fault> {
    match settings.text("HCP_GEOGRAPHY") {
        None | Some("us") => Ok(""),
        Some("eu") => Ok(".eu"),
        Some(_) => Err(Fault::BadGeography),
    }
}

/// The API, and the setting that says where it is.
fn api(settings: &dyn Lookup, trust: Trust) -> Result<(Address, &'static str), Fault> {
    let older = "HCP_API_HOST";
    let named = settings.text("HCP_API_ADDRESS");
    let named = named.map(|host| (host, "HCP_API_ADDRESS"));
    let (host, variable) = match settings.text(older).map(|host| (host, older)).or(named) {
        Some((host, variable)) => (host.trim_start_matches("https://").to_owned(), variable),
        None => {
            let host = format!("api.cloud{}.hashicorp.com", region(settings)?);
            (host, "HCP_API_ADDRESS")
        }
    };
    let found = address(variable, &format!("{}://{host}", trust.scheme()))?;
    Ok((found, variable))
}

/// Where tokens are given out. Warns where a secret would travel in clear.
pub(super) fn doors(
    context: &Context<'_>,
    api_trust: Trust,
    auth_trust: Trust,
) -> Result<Doors, Failure> {
    let settings = context.settings;
    let (principals, variable) = match settings.text("HCP_API_TOKEN_URL") {
        Some(url) => {
            let variable = "HCP_API_TOKEN_URL";
            (address(variable, url)?, variable)
        }
        None => {
            let variable = "HCP_AUTH_URL";
            let usual = || {
                Ok(format!(
                    "https://auth.idp{}.hashicorp.com",
                    region(settings)?
                ))
            };
            let base = match settings.text(variable) {
                Some(url) => url.to_owned(),
                None => usual().map_err(|fault: Fault| Failure::from(fault))?,
            };
            let mut base = address(variable, &base)?;
            if auth_trust == Trust::Disabled && base.https() {
                let clear = base.origin().replacen("https:", "http:", 1);
                base = address(variable, &clear)?;
            }
            let found = base.with_path("/oauth2/token");
            (
                found.map_err(|fault| Fault::Address(variable, fault))?,
                variable,
            )
        }
    };
    context.weigh(&principals, variable)?;
    let (workloads, _) = api(settings, api_trust)?;
    Ok(Doors {
        principals,
        workloads,
    })
}

impl App {
    /// The app that the settings name.
    pub(super) fn find(context: &Context<'_>, trust: Trust) -> Result<App, Failure> {
        let settings = context.settings;
        if let Some(url) = settings.text(super::URL) {
            let all = address(super::URL, url)?;
            context.weigh(&all, super::URL)?;
            return Ok(App::at(all));
        }
        let names = ["HCP_ORGANIZATION_ID", "HCP_PROJECT_ID", "HCP_APP"];
        let parts = names.map(|name| settings.text(name));
        let [Some(organization), Some(project), Some(app)] = parts else {
            let unset = names.into_iter().zip(parts);
            let unset = unset
                .filter(|(_, part)| part.is_none())
                .map(|(name, _)| name);
            return Err(Fault::NoApp(unset.collect()).into());
        };
        let (base, variable) = api(settings, trust)?;
        context.weigh(&base, variable)?;
        let path = format!(
            "/secrets/2023-11-28/organizations/{}/projects/{}/apps/{}/secrets:open",
            encoded(organization, b""),
            encoded(project, b""),
            encoded(app, b"")
        );
        let all = base.with_path(&path);
        Ok(App::at(
            all.map_err(|fault| Fault::Address(variable, fault))?,
        ))
    }

    /// Takes an address apart: one that opens all secrets in either version, or the app's own.
    fn at(all: Address) -> App {
        let (path, query) = match all.path().split_once('?') {
            Some((path, query)) => (path.trim_end_matches('/'), query),
            None => (all.path().trim_end_matches('/'), ""),
        };
        let chosen = query.split('&').any(|pair| pair.starts_with("types="));
        let by_date = if path.contains("/2023-06-13/") {
            Version::First
        } else {
            Version::Second
        };
        let (own, version) = if let Some(own) = path.strip_suffix("/secrets:open") {
            (own, Version::Second)
        } else if let Some(own) = path.strip_suffix("/open") {
            (own, Version::First)
        } else {
            (path.strip_suffix("/secrets").unwrap_or(path), by_date)
        };
        let name = own.rsplit_once("/apps/").map(|(_, name)| name);
        let name = name.filter(|name| !name.is_empty() && !name.contains('/'));
        let (name, own) = (name.map(str::to_owned), own.to_owned());
        let mut app = App {
            path: name.is_some().then_some(own),
            name,
            all,
            version,
            chosen,
        };
        // The list, which has no values, and the app itself are understood too.
        if let Some(own) = app.path.clone()
            && !app.all.path().contains("open")
        {
            let opens = match app.version {
                Version::First => format!("{own}/open"),
                Version::Second => format!("{own}/secrets:open"),
            };
            if let Ok(all) = app.all.with_path(&opens) {
                app.all = all;
            }
        }
        app
    }

    /// The host, for telling whether it is HashiCorp's own.
    pub(super) fn host(&self) -> &str {
        self.all.host()
    }

    /// `https://host`, for messages.
    pub(super) fn origin(&self) -> String {
        self.all.origin()
    }

    /// Secrets can be opened one by one, and listed.
    pub(super) fn has_parts(&self) -> bool {
        self.path.is_some()
    }

    /// Dynamic secrets can be among the secrets, and are not opened with the others.
    pub(super) fn has_dynamic(&self) -> bool {
        self.version == Version::Second && self.path.is_some() && !self.chosen
    }

    /// Opens all secrets but the dynamic ones: opening one of those makes new credentials.
    pub(super) fn all(&self, page: Option<&str>) -> Result<Address, AddressFault> {
        let kinds: &[&str] = if self.has_dynamic() {
            &["types=kv", "types=rotating"]
        } else {
            &[]
        };
        with_query(&self.all, self.all.path(), kinds, page)
    }

    /// Lists the dynamic secrets.
    pub(super) fn dynamic(&self, page: Option<&str>) -> Result<Address, AddressFault> {
        let path = format!("{}/secrets", self.path.as_deref().unwrap_or_default());
        with_query(&self.all, &path, &["types=dynamic"], page)
    }

    /// Opens one secret. The name is a valid one, and the version a number.
    pub(super) fn one(&self, name: &str, number: Option<&str>) -> Result<Address, AddressFault> {
        let path = self.path.as_deref().unwrap_or_default();
        let path = match (self.version, number) {
            (Version::First, None) => format!("{path}/open/{name}"),
            (Version::First, Some(n)) => format!("{path}/open/{name}/versions/{n}"),
            (Version::Second, None) => format!("{path}/secrets/{name}:open"),
            (Version::Second, Some(n)) => format!("{path}/secrets/{name}/versions/{n}:open"),
        };
        self.all.with_path(&path)
    }
}

fn with_query(
    base: &Address,
    path: &str,
    pairs: &[&str],
    page: Option<&str>,
) -> Result<Address, AddressFault> {
    let token = page.map(|token| format!("pagination.next_page_token={}", encoded(token, b"")));
    let mut path = path.to_owned();
    for pair in pairs.iter().copied().chain(token.as_deref()) {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(pair);
    }
    base.with_path(&path)
}

#[cfg(test)]
mod tests {
    use super::App;
    use crate::http::Address;

    fn app(path: &str) -> App {
        App::at(Address::parse(&format!("https://h{path}")).ok().unwrap())
    }

    #[test]
    fn addresses_are_taken_apart() {
        let base = "/secrets/2023-11-28/organizations/o/projects/p/apps/web";
        for end in ["/secrets:open", "/secrets:open/", "/secrets", ""] {
            let app = app(&format!("{base}{end}"));
            let shown = |address: Result<Address, _>| address.ok().unwrap().path().to_owned();
            assert_eq!(app.name.as_deref(), Some("web"), "{end}");
            assert_eq!(
                shown(app.all(None)).replace("open/?", "open?"),
                format!("{base}/secrets:open?types=kv&types=rotating")
            );
            assert_eq!(
                shown(app.dynamic(Some("a=b&c"))),
                format!("{base}/secrets?types=dynamic&pagination.next_page_token=a%3Db%26c")
            );
            assert_eq!(
                shown(app.one("A", Some("2"))),
                format!("{base}/secrets/A/versions/2:open")
            );
        }
        let base = "/secrets/2023-06-13/organizations/o/projects/p/apps/web";
        for end in ["/open", "/secrets", ""] {
            let app = app(&format!("{base}{end}"));
            let all = app.all(None).ok().unwrap();
            assert_eq!(all.path(), format!("{base}/open"));
            assert!(!app.has_dynamic());
            let one = app.one("A", None).ok().unwrap();
            assert_eq!(one.path(), format!("{base}/open/A"));
        }
    }

    #[test]
    fn any_other_address_is_asked_as_it_is() {
        let own = app("/hvs/dump?team=a");
        assert!(!own.has_parts() && !own.has_dynamic());
        let next = own.all(Some("t")).ok().unwrap();
        assert_eq!(next.path(), "/hvs/dump?team=a&pagination.next_page_token=t");
        let chosen = app("/apps/web/secrets:open?types=kv");
        let all = chosen.all(None).ok().unwrap();
        assert_eq!(all.path(), "/apps/web/secrets:open?types=kv");
    }
}
