//! A double of Azure: vaults and Entra behind one TLS server, told apart by the host that is asked.
//! It refuses what the real ones refuse, in their form (recorded exchanges and Microsoft's own SDK
//! are its judges: `azure/recorded.rs`, `azure/oracles.rs`).

mod write;

use std::sync::{Arc, Mutex};

use envshim::format::json::quote;

use super::authority::{Authority, NOW};
use super::server::{Seen, Server, answer};
use super::{Answer, Shim};

pub const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
pub const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
pub const SECRET: &str = "c4n4ry~client.secret";
/// What Kubernetes gives a pod.
pub const FEDERATED: &str = "e30.c4n4ry.federated";
/// Every token has this in it.
pub const TOKEN: &str = "c4n4ry-token";

const VERSIONS: &[&str] = &[
    "7.0",
    "7.1",
    "7.2",
    "7.3",
    "7.4",
    "7.5",
    "7.6",
    "2025-07-01",
    "2026-04-01",
];

pub struct Azure {
    pub authority: Authority,
    pub server: Server,
    state: Arc<Mutex<State>>,
}

type Reply = Box<dyn Fn(&Seen) -> Option<Vec<u8>> + Send>;

struct State {
    secrets: Vec<Secret>,
    /// Tokens that were given out: for whom, and of which tenant.
    tokens: Vec<(String, String)>,
    assertions: Vec<String>,
    before: Reply,
    /// What somebody else writes just before the next value is put.
    meanwhile: Vec<(String, String)>,
}

#[derive(Clone)]
struct Secret {
    vault: String,
    name: String,
    version: String,
    value: String,
    attributes: String,
    more: String,
}

/// A refusal of a vault.
pub fn refusal(status: u16, code: &str, message: &str, inner: &str) -> Vec<u8> {
    let inner = match inner {
        "" => String::new(),
        inner => format!(",\"innererror\":{{\"code\":{}}}", quote(inner)),
    };
    let (code, message) = (quote(code), quote(message));
    let body = format!("{{\"error\":{{\"code\":{code},\"message\":{message}{inner}}}}}");
    answer(
        status,
        "Content-Type: application/json; charset=utf-8\r\n",
        body,
    )
}

/// A refusal of Entra.
pub fn aadsts(status: u16, error: &str, code: u64) -> Vec<u8> {
    let body = format!(
        "{{\"error\":\"{error}\",\"error_description\":\"AADSTS{code}: c4n4ry. Trace ID: x\",\"error_codes\":[{code}],\"timestamp\":\"2026-01-01 00:00:00Z\"}}"
    );
    answer(
        status,
        "Content-Type: application/json; charset=utf-8\r\n",
        body,
    )
}

