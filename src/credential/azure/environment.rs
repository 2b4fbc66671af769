//! A service principal in variables: its client secret, or its certificate.

use crate::credential::Pass;
use crate::failure::Failure;
use crate::secret::Secret;

use super::Setup;
use super::authority::{Authority, Proof};
use super::certificate;
use super::fault::Fault;

const TENANT: &str = "AZURE_TENANT_ID";
const CLIENT: &str = "AZURE_CLIENT_ID";
const SECRET: &str = "AZURE_CLIENT_SECRET";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

pub(super) fn ask(setup: &Setup<'_>) -> Result<Secret, Pass> {
    let set = match (setup.secret(SECRET), setup.text(CERTIFICATE)) {
        // A tenant and a client alone are those of a pod or a managed identity.
        (None, None) if setup.text(CLIENT).is_some() => {
            return Err(Pass::Silent(format!("{SECRET} is unset")));
        }
        (None, None) => return Err(Pass::Silent("unset".to_owned())),
        (Some(_), _) => SECRET,
        (None, Some(_)) => CERTIFICATE,
    };
    log_in(setup, set).map_err(Pass::Broken)
}

fn log_in(setup: &Setup<'_>, set: &'static str) -> Result<Secret, Failure> {
    let (client, authority) = principal(setup, set)?;
    if let Some(secret) = setup.secret(SECRET) {
        return authority.token(setup, client, Proof::Secret(secret));
    }
    let path = setup.text(CERTIFICATE).unwrap_or_default();
    let chain = setup
        .text("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN")
        .is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"));
    let assertion = certificate::assertion(path, client, &authority.audience(), chain)?;
    authority.token(setup, client, Proof::Assertion(assertion))
}

/// Who logs in, and where. `set` is what made us look for it.
pub(super) fn principal<'s>(
    setup: &'s Setup<'_>,
    set: &'static str,
) -> Result<(&'s str, Authority), Failure> {
    let needed = |name: &'static str| {
        let value = setup.text(name);
        value.ok_or_else(|| Failure::from(Fault::Half(set, name)))
    };
    let (client, tenant) = (needed(CLIENT)?, needed(TENANT)?);
    Ok((client, Authority::of(setup, tenant)?))
}
