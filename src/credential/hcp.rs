//! HCP: who we are (a service principal, or a workload that another platform vouches for), and the
//! access token for it.
//!
//! Credentials are looked for where HashiCorp's own SDK looks: two variables, then a file. It would
//! open a browser after that; a start does not.

mod fault;

mod subject;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::credential::{Link, Pass, Unanswered, chain};
use crate::failure::{Explain, Failure};
use crate::files::{self, Accept};
use crate::format::json::{self, Json};
use crate::http::{self, Address, Client, Method, Request};
use crate::report::Report;
use crate::secret::{Secret, SecretBuffer};

pub use fault::{Fault, Gone};
pub use subject::Subject;

/// The audience of every token, in every region.
const AUDIENCE: &[u8] = b"https://api.hashicorp.cloud";

/// Where the SDK keeps its file, below the home folder.
const FILE: &str = ".config/hcp/cred_file.json";

/// A credential file is a few hundred bytes.
const MOST: usize = 64 << 10;

/// Where credentials are looked for.
pub struct Sources<'a> {
    /// A setting by its name: the environment, then the file.
    pub setting: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// An inherited variable.
    pub variable: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// For a file that everybody can read.
    pub report: &'a Report,
    /// Such a file is an error.
    pub strict: bool,
}

/// Who we are.
pub enum Identity {
    /// A service principal with its secret.
    Principal {
        /// The client id.
        id: String,
        /// The client secret.
        secret: Secret,
    },
    /// A workload, known to HCP by a provider of identities.
    Workload {
        /// The resource name of that provider.
        provider: String,
        /// Where its word for us is.
        subject: Subject,
    },
}

/// Where tokens are given out.
pub struct Doors {
    /// For service principals.
    pub principals: Address,
    /// For workloads: the API itself.
    pub workloads: Address,
}

impl Sources<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8((self.setting)(name)?).ok()
    }
}

/// Finds out who we are.
pub fn identity(sources: &Sources<'_>) -> Result<Identity, Failure> {
    let links = [
        Link {
            name: "HCP_CLIENT_ID and HCP_CLIENT_SECRET",
            ask: from_variables,
        },
        Link {
            name: "credential file",
            ask: from_file,
        },
    ];
    match chain(&links, sources) {
        Ok((_, identity)) => Ok(identity),
        Err(Unanswered::Nobody(tried)) => Err(Fault::Nobody(tried.shown()).into()),
        Err(Unanswered::Broken { failure, .. }) => Err(failure),
    }
}

fn from_variables(sources: &Sources<'_>) -> Result<Identity, Pass> {
    let id = sources.text("HCP_CLIENT_ID");
    let secret = (sources.setting)("HCP_CLIENT_SECRET");
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Identity::Principal {
            id: id.to_owned(),
            secret: Secret::new(secret.to_vec()),
        }),
        (Some(_), None) => Err(Pass::Silent("HCP_CLIENT_SECRET is unset".to_owned())),
        (None, Some(_)) => Err(Pass::Silent("HCP_CLIENT_ID is unset".to_owned())),
        (None, None) => Err(Pass::Silent("unset".to_owned())),
    }
}

fn from_file(sources: &Sources<'_>) -> Result<Identity, Pass> {
    let named = (sources.setting)("HCP_CRED_FILE").map(|path| Path::new(OsStr::from_bytes(path)));
    let usual = || {
        let home = (sources.variable)("HOME").filter(|home| !home.is_empty())?;
        Some(Path::new(OsStr::from_bytes(home)).join(FILE))
    };
    let Some(path) = named.map(Path::to_owned).or_else(usual) else {
        return Err(Pass::Silent("HOME is unset".to_owned()));
    };
    let broken = |fault: Fault| Pass::Broken(fault.into());
    let found = files::read(&path, MOST, Accept::Pipe)
        .map_err(|fault| Pass::Broken(Fault::File(fault).into()))?;
    let Some(found) = found else {
        let shown = path.display();
        return Err(match named {
            Some(_) => broken(Fault::NoFile(path)),
            None => Pass::Silent(format!("there is no {shown}")),
        });
    };
    if found.exposed {
        let fault = Fault::Exposed(path.clone());
        if sources.strict {
            return Err(broken(fault));
        }
        let (what, hint) = (fault.what(), fault.hint());
        sources.report.warn(&what, hint.as_deref());
    }
    read(&path, &found.bytes, sources).map_err(broken)
}

