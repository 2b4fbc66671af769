//! Logging in, and opening what was wrapped on its way to us.

use crate::format::json::Json;
use crate::http::Answer;
use crate::provider::Context;
use crate::provider::vault::chain::choose;
use crate::provider::vault::credential::{Credential, Held, Login};
use crate::provider::vault::fault::Fault;
use crate::provider::vault::path::encoded;
use crate::provider::vault::server::{As, Server};
use crate::provider::vault::tend::Grant;
use crate::secret::Secret;

/// What is known of the token that requests carry.
#[derive(Clone)]
pub(super) struct Session {
    /// Where it came from.
    pub(super) from: String,
    /// Vault has given it to us just now.
    pub(super) fresh: bool,
    /// Its life, where we know it and it ends.
    pub(super) grant: Option<Grant>,
}

/// Gets a token, with no request where there is one already.
pub(super) fn enter(server: &mut Server, context: &Context<'_>) -> Result<Session, Fault> {
    let session = |from: &str, fresh| Session {
        from: from.to_owned(),
        fresh,
        grant: None,
    };
    match choose(context, server.agent)? {
        Credential::Nothing => Ok(session("", false)),
        Credential::Token(held) => {
            server.token = Some(held.value);
            Ok(session(held.from, false))
        }
        Credential::Wrapped(held) => {
            let made_for = |path: &str| path.starts_with("auth/");
            let opened = unwrap(server, &held, made_for)?;
            let token = opened.get("auth").and_then(|auth| auth.get("client_token"));
            let token = token
                .and_then(Json::text)
                .ok_or(Fault::ForeignWrapping(held.from))?;
            server.token = Some(token.duplicate());
            Ok(Session {
                grant: opened.get("auth").and_then(Grant::of_token),
                ..session(held.from, true)
            })
        }
        Credential::Login(login) => {
            let method = login.method;
            let (token, grant) = log_in(server, login)?;
            server.token = Some(token);
            context
                .report
                .debug(|| format!("vault: logged in by `{method}`"));
            Ok(Session {
                grant,
                ..session(method, true)
            })
        }
    }
}

fn log_in(server: &mut Server, login: Login) -> Result<(Secret, Option<Grant>), Fault> {
    let Login {
        method,
        mount,
        user,
        mut body,
        wrapped,
    } = login;
    if let Some(held) = wrapped {
        let prefix = format!("auth/{mount}/role/");
        let made_for = |path: &str| path.starts_with(&prefix) && path.ends_with("/secret-id");
        let opened = unwrap(server, &held, made_for)?;
        let id = opened.get("data").and_then(|data| data.get("secret_id"));
        let id = id
            .and_then(Json::text)
            .ok_or(Fault::ForeignWrapping(held.from))?;
        body.push(("secret_id", Json::Text(id.duplicate())));
    }
    let user = user.map(|user| format!("/{}", encoded(&user).replace('/', "%2F")));
    let path = format!("auth/{}/login{}", encoded(&mount), user.unwrap_or_default());
    let answer = server.post(&path, As::Nobody, body, true)?;
    match answer.status {
        200 => {}
        400 | 401 | 403 => {
            let status = answer.status;
            return Err(Fault::Refused {
                method,
                mount,
                status,
            });
        }
        404 | 405 => return Err(Fault::NoLogin { method, mount }),
        _ => return Err(server.ailment(&answer)),
    }
    let content = server.content(&answer)?;
    let auth = content.get("auth");
    let field = |name| auth.and_then(|auth| auth.get(name));
    match (
        field("client_token").and_then(Json::text),
        field("mfa_requirement"),
    ) {
        (Some(token), _) if !token.expose().is_empty() => {
            Ok((token.duplicate(), auth.and_then(Grant::of_token)))
        }
        (_, Some(Json::Object(_))) => Err(Fault::SecondFactor(method)),
        _ => Err(not_vault(server, &answer)),
    }
}

/// Opens a wrapping token, after a look at what it was made for: a stranger on its way could have
/// opened it and put another one in its place.
fn unwrap(
    server: &mut Server,
    held: &Held,
    made_for: impl Fn(&str) -> bool,
) -> Result<Json, Fault> {
    let body = vec![("token", Json::Text(held.value.duplicate()))];
    let answer = server.post("sys/wrapping/lookup", As::Nobody, body, true)?;
    let content = wrapped(server, &answer, held)?;
    let path = content
        .get("data")
        .and_then(|data| data.get("creation_path"));
    match path.and_then(Json::as_str) {
        Some(path) if made_for(path) => {}
        _ => return Err(Fault::ForeignWrapping(held.from)),
    }
    // It can be opened once; a second try would only say that it is gone.
    let who = As::Token(&held.value);
    let answer = server.post("sys/wrapping/unwrap", who, Vec::new(), false)?;
    wrapped(server, &answer, held)
}

fn wrapped(server: &Server, answer: &Answer, held: &Held) -> Result<Json, Fault> {
    match answer.status {
        200 => server.content(answer),
        400 | 401 | 403 | 404 => Err(Fault::Wrapping(held.from)),
        _ => Err(server.ailment(answer)),
    }
}

fn not_vault(server: &Server, answer: &Answer) -> Fault {
    Fault::NotVault {
        status: answer.status,
        at: server.name.clone(),
    }
}
