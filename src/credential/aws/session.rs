//! What a load knows of AWS once it has credentials: who we are, which region, where to ask.

use std::time::{Duration, SystemTime};

use crate::clock::Deadline;
use crate::credential::Tried;
use crate::credential::sigv4::{Keys, Scope};
use crate::failure::Failure;
use crate::http::{Address, Authority, Client, Options, Pem, Policy, Request};
use crate::secret::Secret;

use super::endpoint::{Endpoints, Service, is_region};
use super::fault::Fault;
use super::profile::Profiles;
use super::{IMDS, Look, Setup, imds, keys, sts};

/// AWS, ready to be asked.
pub struct Session {
    /// Who we are.
    pub keys: Keys,
    /// Where services are.
    pub endpoints: Endpoints,
    /// Asks them.
    pub client: Client,
    region: Result<String, Failure>,
}

impl Session {
    /// Finds credentials and region. `options` makes the usual options of a client; `weigh` is shown
    /// every address that a user has set, before it is asked, with the setting's name.
    pub fn open<'a>(
        look: Look<'a>,
        deadline: Deadline,
        options: &'a dyn Fn() -> Result<Options, Failure>,
        weigh: &dyn Fn(&Address, &'static str) -> Result<(), Failure>,
    ) -> Result<Session, Failure> {
        let profiles = Profiles::read(look)?;
        let mut setup = Setup {
            look,
            profiles,
            profile: String::new(),
            region: None,
            endpoints: Endpoints::default(),
            client: Client::new(options()?),
            options,
            deadline,
        };
        let named = setup
            .text("AWS_PROFILE")
            .or_else(|| setup.text("AWS_DEFAULT_PROFILE"));
        let profile = named.unwrap_or("default").to_owned();
        // Keys in the environment stand for themselves; a profile is then only asked for its region.
        let needed = named.is_some() && setup.text("AWS_ACCESS_KEY_ID").is_none();
        if needed && !setup.profiles.has(&profile) {
            return Err(Fault::NoProfile(profile, setup.profiles.names()).into());
        }
        setup.profile = profile;
        setup.region = region(&setup)?;
        setup.endpoints = endpoints(&setup)?;
        let mut weighed: Vec<String> = Vec::new();
        for (_, variable, address) in &setup.endpoints.own {
            let origin = address.origin();
            if !weighed.contains(&origin) {
                weigh(address, variable)?;
                weighed.push(origin);
            }
        }
        setup.client = client(&setup)?;
        let (link, keys) = keys(&setup)?;
        let region = match &setup.region {
            Some(region) => Ok(region.clone()),
            // It is being talked to already.
            None if link == IMDS => imds::region(&setup),
            None => Err(Fault::NoRegion(silent(&setup)).into()),
        };
        Ok(Session {
            keys,
            region,
            endpoints: setup.endpoints,
            client: setup.client,
        })
    }

    /// A signed request to a JSON service: `target` is `secretsmanager.GetSecretValue`.
    pub fn request(
        &self,
        service: Service,
        region: &str,
        target: &str,
        body: Secret,
    ) -> Result<Request, Failure> {
        let address = self.endpoints.address(service, region)?;
        let scope = Scope {
            region,
            service: service.name(),
            at: SystemTime::now(),
        };
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target),
        ];
        let mut request = sts::signed(&self.keys, &scope, &address, &headers, body);
        // Everything that is asked here only reads.
        request.idempotent = true;
        Ok(request)
    }

    /// The region of everything that does not name its own.
    pub fn region(&self) -> Result<&str, Failure> {
        match &self.region {
            Ok(region) => Ok(region),
            Err(failure) => Err(failure.clone()),
        }
    }
}

fn region(setup: &Setup<'_>) -> Result<Option<String>, Failure> {
    let found = setup
        .text("AWS_REGION")
        .or_else(|| setup.text("AWS_DEFAULT_REGION"))
        .or_else(|| setup.profiles.text(&setup.profile, "region"));
    match found {
        Some(text) if !is_region(text) => Err(Fault::BadRegion(text.to_owned()).into()),
        found => Ok(found.map(str::to_owned)),
    }
}

/// Where a region was looked for.
fn silent(setup: &Setup<'_>) -> Tried {
    let mut tried = Tried::default();
    tried.add("AWS_REGION", "unset".to_owned());
    tried.add("AWS_DEFAULT_REGION", "unset".to_owned());
    tried.add(
        "profile",
        if setup.profiles.found {
            format!("`{}` has none", setup.profile)
        } else {
            "no file".to_owned()
        },
    );
    tried
}

fn endpoints(setup: &Setup<'_>) -> Result<Endpoints, Failure> {
    const ALL: &str = "AWS_ENDPOINT_URL";
    let mut endpoints = Endpoints {
        fips: setup.flag("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
        dual_stack: setup.flag("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
        own: Vec::new(),
    };
    if setup.flag(
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "ignore_configured_endpoint_urls",
    ) {
        return Ok(endpoints);
    }
    let (profiles, profile) = (&setup.profiles, setup.profile.as_str());
    for service in Service::ALL {
        let named = |name| Some((name, setup.text(name)?));
        let found = named(service.variable())
            .or_else(|| named(ALL))
            .or_else(|| Some(("endpoint_url", profiles.service(profile, service.key())?)))
            .or_else(|| Some(("endpoint_url", profiles.text(profile, "endpoint_url")?)));
        if let Some((variable, text)) = found {
            let address = Address::parse(text)
                .map_err(|fault| Fault::BadEndpoint(variable, fault))
                .map_err(Failure::from)?;
            endpoints.own.push((service, variable, address));
        }
    }
    Ok(endpoints)
}

fn client(setup: &Setup<'_>) -> Result<Client, Failure> {
    let mut options = (setup.options)()?;
    if let Some(path) = setup.either("AWS_CA_BUNDLE", "ca_bundle") {
        let pem = Pem::File("AWS_CA_BUNDLE", path.into());
        options.tls.authority = Authority::Only(pem);
    }
    options.policy = Policy {
        base: Duration::from_millis(50),
        cap: Duration::from_secs(20),
        throttled: sts::throttled,
        wish: |answer| {
            let millis = answer.header("x-amz-retry-after")?.parse().ok()?;
            Some(Duration::from_millis(millis))
        },
        ..Policy::default()
    };
    let most = setup.either("AWS_MAX_ATTEMPTS", "max_attempts");
    match most.and_then(|text| text.parse().ok()) {
        Some(tries @ 1..) => {
            options.policy.tries = tries;
            options.policy.patience = tries;
        }
        // As the standard mode; but a start that was told to slow down goes on until its deadline,
        // for a thousand containers may be starting with it.
        _ => {
            options.policy.tries = 3;
            options.policy.patience = u32::MAX;
        }
    }
    Ok(Client::new(options))
}
