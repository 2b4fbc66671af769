//! One exchange with a server, and the one redirect that may follow it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ureq::http::{self, HeaderMap, HeaderName, HeaderValue};

use crate::files;
use crate::secret::Secret;

use super::address::Address;
use super::buffers::Counted;
use super::fault::{Cause, Phase, ProxyFault, Redirect};
use super::wire;
use super::{Answer, Client, Method, Request, Value};

impl Client {
    /// One attempt, with its one redirect.
    pub(super) fn follow(
        &self,
        request: &Request,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<Answer, Cause> {
        let until = Instant::now() + limit;
        let answer = self.attempt(request, &request.address, headers, limit)?;
        let status = answer.status;
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(answer);
        }
        if !request.follow || status == 303 {
            return Err(Cause::Redirect(Redirect::Unwanted(status)));
        }
        let to = answer
            .header("location")
            .and_then(|location| request.address.join(location).ok())
            .ok_or(Cause::Redirect(Redirect::Nowhere(status)))?;
        if request.address.https() && !to.https() {
            return Err(Cause::Redirect(Redirect::ToClear(to.origin())));
        }
        if to.origin() != request.address.origin() {
            return Err(Cause::Redirect(Redirect::Elsewhere(to.origin())));
        }
        let left = until.saturating_duration_since(Instant::now());
        let answer = self.attempt(request, &to, headers, left)?;
        match answer.status {
            301 | 302 | 303 | 307 | 308 => Err(Cause::Redirect(Redirect::Unwanted(answer.status))),
            _ => Ok(answer),
        }
    }

    /// One exchange.
    fn attempt(
        &self,
        request: &Request,
        to: &Address,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<Answer, Cause> {
        let begun = Instant::now();
        let body: &[u8] = request.body.as_ref().map_or(&[], Secret::expose);
        let uri = to.text().parse();
        let uri: http::Uri = uri.map_err(|_| Cause::Request("address"))?;
        // Without a body, GET and DELETE have no length either.
        let bare = body.is_empty() && matches!(request.method, Method::Get | Method::Delete);
        let response = if bare {
            let mut exchange = http::Request::new(());
            self.dress(&mut exchange, request, uri, headers);
            let exchange = self.agent.configure_request(exchange);
            self.agent.run(exchange.timeout_global(Some(limit)).build())
        } else {
            let mut exchange = http::Request::new(body);
            self.dress(&mut exchange, request, uri, headers);
            let exchange = self.agent.configure_request(exchange);
            self.agent.run(exchange.timeout_global(Some(limit)).build())
        };
        let answer = response
            .map_err(|error| wire::cause(error, Phase::Answer))
            .and_then(|response| self.read(response));
        match answer {
            Err(Cause::Slow(phase, _)) => Err(Cause::Slow(phase, begun.elapsed())),
            Ok(answer) if answer.status == 407 => {
                let proxy = self.proxies.name_for(to).unwrap_or_default();
                Err(Cause::Proxy(proxy, Box::new(ProxyFault::Credentials)))
            }
            Ok(answer) if answer.status == 400 && !to.https() && meant_https(&answer) => {
                Err(Cause::SpeaksTls)
            }
            answer => answer,
        }
    }

    fn dress<B>(
        &self,
        exchange: &mut http::Request<B>,
        request: &Request,
        uri: http::Uri,
        headers: &HeaderMap,
    ) {
        *exchange.method_mut() = match request.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        };
        *exchange.uri_mut() = uri;
        *exchange.headers_mut() = headers.clone();
    }

    /// Takes the body in, up to the limit.
    fn read(&self, response: http::Response<ureq::Body>) -> Result<Answer, Cause> {
        let (parts, body) = response.into_parts();
        let announced = parts.headers.get("content-length");
        let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > self.most as u64) {
            return Err(Cause::TooLarge(self.most));
        }
        let expected = announced.and_then(|length| usize::try_from(length).ok());
        let mut reader = Counted::new(body.into_reader());
        match files::drain(&mut reader, expected.unwrap_or(4096), self.most) {
            Ok(Some(body)) => Ok(Answer {
                status: parts.status.as_u16(),
                body,
                headers: parts.headers,
            }),
            Ok(None) => Err(Cause::TooLarge(self.most)),
            Err(error) => Err(match wire::cause(error.into(), Phase::Body) {
                Cause::Closed(_) => Cause::Cut {
                    got: reader.count(),
                    of: announced,
                },
                Cause::Slow(_, after) => Cause::Slow(Phase::Body, after),
                cause => cause,
            }),
        }
    }
}

/// The headers of a request; secret values wipe themselves when the last handle on them goes.
pub(super) fn headers(request: &Request) -> Result<HeaderMap, Cause> {
    let mut map = HeaderMap::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        let bad = || Cause::Header(name.clone().into_owned());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let value = match value {
            Value::Plain(text) => HeaderValue::from_str(text).map_err(|_| bad())?,
            Value::Secret(secret) => {
                let bytes = Bytes::from_owner(secret.duplicate().into_bytes());
                let value = HeaderValue::from_maybe_shared(bytes);
                let mut value = value.map_err(|_| bad())?;
                value.set_sensitive(true);
                value
            }
        };
        map.append(key, value);
    }
    Ok(map)
}

/// Servers that speak TLS tell a client that does not: Go's (Vault, OpenBao) and nginx.
fn meant_https(answer: &Answer) -> bool {
    let says = |text: &[u8]| answer.body.expose().windows(text.len()).any(|w| w == text);
    says(b"HTTP request to an HTTPS server") || says(b"HTTP request was sent to HTTPS port")
}
