//! Asking one of the two stores: requests, answers, and what all refusals have in common.

use std::time::{Duration, SystemTime};

use crate::credential::aws::{Service, Session, UNSAID, after, refusal};
use crate::failure::Failure;
use crate::format::json::{self, Json, quote};
use crate::http::{Address, Answer, Fault as NoAnswer, Request, date};
use crate::provider::{Context, Trouble};
use crate::secret::Secret;

use super::fault::{Denial, Fault, Place, Skew};

/// A store, with the session that both share.
pub(super) struct Asked<'a> {
    session: &'a Session,
}

/// Finds the session of the run, or makes it.
pub(super) fn open(context: Context<'_>) -> Result<Asked<'_>, Failure> {
    let make = || {
        let look = |name: &str| context.settings.setting(name);
        let weigh = |address: &Address, variable| context.weigh(address, variable);
        Session::open(&look, context.deadline, &|| context.options(), &weigh)
    };
    match context.network.aws.get_or_init(make) {
        Ok(session) => Ok(Asked { session }),
        Err(failure) => Err(failure.clone()),
    }
}

/// An operation that gave no result.
pub(super) enum Refusal {
    /// This one alone: its code and what AWS says.
    Own(String, Secret),
    /// Every request would end so: credentials, clock, no answer at all.
    All(Failure),
}

impl Refusal {
    /// What it means for this secret or parameter.
    pub(super) fn of(self, place: Place<'_>) -> Trouble {
        match self {
            Refusal::All(failure) => Trouble::Failed(failure),
            Refusal::Own(code, message) => trouble(place, &code, &message),
        }
    }
}

impl Asked<'_> {
    /// The usual region.
    pub(super) fn region(&self) -> Result<&str, Failure> {
        self.session.region()
    }

    pub(super) fn request(
        &self,
        service: Service,
        region: &str,
        operation: &str,
        body: String,
    ) -> Result<Request, Failure> {
        let prefix = match service {
            Service::Ssm => "AmazonSSM",
            other => other.name(),
        };
        let body = Secret::new(body.into_bytes());
        let target = format!("{prefix}.{operation}");
        self.session.request(service, region, &target, body)
    }

    /// A request that writes: it is not sent again by itself where an answer got lost.
    pub(super) fn writing(
        &self,
        service: Service,
        region: &str,
        operation: &str,
        body: Secret,
    ) -> Result<Request, Failure> {
        let prefix = match service {
            Service::Ssm => "AmazonSSM",
            other => other.name(),
        };
        let target = format!("{prefix}.{operation}");
        let mut request = self.session.request(service, region, &target, body)?;
        request.idempotent = operation != "PutParameter";
        Ok(request)
    }

    /// All requests at once; the outcomes in their order.
    pub(super) fn together(&self, requests: &[Request]) -> Vec<Result<Json, Refusal>> {
        let answers = self.session.client.together(requests, usize::MAX);
        answers.into_iter().map(outcome).collect()
    }

    /// One request.
    pub(super) fn one(&self, request: &Request) -> Result<Json, Refusal> {
        outcome(self.session.client.send(request))
    }
}

fn outcome(answer: Result<Answer, NoAnswer>) -> Result<Json, Refusal> {
    let answer = answer.map_err(|fault| Refusal::All(fault.into()))?;
    if answer.status == 200 {
        let json = json::parse(answer.body.expose());
        return json.map_err(|_| Refusal::All(Fault::Malformed.into()));
    }
    let (code, message) = refusal(&answer);
    match of_all(&code, &message, &answer) {
        Some(fault) => Err(Refusal::All(fault.into())),
        None => Err(Refusal::Own(code, message)),
    }
}

