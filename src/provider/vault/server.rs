//! One Vault: its address, what every request to it carries, and what its answers mean.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::clock::parse_duration;
use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::http::{
    Address, Answer, Authority, Client, Identity, Method, Options, Pem, Proxies, Request, Value,
};
use crate::provider::Context;
use crate::provider::vault::fault::Fault;
use crate::secret::Secret;

/// Headers that are ours to set begin so.
const OWN: &str = "x-vault-";

/// A Vault that can be asked.
pub(super) struct Server {
    client: Client,
    base: Address,
    /// `/v1/`, or behind the path of the address.
    prefix: String,
    namespace: Option<String>,
    headers: Vec<(String, Secret)>,
    follow: bool,
    /// What it is called in messages.
    pub(super) name: String,
    /// The address is that of an agent, which may add a token by itself.
    pub(super) agent: bool,
    pub(super) token: Option<Secret>,
    /// How far the cluster must be for us to see what our login has written.
    index: Option<String>,
}

/// Whose token a request carries.
#[derive(Clone, Copy)]
pub(super) enum As<'a> {
    /// Nobody's: a login.
    Nobody,
    /// The one we are logged in with.
    Us,
    /// Another one.
    Token(&'a Secret),
}

impl Server {
    /// The server of the settings. Nothing is sent yet.
    pub(super) fn of(context: &Context<'_>) -> Result<Server, Failure> {
        let settings = context.settings;
        let (variable, text) = ["VAULT_AGENT_ADDR", "VAULT_ADDR"]
            .into_iter()
            .find_map(|name| Some((name, settings.text(name)?)))
            .ok_or(Fault::NoAddress)?;
        let text = text.trim();
        let mut options = context.options()?;
        let (base, name) = match text.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => {
                options.socket = Some(PathBuf::from(path));
                (Address::parse("http://localhost"), format!("unix://{path}"))
            }
            Some(_) => return Err(Fault::Setting(variable, "unix:///path").into()),
            None => {
                let address = Address::parse(text);
                let name = address.as_ref().map_or(String::new(), Address::origin);
                (address, name)
            }
        };
        let base = base.map_err(|fault| Fault::Address(variable, fault))?;
        context.weigh(&base, variable)?;
        let agent = variable == "VAULT_AGENT_ADDR" || options.socket.is_some();
        patience(context, &mut options)?;
        tls(context, &mut options)?;
        let path = base.path().split('?').next().unwrap_or_default();
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path);
        let namespace = settings.text("VAULT_NAMESPACE");
        let namespace = namespace.map(|text| text.trim_matches('/').to_owned());
        Ok(Server {
            prefix: format!("{path}/v1/"),
            client: Client::new(options),
            base,
            namespace: namespace.filter(|text| !text.is_empty()),
            headers: headers(context)?,
            follow: !switch(context, "VAULT_DISABLE_REDIRECTS")?,
            name,
            agent,
            token: None,
            index: None,
        })
    }

    fn request(&self, path: &str, who: As<'_>, body: Option<Secret>) -> Result<Request, Fault> {
        let address = self.base.with_path(&format!("{}{path}", self.prefix));
        let address = address.map_err(|_| Fault::OddPath)?;
        let mut request = match body {
            None => Request::get(address),
            Some(body) => Request::send(Method::Post, address, body),
        };
        request.follow = self.follow;
        request = request.header("X-Vault-Request", Value::Plain(Cow::Borrowed("true")));
        let token = match who {
            As::Nobody => None,
            As::Us => self.token.as_ref(),
            As::Token(token) => Some(token),
        };
        if let Some(token) = token {
            request = request.header("X-Vault-Token", Value::Secret(token.duplicate()));
        }
        if let Some(namespace) = &self.namespace {
            let namespace = Value::Plain(Cow::Owned(namespace.clone()));
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(index) = &self.index {
            request = request.header("X-Vault-Index", Value::Plain(Cow::Owned(index.clone())));
        }
        for (name, value) in &self.headers {
            request = request.header(name.clone(), Value::Secret(value.duplicate()));
        }
        Ok(request)
    }

    /// Reads one path.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Fault> {
        let request = self.request(path, As::Us, None)?;
        self.client.send(&request).map_err(Fault::Http)
    }

    /// Reads many paths at once.
    pub(super) fn get_all(&self, paths: &[String]) -> Vec<Result<Answer, Fault>> {
        let made: Result<Vec<Request>, Fault> = paths
            .iter()
            .map(|path| self.request(path, As::Us, None))
            .collect();
        let requests = match made {
            Ok(requests) => requests,
            Err(fault) => return paths.iter().map(|_| Err(fault.clone())).collect(),
        };
        // A few rounds over some connections, not a connection for each.
        let bound = requests.len().div_ceil(3).max(16);
        let answers = self.client.together(&requests, bound);
        answers
            .into_iter()
            .map(|answer| answer.map_err(Fault::Http))
            .collect()
    }

    /// Sends a body. `again`: it may be sent twice, should an answer get lost.
    pub(super) fn post(
        &mut self,
        path: &str,
        who: As<'_>,
        body: Vec<(&str, Json)>,
        again: bool,
    ) -> Result<Answer, Fault> {
        let fields = body
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let body = Json::Object(fields.collect()).compact();
        let mut request = self.request(path, who, Some(body))?;
        request.idempotent = again;
        request = request.header(
            "Content-Type",
            Value::Plain(Cow::Borrowed("application/json")),
        );
        let answer = self.client.send(&request).map_err(Fault::Http)?;
        if let Some(index) = answer.header("x-vault-index") {
            self.index = Some(index.to_owned());
        }
        Ok(answer)
    }

    /// Writes a body to a path, once: what comes of a lost answer is for the caller to find out.
    pub(super) fn write(
        &mut self,
        path: &str,
        method: Method,
        body: Json,
    ) -> Result<Answer, Fault> {
        let kind = match method {
            Method::Patch => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = self.request(path, As::Us, Some(body.compact()))?;
        request.method = method;
        request.idempotent = false;
        request = request.header("Content-Type", Value::Plain(Cow::Borrowed(kind)));
        let answer = self.client.send(&request).map_err(Fault::Http)?;
        if let Some(index) = answer.header("x-vault-index") {
            self.index = Some(index.to_owned());
        }
        Ok(answer)
    }

    /// The content of an answer that should be a good one.
    pub(super) fn content(&self, answer: &Answer) -> Result<Json, Fault> {
        let parsed = json::parse(answer.body.expose()).ok();
        let parsed = parsed.filter(|json| matches!(json, Json::Object(_)));
        parsed.ok_or_else(|| Fault::NotVault {
            status: answer.status,
            at: self.name.clone(),
        })
    }

    /// The fault that a status stands for.
    pub(super) fn ailment(&self, answer: &Answer) -> Fault {
        let parsed = json::parse(answer.body.expose()).ok();
        let errors = parsed.as_ref().and_then(|json| json.get("errors"));
        Fault::Status {
            status: answer.status,
            at: self.name.clone(),
            own: errors.is_some(),
        }
    }
}

