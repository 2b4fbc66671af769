//! Keys in the environment, or in `.vault`.

use crate::clock::moment;
use crate::credential::Pass;
use crate::credential::sigv4::Keys;
use crate::secret::Secret;

use super::{Setup, fault::Fault, fresh};

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";

pub(super) fn ask(setup: &Setup<'_>) -> Result<Keys, Pass> {
    let value = |name: &str| setup.secret(name);
    let id = setup.text(ID);
    let half = |set: &str, unset: &str| {
        let fault = Fault::Half(set.to_owned(), unset.to_owned());
        Pass::Broken(fault.into())
    };
    let (id, secret) = match (id, value(SECRET)) {
        (Some(id), Some(secret)) => (id.to_owned(), secret),
        (None, None) => return Err(Pass::Silent("unset".to_owned())),
        (Some(_), None) => return Err(half(ID, SECRET)),
        (None, Some(_)) => return Err(half(SECRET, ID)),
    };
    let token: Option<Secret> = value("AWS_SESSION_TOKEN").or_else(|| value("AWS_SECURITY_TOKEN"));
    let until = setup.text("AWS_CREDENTIAL_EXPIRATION").and_then(moment);
    fresh(Keys { id, secret, token }, until, "the environment").map_err(Pass::Broken)
}
