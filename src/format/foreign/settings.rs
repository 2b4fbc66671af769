//! Variables that configure the other tools, and command lines that name their secrets.

use super::Why;

/// What a variable of another tool is here.
pub enum Found {
    /// These settings.
    Lines(Vec<(String, String)>),
    /// It says how the references are meant, and is in them now.
    Said,
    /// It has no equal.
    Left(Why),
}

/// What is known of the source.
#[derive(Clone, Copy, Default)]
pub struct Users {
    /// Values of vault-env or secret-init are in it.
    pub bank: bool,
    /// HCP Vault Secrets, at HashiCorp's own address.
    pub hcp: bool,
}

/// A variable that another tool reads; none if it is nobody's. `known`: the settings of this envshim.
pub fn settings(
    name: &str,
    value: &str,
    users: Users,
    known: &dyn Fn(&str) -> bool,
) -> Option<Found> {
    if users.hcp && name.starts_with("HCP_") {
        return Some(hcp(name, value));
    }
    if let Some(rest) = name.strip_prefix("CHAMBER_") {
        return Some(match rest {
            "AWS_REGION" => one("AWS_REGION", value),
            _ => Found::Left(Why::Setting("chamber")),
        });
    }
    if name.starts_with("SECRET_INIT_") {
        return Some(Found::Left(Why::Setting("secret-init")));
    }
    if !users.bank {
        return None;
    }
    if name == "AZURE_KEY_VAULT_URL" {
        return Some(one("AZURE_VAULT_URL", value));
    }
    let rest = name
        .strip_prefix("VAULT_")
        .or_else(|| name.strip_prefix("BAO_"))?;
    Some(match rest {
        "PATH" => one("VAULT_AUTH_MOUNT", value),
        "FROM_PATH" | "ENV_FROM_PATH" => {
            if value.contains('#') {
                return Some(Found::Left(Why::Form));
            }
            let paths: Vec<String> = value
                .split(',')
                .map(|path| format!("/{}", path.trim().trim_matches('/')))
                .collect();
            one("VAULT_SECRET_PATH", &paths.join(", "))
        }
        "PASSTHROUGH" => one("ENVSHIM_PASS", value),
        "IGNORE_MISSING_SECRETS" => Found::Said,
        "TOKEN" if value.ends_with(":login") => Found::Left(Why::TokenHandedOn),
        rest if known(&format!("VAULT_{rest}")) => one(&format!("VAULT_{rest}"), value),
        _ => Found::Left(Why::Setting("vault-env")),
    })
}

fn one(name: &str, value: &str) -> Found {
    Found::Lines(vec![(name.to_owned(), value.to_owned())])
}

/// HashiCorp's migration made a KV v2 mount of each app, with a secret for each name and its value in
/// the field `value`; a folder of such is an import.
fn hcp(name: &str, value: &str) -> Found {
    let app = match name {
        "HCP_SECRETS_URL" => {
            let after = value.split_once("/apps/").map(|(_, after)| after);
            after.and_then(|after| after.split(['/', '?']).next())
        }
        "HCP_APP" => Some(value),
        _ => return Found::Left(Why::HcpCredential),
    };
    match app.filter(|app| !app.is_empty()) {
        Some(app) => one("ENVSHIM_IMPORT", &format!("vault:/{app}/")),
        None => Found::Left(Why::Form),
    }
}

/// Is this an address of HashiCorp's own, where the service has ended?
pub(super) fn hashicorps(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    host.ends_with(".hashicorp.cloud") || host.ends_with(".hashicorp.com")
}

impl Users {
    /// Looks at all variables of a source.
    pub fn of<'a>(variables: impl Iterator<Item = (&'a str, &'a [u8])>) -> Users {
        let mut users = Users::default();
        for (name, value) in variables {
            let value = std::str::from_utf8(value).unwrap_or_default();
            let marks = [
                "vault:",
                ">>vault:",
                "bao:",
                ">>bao:",
                "azure:keyvault:",
                "gcp:secretmanager:",
            ];
            users.bank |= marks.iter().any(|mark| value.starts_with(mark))
                || ["${vault:", "${>>vault:", "${bao:", "${>>bao:"]
                    .iter()
                    .any(|mark| value.contains(mark))
                || matches!(
                    name,
                    "VAULT_FROM_PATH" | "VAULT_ENV_FROM_PATH" | "BAO_FROM_PATH"
                )
                || name.starts_with("SECRET_INIT_");
            users.hcp |= name == "HCP_SECRETS_URL" && hashicorps(value);
        }
        users
    }
}

/// The services of `chamber exec a b -- program` in a Dockerfile, a Procfile or a script, as imports; none if
/// chamber is not run there.
pub fn chamber(text: &str) -> Option<Result<Vec<String>, Why>> {
    let mut imports = Vec::new();
    let mut runs = false;
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        // `["chamber", "exec", "app", "--"]` of a Dockerfile is the same row of words.
        let separates = |c: char| c.is_whitespace() || matches!(c, '[' | ']' | ',' | '"' | '\'');
        let mut words = line.split(separates).filter(|word| !word.is_empty());
        if !words.any(|word| word == "chamber" || word.ends_with("/chamber")) {
            continue;
        }
        let mut secrets_manager = false;
        let mut exec = false;
        while let Some(word) = words.next() {
            match word {
                "--" => break,
                "exec" if !exec => exec = true,
                "-b" | "--backend" => match words.next().map(str::to_ascii_lowercase).as_deref() {
                    Some("secretsmanager") => secrets_manager = true,
                    Some("ssm") => {}
                    _ => return Some(Err(Why::Backend("chamber -b".to_owned()))),
                },
                "-r"
                | "--retries"
                | "--kms-key-alias"
                | "--retry-mode"
                | "--min-throttle-delay" => {
                    words.next();
                }
                word if word.starts_with("--backend=") => {
                    match word.to_ascii_lowercase().as_str() {
                        "--backend=secretsmanager" => secrets_manager = true,
                        "--backend=ssm" => {}
                        _ => return Some(Err(Why::Backend("chamber --backend".to_owned()))),
                    }
                }
                word if word.starts_with('-') => {}
                // Another of its commands, or prose.
                _ if !exec => break,
                word if word.contains('$') => return Some(Err(Why::Variable)),
                service if secrets_manager => imports.push(format!("aws:{service}")),
                service => imports.push(format!("ssm:/{}/", service.trim_matches('/'))),
            }
        }
        runs |= exec;
    }
    runs.then_some(Ok(imports))
        .filter(|found| !matches!(found, Ok(none) if none.is_empty()))
}
