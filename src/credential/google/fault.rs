//! What can be wrong with Google credentials, and the sentences for it.

use std::path::PathBuf;

use crate::credential::{Tried, jwt};
use crate::failure::{Explain, one_line};
use crate::files;
use crate::http::AddressFault;

use super::subject::of_kubernetes;

/// Whose token was refused.
pub enum Login {
    /// A person's.
    User,
    /// A workload's; the audience.
    Federation(String),
}

/// What is wrong. The first text of most is the file, for people.
pub enum Fault {
    /// Nobody has credentials.
    NoCredentials(Tried),
    /// Nothing says which project; what was looked at.
    NoProject(Tried),
    /// The file that a variable names is not there.
    NoFile(PathBuf),
    /// It cannot be read.
    File(files::Fault),
    /// The content of a file where its path belongs.
    Content,
    /// Neither the content nor the path of a file.
    NoPath,
    /// It is not JSON; line and column.
    NotJson(String, usize, usize),
    /// Its `type` is not known, or missing.
    Kind(String, Option<String>),
    /// It lacks a field.
    Lacks(String, &'static str),
    /// The key in it is unfit.
    Key(String, jwt::Fault),
    /// An address in it that is none.
    BadUrl(String, &'static str, AddressFault),
    /// An address in it that is not Google's: the field, and the origin.
    ForeignUrl(String, &'static str, String),
    /// A setting that is no address.
    Endpoint(&'static str, AddressFault),
    /// An access token that cannot be sent.
    BadToken,
    /// No token is granted.
    Refused {
        /// Who refuses.
        at: String,
        /// The status of the answer.
        status: u16,
        /// The code of OAuth.
        code: Option<String>,
        /// Whose token was asked for.
        login: Login,
    },
    /// An answer without a token in it; of whom.
    Malformed(String),
    /// No token for that service account: status, and who asked.
    Impersonation(String, u16, Option<String>),
    /// The metadata server gives none; its status.
    Metadata(u16),
    /// A part of `credential_source` that is not known.
    Source(String, &'static str),
    /// The file with the subject token is not there.
    NoSubject(PathBuf),
    /// No subject token in a file or an answer.
    NoToken(String),
    /// The platform gives no subject token: who, and the status.
    Platform(String, u16),
    /// A program may not be run for a subject token.
    ProgramsForbidden(String),
    /// What the program prints is no subject token, and why.
    Printed(&'static str),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoCredentials(tried) => format!("no Google credentials ({})", tried.shown()),
            Fault::NoProject(tried) => format!("no Google project ({})", tried.shown()),
            Fault::NoFile(path) => format!("there is no {}", path.display()),
            Fault::File(fault) => fault.what(),
            Fault::Content => "holds the content of a credential file, not its path".to_owned(),
            Fault::NoPath => "holds neither the content of a credential file nor a path".to_owned(),
            Fault::NotJson(place, line, column) => {
                format!("{place} is not JSON (line {line}, column {column})")
            }
            Fault::Kind(place, Some(kind)) => {
                format!(
                    "{place} is of the type `{}`, which is not spoken here",
                    one_line(kind)
                )
            }
            Fault::Kind(place, None) => format!("{place} is no credential file: it has no `type`"),
            Fault::Lacks(place, name) => format!("{place} has no `{name}`"),
            Fault::Key(place, fault) => format!("the `private_key` of {place}: {}", fault.what()),
            Fault::BadUrl(place, name, fault) => {
                format!("the `{name}` of {place} {}", fault.what())
            }
            Fault::ForeignUrl(place, name, origin) => {
                format!("the `{name}` of {place} leads to {origin}, which is not Google's")
            }
            Fault::Endpoint(variable, fault) => format!("{variable}: {}", fault.what()),
            Fault::BadToken => "the token has a blank or a line break in it".to_owned(),
            Fault::Refused {
                at, status, code, ..
            } => {
                let code = code.as_deref().unwrap_or("no reason");
                format!("{at} gives no access token: {code} (status {status})")
            }
            Fault::Malformed(at) => format!("{at} gives no access token in the form of Google"),
            Fault::Impersonation(account, status, _) => {
                format!(
                    "Google gives no token for `{}` (status {status})",
                    one_line(account)
                )
            }
            Fault::Metadata(status) => format!("answers with status {status}"),
            Fault::Source(place, "credential_source") => {
                format!("the `credential_source` of {place} is of no kind that is spoken here")
            }
            Fault::Source(place, name) => {
                format!("the `credential_source` of {place} has a `{name}` that is not spoken here")
            }
            Fault::NoSubject(path) => format!("there is no {} with the token", path.display()),
            Fault::NoToken(at) => format!("there is no token in {at}"),
            Fault::Platform(at, status) => format!("{at} gives no token (status {status})"),
            Fault::ProgramsForbidden(place) => {
                format!("{place} wants to run a program for its token")
            }
            Fault::Printed(why) => format!("the output of the program {why}"),
        }
    }

    fn hint(&self) -> Option<String> {
        const LOG_IN: &str = "gcloud auth application-default login";
        Some(match self {
            Fault::NoCredentials(_) => format!(
                "on a laptop: {LOG_IN}; on Google's machines: give it a service account; elsewhere: set GOOGLE_APPLICATION_CREDENTIALS to the file of a key"
            ),
            Fault::NoProject(_) => "set GCP_PROJECT_ID, or add ?project=".to_owned(),
            Fault::NoFile(_) => "mount it, or unset the variable".to_owned(),
            Fault::File(fault) => return fault.hint(),
            Fault::Content => "put the content into GOOGLE_CREDENTIALS".to_owned(),
            Fault::NoPath => "GOOGLE_CREDENTIALS=\"$(cat key.json)\", or GOOGLE_APPLICATION_CREDENTIALS=/path/key.json".to_owned(),
            Fault::NotJson(..) | Fault::Lacks(..) => {
                "take the file as gcloud or the console wrote it".to_owned()
            }
            Fault::Kind(..) => {
                "take the JSON file of a service account's key, of `gcloud auth application-default login`, or of `gcloud iam workload-identity-pools create-cred-config`".to_owned()
            }
            Fault::Key(_, fault) => {
                return fault
                    .hint()
                    .or_else(|| Some("gcloud iam service-accounts keys create key.json --iam-account=NAME".to_owned()));
            }
            Fault::BadUrl(_, _, fault) | Fault::Endpoint(_, fault) => return fault.hint(),
            Fault::ForeignUrl(..) => {
                "do not use a file that you do not trust; for a cloud of another provider set GOOGLE_CLOUD_UNIVERSE_DOMAIN".to_owned()
            }
            Fault::BadToken => "GOOGLE_OAUTH_ACCESS_TOKEN=$(gcloud auth print-access-token)".to_owned(),
            Fault::Refused { code, login, .. } => match (login, code.as_deref()) {
                (Login::User, _) => LOG_IN.to_owned(),
                (Login::Federation(audience), Some("invalid_target" | "invalid_request")) => format!(
                    "is there such a provider, and is it on? gcloud iam workload-identity-pools providers describe {}",
                    one_line(audience).trim_start_matches("//iam.googleapis.com/")
                ),
                (Login::Federation(_), _) => {
                    "look at the provider's issuer, allowed audiences and attribute condition; is the token of this platform still valid?".to_owned()
                }
            },
            Fault::Impersonation(account, 404, _) => format!(
                "is `{}` spelled right? gcloud iam service-accounts list",
                one_line(account)
            ),
            Fault::Impersonation(account, _, member) => {
                let role = match member {
                    Some(pool) if pool.starts_with("principal") => "roles/iam.workloadIdentityUser",
                    _ => "roles/iam.serviceAccountTokenCreator",
                };
                format!(
                    "gcloud iam service-accounts add-iam-policy-binding {} --role={role} --member={}",
                    one_line(account),
                    member.as_deref().unwrap_or("MEMBER")
                )
            }
            Fault::Metadata(_) => "try again; look at the service account of the machine".to_owned(),
            Fault::Source(..) => {
                "`file`, `url`, `executable` and AWS are: gcloud iam workload-identity-pools create-cred-config".to_owned()
            }
            Fault::NoSubject(path) if of_kubernetes(path) => {
                "mount the token: a projected volume with a serviceAccountToken".to_owned()
            }
            Fault::NoSubject(_) | Fault::NoToken(_) => {
                "let the platform write its token there first".to_owned()
            }
            Fault::Platform(..) => "look at `url` and `headers` of `credential_source`".to_owned(),
            Fault::ProgramsForbidden(_) => {
                "if you trust the file: GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1".to_owned()
            }
            Fault::Printed(_) => "run the command by hand".to_owned(),
            Fault::Malformed(at) => format!("who answers at {at}? Look at the proxy"),
        })
    }
}
