//! AWS Signature Version 4: proof that a request was made by who has the keys.
//!
//! Pure: a request, keys and a moment in, headers out. What is signed is what is sent, byte for
//! byte: the path and query are given as they go over the wire. Not for S3, whose rules for paths
//! differ. (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)

use std::time::SystemTime;

use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::timestamp;
use crate::secret::{Secret, SecretBuffer};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// AWS credentials.
pub struct Keys {
    /// The access key id: a name, no secret.
    pub id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The session token of temporary credentials.
    pub token: Option<Secret>,
}

/// A request to be signed.
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// `host[:port]`, as the `Host` header has it.
    pub host: &'a str,
    /// Path and query as they are sent.
    pub path: &'a str,
    /// Further headers to be signed.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// For what and when a signature is valid.
pub struct Scope<'a> {
    /// `us-east-1`.
    pub region: &'a str,
    /// `secretsmanager`, `ssm`, `sts`.
    pub service: &'a str,
    /// The moment of the request.
    pub at: SystemTime,
}

/// The headers that a signed request is sent with, beside those that were given.
pub struct Signature {
    /// `X-Amz-Date`.
    pub date: String,
    /// `X-Amz-Security-Token`.
    pub token: Option<Secret>,
    /// `Authorization`.
    pub authorization: String,
}

/// Signs.
pub fn sign(keys: &Keys, scope: &Scope<'_>, request: &Request<'_>) -> Signature {
    let mut date = timestamp(scope.at);
    date.retain(|c| !matches!(c, '-' | ':'));
    let day = date.get(..8).unwrap_or_default();
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let (canonical, signed) = canonical(request, &date, keys.token.as_ref());
    let text = format!("{ALGORITHM}\n{date}\n{place}\n{}", hash(&canonical));

    let mut key = Zeroizing::new(b"AWS4".to_vec());
    key.reserve_exact(keys.secret.expose().len());
    key.extend_from_slice(keys.secret.expose());
    let mut key = hmac(&key, day.as_bytes());
    for part in [scope.region, scope.service, "aws4_request"] {
        key = hmac(&*key, part.as_bytes());
    }
    let signature = hex(&*hmac(&*key, text.as_bytes()));
    Signature {
        token: keys.token.as_ref().map(Secret::duplicate),
        authorization: format!(
            "{ALGORITHM} Credential={}/{place}, SignedHeaders={signed}, Signature={signature}",
            keys.id
        ),
        date,
    }
}

/// The canonical form of a request, and the names of its signed headers.
fn canonical(
    request: &Request<'_>,
    date: &str,
    token: Option<&Secret>,
) -> (Zeroizing<Vec<u8>>, String) {
    // Header values of several lines or with runs of blanks are one line with single blanks.
    let one = |value: &str| {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        Zeroizing::new(words.join(" ").into_bytes())
    };
    let mut headers: Vec<(String, Zeroizing<Vec<u8>>)> = Vec::new();
    // By name; values of one name stay in their order. A handful, for which no sort is needed.
    let mut add = |name: &str, value| {
        let name = name.to_ascii_lowercase();
        let after = headers.iter().position(|(known, _)| *known > name);
        headers.insert(after.unwrap_or(headers.len()), (name, value));
    };
    add("host", one(request.host));
    add("x-amz-date", one(date));
    if let Some(token) = token {
        add(
            "x-amz-security-token",
            Zeroizing::new(token.expose().to_vec()),
        );
    }
    for (name, value) in request.headers {
        add(name, one(value));
    }

    let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
    let lines = [
        request.method,
        &canonical_path(path),
        &canonical_query(query),
    ]
    .join("\n");
    // At its final size, so that no block with the token in it stays behind.
    let room: usize = headers.iter().map(|(n, v)| 2 * n.len() + v.len() + 4).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(lines.len() + room + 80));
    out.extend_from_slice(lines.as_bytes());
    let mut names = String::new();
    let mut last = "";
    for (name, value) in &headers {
        if name == last {
            out.push(b',');
        } else {
            names.push_str(if last.is_empty() { "" } else { ";" });
            names.push_str(name);
            out.push(b'\n');
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            last = name;
        }
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\n\n");
    out.extend_from_slice(names.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(hash(request.body).as_bytes());
    (out, names)
}

/// Without `.`, `..` and empty segments, and percent-encoded once more than it is sent.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    encoded(&format!("/{}{end}", segments.join("/")), b"/")
}

