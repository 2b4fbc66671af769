//! What a load knows of Google once it has credentials: who we are, where to ask, which project.

use std::sync::OnceLock;

use crate::clock::Deadline;
use crate::failure::Failure;
use crate::http::{Address, Client, Method, Options, Policy, Request, Value};
use crate::secret::Secret;

use super::fault::Fault;
use super::token::bearer;
use super::{Found, Look, Setup, UNIVERSE, Weigh, Who, find, project};

const ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER";
const EMULATOR: &str = "SECRET_MANAGER_EMULATOR_HOST";

/// Secret Manager, ready to be asked.
pub struct Session {
    /// Asks.
    pub client: Client,
    /// None before an emulator, which knows no credentials.
    found: Option<Found>,
    /// Every request goes there, where a user has set it.
    endpoint: Option<Address>,
    universe: String,
    quota: Option<String>,
    /// As settings and files say it.
    said: Result<String, Failure>,
    /// As the machine says it.
    machine: OnceLock<Option<String>>,
    member: OnceLock<Option<String>>,
}

impl Session {
    /// Finds credentials. `options` makes the usual options of a client.
    pub fn open<'a>(
        look: Look<'a>,
        deadline: Deadline,
        options: &'a dyn Fn() -> Result<Options, Failure>,
        weigh: Weigh<'a>,
    ) -> Result<Session, Failure> {
        let mut own = options()?;
        own.policy = Policy {
            // Quotas are by the minute: a start that was told to slow down goes on until its
            // deadline, for a thousand containers may be starting with it.
            throttled: |answer| answer.status == 429,
            patience: u32::MAX,
            ..Policy::default()
        };
        let setup = Setup {
            look,
            client: Client::new(own),
            options,
            weigh,
            deadline,
        };
        let (endpoint, emulator) = endpoint(&setup)?;
        let found = if emulator { None } else { Some(find(&setup)?) };
        let named =
            |part: fn(&Found) -> &Option<String>| found.as_ref().and_then(|f| part(f).clone());
        let text = |name| setup.text(name).map(str::to_owned);
        let universe = text("GOOGLE_CLOUD_UNIVERSE_DOMAIN").or_else(|| named(|f| &f.universe));
        let quota = text("GOOGLE_CLOUD_QUOTA_PROJECT").or_else(|| named(|f| &f.quota));
        Ok(Session {
            endpoint,
            universe: universe.unwrap_or_else(|| UNIVERSE.to_owned()),
            quota,
            said: project::find(&setup, found.as_ref()),
            machine: OnceLock::new(),
            member: OnceLock::new(),
            found,
            client: setup.client,
        })
    }

    /// A read of `path`, which begins with `projects/`; secrets of a location are asked for there.
    pub fn get(&self, location: Option<&str>, path: &str) -> Result<Request, Failure> {
        Ok(self.signed(Request::get(self.address(location, path)?)))
    }

    /// The same with a JSON body.
    pub fn tell(
        &self,
        location: Option<&str>,
        method: Method,
        path: &str,
        body: Secret,
    ) -> Result<Request, Failure> {
        let request = Request::send(method, self.address(location, path)?, body);
        let json = Value::Plain("application/json".into());
        Ok(self.signed(request).header("content-type", json))
    }

    fn signed(&self, mut request: Request) -> Request {
        if let Some(found) = &self.found {
            request = request.header("authorization", bearer(&found.token));
        }
        if let Some(quota) = &self.quota {
            request = request.header("x-goog-user-project", Value::Plain(quota.clone().into()));
        }
        request
    }

    fn address(&self, location: Option<&str>, path: &str) -> Result<Address, Failure> {
        let own = self.endpoint.clone().map_or_else(
            || {
                let host = match location {
                    Some(location) => format!("secretmanager.{location}.rep.{}", self.universe),
                    None => format!("secretmanager.{}", self.universe),
                };
                Address::parse(&format!("https://{host}"))
            },
            Ok,
        );
        own.and_then(|own| {
            let begin = own.path().trim_end_matches('/');
            own.with_path(&format!("{begin}/v1/{path}"))
        })
        .map_err(|fault| Fault::Endpoint("GOOGLE_CLOUD_UNIVERSE_DOMAIN", fault).into())
    }

    /// The project of every name that does not say its own.
    pub fn project(&self) -> Result<&str, Failure> {
        let failure = match &self.said {
            Ok(project) => return Ok(project),
            Err(failure) => failure,
        };
        let ask = || match &self.found.as_ref()?.who {
            Who::Machine(server) => server.project(),
            _ => None,
        };
        let machine = self.machine.get_or_init(ask).as_deref();
        machine.ok_or_else(|| failure.clone())
    }

    /// Whom a role would be granted to, as IAM names it. The metadata server may have to be asked.
    pub fn member(&self) -> Option<String> {
        let ask = || self.found.as_ref()?.who.member();
        self.member.get_or_init(ask).clone()
    }

    /// The project that pays, where another was set than the secret's own.
    pub fn quota(&self) -> Option<&str> {
        self.quota.as_deref()
    }
}

/// Where Secret Manager is, if not at Google's; and whether that is an emulator.
fn endpoint(setup: &Setup<'_>) -> Result<(Option<Address>, bool), Failure> {
    let (variable, text, emulator) = match (setup.text(ENDPOINT), setup.text(EMULATOR)) {
        (Some(text), _) => (ENDPOINT, text.to_owned(), false),
        (None, Some(host)) if host.contains("://") => (EMULATOR, host.to_owned(), true),
        (None, Some(host)) => (EMULATOR, format!("http://{host}"), true),
        (None, None) => return Ok((None, false)),
    };
    let address =
        Address::parse(&text).map_err(|fault| Failure::from(Fault::Endpoint(variable, fault)))?;
    (setup.weigh)(&address, variable)?;
    Ok((Some(address), emulator))
}
