//! What can go wrong with HCP Vault Secrets, in the words of its users.

use crate::credential::hcp::{self, Gone};
use crate::failure::{Explain, one_line};
use crate::http::{self, AddressFault};

/// Why there is no secret.
pub(super) enum Fault {
    /// A reference that no secret can have.
    BadName(String),
    BadVersion,
    VersionOfAll,
    /// A setting that is no address.
    Address(&'static str, AddressFault),
    BadTls(&'static str),
    Insecure(&'static str, bool),
    BadGeography,
    /// The app is not named; the settings that lack.
    NoApp(Vec<&'static str>),
    /// The address of `HCP_SECRETS_URL` is none below which single versions can be.
    NoVersions,
    /// There is no access token.
    NoToken(hcp::Fault),
    Unanswered(http::Fault),
    Gone(Gone),
    /// The token is not accepted.
    Unauthorised(String),
    Denied(Option<String>),
    /// No such secret, and where it was looked for.
    Missing {
        name: String,
        version: Option<String>,
        app: Option<String>,
        near: Option<String>,
    },
    MissingApp(Option<String>),
    /// Nothing of HCP answers at that address.
    NotThere(String, u16),
    Busy(String),
    Odd(String, u16),
    NoJson {
        line: usize,
        column: usize,
    },
    NoSecrets,
    NoValue(String),
    /// The same page again.
    Circle,
    /// A static secret and a field of another one have one name.
    Clash {
        variable: String,
        first: String,
        second: String,
    },
}

fn of_app(app: &Option<String>) -> String {
    match app {
        Some(app) => format!("the app `{}`", one_line(app)),
        None => "the app".to_owned(),
    }
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::BadName(name) => {
                format!("`{}` is no name of HCP Vault Secrets", one_line(name))
            }
            Fault::BadVersion => "the version is not a number".to_owned(),
            Fault::VersionOfAll => "all secrets together have no version".to_owned(),
            Fault::Address(variable, fault) => format!("{variable}: {}", fault.what()),
            Fault::BadTls(variable) => {
                format!("{variable}: is neither `insecure` nor `disabled`")
            }
            Fault::Insecure(variable, strict) => {
                let rule = if *strict {
                    ", which --strict refuses"
                } else {
                    ""
                };
                format!("{variable}=insecure: any server's certificate is believed{rule}")
            }
            Fault::BadGeography => "HCP_GEOGRAPHY: is neither `us` nor `eu`".to_owned(),
            Fault::NoApp(unset) => {
                format!("it is not said which app is meant: {} unset", are(unset))
            }
            Fault::NoVersions => {
                "HCP_SECRETS_URL has no place for single versions of secrets".to_owned()
            }
            Fault::NoToken(fault) => fault.what(),
            Fault::Unanswered(fault) => fault.what(),
            Fault::Gone(gone) => gone.what(),
            Fault::Unauthorised(at) => {
                format!("{at}: the access token is not accepted (status 401)")
            }
            Fault::Denied(app) => {
                format!(
                    "{} may not be read with these credentials (status 403)",
                    of_app(app)
                )
            }
            Fault::Missing {
                name,
                version: None,
                app,
                ..
            } => format!("{} has no secret `{name}`", of_app(app)),
            Fault::Missing {
                name,
                version: Some(version),
                ..
            } => format!("the secret `{name}` has no version {version}"),
            Fault::MissingApp(app) => {
                format!("there is no such app: {}", of_app(app))
            }
            Fault::NotThere(at, status) => {
                format!("{at}: nothing of HCP Vault Secrets is at this address (status {status})")
            }
            Fault::Busy(at) => format!("{at}: too many requests (status 429)"),
            Fault::Odd(at, status) => format!("{at}: answers with status {status}"),
            Fault::NoJson { line, column } => {
                format!("the answer is not JSON (line {line}, column {column})")
            }
            Fault::NoSecrets => "the answer is no list of secrets".to_owned(),
            Fault::NoValue(name) => {
                format!(
                    "the answer has no value for the secret `{}`",
                    one_line(name)
                )
            }
            Fault::Circle => "the pages of the answer go round in a circle".to_owned(),
            Fault::Clash {
                variable,
                first,
                second,
            } => {
                format!("{first} and {second} would both be the variable `{variable}`")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::BadName(_) => {
                "write hcp:NAME (or hcp:NAME#key); the app is said by HCP_SECRETS_URL".to_owned()
            }
            Fault::BadVersion => "write ?version=3".to_owned(),
            Fault::VersionOfAll => "leave ?version= out, or name one secret".to_owned(),
            Fault::Address(_, fault) => return fault.hint(),
            Fault::BadTls(variable) => format!("unset {variable}, then TLS is used and checked"),
            Fault::Insecure(variable, _) => {
                format!("unset {variable}, and set SSL_CERT_FILE to the authority of that server")
            }
            Fault::BadGeography => "write us or eu, or unset it".to_owned(),
            Fault::NoApp(_) => {
                "set HCP_SECRETS_URL, or HCP_ORGANIZATION_ID, HCP_PROJECT_ID and HCP_APP".to_owned()
            }
            Fault::NoVersions | Fault::NotThere(..) => {
                "write HCP_SECRETS_URL as https://HOST/secrets/2023-11-28/organizations/ID/\
                 projects/ID/apps/NAME/secrets:open"
                    .to_owned()
            }
            Fault::NoToken(fault) => return fault.hint(),
            Fault::Unanswered(fault) => return fault.hint(),
            Fault::Gone(gone) => return gone.hint(),
            Fault::Unauthorised(_) => {
                "is the server of HCP_SECRETS_URL one that takes the tokens of HCP_API_TOKEN_URL?"
                    .to_owned()
            }
            Fault::Denied(_) => {
                "give the service principal the role `Vault Secrets App Secret Reader` on it"
                    .to_owned()
            }
            Fault::Missing {
                near: Some(near), ..
            } => format!("did you mean `{near}`?"),
            Fault::Missing { .. } => {
                "check the name and the app; ?default=text or ?optional=1 allow that".to_owned()
            }
            Fault::MissingApp(_) => "check organisation, project and app".to_owned(),
            Fault::Busy(_) => "try again later, or raise --timeout".to_owned(),
            Fault::Clash { .. } => "rename one of them".to_owned(),
            Fault::Odd(..)
            | Fault::NoJson { .. }
            | Fault::NoSecrets
            | Fault::NoValue(_)
            | Fault::Circle => return None,
        })
    }
}

/// `A is`, `A and B are`.
fn are(names: &[&str]) -> String {
    match names {
        [one] => format!("{one} is"),
        [rest @ .., last] => format!("{} and {last} are", rest.join(", ")),
        [] => String::new(),
    }
}
