//! Google credentials, found where Google's libraries find them (Application Default Credentials),
//! and the access token for them.
//!
//! A token or a key in a variable, the file of `GOOGLE_APPLICATION_CREDENTIALS`, the login of
//! gcloud, the metadata server. The key of a service account needs no round trip: the token is
//! signed here.

mod document;

mod external;

mod fault;

mod file;

mod impersonation;

mod metadata;

mod project;

mod service_account;

mod session;

mod subject;

mod token;

mod user;

use crate::clock::Deadline;
use crate::credential::{Link, Pass, Unanswered, chain};
use crate::failure::Failure;
use crate::http::{Address, Client, Options};
use crate::secret::Secret;

pub use fault::Fault;
pub use session::Session;

/// What every token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The domain of Google's own cloud.
const UNIVERSE: &str = "googleapis.com";

pub use super::Look;

/// Shown every address that a user has set, with the setting's name, before it is asked.
pub type Weigh<'a> = &'a dyn Fn(&Address, &'static str) -> Result<(), Failure>;

/// What a user set up, and what it takes to ask around.
struct Setup<'a> {
    look: Look<'a>,
    client: Client,
    /// Makes clients with other limits, for the services of this machine.
    options: &'a dyn Fn() -> Result<Options, Failure>,
    weigh: Weigh<'a>,
    deadline: Deadline,
}

/// What a link finds.
struct Found {
    /// The access token.
    token: Secret,
    /// Whose it is.
    who: Who,
    /// The project that pays, where the credentials say one.
    quota: Option<String>,
    /// The project that the credentials belong to.
    project: Option<String>,
    /// The domain of the cloud that they are for.
    universe: Option<String>,
}

/// Whose a token is, as far as it is known.
enum Who {
    /// A service account: its address.
    Account(String),
    /// Everybody of a pool of workload identities: `principalSet://...`.
    Pool(String),
    /// The account of this machine, whose name the metadata server knows.
    Machine(Box<metadata::Server>),
    /// A user, or somebody.
    Somebody,
}

/// The chain.
const fn links<'a>() -> [Link<Setup<'a>, Found>; 5] {
    [
        Link {
            name: ACCESS_TOKEN,
            ask: access_token,
        },
        Link {
            name: file::CONTENT,
            ask: file::content,
        },
        Link {
            name: file::NAMED,
            ask: file::named,
        },
        Link {
            name: "gcloud",
            ask: file::of_gcloud,
        },
        Link {
            name: METADATA,
            ask: metadata::ask,
        },
    ]
}

const ACCESS_TOKEN: &str = "GOOGLE_OAUTH_ACCESS_TOKEN";

/// The metadata server of a machine, a pod or a Cloud Run service.
const METADATA: &str = "metadata server";

/// Walks the chain.
fn find(setup: &Setup<'_>) -> Result<Found, Failure> {
    match chain(&links(), setup) {
        Ok((_, found)) => Ok(found),
        Err(Unanswered::Nobody(tried)) => Err(Fault::NoCredentials(tried).into()),
        Err(Unanswered::Broken { link, failure }) => Err(failure.at(link)),
    }
}

/// A token that somebody else got, as `gcloud auth print-access-token` prints it.
fn access_token(setup: &Setup<'_>) -> Result<Found, Pass> {
    match setup.secret(ACCESS_TOKEN) {
        None => Err(Pass::Silent(String::new())),
        Some(token) if !is_token(&token) => Err(Pass::Broken(Fault::BadToken.into())),
        Some(token) => Ok(Found::of(token, Who::Somebody)),
    }
}

/// It can stand in a header.
fn is_token(token: &Secret) -> bool {
    let bytes = token.expose();
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}

impl Found {
    fn of(token: Secret, who: Who) -> Found {
        Found {
            token,
            who,
            quota: None,
            project: None,
            universe: None,
        }
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

    fn flag(&self, name: &str) -> bool {
        let yes = |text: &str| text == "1" || text.eq_ignore_ascii_case("true");
        self.text(name).is_some_and(yes)
    }

    /// A host that Google runs, or one of this machine, as for a double in a test: only such a one
    /// gets to see what a credential file tells us to send.
    fn trusts(&self, address: &Address) -> bool {
        let below = |domain: &str| {
            let rest = address.host().strip_suffix(domain);
            rest.is_some_and(|rest| rest.ends_with('.'))
        };
        let universe = self.text("GOOGLE_CLOUD_UNIVERSE_DOMAIN");
        let google = below(UNIVERSE) || universe.is_some_and(below);
        (address.https() && google) || is_own(address.host())
    }
}

/// This machine.
fn is_own(host: &str) -> bool {
    match host.parse::<std::net::IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost",
    }
}
