//! Which login: `VAULT_AUTH_METHOD` decides, else the first link of a chain for which something is
//! set.

use std::path::Path;

use crate::credential::{Link, Pass, Unanswered, chain};
use crate::provider::Context;
use crate::provider::vault::credential::{Credential, Of, SERVICE_ACCOUNT};
use crate::provider::vault::fault::Fault;

/// Finds out who we are. `agent`: there is one that may answer without.
pub(super) fn choose(context: &Context<'_>, agent: bool) -> Result<Credential, Fault> {
    let settings = context.settings;
    let of = Of {
        context,
        settings,
        agent,
    };
    if let Some(method) = settings.text("VAULT_AUTH_METHOD") {
        return of.method(method.trim().to_ascii_lowercase().as_str());
    }
    match chain(&links(), &of) {
        Ok((_, credential)) => Ok(credential),
        Err(Unanswered::Nobody(tried)) => Err(Fault::NoCredentials(tried)),
        Err(Unanswered::Broken { failure, .. }) => Err(Fault::Broken(failure)),
    }
}

/// The chain. A link is set up where one of its settings is.
fn links<'a>() -> [Link<Of<'a>, Credential>; 9] {
    type Ask<'a> = fn(&Of<'a>) -> Result<Credential, Pass>;
    let link = |name, ask: Ask<'a>| Link { name, ask };
    [
        link("VAULT_TOKEN", |of| {
            let settings = ["VAULT_TOKEN", "VAULT_TOKEN_FILE", "VAULT_WRAPPED_TOKEN"];
            where_set(of, &settings, "token")
        }),
        link("VAULT_ROLE_ID", |of| {
            where_set(of, &["VAULT_ROLE_ID", "VAULT_ROLE_ID_FILE"], "approle")
        }),
        link("VAULT_JWT", |of| {
            where_set(of, &["VAULT_JWT", "VAULT_JWT_FILE"], "jwt")
        }),
        link("VAULT_USERNAME", |of| {
            where_set(of, &["VAULT_USERNAME"], "userpass")
        }),
        link("VAULT_GITHUB_TOKEN", |of| {
            where_set(
                of,
                &["VAULT_GITHUB_TOKEN", "VAULT_AUTH_GITHUB_TOKEN"],
                "github",
            )
        }),
        // The name of a role alone is a login where a service account stands beside it.
        link("VAULT_ROLE", |of| match of.settings.setting("VAULT_ROLE") {
            None => Err(Pass::Silent("unset".to_owned())),
            Some(_) if Path::new(SERVICE_ACCOUNT).exists() => {
                of.method("kubernetes").map_err(broken)
            }
            Some(_) => Err(Pass::Silent(format!(
                "set, but there is no {SERVICE_ACCOUNT}"
            ))),
        }),
        link("~/.vault-token", |of| match of.token_of_home() {
            Ok(Some(held)) => Ok(Credential::Token(held)),
            Ok(None) => Err(Pass::Silent("no file".to_owned())),
            Err(fault) => Err(broken(fault)),
        }),
        link("VAULT_CLIENT_CERT", |of| {
            where_set(of, &["VAULT_CLIENT_CERT"], "cert")
        }),
        link("agent", |of| {
            let none = || Pass::Silent("VAULT_AGENT_ADDR is unset".to_owned());
            of.agent.then_some(Credential::Nothing).ok_or_else(none)
        }),
    ]
}

fn broken(fault: Fault) -> Pass {
    Pass::Broken(fault.into())
}

fn where_set(of: &Of<'_>, names: &[&str], method: &str) -> Result<Credential, Pass> {
    match names.iter().any(|name| of.settings.setting(name).is_some()) {
        true => of.method(method).map_err(broken),
        false => Err(Pass::Silent("unset".to_owned())),
    }
}
