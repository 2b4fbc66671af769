//! The metadata service of an EC2 instance: version 2 with its token, version 1 only where a token
//! cannot be had and the user has not switched it off.

use std::time::Duration;

use crate::credential::Pass;
use crate::credential::sigv4::Keys;
use crate::failure::{Explain, Failure};
use crate::format::json::{self, Json};
use crate::http::{Address, Answer, Cause, Client, Fault as NoAnswer, Method, Phase, Policy};
use crate::http::{Proxies, Request, Value};
use crate::secret::Secret;

use super::endpoint::is_region;
use super::fault::Fault;
use super::{IMDS, Setup, keys_in};

const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const ROLES: &str = "latest/meta-data/iam/security-credentials/";

/// The service, once it has answered.
struct Service {
    client: Client,
    base: Address,
    token: Option<Secret>,
}

pub(super) fn ask(setup: &Setup<'_>) -> Result<Keys, Pass> {
    let service = Service::open(setup)?;
    let role = service.get(ROLES).map_err(Pass::Broken)?;
    if role.status == 404 {
        return Err(Pass::Silent("the instance has no role".to_owned()));
    }
    let role = text(&role).map_err(Pass::Broken)?;
    // One a line; there is only ever one.
    let role = role.split('\n').next().unwrap_or_default().trim_ascii();
    if role.is_empty() {
        return Err(Pass::Silent("the instance has no role".to_owned()));
    }
    service.keys(role).map_err(Pass::Broken)
}

/// The region that the instance is in.
pub(super) fn region(setup: &Setup<'_>) -> Result<String, Failure> {
    let service = Service::open(setup).map_err(|pass| match pass {
        Pass::Silent(why) => Fault::Service(IMDS, why).into(),
        Pass::Broken(failure) => failure,
    })?;
    let region = text(&service.get("latest/meta-data/placement/region")?)?;
    if is_region(&region) {
        Ok(region)
    } else {
        Err(Fault::BadRegion(region).into())
    }
}

fn text(answer: &Answer) -> Result<String, Failure> {
    let text = std::str::from_utf8(answer.body.expose());
    match (answer.status, text) {
        (200, Ok(text)) => Ok(text.trim_ascii().to_owned()),
        (200, Err(_)) => Err(Fault::Malformed(IMDS.to_owned()).into()),
        (status, _) => Err(Fault::Service(IMDS, format!("with status {status}")).into()),
    }
}

impl Service {
    /// Asks for a token, which shows whether there is such a service.
    fn open(setup: &Setup<'_>) -> Result<Service, Pass> {
        if setup
            .text("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
        {
            return Err(Pass::Silent("switched off".to_owned()));
        }
        let number = |variable, key| -> Option<u64> { setup.either(variable, key)?.parse().ok() };
        let limit = number("AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout");
        let tries = number(
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
            "metadata_service_num_attempts",
        );
        let mut options = (setup.options)().map_err(Pass::Broken)?;
        options.proxies = Proxies::none().into();
        options.attempt = Duration::from_secs(limit.unwrap_or(1).max(1));
        options.policy = Policy {
            tries: tries
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(1)
                .max(1),
            ..Policy::default()
        };
        let mut service = Service {
            client: Client::new(options),
            base: base(setup).map_err(Pass::Broken)?,
            token: None,
        };
        service.token = match service.fetch_token()? {
            Some(token) => Some(token),
            None if setup.flag("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled") => {
                return Err(Pass::Silent(
                    "gives no token, and version 1 is switched off (in a container the hop limit of the instance must be 2)".to_owned(),
                ));
            }
            None => None,
        };
        Ok(service)
    }

    fn at(&self, path: &str) -> Result<Address, Failure> {
        let base = self.base.path().trim_end_matches('/');
        self.base
            .with_path(&format!("{base}/{path}"))
            .map_err(|fault| Fault::BadEndpoint(ENDPOINT, fault).into())
    }

    /// None where the service is there and gives no token.
    fn fetch_token(&self) -> Result<Option<Secret>, Pass> {
        let address = self.at("latest/api/token").map_err(Pass::Broken)?;
        let mut request = Request::send(Method::Put, address, Secret::new(Vec::new()));
        request = request.header(
            "x-aws-ec2-metadata-token-ttl-seconds",
            Value::Plain("21600".into()),
        );
        match self.client.send(&request) {
            Ok(answer) if answer.status == 200 => Ok(Some(answer.body)),
            Ok(answer) if matches!(answer.status, 403..=405) => Ok(None),
            Ok(answer) => Err(Pass::Broken(
                Fault::Service(IMDS, format!("with status {}", answer.status)).into(),
            )),
            // The answer is dropped on its way where a container is one hop too far.
            Err(NoAnswer {
                cause: Cause::Slow(Phase::Answer, _),
                ..
            }) => Ok(None),
            Err(fault) => Err(Pass::Silent(fault.what())),
        }
    }

    fn get(&self, path: &str) -> Result<Answer, Failure> {
        let mut request = Request::get(self.at(path)?);
        if let Some(token) = &self.token {
            let token = Value::Secret(token.duplicate());
            request = request.header("x-aws-ec2-metadata-token", token);
        }
        Ok(self.client.send(&request)?)
    }

    fn keys(&self, role: &str) -> Result<Keys, Failure> {
        let answer = self.get(&format!("{ROLES}{role}"))?;
        if answer.status != 200 {
            return Err(Fault::Service(IMDS, format!("with status {}", answer.status)).into());
        }
        let malformed = |_| Failure::from(Fault::Malformed(IMDS.to_owned()));
        let json = json::parse(answer.body.expose()).map_err(malformed)?;
        // A 200 may tell of a failure.
        match json.get("Code").and_then(Json::as_str) {
            Some("Success") | None => keys_in(&json, "Token", IMDS),
            Some(code) => {
                let plain = |c: &char| c.is_ascii_alphanumeric();
                let code: String = code.chars().filter(plain).take(80).collect();
                Err(Fault::Service(IMDS, format!("with the code {code}")).into())
            }
        }
    }
}

fn base(setup: &Setup<'_>) -> Result<Address, Failure> {
    let own = setup.either(ENDPOINT, "ec2_metadata_service_endpoint");
    let mode = setup.either(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "ec2_metadata_service_endpoint_mode",
    );
    let usual = match mode {
        Some(mode) if mode.eq_ignore_ascii_case("ipv6") => "http://[fd00:ec2::254]",
        _ => "http://169.254.169.254",
    };
    Address::parse(own.unwrap_or(usual)).map_err(|fault| Fault::BadEndpoint(ENDPOINT, fault).into())
}