/// Refusals that say nothing about what was asked for.
fn of_all(code: &str, message: &Secret, answer: &Answer) -> Option<Fault> {
    let says = |text: &str| holds(message, text);
    Some(match code {
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => Fault::Expired,
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidToken" => {
            Fault::UnknownKeys
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestTimeTooSkewed"
            if code == "RequestTimeTooSkewed"
                || says("Signature expired")
                || says("not yet current") =>
        {
            Fault::Clock(skew(answer))
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" => Fault::WrongKeys,
        "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Fault::Answer(code.to_owned(), answer.status),
        "OptInRequired" | "SubscriptionRequiredException" => Fault::NotSubscribed,
        _ if answer.status == 429 || is_throttle(code) => Fault::Throttled(code.to_owned()),
        // Not of AWS: a proxy, or another server at that address.
        _ if answer.status >= 500 || code == UNSAID => {
            Fault::Answer(code.to_owned(), answer.status)
        }
        _ => return None,
    })
}

fn is_throttle(code: &str) -> bool {
    after(code, "Throttl").is_some() || matches!(code, "TooManyRequestsException" | "SlowDown")
}

/// How far our clock is from the server's.
fn skew(answer: &Answer) -> Option<Skew> {
    let server = date(answer.header("date")?)?;
    let now = SystemTime::now();
    let far = |duration: Duration| (duration > Duration::from_secs(60)).then_some(duration);
    match now.duration_since(server) {
        Ok(ahead) => far(ahead).map(Skew::Ahead),
        Err(error) => far(error.duration()).map(Skew::Behind),
    }
}

/// What AWS says has this text in it.
fn holds(message: &Secret, text: &str) -> bool {
    std::str::from_utf8(message.expose()).is_ok_and(|message| after(message, text).is_some())
}

/// A text in an answer, empty where there is none.
pub(super) fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// A moment in an answer: seconds since 1970, with or without a fraction.
pub(super) fn time(json: &Json, name: &str) -> Option<SystemTime> {
    let Json::Number(digits) = json.get(name)? else {
        return None;
    };
    let seconds = seconds(std::str::from_utf8(digits.expose()).ok()?)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// The whole seconds in `1700000000.25`, or in `1.70000000025E9` as some libraries write it.
fn seconds(text: &str) -> Option<u64> {
    let (number, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let power: usize = power.trim_start_matches('+').parse().ok()?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let shifted = fraction.chars().chain(std::iter::repeat('0'));
    let digits: String = whole.chars().chain(shifted.take(power.min(20))).collect();
    digits.parse().ok()
}

/// A list in an answer, empty where there is none.
pub(super) fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::list).unwrap_or_default()
}

/// Where an answer goes on.
pub(super) fn next_page(json: &Json) -> Option<String> {
    let token = text(json, "NextToken");
    (!token.is_empty()).then(|| token.to_owned())
}

/// `,"name":"value"`, where there is a value.
pub(super) fn member(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => [",", &quote(name), ":", &quote(value)].concat(),
        None => String::new(),
    }
}

/// Refusals of one secret or parameter.
pub(super) fn trouble(place: Place<'_>, code: &str, message: &Secret) -> Trouble {
    let here = || place.owned();
    let says = |text: &str| holds(message, text);
    match code {
        "ResourceNotFoundException" if place.versioned => {
            Trouble::Missing(Fault::NoVersion(here()).into())
        }
        "ResourceNotFoundException" if says("staging label") => {
            Trouble::Missing(Fault::NoValue(here()).into())
        }
        "ResourceNotFoundException" | "ParameterNotFound" => {
            Trouble::Missing(Fault::Missing(here(), None).into())
        }
        "ParameterVersionNotFound" => Trouble::Missing(Fault::NoVersion(here()).into()),
        "InvalidRequestException" if says("deletion") || says("deleted") => {
            Trouble::Missing(Fault::Deleted(here()).into())
        }
        "AccessDeniedException" | "AccessDenied" if says("KMS") || says("kms:") => {
            Trouble::Failed(Fault::Key(here()).into())
        }
        "DecryptionFailure" | "InvalidKeyId" => Trouble::Failed(Fault::Key(here()).into()),
        "AccessDeniedException" | "AccessDenied" => {
            Trouble::Failed(Fault::Denied(here(), Denial::read(message)).into())
        }
        "ValidationException" | "InvalidParameterException" | "InvalidRequestException" => {
            Trouble::Failed(Fault::Invalid(here(), code.to_owned()).into())
        }
        other => Trouble::Failed(Fault::Refused(here(), other.to_owned()).into()),
    }
}