/// How long and how often.
fn patience(context: &Context<'_>, options: &mut Options) -> Result<(), Fault> {
    options.policy.also = &[412];
    if let Some(text) = context.settings.text("VAULT_CLIENT_TIMEOUT") {
        let limit = parse_duration(text).filter(|limit| !limit.is_zero());
        options.attempt = limit.ok_or(Fault::Setting("VAULT_CLIENT_TIMEOUT", "10s"))?;
    }
    if let Some(text) = context.settings.text("VAULT_MAX_RETRIES") {
        let retries: Option<u32> = text.trim().parse().ok();
        let retries = retries.ok_or(Fault::Setting("VAULT_MAX_RETRIES", "2"))?;
        options.policy.tries = retries.saturating_add(1);
    }
    Ok(())
}

fn tls(context: &Context<'_>, options: &mut Options) -> Result<(), Failure> {
    let settings = context.settings;
    let path = |name| settings.text(name).map(PathBuf::from);
    if let Some(path) = path("VAULT_CACERT") {
        options.tls.authority = Authority::Only(Pem::File("VAULT_CACERT", path));
    } else if let Some(pem) = settings.setting("VAULT_CACERT_BYTES") {
        let pem = Secret::new(pem.to_vec());
        options.tls.authority = Authority::Only(Pem::Text("VAULT_CACERT_BYTES", pem));
    } else if let Some(path) = path("VAULT_CAPATH") {
        options.tls.authority = Authority::OnlyFolder("VAULT_CAPATH", path);
    }
    let (certificate, key) = ("VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY");
    options.tls.identity = match (path(certificate), path(key)) {
        (Some(one), Some(other)) => Some(Identity {
            certificate: Pem::File(certificate, one),
            key: Pem::File(key, other),
        }),
        (Some(_), None) => return Err(Fault::Alone(certificate, key).into()),
        (None, Some(_)) => return Err(Fault::Alone(key, certificate).into()),
        (None, None) => None,
    };
    let name = settings.text("VAULT_TLS_SERVER_NAME");
    options.tls.server_name = name.map(|name| ("VAULT_TLS_SERVER_NAME", name.to_owned()));
    if switch(context, "VAULT_SKIP_VERIFY")? {
        if context.strict {
            return Err(Fault::Unverified.into());
        }
        let what = "VAULT_SKIP_VERIFY: any certificate is believed, so anybody can be this Vault";
        let hint = "name the authority instead: VAULT_CACERT=/path/ca.pem";
        context.report.warn(what, Some(hint));
        options.tls.verify = false;
    }
    for variable in ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"] {
        if let Some(text) = settings.text(variable) {
            options.proxies = Proxies::only(text.trim(), variable)?.into();
            break;
        }
    }
    Ok(())
}

/// The user's own headers, which may hold what a gateway in front of Vault wants to see.
fn headers(context: &Context<'_>) -> Result<Vec<(String, Secret)>, Fault> {
    let Some(text) = context.settings.setting("VAULT_HEADERS") else {
        return Ok(Vec::new());
    };
    let odd = || Fault::Setting("VAULT_HEADERS", "{\"Name\": \"value\"}");
    let Ok(Json::Object(fields)) = json::parse(text) else {
        return Err(odd());
    };
    let mut headers = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        if name.to_ascii_lowercase().starts_with(OWN) {
            return Err(Fault::OwnHeader(name));
        }
        headers.push((name, value.text().ok_or_else(odd)?.duplicate()));
    }
    Ok(headers)
}

fn switch(context: &Context<'_>, variable: &'static str) -> Result<bool, Fault> {
    let Some(text) = context.settings.text(variable) else {
        return Ok(false);
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "yes" | "on" => Ok(true),
        "0" | "f" | "false" | "no" | "off" => Ok(false),
        _ => Err(Fault::Setting(variable, "1")),
    }
}