/// The parameter of a query or form, decoded.
pub fn parameter(text: &str, name: &str) -> Option<String> {
    let value = text.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then_some(value)
    })?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl Azure {
    pub fn new() -> Azure {
        let authority = Authority::new();
        let names = "DNS:*.vault.localhost,DNS:login.localhost,DNS:localhost,DNS:*.vault.azure.net,\
                     DNS:*.vault.azure.cn,DNS:login.microsoftonline.com,DNS:login.chinacloudapi.cn,\
                     DNS:*.elsewhere.localhost";
        authority.sign("azure", &names.replace(' ', ""), NOW);
        let state = Arc::new(Mutex::new(State {
            secrets: Vec::new(),
            tokens: Vec::new(),
            assertions: Vec::new(),
            before: Box::new(|_| None),
            meanwhile: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let config = authority.server("azure").config();
        let server = Server::https(config, move |seen| {
            let mut state = shared.lock().expect("the state");
            (state.before)(seen).unwrap_or_else(|| state.answer(seen))
        });
        Azure {
            authority,
            server,
            state,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    /// What is answered instead, where this gives something.
    pub fn before(&self, reply: impl Fn(&Seen) -> Option<Vec<u8>> + Send + 'static) {
        self.state().before = Box::new(reply);
    }

    /// The signed statements that Entra was shown.
    pub fn assertions(&self) -> Vec<String> {
        self.state().assertions.clone()
    }

    /// Adds a secret, or a version of it; the version.
    pub fn secret(&self, name: &str, value: &str) -> String {
        self.secret_with("app", name, value, "\"enabled\":true", "")
    }

    /// The same with attributes, in any vault, with more in its description.
    pub fn secret_with(
        &self,
        vault: &str,
        name: &str,
        value: &str,
        attributes: &str,
        more: &str,
    ) -> String {
        let mut state = self.state();
        let version = format!("{:032x}", state.secrets.len() + 1);
        state.secrets.push(Secret {
            vault: vault.to_owned(),
            name: name.to_owned(),
            version: version.clone(),
            value: value.to_owned(),
            attributes: attributes.to_owned(),
            more: more.to_owned(),
        });
        version
    }

    /// Somebody else sets a secret just before the next value is put into it.
    pub fn meanwhile(&self, name: &str, value: &str) {
        let mut state = self.state();
        state.meanwhile.push((name.to_owned(), value.to_owned()));
    }

    /// The values that a secret has had, the newest last.
    pub fn history(&self, name: &str) -> Vec<String> {
        let state = self.state();
        let mine = state.secrets.iter().filter(|secret| secret.name == name);
        mine.map(|secret| secret.value.clone()).collect()
    }

    /// A token as Entra gives it, for services that give some on this machine.
    pub fn token(&self, resource: &str) -> String {
        self.state().give(resource, TENANT)
    }

    pub fn url(&self, vault: &str) -> String {
        format!("https://{vault}.vault.localhost:{}", self.server.port())
    }

    pub fn resource(&self) -> &'static str {
        "https://vault.localhost"
    }

    /// A shim that knows the vault `app` and has no credentials.
    pub fn stranger(&self) -> Shim {
        let shim = Shim::new();
        // This machine may have an `az` of its own, with somebody's login.
        std::fs::create_dir(shim.folder.join("tools")).expect("a folder");
        for tool in ["cat", "env", "od", "sh", "sleep", "touch"] {
            let link = shim.folder.join("tools").join(tool);
            std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), link).expect("a link");
        }
        let tools = shim.folder.join("tools");
        shim.env("PATH", tools)
            .env("AZURE_VAULT_URL", self.url("app"))
            .env("SSL_CERT_FILE", self.authority.root())
            .env(
                "AZURE_AUTHORITY_HOST",
                format!("https://login.localhost:{}", self.server.port()),
            )
            // Nobody listens there.
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    }

    /// The same as an application, without what proves it.
    pub fn application(&self) -> Shim {
        self.stranger()
            .env("AZURE_TENANT_ID", TENANT)
            .env("AZURE_CLIENT_ID", CLIENT)
    }

    /// The same with the client secret.
    pub fn shim(&self) -> Shim {
        self.application().env("AZURE_CLIENT_SECRET", SECRET)
    }

    /// How often the value of a secret was asked for with a token.
    pub fn asked(&self, name: &str) -> usize {
        let seen = self.server.seen();
        let path = format!("/secrets/{name}?");
        let with_token = |seen: &&Seen| seen.header("authorization").is_some();
        seen.iter()
            .filter(with_token)
            .filter(|seen| seen.path().starts_with(&path))
            .count()
    }
}

impl State {
    fn give(&mut self, resource: &str, tenant: &str) -> String {
        self.tokens.push((resource.to_owned(), tenant.to_owned()));
        format!("{TOKEN}-{}", self.tokens.len())
    }

    fn answer(&mut self, seen: &Seen) -> Vec<u8> {
        let host = seen.header("host").unwrap_or_default().to_owned();
        let name = host.split(':').next().unwrap_or_default();
        match name.split_once('.') {
            Some(("login", _)) => self.entra(seen, &host),
            Some((vault, domain)) if domain.starts_with("vault.") => {
                self.vault(seen, vault, domain, &host)
            }
            _ => answer(404, "", "no such host"),
        }
    }

    fn entra(&mut self, seen: &Seen, host: &str) -> Vec<u8> {
        let path = seen.path();
        let tenant = path.split('/').nth(1).unwrap_or_default().to_owned();
        // What Microsoft's library looks at first.
        if path.ends_with("/v2.0/.well-known/openid-configuration") {
            let base = format!("https://{host}/{tenant}");
            return answer(
                200,
                "Content-Type: application/json\r\n",
                format!(
                    "{{\"token_endpoint\":\"{base}/oauth2/v2.0/token\",\"authorization_endpoint\":\"{base}/oauth2/v2.0/authorize\",\"issuer\":\"{base}/v2.0\"}}"
                ),
            );
        }
        let bad = |code| aadsts(400, "invalid_request", code);
        let form = String::from_utf8(seen.body.clone()).unwrap_or_default();
        let field = |name| parameter(&form, name).unwrap_or_default();
        let kind = seen.header("content-type").unwrap_or_default();
        if !seen.line.starts_with("POST ") || !kind.starts_with("application/x-www-form-urlencoded")
        {
            return bad(900_144);
        }
        if path != format!("/{tenant}/oauth2/v2.0/token") || tenant.len() < 10 {
            return bad(90_002);
        }
        if field("grant_type") != "client_credentials" {
            return bad(70_003);
        }
        let scope = field("scope");
        let Some(resource) = scope.strip_suffix("/.default") else {
            return bad(70_011);
        };
        if field("client_id") != CLIENT {
            return aadsts(400, "unauthorized_client", 700_016);
        }
        if !resource.starts_with("https://vault.") {
            return aadsts(400, "invalid_resource", 500_011);
        }
        let assertion = field("client_assertion");
        if assertion.is_empty() {
            if field("client_secret") != SECRET {
                return aadsts(401, "invalid_client", 7_000_215);
            }
        } else {
            if field("client_assertion_type")
                != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            {
                return bad(50_027);
            }
            if assertion.split('.').count() != 3 {
                return bad(50_027);
            }
            self.assertions.push(assertion);
        }
        let token = self.give(resource, &tenant);
        answer(
            200,
            "Content-Type: application/json; charset=utf-8\r\nCache-Control: no-store, no-cache\r\n",
            format!(
                "{{\"token_type\":\"Bearer\",\"expires_in\":3599,\"ext_expires_in\":3599,\"access_token\":\"{token}\"}}"
            ),
        )
    }

    fn vault(&mut self, seen: &Seen, vault: &str, domain: &str, host: &str) -> Vec<u8> {
        let resource = format!("https://{domain}");
        let challenge = |message: &str| {
            let body = format!(
                "{{\"error\":{{\"code\":\"Unauthorized\",\"message\":{}}}}}",
                quote(message)
            );
            let login = format!("https://login.windows.net/{}", TENANT);
            let header = format!(
                "WWW-Authenticate: Bearer authorization=\"{login}\", resource=\"{resource}\"\r\n"
            );
            answer(401, &header, body)
        };
        let Some(bearer) = seen.header("authorization") else {
            return challenge("AKV10000: Request is missing a Bearer or PoP token.");
        };
        let number = bearer.strip_prefix(&format!("Bearer {TOKEN}-"));
        let number: Option<usize> = number.and_then(|number| number.parse().ok());
        let known = number.and_then(|number| self.tokens.get(number.checked_sub(1)?));
        match known {
            None => return challenge("AKV10001: JWT token is not well formed."),
            Some((audience, _)) if *audience != resource => {
                return challenge("AKV10022: Invalid audience.");
            }
            Some((_, tenant)) if tenant != TENANT => {
                return challenge("AKV10032: Invalid issuer.");
            }
            Some(_) => {}
        }
        let (path, query) = seen.path().split_once('?').unwrap_or((seen.path(), ""));
        let version = parameter(query, "api-version").unwrap_or_default();
        if !VERSIONS.contains(&version.as_str()) {
            return refusal(
                400,
                "BadParameter",
                "The specified version is not recognized.",
                "",
            );
        }
        if seen.line.starts_with("PUT ") {
            return self.put(seen, vault, path, host);
        }
        if !seen.line.starts_with("GET ") {
            return refusal(405, "MethodNotAllowed", "", "");
        }
        let mine: Vec<&Secret> = self.secrets.iter().filter(|s| s.vault == vault).collect();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match parts[..] {
            ["secrets"] => listing(&mine, query, host),
            ["secrets", name, "versions"] => write::versions(&mine, name, query, host),
            ["secrets", name, ref rest @ ..] if rest.len() < 2 => {
                let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
                if name.is_empty() || name.len() > 127 || !name.chars().all(fits) {
                    return refusal(
                        400,
                        "BadParameter",
                        "The request URI contains an invalid name",
                        "",
                    );
                }
                let wanted = rest.first().copied().unwrap_or_default();
                let found = mine.iter().rfind(|secret| {
                    secret.name.eq_ignore_ascii_case(name)
                        && (wanted.is_empty() || secret.version == wanted)
                });
                match found {
                    None => refusal(
                        404,
                        "SecretNotFound",
                        &format!("A secret with (name/id) {name} was not found in this key vault."),
                        "",
                    ),
                    Some(secret) if secret.attributes.contains("\"enabled\":false") => refusal(
                        403,
                        "Forbidden",
                        "Operation get is not allowed on a disabled secret.",
                        "SecretDisabled",
                    ),
                    Some(secret) => bundle(secret, host),
                }
            }
            _ => refusal(404, "ResourceNotFound", "", ""),
        }
    }
}

/// A secret with its value.
fn bundle(secret: &Secret, host: &str) -> Vec<u8> {
    let body = format!(
        "{{\"value\":{},\"id\":\"https://{host}/secrets/{}/{}\",\"attributes\":{{{},\"created\":1629853039,\"updated\":1629853039,\"recoveryLevel\":\"Recoverable+Purgeable\",\"recoverableDays\":90}}{}}}",
        quote(&secret.value),
        secret.name,
        secret.version,
        secret.attributes,
        secret.more
    );
    answer(
        200,
        "Content-Type: application/json; charset=utf-8\r\n",
        body,
    )
}

/// A page of the names in a vault, 25 at most.
fn listing(all: &[&Secret], query: &str, host: &str) -> Vec<u8> {
    let most = parameter(query, "maxresults").map_or(Ok(25), |text| text.parse::<usize>());
    let Ok(most @ 1..=25) = most else {
        return refusal(400, "BadParameter", "Invalid maxresults", "");
    };
    let start = parameter(query, "$skiptoken").and_then(|text| text.parse().ok());
    let start: usize = start.unwrap_or(0);
    // Each name once, with its latest version.
    let names: Vec<&&Secret> = all
        .iter()
        .enumerate()
        .filter(|(at, secret)| !all[at + 1..].iter().any(|later| later.name == secret.name))
        .map(|(_, secret)| secret)
        .collect();
    let items: Vec<String> = names
        .iter()
        .skip(start)
        .take(most)
        .map(|secret| {
            format!(
                "{{\"id\":\"https://{host}/secrets/{}\",\"attributes\":{{{}}}{}}}",
                secret.name, secret.attributes, secret.more
            )
        })
        .collect();
    let next = if start + most < names.len() {
        quote(&format!(
            "https://{host}/secrets?api-version=7.4&$skiptoken={}&maxresults={most}",
            start + most
        ))
    } else {
        "null".to_owned()
    };
    answer(
        200,
        "Content-Type: application/json; charset=utf-8\r\n",
        format!("{{\"value\":[{}],\"nextLink\":{next}}}", items.join(",")),
    )
}

/// Nothing that is secret was told.
#[track_caller]
pub fn discreet(answer: Answer) -> Answer {
    answer.hides("c4n4ry")
}
