//! The login of a person: a refresh token, exchanged for an access token.

use crate::failure::Failure;

use super::document::Document;
use super::fault::Login;
use super::token::{Basic, granted};
use super::{Found, Setup, Who};

/// What `gcloud auth application-default login` writes.
pub(super) fn of_file(setup: &Setup<'_>, document: &Document<'_>) -> Result<Found, Failure> {
    let usual = Some("https://oauth2.googleapis.com/token");
    let address = document.address(setup, "token_uri", usual)?;
    let fields: [(&str, &[u8]); 4] = [
        ("grant_type", b"refresh_token"),
        ("client_id", document.need("client_id")?.as_bytes()),
        ("client_secret", document.secret("client_secret")?.expose()),
        ("refresh_token", document.secret("refresh_token")?.expose()),
    ];
    let token = granted(&setup.client, address, &fields, None, Login::User)?;
    Ok(Found::of(token, Who::Somebody))
}

/// The same for a login with the identity of a company (`gcloud auth ... --login-config`).
pub(super) fn of_pool(setup: &Setup<'_>, document: &Document<'_>) -> Result<Found, Failure> {
    let address = document.address(setup, "token_url", None)?;
    let basic = Basic {
        id: document.need("client_id")?,
        secret: document.secret("client_secret")?,
    };
    let fields: [(&str, &[u8]); 2] = [
        ("grant_type", b"refresh_token"),
        ("refresh_token", document.secret("refresh_token")?.expose()),
    ];
    let token = granted(&setup.client, address, &fields, Some(&basic), Login::User)?;
    Ok(Found {
        universe: document.owned("universe_domain"),
        ..Found::of(token, Who::Somebody)
    })
}
