//! Through a proxy: a tunnel (`CONNECT`) for https, a rewritten request for http.

use std::time::Instant;

use zeroize::Zeroizing;

use super::address::{Address, bracketed};
use super::fault::{Cause, Phase, ProxyFault};
use super::line::Line;
use super::proxy::Proxy;

/// The head of a proxy's answer is a few lines.
const MOST: usize = 16 * 1024;

/// Asks the proxy for a tunnel; afterwards the line leads to the store.
pub(super) fn connect(
    mut line: Box<dyn Line>,
    proxy: &Proxy,
    to: &Address,
    until: Instant,
) -> Result<Box<dyn Line>, ProxyFault> {
    let target = format!("{}:{}", bracketed(to.host()), to.port());
    let mut head = Zeroizing::new(Vec::with_capacity(1024 + credentials_length(proxy)));
    head.extend_from_slice(b"CONNECT ");
    head.extend_from_slice(target.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    head.extend_from_slice(target.as_bytes());
    head.extend_from_slice(b"\r\n");
    push_credentials(&mut head, proxy);
    head.extend_from_slice(b"\r\n");
    let begun = Instant::now();
    line.write(&head, until)
        .map_err(|broken| ProxyFault::Unreachable(broken.during(Phase::Request, begun)))?;
    let mut answer = Vec::new();
    // One byte at a time: what follows the head belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let count = line
            .read(&mut byte, until)
            .map_err(|broken| ProxyFault::Unreachable(broken.during(Phase::Answer, begun)))?;
        if count == 0 {
            return Err(ProxyFault::Unreachable(Cause::Closed(Phase::Answer)));
        }
        answer.extend_from_slice(&byte);
        if answer.len() > MOST
            || !answer.starts_with(b"HTTP/".get(..answer.len().min(5)).unwrap_or_default())
        {
            return Err(ProxyFault::Unreachable(Cause::Garbage));
        }
    }
    match status(&answer) {
        Some(200..=299) => Ok(line),
        Some(407) => Err(ProxyFault::Credentials),
        Some(status) => Err(ProxyFault::Refuses(status)),
        None => Err(ProxyFault::Unreachable(Cause::Garbage)),
    }
}

/// `HTTP/1.x NNN`.
fn status(head: &[u8]) -> Option<u16> {
    let digits = head.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn credentials_length(proxy: &Proxy) -> usize {
    proxy
        .credentials
        .as_ref()
        .map_or(0, |value| value.expose().len())
}

fn push_credentials(head: &mut Vec<u8>, proxy: &Proxy) {
    if let Some(value) = &proxy.credentials {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(value.expose());
        head.extend_from_slice(b"\r\n");
    }
}

/// What a proxy needs to know to pass an `http://` request on: the whole address in the first
/// line, and our credentials after it. ureq writes the path alone.
pub(super) struct Forward {
    origin: String,
    headers: Zeroizing<Vec<u8>>,
}

impl Forward {
    pub(super) fn new(proxy: &Proxy, to: &Address) -> Forward {
        let mut headers = Zeroizing::new(Vec::with_capacity(64 + credentials_length(proxy)));
        push_credentials(&mut headers, proxy);
        Forward {
            origin: to.origin(),
            headers,
        }
    }

    /// The first bytes of a request, as the proxy wants them.
    pub(super) fn rewrite(&self, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        let room = bytes.len() + self.origin.len() + self.headers.len();
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        let method = bytes.iter().position(|b| *b == b' ').map_or(0, |at| at + 1);
        let (method, rest) = bytes.split_at(method);
        let line = rest
            .iter()
            .position(|b| *b == b'\n')
            .map_or(rest.len(), |at| at + 1);
        let (line, rest) = rest.split_at(line);
        for part in [method, self.origin.as_bytes(), line, &self.headers, rest] {
            out.extend_from_slice(part);
        }
        out
    }
}
