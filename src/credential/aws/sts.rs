//! STS: keys of a role, for other keys or for a token. And what AWS says when it refuses.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::moment;
use crate::credential::sigv4::{self, Keys, Scope, encode};
use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::http::{Address, Answer, Method, Request, Value};
use crate::secret::{Secret, SecretBuffer};

use super::endpoint::Service;
use super::fault::Fault;
use super::{Setup, fresh};

/// A role that is wanted.
pub(super) struct Role<'a> {
    pub(super) arn: &'a str,
    pub(super) session: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    pub(super) duration: Option<&'a str>,
}

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The role, for keys.
pub(super) fn assume(setup: &Setup<'_>, role: &Role<'_>, keys: &Keys) -> Result<Keys, Failure> {
    let (address, region) = whereabouts(setup)?;
    let body = form("AssumeRole", role, None);
    let scope = Scope {
        region: &region,
        service: Service::Sts.name(),
        at: SystemTime::now(),
    };
    let mut request = signed(keys, &scope, &address, &[("content-type", FORM)], body);
    request.idempotent = true;
    ask(setup, role, &request)
}

/// The role, for the token of an identity provider. Nothing is signed: the token says it all.
pub(super) fn assume_with_token(
    setup: &Setup<'_>,
    role: &Role<'_>,
    token: &Secret,
) -> Result<Keys, Failure> {
    let (address, _) = whereabouts(setup)?;
    let body = form("AssumeRoleWithWebIdentity", role, Some(token));
    let mut request = Request::send(Method::Post, address, body);
    request.idempotent = true;
    let request = request.header("content-type", Value::Plain(FORM.into()));
    ask(setup, role, &request)
}

/// Without a region, the one address for all.
fn whereabouts(setup: &Setup<'_>) -> Result<(Address, String), Failure> {
    let region = setup.region.clone().unwrap_or_else(|| "us-east-1".into());
    let address = setup.endpoints.address(Service::Sts, &region)?;
    Ok((address, region))
}

fn form(action: &str, role: &Role<'_>, token: Option<&Secret>) -> Secret {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let named = format!("envshim-{}", now.map_or(0, |since| since.as_secs()));
    let mut body = SecretBuffer::with_capacity(4096);
    let pairs = [
        ("Action", Some(action.as_bytes())),
        ("&Version", Some(&b"2011-06-15"[..])),
        ("&RoleArn", Some(role.arn.as_bytes())),
        (
            "&RoleSessionName",
            Some(role.session.unwrap_or(&named).as_bytes()),
        ),
        ("&ExternalId", role.external_id.map(str::as_bytes)),
        ("&DurationSeconds", role.duration.map(str::as_bytes)),
        ("&WebIdentityToken", token.map(Secret::expose)),
    ];
    for (name, value) in pairs {
        if let Some(value) = value {
            body.push(name.as_bytes());
            body.push(b"=");
            encode(value, b"", &mut body);
        }
    }
    body.finish()
}

fn ask(setup: &Setup<'_>, role: &Role<'_>, request: &Request) -> Result<Keys, Failure> {
    let answer = setup.client.send(request)?;
    if answer.status != 200 {
        let (code, _) = refusal(&answer);
        return Err(Fault::Role(role.arn.to_owned(), code, answer.status).into());
    }
    let malformed = || Failure::from(Fault::Malformed("STS".to_owned()));
    let text = std::str::from_utf8(answer.body.expose()).map_err(|_| malformed())?;
    let part = |name| element(text, name).map(|part| part.as_bytes().to_vec());
    let id = part("AccessKeyId").and_then(|id| String::from_utf8(id).ok());
    let keys = Keys {
        id: id.ok_or_else(malformed)?,
        secret: part("SecretAccessKey")
            .map(Secret::new)
            .ok_or_else(malformed)?,
        token: part("SessionToken").map(Secret::new),
    };
    fresh(keys, element(text, "Expiration").and_then(moment), "STS")
}

