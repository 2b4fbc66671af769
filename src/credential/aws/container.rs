//! The endpoint that ECS and EKS Pod Identity give a container.

use std::net::IpAddr;
use std::time::Duration;

use crate::credential::Pass;
use crate::credential::sigv4::Keys;
use crate::failure::Failure;
use crate::format::json;
use crate::http::{Address, Client, Policy, Proxies, Request, Value};
use crate::secret::Secret;

use super::fault::Fault;
use super::role::token_file;
use super::{Setup, keys_in};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const NAME: &str = "the credentials service of the container";

pub(super) fn ask(setup: &Setup<'_>) -> Result<Keys, Pass> {
    let (variable, uri) = match (setup.text(RELATIVE), setup.text(FULL)) {
        (Some(path), _) => (RELATIVE, format!("http://169.254.170.2{path}")),
        (None, Some(uri)) => (FULL, uri.to_owned()),
        (None, None) => return Err(Pass::Silent("unset".to_owned())),
    };
    fetch(setup, variable, &uri).map_err(Pass::Broken)
}

fn fetch(setup: &Setup<'_>, variable: &'static str, uri: &str) -> Result<Keys, Failure> {
    let address =
        Address::parse(uri).map_err(|fault| Failure::from(Fault::BadEndpoint(variable, fault)))?;
    if !address.https() && !is_own(address.host()) {
        return Err(Fault::ForeignUri.into());
    }
    let mut request = Request::get(address);
    if let Some(token) = token(setup)? {
        request = request.header("authorization", Value::Secret(token));
    }
    let mut options = (setup.options)()?;
    options.proxies = Proxies::none().into();
    options.attempt = Duration::from_secs(2);
    options.policy = Policy {
        tries: 3,
        base: Duration::from_secs(1),
        ..Policy::default()
    };
    let answer = Client::new(options).send(&request)?;
    if answer.status != 200 {
        return Err(Fault::Service(NAME, format!("with status {}", answer.status)).into());
    }
    let json = json::parse(answer.body.expose())
        .map_err(|_| Failure::from(Fault::Malformed(NAME.to_owned())))?;
    keys_in(&json, "Token", NAME)
}

/// The token in the file counts; it is renewed there.
fn token(setup: &Setup<'_>) -> Result<Option<Secret>, Failure> {
    const FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    let (variable, token) = match setup.text(FILE) {
        Some(path) => (FILE, Some(token_file(FILE, path)?)),
        None => (TOKEN, setup.secret(TOKEN)),
    };
    let broken = |token: &Secret| token.expose().iter().any(|b| matches!(b, b'\r' | b'\n'));
    match token {
        Some(token) if broken(&token) => Err(Fault::BadToken(variable).into()),
        token => Ok(token),
    }
}

/// In clear only this machine and the services at the container's fixed addresses are asked.
fn is_own(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || matches!(ip.octets(), [169, 254, 170, 2 | 23]),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]
        }
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn own_hosts() {
        for host in [
            "127.0.0.1",
            "169.254.170.2",
            "169.254.170.23",
            "::1",
            "fd00:ec2::23",
            "localhost",
        ] {
            assert!(is_own(host), "{host}");
        }
        for host in [
            "169.254.170.3",
            "10.0.0.1",
            "fd00:ec2::24",
            "localhost.example",
            "example.com",
        ] {
            assert!(!is_own(host), "{host}");
        }
    }
}
