//! The token endpoint of Entra: proof of who we are in, a token out.

use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::http::{Address, Answer, Method, Request, Value};
use crate::secret::Secret;

use super::fault::Fault;
use super::{Setup, form, token_in};

const HOST: &str = "AZURE_AUTHORITY_HOST";

/// What an application proves itself with.
pub(super) enum Proof {
    /// A shared secret.
    Secret(Secret),
    /// A signed statement, of its own or of an issuer that the application trusts.
    Assertion(Secret),
}

/// Where the tokens of a tenant are given out.
pub(super) struct Authority(Address);

impl Authority {
    /// `AZURE_AUTHORITY_HOST`, or the host of the cloud that the vault is in.
    pub(super) fn of(setup: &Setup<'_>, tenant: &str) -> Result<Authority, Failure> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if !tenant.chars().all(fits) || tenant.starts_with('.') {
            return Err(Fault::BadTenant.into());
        }
        let host = setup.text(HOST).unwrap_or(&setup.want.login);
        let bad = |fault| Failure::from(Fault::BadAuthority(fault));
        let base = if host.contains("://") {
            Address::parse(host).map_err(bad)?
        } else {
            Address::parse(&format!("https://{host}")).map_err(bad)?
        };
        if !base.https() {
            return Err(Fault::ClearAuthority.into());
        }
        let path = format!("/{tenant}/oauth2/v2.0/token");
        Ok(Authority(base.with_path(&path).map_err(bad)?))
    }

    /// Whom an assertion is for: the endpoint itself.
    pub(super) fn audience(&self) -> String {
        format!("{}{}", self.0.origin(), self.0.path())
    }

    /// Asks for a token.
    pub(super) fn token(
        &self,
        setup: &Setup<'_>,
        client: &str,
        proof: Proof,
    ) -> Result<Secret, Failure> {
        const BEARER: &[u8] = b"urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let scope = format!("{}/.default", setup.want.resource);
        let mut pairs: Vec<(&str, &[u8])> = vec![
            ("grant_type", b"client_credentials"),
            ("client_id", client.as_bytes()),
            ("scope", scope.as_bytes()),
        ];
        match &proof {
            Proof::Secret(secret) => pairs.push(("client_secret", secret.expose())),
            Proof::Assertion(token) => {
                pairs.push(("client_assertion_type", BEARER));
                pairs.push(("client_assertion", token.expose()));
            }
        }
        let mut request = Request::send(Method::Post, self.0.clone(), form(&pairs)).header(
            "content-type",
            Value::Plain("application/x-www-form-urlencoded".into()),
        );
        // Two tokens do no harm.
        request.idempotent = true;
        let answer = setup.client.send(&request)?;
        let json = json::parse(answer.body.expose()).ok();
        let token = json
            .as_ref()
            .and_then(|json| token_in(json, "access_token"));
        match (answer.status, token) {
            (200, Some(token)) => Ok(token),
            (200, None) => Err(Fault::Malformed("Entra").into()),
            _ => Err(refusal(setup, client, &answer, json.as_ref()).into()),
        }
    }
}

/// What Entra refuses: its number says more than its status.
fn refusal(setup: &Setup<'_>, client: &str, answer: &Answer, json: Option<&Json>) -> Fault {
    let code = || {
        let codes = json?.get("error_codes")?.list()?;
        codes.first()?.whole()
    };
    match code() {
        Some(code) => Fault::Entra {
            code,
            client: client.to_owned(),
            resource: setup.want.resource.clone(),
        },
        None => Fault::Answer("Entra", answer.status),
    }
}
