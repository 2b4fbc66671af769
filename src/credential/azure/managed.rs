//! Managed identities: what we run on vouches for us. Which service to ask is said by variables of
//! the platform; where there are none, this may be a virtual machine.

use crate::credential::Pass;
use crate::credential::sigv4::encoded;
use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::http::{Address, Answer, Client, Exposure, Proxies, Request, Value};
use crate::secret::Secret;

use super::fault::Fault;
use super::{Setup, arc, imds, token_in};

/// What App Service, Functions, Container Apps, Service Fabric and Arc set.
const ENDPOINT: &str = "IDENTITY_ENDPOINT";
const HEADER: &str = "IDENTITY_HEADER";

/// The client id of a user-assigned identity.
pub(super) const CLIENT: &str = "AZURE_CLIENT_ID";

pub(super) fn ask(setup: &Setup<'_>) -> Result<Secret, Pass> {
    let Some(endpoint) = setup.text(ENDPOINT) else {
        if arc::is_here() && setup.text(imds::BASE).is_none() {
            return arc::ask(setup, arc::USUAL)
                // Nobody set it up for us; there may be an `az login`.
                .map_err(|failure| Pass::Silent(failure.what));
        }
        return imds::ask(setup);
    };
    let found = match (setup.secret(HEADER), setup.text("IMDS_ENDPOINT")) {
        // Its certificate is its own, and is known by its thumbprint.
        (Some(_), _) if setup.text("IDENTITY_SERVER_THUMBPRINT").is_some() => {
            Err(Fault::ServiceFabric.into())
        }
        (Some(header), _) => app_service(setup, endpoint, header),
        (None, Some(_)) => arc::ask(setup, endpoint),
        (None, None) => Err(Fault::Half(ENDPOINT, HEADER).into()),
    };
    found.map_err(Pass::Broken)
}

/// App Service, Functions, Container Apps.
fn app_service(setup: &Setup<'_>, endpoint: &str, header: Secret) -> Result<Secret, Failure> {
    const NAME: &str = "the identity service of the app";
    let address = address(setup, ENDPOINT, endpoint, "2019-08-01")?;
    let request = Request::get(address).header("x-identity-header", Value::Secret(header));
    let answer = client(setup)?.send(&request)?;
    match answer.status {
        200 => token(&answer, NAME),
        400 | 404 => Err(Fault::NoIdentity(NAME, named(setup)).into()),
        status => Err(Fault::Answer(NAME, status).into()),
    }
}

/// The client id that the user named.
pub(super) fn named(setup: &Setup<'_>) -> Option<String> {
    setup.text(CLIENT).map(str::to_owned)
}

/// The question for a token: no service further away than this machine is asked in clear.
pub(super) fn address(
    setup: &Setup<'_>,
    variable: &'static str,
    endpoint: &str,
    version: &str,
) -> Result<Address, Failure> {
    let bad = |fault| Failure::from(Fault::BadEndpoint(variable, fault));
    let base = Address::parse(endpoint).map_err(bad)?;
    if base.exposure() == Exposure::Clear {
        return Err(Fault::ForeignEndpoint(variable).into());
    }
    let mut path = base.path().to_owned();
    path.push(if path.contains('?') { '&' } else { '?' });
    path.push_str(&format!(
        "api-version={version}&resource={}",
        encoded(&setup.want.resource, b"")
    ));
    if let Some(client) = setup.text(CLIENT) {
        path.push_str(&format!("&client_id={}", encoded(client, b"")));
    }
    base.with_path(&path).map_err(bad)
}

/// A client for services of this machine: never through a proxy.
pub(super) fn client(setup: &Setup<'_>) -> Result<Client, Failure> {
    let mut options = (setup.options)()?;
    options.proxies = Proxies::none().into();
    Ok(Client::new(options))
}

/// The token in the answer of a service.
pub(super) fn token(answer: &Answer, name: &'static str) -> Result<Secret, Failure> {
    let json = json::parse(answer.body.expose()).ok();
    let token = json
        .as_ref()
        .and_then(|json: &Json| token_in(json, "access_token"));
    token.ok_or_else(|| Fault::Malformed(name).into())
}
