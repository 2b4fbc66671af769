//! Asking for access tokens, as OAuth 2 has it: a form there, a JSON object back.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::credential::sigv4::encode;
use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::http::{Address, Answer, Client, Method, Request, Value};
use crate::secret::{Secret, SecretBuffer};

use super::fault::{Fault, Login};
use super::is_token;

/// The credentials of the application that asks.
pub(super) struct Basic<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a Secret,
}

/// The access token that these fields are good for. `login` says whose refusal it would be.
pub(super) fn granted(
    client: &Client,
    address: Address,
    fields: &[(&str, &[u8])],
    basic: Option<&Basic<'_>>,
    login: Login,
) -> Result<Secret, Failure> {
    let mut request = Request::send(Method::Post, address, form(fields));
    // Two tokens are as good as one.
    request.idempotent = true;
    let kind = Value::Plain("application/x-www-form-urlencoded".into());
    let mut request = request.header("content-type", kind);
    if let Some(basic) = basic {
        request = request.header("authorization", Value::Secret(proof(basic)));
    }
    let origin = request.address.origin();
    let answer = answer(client, &request)?;
    let json = json::parse(answer.body.expose()).ok();
    if answer.status != 200 {
        let text = |name| json.as_ref()?.get(name)?.as_str().filter(|c| is_code(c));
        return Err(Fault::Refused {
            at: origin,
            status: answer.status,
            code: text("error_subtype").or(text("error")).map(str::to_owned),
            login,
        }
        .into());
    }
    taken(json.as_ref(), "access_token").ok_or_else(|| Fault::Malformed(origin).into())
}

/// An answer, whatever its status.
pub(super) fn answer(client: &Client, request: &Request) -> Result<Answer, Failure> {
    client.send(request).map_err(|fault| {
        let mut failure = Failure::from(fault);
        let usual =
            || "look at what stands between here and Google: a proxy, a firewall".to_owned();
        failure.hint.get_or_insert_with(usual);
        failure
    })
}

/// A token in an answer.
pub(super) fn taken(json: Option<&Json>, name: &str) -> Option<Secret> {
    let token = json?.get(name).and_then(Json::text)?;
    is_token(token).then(|| token.duplicate())
}

/// `Bearer ...`
pub(super) fn bearer(token: &Secret) -> Value {
    let mut header = SecretBuffer::with_capacity(7 + token.expose().len());
    header.push(b"Bearer ");
    header.push(token.expose());
    Value::Secret(header.finish())
}

fn proof(basic: &Basic<'_>) -> Secret {
    let mut pair = SecretBuffer::with_capacity(basic.id.len() + 1 + basic.secret.expose().len());
    pair.push(basic.id.as_bytes());
    pair.push(b":");
    pair.push(basic.secret.expose());
    let encoded = Zeroizing::new(Base64::encode_string(pair.as_bytes()));
    let mut header = SecretBuffer::with_capacity(6 + encoded.len());
    header.push(b"Basic ");
    header.push(encoded.as_bytes());
    header.finish()
}

/// An error code of OAuth, as against anything that a server may say.
fn is_code(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(plain)
}

/// Fields as a form, in a buffer that wipes itself.
fn form(fields: &[(&str, &[u8])]) -> Secret {
    let mut out = SecretBuffer::with_capacity(4096);
    for (n, (name, value)) in fields.iter().enumerate() {
        out.push(if n == 0 { b"" } else { b"&" });
        out.push(name.as_bytes());
        out.push(b"=");
        encode(value, b"", &mut out);
    }
    out.finish()
}
