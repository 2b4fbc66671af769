//! What can be wrong with HCP credentials, and what to say when HCP Vault Secrets itself is gone.

use std::path::PathBuf;

use crate::failure::Explain;
use crate::files;
use crate::http::{self, Cause};

/// Why there is no access token.
pub enum Fault {
    /// No link has credentials; what each said.
    Nobody(String),
    /// The file cannot be read.
    File(files::Fault),
    /// A file that was named is not there.
    NoFile(PathBuf),
    /// Everybody can read the file.
    Exposed(PathBuf),
    /// Not JSON: line and column.
    NoJson(PathBuf, usize, usize),
    /// JSON, but no credential file.
    OddFile(PathBuf, &'static str),
    /// The variable that the file names is not set.
    NoVariable(PathBuf, String),
    /// The resource name cannot stand in a path.
    Provider(String),
    /// The platform's document has no token at that pointer.
    NoSubject(String),
    /// The platform's token is empty or no text.
    BadSubject,
    /// The platform does not give its token.
    Platform(String, u16),
    /// No answer.
    Unanswered(http::Fault),
    /// The credentials are not accepted.
    Refused {
        /// Who says so.
        at: String,
        /// The status.
        status: u16,
        /// The code of OAuth.
        code: Option<String>,
        /// For a workload.
        workload: bool,
    },
    /// An answer without a token.
    NoToken(String),
    /// The service has ended.
    Gone(Gone),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Nobody(tried) => format!("no HCP credentials ({tried})"),
            Fault::File(fault) => fault.what(),
            Fault::NoFile(path) => format!("{}: there is no such file", path.display()),
            Fault::Exposed(path) => {
                format!("{}: every user of this machine can read it", path.display())
            }
            Fault::NoJson(path, line, column) => {
                format!("{}:{line}:{column}: is not JSON", path.display())
            }
            Fault::OddFile(path, why) => {
                format!("{}: is no HCP credential file: {why}", path.display())
            }
            Fault::NoVariable(path, name) => {
                format!("{}: the variable `{name}` is not set", path.display())
            }
            Fault::Provider(name) => format!("`{name}` is not a resource name of HCP"),
            Fault::NoSubject(pointer) => {
                format!("the platform's answer has no text at `{pointer}`")
            }
            Fault::BadSubject => "the platform's token is empty, or no text".to_owned(),
            Fault::Platform(at, status) => {
                format!("{at}: gives no token for this workload (status {status})")
            }
            Fault::Unanswered(fault) => fault.what(),
            Fault::Refused {
                at, status, code, ..
            } => {
                let code = code.as_ref().map_or(String::new(), |c| format!(", {c}"));
                format!("{at}: the HCP credentials are not accepted (status {status}{code})")
            }
            Fault::NoToken(at) => format!("{at}: answers without an access token"),
            Fault::Gone(gone) => gone.what(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Nobody(_) => {
                "set HCP_CLIENT_ID and HCP_CLIENT_SECRET of a service principal, or HCP_CRED_FILE"
                    .to_owned()
            }
            Fault::File(fault) => return fault.hint(),
            Fault::NoFile(_) => "mount it, or set HCP_CRED_FILE to where it is".to_owned(),
            Fault::Exposed(path) => format!("chmod 600 {}", path.display()),
            Fault::NoJson(..) | Fault::OddFile(..) | Fault::Provider(_) => {
                "write it anew: hcp iam service-principals keys create, or hcp iam \
                 workload-identity-providers create-cred-file"
                    .to_owned()
            }
            Fault::NoVariable(_, name) => format!("set {name}"),
            Fault::NoSubject(_) => {
                "set `subject_cred_pointer` in the credential file to where the token is".to_owned()
            }
            Fault::BadSubject | Fault::Platform(..) => {
                "does this workload have an identity on its platform?".to_owned()
            }
            Fault::Unanswered(fault) => return fault.hint(),
            Fault::Refused { workload: true, .. } => {
                "does the workload identity provider in HCP know this workload (issuer, audience, \
                 conditional access)?"
                    .to_owned()
            }
            Fault::Refused { .. } => {
                "are HCP_CLIENT_ID and HCP_CLIENT_SECRET of one key, and does it still exist?"
                    .to_owned()
            }
            Fault::NoToken(_) => {
                "look at HCP_API_TOKEN_URL and HCP_AUTH_URL; they should be HCP's".to_owned()
            }
            Fault::Gone(gone) => return gone.hint(),
        })
    }
}

/// The well-known host says that the service is no longer there.
pub struct Gone {
    host: String,
    /// The app, where it is known.
    pub app: Option<String>,
}

impl Gone {
    fn at(host: &str) -> Option<Gone> {
        let theirs = host.ends_with(".hashicorp.com") || host.ends_with(".hashicorp.cloud");
        theirs.then(|| Gone {
            host: host.to_owned(),
            app: None,
        })
    }

    /// An answer of this status is one of a service that has ended.
    pub fn by_status(host: &str, status: u16) -> Option<Gone> {
        Gone::at(host).filter(|_| matches!(status, 404 | 410))
    }

    /// A host that is not known, or does not take connections, has ended.
    pub fn by_fault(host: &str, fault: &http::Fault) -> Option<Gone> {
        let ended = matches!(fault.cause, Cause::NameNotFound(_) | Cause::Refused(_));
        Gone::at(host).filter(|_| ended)
    }
}

impl Explain for Gone {
    fn what(&self) -> String {
        format!(
            "{}: HCP Vault Secrets has ended on 2026-07-01, and does not answer any more",
            self.host
        )
    }

    fn hint(&self) -> Option<String> {
        let app = self.app.as_deref().unwrap_or("APP");
        Some(format!(
            "HashiCorp's migration made a KV v2 mount of each app; write into .vault, in place of \
             HCP_*: VAULT_ADDR=https://..., VAULT_NAMESPACE=admin, ENVSHIM_IMPORT=vault:/{app}/ \
             (or one by one: NAME=vault:/{app}/NAME#value)"
        ))
    }
}