/// Reads a credential file as the SDK writes it.
fn read(path: &Path, bytes: &Secret, sources: &Sources<'_>) -> Result<Identity, Fault> {
    let odd = |why| Fault::OddFile(path.to_owned(), why);
    let json = json::parse(bytes.expose()).map_err(|fault| {
        let (line, column) = (fault.line, fault.column);
        Fault::NoJson(path.to_owned(), line, column)
    })?;
    match json.get("scheme").and_then(Json::as_str) {
        Some("service_principal_creds") => {
            let part = |name| json.get("oauth")?.get(name)?.text();
            let id = part("client_id").and_then(|id| std::str::from_utf8(id.expose()).ok());
            match (id, part("client_secret")) {
                (Some(id), Some(secret)) if !id.is_empty() => Ok(Identity::Principal {
                    id: id.to_owned(),
                    secret: secret.duplicate(),
                }),
                _ => Err(odd("`oauth` lacks `client_id` or `client_secret`")),
            }
        }
        Some("workload") => {
            let workload = json.get("workload").ok_or(odd("it has no `workload`"))?;
            let provider = workload.get("provider_resource_name");
            let provider = provider.and_then(Json::as_str);
            let provider = provider.filter(|name| is_resource(name));
            let provider = provider.ok_or(odd("`provider_resource_name` is no resource name"))?;
            Ok(Identity::Workload {
                provider: provider.to_owned(),
                subject: Subject::read(workload, path, sources)?,
            })
        }
        _ => Err(odd(
            "its `scheme` is neither `service_principal_creds` nor `workload`",
        )),
    }
}

/// `iam/project/.../workload-identity-provider/name`: it becomes a part of a path.
fn is_resource(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
    !name.is_empty() && name.bytes().all(plain) && !name.split('/').any(|part| part == "..")
}

/// Gets an access token. `clients`: one for each door, and one for the platform that vouches for us.
pub fn token(
    identity: &Identity,
    doors: &Doors,
    (principals, workloads, platform): (&Client, &Client, &Client),
) -> Result<Secret, Fault> {
    let (client, mut request) = match identity {
        Identity::Principal { id, secret } => {
            let fields: [(&str, &[u8]); 4] = [
                ("client_id", id.as_bytes()),
                ("client_secret", secret.expose()),
                ("grant_type", b"client_credentials"),
                ("audience", AUDIENCE),
            ];
            let request = Request::send(Method::Post, doors.principals.clone(), form(&fields));
            let kind = http::Value::Plain("application/x-www-form-urlencoded".into());
            (principals, request.header("content-type", kind))
        }
        Identity::Workload { provider, subject } => {
            let path = format!("/2019-12-10/{provider}/exchange-token");
            let address = doors.workloads.with_path(&path);
            let address = address.map_err(|_| Fault::Provider(provider.clone()))?;
            let subject = Json::Text(subject.token(platform)?);
            let body = Json::Object(vec![("jwt_token".to_owned(), subject)]).compact();
            let request = Request::send(Method::Post, address, body);
            let kind = http::Value::Plain("application/json".into());
            (workloads, request.header("content-type", kind))
        }
    };
    // Two tokens are as good as one.
    request.idempotent = true;
    let origin = request.address.origin();
    let host = request.address.host();
    let answer = client.send(&request).map_err(|fault| {
        let gone = Gone::by_fault(host, &fault);
        gone.map_or_else(|| Fault::Unanswered(fault), Fault::Gone)
    })?;
    let json = json::parse(answer.body.expose()).ok();
    match (answer.status, &json) {
        (200, Some(json)) => {
            let token = json.get("access_token").and_then(Json::text);
            let token = token.filter(|token| !token.expose().is_empty());
            token.map(Secret::duplicate).ok_or(Fault::NoToken(origin))
        }
        (200, None) => Err(Fault::NoToken(origin)),
        (status, json) => {
            if let Some(gone) = Gone::by_status(host, status) {
                return Err(Fault::Gone(gone));
            }
            let code = json.as_ref().and_then(|json| json.get("error"));
            let code = code.and_then(Json::as_str).filter(|code| is_code(code));
            Err(Fault::Refused {
                at: origin,
                status,
                code: code.map(str::to_owned),
                workload: matches!(identity, Identity::Workload { .. }),
            })
        }
    }
}

/// An error code of OAuth, as against anything that a server may say.
fn is_code(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(plain)
}

/// Fields as a form, in a buffer that wipes itself.
fn form(fields: &[(&str, &[u8])]) -> Secret {
    let mut out = SecretBuffer::with_capacity(1024);
    for (n, (name, value)) in fields.iter().enumerate() {
        out.push(if n == 0 { b"" } else { b"&" });
        out.push(name.as_bytes());
        out.push(b"=");
        for byte in *value {
            match byte {
                b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    out.push(&[*byte]);
                }
                byte => {
                    const HEX: &[u8; 16] = b"0123456789ABCDEF";
                    let digit = |four: u8| HEX[usize::from(four & 15)];
                    out.push(&[b'%', digit(byte >> 4), digit(*byte)]);
                }
            }
        }
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::{form, is_code, is_resource};

    #[test]
    fn forms_are_encoded() {
        let got = form(&[("a", b"x y"), ("b", b"1+2=3&\xc3\xa4~")]);
        assert_eq!(got.expose(), b"a=x%20y&b=1%2B2%3D3%26%C3%A4~");
    }

    #[test]
    fn names_and_codes() {
        assert!(is_resource(
            "iam/project/1-2/service-principal/x/workload-identity-provider/y"
        ));
        for bad in ["", "a b", "a?b", "../x", "a/../b", "a\nb"] {
            assert!(!is_resource(bad), "{bad}");
        }
        assert!(is_code("invalid_client"));
        for bad in [
            "",
            "Hello there",
            "s.12345",
            "a_secret_of_forty_letters_and_some_more_x",
        ] {
            assert!(!is_code(bad), "{bad}");
        }
    }
}
