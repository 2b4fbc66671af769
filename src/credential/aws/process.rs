//! `credential_process`: a program that prints keys.

use crate::credential::sigv4::Keys;
use crate::failure::Failure;
use crate::format::json;
use crate::helper::Helper;

use super::fault::Fault;
use super::{Setup, keys_in};

const NAME: &str = "credential_process";

/// The keys that the program of a profile prints.
pub(super) fn of_profile(setup: &Setup<'_>, profile: &str) -> Result<Option<Keys>, Failure> {
    let Some(command) = setup.profiles.text(profile, NAME) else {
        return Ok(None);
    };
    let place = || format!("the {NAME} of the profile `{profile}`");
    let output = Helper::start(command, setup.deadline)
        .and_then(Helper::output)
        .map_err(|fault| Failure::from(fault).at(&place()))?;
    let malformed = || Failure::from(Fault::Malformed(place()));
    let json = json::parse(output.expose()).map_err(|_| malformed())?;
    match json.get("Version").and_then(json::Json::whole) {
        Some(1) => keys_in(&json, "SessionToken", &place()).map(Some),
        _ => Err(malformed()),
    }
}
