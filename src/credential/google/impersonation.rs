//! Becoming a service account, by the right to make tokens for it.

use crate::failure::Failure;
use crate::format::json::{self, Json, quote};
use crate::http::{Address, Method, Request, Value};
use crate::secret::Secret;

use super::document::Document;
use super::fault::Fault;
use super::token::{answer, bearer, taken};
use super::{Found, SCOPE, Setup, Who, file};

const URL: &str = "service_account_impersonation_url";

/// A file that names an account and holds the credentials to become it with.
pub(super) fn of_file(setup: &Setup<'_>, document: &Document<'_>) -> Result<Found, Failure> {
    let source = document.need_part("source_credentials")?;
    let url = document.address(setup, URL, None)?;
    let delegates = document.json.get("delegates").and_then(Json::list);
    let delegates = delegates.unwrap_or_default();
    let delegates: Vec<&str> = delegates.iter().filter_map(Json::as_str).collect();
    let found = file::own(setup, &source)?;
    becomes(setup, found, url, &delegates, 3600)
}

/// What an external account becomes, where its file says so.
pub(super) fn after(
    setup: &Setup<'_>,
    document: &Document<'_>,
    found: Found,
) -> Result<Found, Failure> {
    if document.text(URL).is_none() {
        return Ok(found);
    }
    let url = document.address(setup, URL, None)?;
    let more = document.json.get("service_account_impersonation");
    let lifetime = more.and_then(|more| more.get("token_lifetime_seconds")?.whole());
    becomes(setup, found, url, &[], lifetime.unwrap_or(3600))
}

fn becomes(
    setup: &Setup<'_>,
    found: Found,
    url: Address,
    delegates: &[&str],
    lifetime: u64,
) -> Result<Found, Failure> {
    let delegates: Vec<String> = delegates.iter().map(|name| quote(name)).collect();
    let body = format!(
        "{{\"delegates\":[{}],\"scope\":[{}],\"lifetime\":\"{lifetime}s\"}}",
        delegates.join(","),
        quote(SCOPE)
    );
    let account = account(&url).to_owned();
    let mut request = Request::send(Method::Post, url, Secret::new(body.into_bytes()));
    request.idempotent = true;
    let request = request
        .header("content-type", Value::Plain("application/json".into()))
        .header("authorization", bearer(&found.token));
    let answer = answer(&setup.client, &request)?;
    let json = json::parse(answer.body.expose()).ok();
    if answer.status != 200 {
        let member = found.who.member();
        return Err(Fault::Impersonation(account, answer.status, member).into());
    }
    let origin = request.address.origin();
    let token = taken(json.as_ref(), "accessToken").ok_or(Fault::Malformed(origin))?;
    Ok(Found {
        token,
        who: Who::Account(account),
        ..found
    })
}

/// The account in `.../serviceAccounts/NAME:generateAccessToken`.
fn account(url: &Address) -> &str {
    let last = url.path().rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}
