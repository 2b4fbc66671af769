//! A strict double of HCP Vault Secrets, in TLS, made after the models and clients of HashiCorp's
//! SDK. The service has ended, so nothing can be compared with it: what the documentation does not
//! promise is refused here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use envshim::format::json::{self, Json, quote};

use super::authority::{Authority, NOW};
use super::server::{Seen, Server, answer};

pub const ORGANIZATION: &str = "11eb1a2f-0000-4000-8000-000000000001";
pub const PROJECT: &str = "11eb1a2f-0000-4000-8000-000000000002";
pub const APP: &str = "web";
pub const CLIENT_ID: &str = "Qx7";
/// With every character that a form must encode.
pub const CLIENT_SECRET: &str = "s+e/c r&e=t%ü~";
/// Stands in every body of an error: it must not be shown.
pub const CANARY: &str = "body-of-an-error";
pub const WORKLOAD: &str = "iam/project/p/service-principal/s/workload-identity-provider/w";
pub const SUBJECT: &str = "eyJ.subject.sig";

/// What an app holds.
#[derive(Clone)]
pub enum Kind {
    Static(&'static str),
    Rotating(&'static [(&'static str, &'static str)]),
    /// The values get a number: each opening makes new ones.
    Dynamic(&'static [(&'static str, &'static str)]),
}

#[derive(Clone)]
pub struct App {
    pub secrets: Vec<(&'static str, u32, Kind)>,
    pub page: usize,
    /// These are answered with a status instead: a beginning of a path, and the status.
    pub broken: Vec<(&'static str, u16)>,
    /// So many requests are put off before one is answered.
    pub busy: usize,
}

impl App {
    pub fn new(secrets: &[(&'static str, u32, Kind)]) -> App {
        App {
            secrets: secrets.to_vec(),
            page: 100,
            broken: Vec::new(),
            busy: 0,
        }
    }
}

pub struct Hcp {
    pub server: Server,
    pub authority: Authority,
    minted: Arc<AtomicUsize>,
}

struct State {
    app: App,
    tokens: Mutex<Vec<String>>,
    /// Which filter a token of a page belongs to, and where it goes on.
    pages: Mutex<BTreeMap<String, (String, usize)>>,
    minted: Arc<AtomicUsize>,
}

type Reply = Result<String, (u16, u32)>;

impl Hcp {
    pub fn new(app: App) -> Hcp {
        let authority = Authority::new();
        authority.sign("hcp", "DNS:localhost", NOW);
        let minted = Arc::new(AtomicUsize::new(0));
        let state = State {
            app,
            tokens: Mutex::default(),
            pages: Mutex::default(),
            minted: Arc::clone(&minted),
        };
        let config = authority.server("hcp").config();
        let server = Server::https(config, move |seen| state.reply(seen));
        Hcp {
            server,
            authority,
            minted,
        }
    }

    /// How often credentials were made.
    pub fn minted(&self) -> usize {
        self.minted.load(Ordering::SeqCst)
    }

    pub fn url(&self, end: &str) -> String {
        let base = self.server.tls_url();
        let version = if end == "open" {
            "2023-06-13"
        } else {
            "2023-11-28"
        };
        format!("{base}/secrets/{version}/{}/{end}", place())
    }

    /// The requests so far, as `METHOD /end`.
    pub fn asked(&self) -> Vec<String> {
        let short = |seen: &Seen| {
            let (method, path) = seen
                .line
                .rsplit_once(' ')
                .unwrap()
                .0
                .split_once(' ')
                .unwrap();
            let end = path.split_once("/apps/web").map_or(path, |(_, end)| end);
            format!("{method} {end}")
        };
        self.server.seen().iter().map(short).collect()
    }
}

fn place() -> String {
    format!("organizations/{ORGANIZATION}/projects/{PROJECT}/apps/{APP}")
}

impl State {
    fn reply(&self, seen: &Seen) -> Vec<u8> {
        if seen.number < self.app.busy {
            let status = if seen.number.is_multiple_of(2) {
                503
            } else {
                429
            };
            return answer(status, "Retry-After: 0\r\n", CANARY);
        }
        let (path, query) = seen.path().split_once('?').unwrap_or((seen.path(), ""));
        for (start, status) in &self.app.broken {
            if path.ends_with(start) {
                let body = format!("{{\"code\":13,\"message\":\"{CANARY}\",\"details\":[]}}");
                return answer(*status, "Content-Type: application/json\r\n", body);
            }
        }
        let method = seen.line.split(' ').next().unwrap();
        if (method, path) == ("POST", "/oauth2/token") {
            return self.principal(seen);
        }
        if method == "POST" && path == format!("/2019-12-10/{WORKLOAD}/exchange-token") {
            return self.workload(seen);
        }
        let reply = if method == "GET" {
            self.get(seen, path, query)
        } else {
            Err((501, 12))
        };
        match reply {
            Ok(body) => answer(200, "Content-Type: application/json\r\n", body),
            Err((status, code)) => {
                let body = format!("{{\"code\":{code},\"message\":\"{CANARY}\",\"details\":[]}}");
                answer(status, "Content-Type: application/json\r\n", body)
            }
        }
    }

    fn principal(&self, seen: &Seen) -> Vec<u8> {
        let refuse = |status: u16, code: &str| {
            let body = format!("{{\"error\":\"{code}\",\"error_description\":\"{CANARY}\"}}");
            answer(status, "Content-Type: application/json\r\n", body)
        };
        if seen.header("content-type") != Some("application/x-www-form-urlencoded") {
            return refuse(400, "invalid_request");
        }
        let body = std::str::from_utf8(&seen.body).unwrap_or_default();
        let mut fields = BTreeMap::new();
        for pair in body.split('&') {
            let Some((name, value)) = pair.split_once('=') else {
                return refuse(400, "invalid_request");
            };
            let Some(value) = decoded(value) else {
                return refuse(400, "invalid_request");
            };
            if fields.insert(name, value).is_some() {
                return refuse(400, "invalid_request");
            }
        }
        let is = |name: &str, value: &str| fields.get(name).is_some_and(|got| got == value);
        if !is("grant_type", "client_credentials") {
            return refuse(400, "unsupported_grant_type");
        }
        if !is("audience", "https://api.hashicorp.cloud") || fields.len() != 4 {
            return refuse(403, "access_denied");
        }
        if !is("client_id", CLIENT_ID) || !is("client_secret", CLIENT_SECRET) {
            return refuse(401, "invalid_client");
        }
        self.give()
    }

    fn workload(&self, seen: &Seen) -> Vec<u8> {
        let body = json::parse(&seen.body).ok();
        let token = body.as_ref().and_then(|body| body.get("jwt_token"));
        let plain = seen.header("content-type") == Some("application/json");
        if !plain || token.and_then(Json::as_str) != Some(SUBJECT) {
            let body = format!("{{\"code\":16,\"message\":\"{CANARY}\"}}");
            return answer(401, "", body);
        }
        self.give()
    }

    fn give(&self) -> Vec<u8> {
        let mut tokens = self.tokens.lock().unwrap();
        let token = format!("hcp-access-token-{}", tokens.len());
        tokens.push(token.clone());
        let body = format!(
            "{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"
        );
        answer(200, "Content-Type: application/json\r\n", body)
    }

    fn get(&self, seen: &Seen, path: &str, query: &str) -> Reply {
        let token = seen
            .header("authorization")
            .and_then(|v| v.strip_prefix("Bearer "));
        let tokens = self.tokens.lock().unwrap();
        if !token.is_some_and(|token| tokens.iter().any(|known| known == token)) {
            return Err((401, 16));
        }
        drop(tokens);
        let first = format!("/secrets/2023-06-13/{}/", place());
        let second = format!("/secrets/2023-11-28/{}/", place());
        if let Some(end) = path.strip_prefix(&first) {
            if !query.is_empty() {
                return Err((400, 3));
            }
            return self.first(end);
        }
        let end = path.strip_prefix(&second).ok_or((404, 5))?;
        match end {
            "secrets:open" => self.list(query, true),
            "secrets" => self.list(query, false),
            _ if !query.is_empty() => Err((400, 3)),
            end => {
                let end = end.strip_prefix("secrets/").ok_or((404, 5))?;
                let end = end.strip_suffix(":open").ok_or((404, 5))?;
                match end.split_once("/versions/") {
                    None => Ok(format!("{{\"secret\":{}}}", self.one(end, None)?)),
                    Some((name, number)) => self.one(name, Some(number)),
                }
            }
        }
    }

    /// The older API: static secrets alone.
    fn first(&self, end: &str) -> Reply {
        let entry = |name: &str, version: u32, value: &str| {
            format!(
                "{{\"name\":{},\"latest_version\":\"{version}\",\"created_at\":\"2024-01-01T00:00:00Z\",\
                 \"version\":{{\"version\":\"{version}\",\"type\":\"kv\",\"created_at\":\"{MADE}\",\"value\":{}}}}}",
                quote(name),
                quote(value)
            )
        };
        let statics = self
            .app
            .secrets
            .iter()
            .filter_map(|(name, version, kind)| match kind {
                Kind::Static(value) => Some((*name, *version, *value)),
                _ => None,
            });
        if end == "open" {
            let all: Vec<String> = statics.map(|(n, v, value)| entry(n, v, value)).collect();
            return Ok(format!("{{\"secrets\":[{}]}}", all.join(",")));
        }
        let name = end.strip_prefix("open/").ok_or((404, 5))?;
        let (name, number) = match name.split_once("/versions/") {
            Some((name, number)) => (name, Some(number)),
            None => (name, None),
        };
        let mut statics = statics;
        let (name, version, value) = statics.find(|(known, ..)| *known == name).ok_or((404, 5))?;
        match number {
            None => Ok(format!("{{\"secret\":{}}}", entry(name, version, value))),
            Some(number) if number == version.to_string() => Ok(format!(
                "{{\"version\":{{\"version\":\"{number}\",\"type\":\"kv\",\"created_at\":\"{MADE}\",\"value\":{}}}}}",
                quote(value)
            )),
            Some(_) => Err((404, 5)),
        }
    }

    fn list(&self, query: &str, open: bool) -> Reply {
        let mut types: Vec<&str> = Vec::new();
        let mut token = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("types", kind @ ("kv" | "rotating" | "dynamic"))) => types.push(kind),
                Some(("pagination.next_page_token", text)) if token.is_none() => {
                    token = Some(decoded(text).ok_or((400, 3))?);
                }
                _ => return Err((400, 3)),
            }
        }
        let filter = format!("{open} {types:?}");
        let from = match token {
            None => 0,
            Some(token) => {
                let pages = self.pages.lock().unwrap();
                let (known, from) = pages.get(&token).cloned().ok_or((400, 3))?;
                if known != filter {
                    return Err((400, 3));
                }
                from
            }
        };
        let fits = |kind: &Kind| types.is_empty() || types.contains(&word(kind));
        let all: Vec<&str> = self
            .app
            .secrets
            .iter()
            .filter(|(_, _, kind)| fits(kind))
            .map(|(name, ..)| *name)
            .collect();
        let some = all.iter().skip(from).take(self.app.page);
        let entries = some
            .map(|name| {
                if open {
                    self.one(name, None)
                } else {
                    self.metadata(name)
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let next = if from + self.app.page < all.len() {
            // With every character that a query must encode.
            let mut pages = self.pages.lock().unwrap();
            let token = format!("p{}+/=&?#ä", pages.len());
            pages.insert(token.clone(), (filter, from + self.app.page));
            token
        } else {
            String::new()
        };
        Ok(format!(
            "{{\"secrets\":[{}],\"pagination\":{{\"next_page_token\":{},\"previous_page_token\":\"\"}}}}",
            entries.join(","),
            quote(&next)
        ))
    }

    fn metadata(&self, name: &str) -> Reply {
        let found = self.app.secrets.iter().find(|(known, ..)| *known == name);
        let (name, version, kind) = found.ok_or((404, 5))?;
        Ok(format!(
            "{{\"name\":\"{name}\",\"type\":\"{}\",\"latest_version\":{version}}}",
            word(kind)
        ))
    }

    fn one(&self, name: &str, number: Option<&str>) -> Reply {
        let found = self.app.secrets.iter().find(|(known, ..)| *known == name);
        let (name, version, kind) = found.ok_or((404, 5))?;
        if number.is_some_and(|number| number != version.to_string()) {
            return Err((404, 5));
        }
        let object = |fields: &[(&str, &str)], end: &str| {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}:{}", quote(key), quote(&format!("{value}{end}"))))
                .collect();
            fields.join(",")
        };
        let held = match kind {
            Kind::Static(value) => format!(
                "\"static_version\":{{\"version\":{version},\"value\":{},\"created_at\":\"{MADE}\",\"created_by_id\":\"u\"}}",
                quote(value)
            ),
            Kind::Rotating(fields) => format!(
                "\"rotating_version\":{{\"version\":{version},\"values\":{{{}}},\"created_at\":\"{MADE}\",\"keys\":[]}}",
                object(fields, "")
            ),
            Kind::Dynamic(fields) => {
                let count = self.minted.fetch_add(1, Ordering::SeqCst);
                format!(
                    "\"dynamic_instance\":{{\"values\":{{{}}},\"created_at\":\"{MADE}\",\"ttl\":\"3600s\"}}",
                    object(fields, &format!("-{count}"))
                )
            }
        };
        let kind = word(kind);
        Ok(match number {
            Some(_) => format!("{{\"type\":\"{kind}\",{held}}}"),
            None => format!(
                "{{\"name\":\"{name}\",\"type\":\"{kind}\",\"provider\":\"\",\
                 \"latest_version\":{version},\"created_at\":\"2024-01-01T00:00:00Z\",{held}}}"
            ),
        })
    }
}

/// When every version was made; the secrets are older.
const MADE: &str = "2025-02-03T04:05:06.789Z";

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Static(_) => "kv",
        Kind::Rotating(_) => "rotating",
        Kind::Dynamic(_) => "dynamic",
    }
}

/// `%XX` and `+`; what is no form is refused.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte if byte.is_ascii_alphanumeric() || b"-._~*".contains(&byte) => byte,
            _ => return None,
        });
    }
    String::from_utf8(out).ok()
}