/// The text of the first element of this name. Keys, tokens and dates have no letter that XML
/// would write as an entity.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let begin = after(xml, &format!("<{name}>"))?;
    let end = after(begin, &format!("</{name}>"))?;
    let length = begin.len().checked_sub(end.len() + name.len() + 3)?;
    Some(begin.get(..length)?.trim_ascii())
}

/// What stands behind the first place where `text` has `mark`.
pub fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let mut places = text.as_bytes().windows(mark.len());
    let at = places.position(|place| place == mark.as_bytes())?;
    text.get(at + mark.len()..)
}

/// A signed POST.
pub(super) fn signed(
    keys: &Keys,
    scope: &Scope<'_>,
    address: &Address,
    headers: &[(&'static str, &str)],
    body: Secret,
) -> Request {
    let signature = sigv4::sign(
        keys,
        scope,
        &sigv4::Request {
            method: "POST",
            host: &address.authority(),
            path: address.path(),
            headers,
            body: body.expose(),
        },
    );
    let mut request = Request::send(Method::Post, address.clone(), body);
    let mut add = |name: &'static str, value| request.headers.push((name.into(), value));
    for (name, value) in headers {
        add(name, Value::Plain((*value).to_owned().into()));
    }
    add("x-amz-date", Value::Plain(signature.date.into()));
    let proof = Secret::new(signature.authorization.into_bytes());
    add("authorization", Value::Secret(proof));
    if let Some(token) = signature.token {
        add("x-amz-security-token", Value::Secret(token));
    }
    request
}

/// The code of a refusal that has none.
pub const UNSAID: &str = "no reason";

/// The code of a refusal, and what AWS says about it, which may name what was asked for and is never
/// printed as it is. JSON services say `__type`, the others `<Code>`.
pub fn refusal(answer: &Answer) -> (String, Secret) {
    let body = answer.body.expose();
    let (code, message) = match json::parse(body) {
        Ok(json) => {
            let code = json.get("__type").or_else(|| json.get("code"));
            let message = json.get("message").or_else(|| json.get("Message"));
            (
                code.and_then(Json::as_str).map(str::to_owned),
                message.and_then(Json::text).map(Secret::duplicate),
            )
        }
        Err(_) => {
            let text = std::str::from_utf8(body).unwrap_or_default();
            let message = element(text, "Message").map(|text| text.as_bytes().to_vec());
            (
                element(text, "Code").map(str::to_owned),
                message.map(Secret::new),
            )
        }
    };
    let header = || answer.header("x-amzn-errortype").map(str::to_owned);
    let code = code.or_else(header).unwrap_or_default();
    // `com.amazonaws#Code:http://...`
    let code = code.rsplit('#').next().unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let code: String = code.chars().filter(plain).take(80).collect();
    (
        if code.is_empty() {
            UNSAID.to_owned()
        } else {
            code
        },
        message.unwrap_or_else(|| Secret::new(Vec::new())),
    )
}

/// AWS asks for patience, with a status that says nothing of it.
pub(super) fn throttled(answer: &Answer) -> bool {
    const CODES: &[&str] = &[
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "EC2ThrottledException",
    ];
    answer.status >= 400 && CODES.contains(&refusal(answer).0.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Role, element, form};
    use crate::secret::Secret;

    #[test]
    fn forms_are_encoded() {
        let role = Role {
            arn: "arn:aws:iam::1:role/a b",
            session: Some("x+y"),
            external_id: None,
            duration: Some("900"),
        };
        let token = Secret::new(b"aa.b-b_c~==".to_vec());
        assert_eq!(
            form("A", &role, Some(&token)).expose(),
            b"Action=A&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b\
              &RoleSessionName=x%2By&DurationSeconds=900&WebIdentityToken=aa.b-b_c~%3D%3D"
        );
    }

    #[test]
    fn elements_are_found() {
        let xml = "<R><C><AccessKeyId> A </AccessKeyId></C></R>";
        assert_eq!(element(xml, "AccessKeyId"), Some("A"));
        assert_eq!(element(xml, "Key"), None);
    }
}