/// The parameters in the order of their names, then values.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let pair = pair.split_once('=').unwrap_or((pair, ""));
        let after = pairs.iter().position(|known| *known > pair);
        pairs.insert(after.unwrap_or(pairs.len()), pair);
    }
    let mut out = String::new();
    for (name, value) in pairs {
        for part in [if out.is_empty() { "" } else { "&" }, name, "=", value] {
            out.push_str(part);
        }
    }
    out
}

/// Percent-encoded, but for letters, digits, `-._~` and what is `safe`.
pub fn encoded(text: &str, safe: &[u8]) -> String {
    let mut out = SecretBuffer::with_capacity(text.len());
    encode(text.as_bytes(), safe, &mut out);
    String::from_utf8_lossy(out.as_bytes()).into_owned()
}

/// The same into a buffer, for what is secret.
pub fn encode(bytes: &[u8], safe: &[u8], out: &mut SecretBuffer) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        if plain || safe.contains(byte) {
            out.push(&[*byte]);
        } else {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.push(&[b'%', digits[0], digits[1]]);
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &[u8]) -> Zeroizing<[u8; 32]> {
    // HMAC takes keys of any length; the error is that of other constructions.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Zeroizing::default();
    };
    mac.update(text);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Keys, Request, Scope, Signature, sign};
    use crate::secret::Secret;
    use std::time::{Duration, UNIX_EPOCH};

    /// The keys and the moment of AWS's published vectors.
    fn signed(request: &Request<'_>, token: Option<&str>) -> Signature {
        let keys = Keys {
            id: "AKIDEXAMPLE".into(),
            secret: Secret::new(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec()),
            token: token.map(|token| Secret::new(token.as_bytes().to_vec())),
        };
        let scope = Scope {
            region: "us-east-1",
            service: "service",
            at: UNIX_EPOCH + Duration::from_secs(1_440_938_160),
        };
        sign(&keys, &scope, request)
    }

    fn request<'a>(method: &'a str, path: &'a str) -> Request<'a> {
        Request {
            method,
            host: "example.amazonaws.com",
            path,
            headers: &[],
            body: b"",
        }
    }

    #[track_caller]
    fn is(request: &Request<'_>, want: &str) {
        let made = signed(request, None).authorization;
        assert!(made.ends_with(&format!("Signature={want}")), "{made}");
    }

    #[test]
    fn published_vectors() {
        let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        for path in [
            "/",
            "",
            "/.",
            "//",
            "/./",
            "/example/..",
            "/example1/example2/../..",
        ] {
            is(&request("GET", path), vanilla);
        }
        for (method, path, want) in [
            (
                "POST",
                "/",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "GET",
                "/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "GET",
                "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "GET",
                "/\u{1234}",
                "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ),
        ] {
            is(&request(method, path), want);
        }
    }

    #[test]
    fn published_vectors_with_headers() {
        let trim = [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")];
        let double = [
            ("My-Header1", "value2"),
            ("My-Header1", "value2"),
            ("My-Header1", "value1"),
        ];
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        for (method, headers, body, want) in [
            (
                "GET",
                &trim[..],
                "",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "GET",
                &double[..],
                "",
                "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ),
            (
                "POST",
                &form[..],
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let request = Request {
                headers,
                body: body.as_bytes(),
                ..request(method, "/")
            };
            is(&request, want);
        }
    }

    #[test]
    fn a_session_token_is_signed() {
        let made = signed(&request("POST", "/"), Some("AQoDYXdzEPT"));
        assert!(
            made.authorization
                .contains("SignedHeaders=host;x-amz-date;x-amz-security-token,")
        );
        assert_eq!(made.token.expect("a token").expose(), b"AQoDYXdzEPT");
        assert_eq!(made.date, "20150830T123600Z");
    }
}
