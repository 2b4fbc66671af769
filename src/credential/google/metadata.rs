//! The metadata server: of a virtual machine, of GKE, of Cloud Run and its like.
//!
//! It is asked by its number, so that no name has to be looked up. Where nothing speaks for Google,
//! one short attempt has to do, lest a laptop waits; in a pod the server may come up after us.

use std::path::Path;
use std::time::Duration;

use crate::credential::Pass;
use crate::failure::{Explain, Failure};
use crate::files::{self, Accept};
use crate::format::json;
use crate::http::{Address, Answer, Client, Policy, Proxies, Request, Value};

use super::fault::Fault;
use super::token::taken;
use super::{Found, SCOPE, Setup, Who};

/// The header that says that we know whom we talk to, and that only Google's server gives back.
const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");

/// Variables that Google's platforms set.
const PLATFORMS: &[&str] = &[
    "K_SERVICE",
    "CLOUD_RUN_JOB",
    "GAE_SERVICE",
    "FUNCTION_TARGET",
    "KUBERNETES_SERVICE_HOST",
];

/// The server, once it has answered.
pub(super) struct Server {
    client: Client,
    base: Address,
}

pub(super) fn ask(setup: &Setup<'_>) -> Result<Found, Pass> {
    if setup.flag("NO_GCE_CHECK") {
        return Err(Pass::Silent("switched off".to_owned()));
    }
    let server = Server::new(setup).map_err(Pass::Broken)?;
    let path = format!("instance/service-accounts/default/token?scopes={SCOPE}");
    let answer = server
        .get(&path)
        .map_err(Pass::Broken)?
        .map_err(Pass::Silent)?;
    let status = answer.status;
    if status == 404 {
        let why = "the machine has no service account";
        return Err(Pass::Silent(why.to_owned()));
    }
    if status != 200 {
        return Err(Pass::Broken(Fault::Metadata(status).into()));
    }
    let json = json::parse(answer.body.expose()).ok();
    let token = taken(json.as_ref(), "access_token");
    let token = token.ok_or(Pass::Broken(Fault::Malformed(server.base.origin()).into()))?;
    Ok(Found::of(token, Who::Machine(Box::new(server))))
}

impl Server {
    fn new(setup: &Setup<'_>) -> Result<Server, Failure> {
        let names = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT"].into_iter();
        let set = names
            .into_iter()
            .find_map(|name| Some((name, setup.text(name)?)));
        let (variable, host) = set.unwrap_or(("", "169.254.169.254"));
        let base = Address::parse(&format!("http://{host}"))
            .map_err(|fault| Failure::from(Fault::Endpoint(variable, fault)))?;
        if set.is_some() {
            (setup.weigh)(&base, variable)?;
        }
        let pod = setup.text("KUBERNETES_SERVICE_HOST").is_some();
        let google = set.is_some()
            || PLATFORMS.iter().any(|name| setup.text(name).is_some())
            || is_of_google();
        let number = |name: &str| setup.text(name)?.parse::<u32>().ok();
        let limit = number("GCE_METADATA_TIMEOUT").unwrap_or(if google { 3 } else { 1 });
        let tries = number("GCE_METADATA_DETECT_RETRIES").unwrap_or(match (pod, google) {
            (true, _) => 6,
            (false, true) => 3,
            (false, false) => 1,
        });
        let mut options = (setup.options)()?;
        options.proxies = Proxies::none().into();
        options.attempt = Duration::from_secs(u64::from(limit.max(1)));
        options.policy = Policy {
            tries: tries.max(1),
            base: Duration::from_secs(1),
            cap: Duration::from_secs(2),
            ..Policy::default()
        };
        Ok(Server {
            client: Client::new(options),
            base,
        })
    }

    /// An answer; or why there is no such server.
    fn get(&self, path: &str) -> Result<Result<Answer, String>, Failure> {
        let address = self.base.with_path(&format!("/computeMetadata/v1/{path}"));
        let address = address.map_err(|fault| Failure::from(Fault::Endpoint("", fault)))?;
        let request = Request::get(address).header(FLAVOR.0, Value::Plain(FLAVOR.1.into()));
        Ok(match self.client.send(&request) {
            Ok(answer) if answer.header(FLAVOR.0) != Some(FLAVOR.1) => {
                Err("what answers there is not Google's".to_owned())
            }
            Ok(answer) => Ok(answer),
            Err(fault) => Err(fault.what()),
        })
    }

    fn text(&self, path: &str) -> Option<String> {
        let answer = self.get(path).ok()?.ok()?;
        let text = std::str::from_utf8(answer.body.expose()).ok()?.trim_ascii();
        let fits = |c: char| c.is_ascii_alphanumeric() || "-.:@_".contains(c);
        let good = answer.status == 200 && !text.is_empty() && text.chars().all(fits);
        good.then(|| text.to_owned())
    }

    /// The project of the machine.
    pub(super) fn project(&self) -> Option<String> {
        self.text("project/project-id")
    }

    /// The address of the account; a pod without one of its own has only the name of its pool.
    pub(super) fn account(&self) -> Option<String> {
        let account = self.text("instance/service-accounts/default/email");
        account.filter(|account| account.contains('@'))
    }
}

/// The firmware of Google's machines says so, to containers too.
fn is_of_google() -> bool {
    let path = Path::new("/sys/class/dmi/id/product_name");
    match files::read(path, 64 << 10, Accept::Regular) {
        Ok(Some(found)) => found.bytes.expose().starts_with(b"Google"),
        _ => false,
    }
}

impl Who {
    /// As IAM names it: `serviceAccount:NAME`.
    pub(super) fn member(&self) -> Option<String> {
        match self {
            Who::Account(account) => Some(format!("serviceAccount:{account}")),
            Who::Pool(set) => Some(set.clone()),
            Who::Machine(server) => Some(format!("serviceAccount:{}", server.account()?)),
            Who::Somebody => None,
        }
    }
}
