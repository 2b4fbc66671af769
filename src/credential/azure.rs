//! Access tokens of Microsoft Entra, found where the Azure SDKs find them, in the order of their
//! `DefaultAzureCredential`.
//!
//! A client secret or certificate in variables, the workload identity of a pod, the managed identity
//! of what we run on, the login of the Azure CLI. `AZURE_TOKEN_CREDENTIALS` narrows the choice.

mod arc;

mod authority;

mod certificate;

mod cli;

mod environment;

mod fault;

mod imds;

mod managed;

mod workload;

use std::path::PathBuf;

use crate::clock::Deadline;
use crate::credential::sigv4::encode;
use crate::credential::{Link, Unanswered, chain};
use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::format::json::Json;
use crate::http::{Client, Options};
use crate::secret::{Secret, SecretBuffer};

pub use fault::Fault;

pub use super::Look;

/// What a token is wanted for.
pub struct Want {
    /// Who shall accept it: `https://vault.azure.net`.
    pub resource: String,
    /// The tenant of that, where it is known and the user names none.
    pub tenant: Option<String>,
    /// The host that gives tokens in that cloud: `login.microsoftonline.com`.
    pub login: String,
}

/// What a user set up, and what it takes to ask around.
struct Setup<'a> {
    look: Look<'a>,
    want: &'a Want,
    client: Client,
    /// Makes clients with other limits, for the services of this machine.
    options: &'a dyn Fn() -> Result<Options, Failure>,
    deadline: Deadline,
    /// The user chose one link, so that it is worth waiting for.
    chosen: bool,
}

/// The chain.
const fn links<'a>() -> [Link<Setup<'a>, Secret>; 4] {
    [
        Link {
            name: "environment",
            ask: environment::ask,
        },
        Link {
            name: "workload identity",
            ask: workload::ask,
        },
        Link {
            name: "managed identity",
            ask: managed::ask,
        },
        Link {
            name: "Azure CLI",
            ask: cli::ask,
        },
    ]
}

/// The setting that narrows the choice, and what it may be: each with the links it leaves.
const CHOICE: &str = "AZURE_TOKEN_CREDENTIALS";
const CHOICES: &[(&str, &[&str])] = &[
    (
        "prod",
        &["environment", "workload identity", "managed identity"],
    ),
    ("dev", &["Azure CLI"]),
    ("EnvironmentCredential", &["environment"]),
    ("WorkloadIdentityCredential", &["workload identity"]),
    ("ManagedIdentityCredential", &["managed identity"]),
    ("AzureCliCredential", &["Azure CLI"]),
];

/// Walks the chain. `options` makes the usual options of a client.
pub fn token<'a>(
    look: Look<'a>,
    want: &'a Want,
    deadline: Deadline,
    options: &'a dyn Fn() -> Result<Options, Failure>,
) -> Result<Secret, Failure> {
    let mut setup = Setup {
        look,
        want,
        client: Client::new(options()?),
        options,
        deadline,
        chosen: false,
    };
    let mut links: Vec<Link<Setup<'_>, Secret>> = links().into();
    if let Some(choice) = setup.text(CHOICE) {
        let known = CHOICES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(choice));
        let Some((_, left)) = known else {
            return Err(Fault::BadChoice(choice.to_owned()).into());
        };
        links.retain(|link| left.contains(&link.name));
        setup.chosen = left.len() == 1;
    }
    match chain(&links, &setup) {
        Ok((_, token)) => Ok(token),
        Err(Unanswered::Nobody(tried)) => Err(Fault::NoCredentials(tried).into()),
        Err(Unanswered::Broken { link, failure }) => Err(failure.at(link)),
    }
}

impl Setup<'_> {
    /// A setting as text.
    fn text(&self, name: &str) -> Option<&str> {
        super::text(self.look, name)
    }

    /// A setting that is secret. Blanks around it come from copying.
    fn secret(&self, name: &str) -> Option<Secret> {
        super::secret(self.look, name)
    }
}

/// A form, as it is sent.
fn form(pairs: &[(&str, &[u8])]) -> Secret {
    let mut out = SecretBuffer::with_capacity(4096);
    for (at, (name, value)) in pairs.iter().enumerate() {
        out.push(if at == 0 { b"" } else { b"&" });
        out.push(name.as_bytes());
        out.push(b"=");
        encode(value, b"", &mut out);
    }
    out.finish()
}

/// The token in a file, without the newline that editors add.
fn token_file(variable: &'static str, path: &str) -> Result<Secret, Failure> {
    /// More than a token of a service account has.
    const MOST: usize = 64 << 10;
    let path = PathBuf::from(path);
    let found = files::read(&path, MOST, Accept::Regular)?;
    let token = found.map(|found| Secret::new(found.bytes.expose().trim_ascii().to_vec()));
    match token {
        Some(token) if !token.expose().is_empty() => Ok(token),
        _ => Err(Fault::TokenFile(variable, path).into()),
    }
}

/// The token in an answer.
fn token_in(json: &Json, member: &str) -> Option<Secret> {
    let token = json.get(member)?.text()?;
    // It becomes a header.
    let fits = |b: &u8| b.is_ascii_graphic();
    let good = !token.expose().is_empty() && token.expose().iter().all(fits);
    good.then(|| token.duplicate())
}
