//! The key of a service account: the token is a JWT that it signs, which every service of Google's
//! takes as it is (AIP-4111). Nobody has to be asked for one.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::credential::jwt::{Claim, RsaKey, sign_rs256};
use crate::failure::Failure;

use super::document::Document;
use super::fault::Fault;
use super::{Found, SCOPE, Who};

/// Google takes no longer one.
const HOUR: u64 = 3600;

pub(super) fn of_file(document: &Document<'_>) -> Result<Found, Failure> {
    let email = document.need("client_email")?;
    let pem = document.secret("private_key")?;
    let unfit = |fault| Failure::from(Fault::Key(document.place.to_owned(), fault));
    let key = RsaKey::from_pem(pem.expose()).map_err(unfit)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let id = document.text("private_key_id");
    let header: Vec<(&str, &str)> = id.map(|id| ("kid", id)).into_iter().collect();
    let claims = [
        ("iss", Claim::Text(email)),
        ("sub", Claim::Text(email)),
        ("scope", Claim::Text(SCOPE)),
        ("iat", Claim::Number(now)),
        ("exp", Claim::Number(now + HOUR)),
    ];
    let token = sign_rs256(&header, &claims, &key).map_err(unfit)?;
    Ok(Found {
        project: document.owned("project_id"),
        universe: document.owned("universe_domain"),
        ..Found::of(token, Who::Account(email.to_owned()))
    })
}
