//! The metadata service of a virtual machine, or of a node in AKS.
//!
//! Whether there is one is seen from the connection, which must stand within a second; a first token
//! may take longer. Where Azure is still attaching the identity, it is asked again.

use std::time::Duration;

use crate::credential::Pass;
use crate::failure::Explain;
use crate::http::{Cause, Client, Options, Phase, Policy, Proxies, Request, Value};
use crate::secret::Secret;

use super::Setup;
use super::fault::Fault;
use super::managed::{address, named, token};

const NAME: &str = "IMDS";
pub(super) const BASE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

/// Statuses that pass: the identity is being attached, or the service is being updated.
const PASSING: &[u16] = &[404, 410];

pub(super) fn ask(setup: &Setup<'_>) -> Result<Secret, Pass> {
    let base = setup.text(BASE).unwrap_or("http://169.254.169.254");
    let endpoint = format!(
        "{}/metadata/identity/oauth2/token",
        base.trim_end_matches('/')
    );
    let address = address(setup, BASE, &endpoint, "2018-02-01").map_err(Pass::Broken)?;
    let request = Request::get(address).header("metadata", Value::Plain("true".into()));
    let client = |change: &dyn Fn(&mut Options)| -> Result<Client, Pass> {
        let mut options = (setup.options)().map_err(Pass::Broken)?;
        options.proxies = Proxies::none().into();
        change(&mut options);
        Ok(Client::new(options))
    };
    let mut first = None;
    if !setup.chosen {
        let probe = client(&|options| {
            options.attempt = Duration::from_secs(1);
            options.policy = Policy::ONCE;
        })?;
        first = match probe.send(&request) {
            Ok(answer) if answer.status < 500 && ![404, 410, 429].contains(&answer.status) => {
                Some(answer)
            }
            // It is there, and slow or busy.
            Ok(_) => None,
            Err(fault) if matches!(fault.cause, Cause::Slow(Phase::Answer | Phase::Body, _)) => {
                None
            }
            Err(fault) => return Err(Pass::Silent(fault.what())),
        };
    }
    let answer = match first {
        Some(answer) => answer,
        None => {
            let patient = client(&|options| {
                options.policy = Policy {
                    tries: 6,
                    base: Duration::from_millis(800),
                    cap: Duration::from_secs(10),
                    also: PASSING,
                    ..Policy::default()
                };
            })?;
            let answer = patient.send(&request);
            answer.map_err(|fault| Pass::Broken(fault.into()))?
        }
    };
    match answer.status {
        200 => token(&answer, NAME).map_err(Pass::Broken),
        // Also the proxy of Docker Desktop, which answers for an address that is not there.
        400 | 403 => Err(Pass::Silent(Fault::NoIdentity(NAME, named(setup)).what())),
        status => Err(Pass::Broken(Fault::Answer(NAME, status).into())),
    }
}
