//! Answers of Secret Manager: values with their checksums, and refusals told apart.

use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding};

use crate::credential::google::Session;
use crate::format::json::{self, Json};
use crate::http::{Answer, Fault as NoAnswer, date};
use crate::secret::Secret;

use super::crc32c::crc32c;
use super::fault::{Fault, Skew, Where};

/// A value.
pub(super) struct Got {
    pub(super) version: Option<String>,
    pub(super) value: Secret,
}

/// The JSON of an answer, or why there is none. `version`: which one was asked for.
pub(super) fn content(
    answer: Result<Answer, NoAnswer>,
    at: &Where,
    version: Option<&str>,
    session: &Session,
) -> Result<Json, Fault> {
    let answer = answer.map_err(|fault| Fault::Unasked(fault.into()))?;
    let json = json::parse(answer.body.expose());
    match (answer.status, json) {
        (200, Ok(json)) => Ok(json),
        (200, Err(_)) => Err(Fault::Malformed),
        (_, json) => Err(refusal(&answer, json.ok(), at, version, session)),
    }
}

/// The value in an answer.
pub(super) fn got(json: &Json, at: &Where) -> Result<Got, Fault> {
    let payload = json.get("payload").ok_or(Fault::Malformed)?;
    // An empty value is left out.
    let value = match payload.get("data") {
        None => Vec::new(),
        Some(data) => {
            let data = data.as_str().ok_or(Fault::Malformed)?;
            Base64::decode_vec(data).map_err(|_| Fault::Malformed)?
        }
    };
    let value = Secret::new(value);
    // Emulators leave the checksum out; Google never does.
    if let Some(sum) = payload.get("dataCrc32c") {
        let sum = sum.whole().ok_or(Fault::Malformed)?;
        if sum != u64::from(crc32c(value.expose())) {
            return Err(Fault::Sum(at.clone()));
        }
    }
    let name = json.get("name").and_then(Json::as_str).unwrap_or_default();
    Ok(Got {
        version: number(name),
        value,
    })
}

/// The version in the name of one.
pub(super) fn number(name: &str) -> Option<String> {
    let (_, version) = name.rsplit_once("/versions/")?;
    let plain = version.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| version.to_owned())
}

/// What a refusal is about.
fn refusal(
    answer: &Answer,
    json: Option<Json>,
    at: &Where,
    version: Option<&str>,
    session: &Session,
) -> Fault {
    let error = json.as_ref().and_then(|json| json.get("error"));
    let status = error.and_then(|error| code(error.get("status")?));
    let Some((error, status)) = error.zip(status) else {
        // Not of Google: a proxy, or another server at that address.
        return Fault::Answer("no reason".to_owned(), answer.status);
    };
    let message = error.get("message").and_then(Json::as_str);
    let says = |text: &str| message.is_some_and(|message| message.contains(text));
    let here = || at.clone();
    // Google says the number of what was asked for by another name.
    let number = message.and_then(|message| {
        let (_, rest) = message.split_once("/versions/")?;
        let number = rest.split(']').next()?;
        number.bytes().all(|b| b.is_ascii_digit()).then_some(number)
    });
    let version = || number.or(version).unwrap_or("latest").to_owned();
    let info = Info::of(error);
    let project = || match &info.consumer {
        Some(consumer) => consumer.clone(),
        None => at.project.clone(),
    };
    let reason = info.reason.as_deref().unwrap_or_default();
    match (status.as_str(), reason) {
        (_, "SERVICE_DISABLED") => Fault::Off(project()),
        (_, "USER_PROJECT_DENIED") => {
            let project = session.quota().map_or_else(project, str::to_owned);
            Fault::Quota(project, session.member())
        }
        (_, "CONSUMER_INVALID" | "RESOURCE_PROJECT_INVALID") => Fault::NoProject(project()),
        (_, "BILLING_DISABLED") => Fault::Billing(project()),
        (_, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") => Fault::Scopes,
        (_, "SECURITY_POLICY_VIOLATED") => Fault::Perimeter(here()),
        ("UNAUTHENTICATED", reason) => {
            let reason = if reason.is_empty() { &status } else { reason };
            Fault::Unauthenticated(reason.to_owned(), skew(answer))
        }
        ("PERMISSION_DENIED", _) => Fault::Denied(here(), session.member()),
        // `latest` of a secret without versions does not name a version.
        ("NOT_FOUND", _) if says("Version [") => Fault::NoVersion(here(), version()),
        ("NOT_FOUND", _) => Fault::Missing(here(), None),
        ("FAILED_PRECONDITION", _) if says("DESTROYED") => Fault::Destroyed(here(), version()),
        ("FAILED_PRECONDITION", _) if says("DISABLED") => Fault::Disabled(here(), version()),
        ("RESOURCE_EXHAUSTED", _) => Fault::Throttled,
        ("INVALID_ARGUMENT" | "FAILED_PRECONDITION", _) => Fault::Invalid(here(), status),
        _ => Fault::Answer(status, answer.status),
    }
}

/// What a refusal says for programs.
#[derive(Default)]
struct Info {
    reason: Option<String>,
    consumer: Option<String>,
}

impl Info {
    /// Out of the `ErrorInfo` among the details.
    fn of(error: &Json) -> Info {
        let details = error.get("details").and_then(Json::list);
        let details = details.unwrap_or_default().iter();
        let found = details.filter_map(|detail| {
            let reason = code(detail.get("reason")?)?;
            let consumer = detail.get("metadata").and_then(|more| {
                let consumer = more.get("consumer")?.as_str()?;
                let project = consumer.strip_prefix("projects/")?;
                super::place::is_project(project).then(|| project.to_owned())
            });
            Some(Info {
                reason: Some(reason),
                consumer,
            })
        });
        found.into_iter().next().unwrap_or_default()
    }
}

/// A code, as against anything that a server may say.
fn code(json: &Json) -> Option<String> {
    let text = json.as_str()?;
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let good = (1..=63).contains(&text.len()) && text.bytes().all(plain);
    good.then(|| text.to_owned())
}

/// How far our clock is from the server's.
fn skew(answer: &Answer) -> Option<Skew> {
    let server = date(answer.header("date")?)?;
    let far = |duration: Duration| (duration > Duration::from_secs(60)).then_some(duration);
    match SystemTime::now().duration_since(server) {
        Ok(ahead) => far(ahead).map(Skew::Ahead),
        Err(error) => far(error.duration()).map(Skew::Behind),
    }
}
