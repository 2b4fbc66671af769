//! AWS credentials, found where the AWS SDKs find them, in their order, and the region with them.
//!
//! Variables, then the role of a profile, web identity (EKS), a profile's own credentials, the
//! container's endpoint (ECS, EKS Pod Identity), the instance's metadata service. No service is
//! asked for what a place above it has, and no file is read twice.

mod container;

mod endpoint;

mod environment;

mod fault;

mod imds;

mod process;

mod profile;

mod role;

mod session;

mod sso;

mod sts;

use std::time::SystemTime;

use crate::clock::Deadline;
use crate::credential::sigv4::Keys;
use crate::credential::{Link, Unanswered, chain};
use crate::failure::Failure;
use crate::format::json::Json;
use crate::http::{Client, Options};
use crate::secret::Secret;

pub use endpoint::{Endpoints, Service, is_region, partition};
pub use fault::Fault;
pub use session::Session;
pub use sts::{UNSAID, after, refusal};

use profile::Profiles;

pub use super::Look;

/// What a user set up, and what it takes to ask around.
struct Setup<'a> {
    look: Look<'a>,
    profiles: Profiles,
    /// The profile that counts.
    profile: String,
    region: Option<String>,
    endpoints: Endpoints,
    client: Client,
    /// Makes clients with other limits, for the services of this machine.
    options: &'a dyn Fn() -> Result<Options, Failure>,
    deadline: Deadline,
}

/// The chain.
const fn links<'a>() -> [Link<Setup<'a>, Keys>; 6] {
    [
        Link {
            name: "environment",
            ask: environment::ask,
        },
        Link {
            name: "role of a profile",
            ask: role::ask,
        },
        Link {
            name: "web identity",
            ask: role::web_identity,
        },
        Link {
            name: "profile",
            ask: role::own,
        },
        Link {
            name: "container",
            ask: container::ask,
        },
        Link {
            name: IMDS,
            ask: imds::ask,
        },
    ]
}

/// The instance's metadata service.
const IMDS: &str = "IMDS";

/// Walks the chain; the link that answered, and its keys.
fn keys(setup: &Setup<'_>) -> Result<(&'static str, Keys), Failure> {
    chain(&links(), setup).map_err(|unanswered| match unanswered {
        Unanswered::Nobody(tried) => Fault::NoCredentials(tried).into(),
        Unanswered::Broken { link, failure } => failure.at(link),
    })
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

    /// A setting of the environment, else of the profile.
    fn either(&self, variable: &str, key: &str) -> Option<&str> {
        self.text(variable)
            .or_else(|| self.profiles.text(&self.profile, key))
    }

    fn flag(&self, variable: &str, key: &str) -> bool {
        self.either(variable, key)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}

/// Keys whose time is not over.
fn fresh(keys: Keys, until: Option<SystemTime>, place: &str) -> Result<Keys, Failure> {
    match until {
        Some(until) if until <= SystemTime::now() => {
            Err(Fault::Expired(place.to_owned(), until).into())
        }
        _ => Ok(keys),
    }
}

/// The keys in a JSON answer; services differ in what they call the token.
fn keys_in(json: &Json, token: &str, place: &str) -> Result<Keys, Failure> {
    let malformed = || Failure::from(Fault::Malformed(place.to_owned()));
    let id = json.get("AccessKeyId").and_then(Json::as_str);
    let secret = json.get("SecretAccessKey").and_then(Json::text);
    let keys = Keys {
        id: id.ok_or_else(malformed)?.to_owned(),
        secret: secret.ok_or_else(malformed)?.duplicate(),
        token: json.get(token).and_then(Json::text).map(Secret::duplicate),
    };
    let until = json.get("Expiration").and_then(Json::as_str);
    fresh(keys, until.and_then(crate::clock::moment), place)
}
