//! Profiles: roles taken with the credentials of another profile or place, web identity, and what a
//! profile has itself.

use std::path::PathBuf;

use crate::credential::Pass;
use crate::credential::sigv4::Keys;
use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::secret::Secret;

use super::fault::Fault;
use super::sts::{self, Role};
use super::{Setup, container, environment, imds, process, sso};

/// More than a token of a service account has.
const MOST: usize = 64 << 10;

/// The role that the profile takes with other credentials.
pub(super) fn ask(setup: &Setup<'_>) -> Result<Keys, Pass> {
    if takes_role(setup, &setup.profile) {
        let mut seen = Vec::new();
        return taken(setup, &setup.profile, &mut seen).map_err(Pass::Broken);
    }
    Err(Pass::Silent(String::new()))
}

/// The token of a service account for a role: of the environment (EKS), or of the profile.
pub(super) fn web_identity(setup: &Setup<'_>) -> Result<Keys, Pass> {
    const FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
    let either = |variable, key| setup.either(variable, key);
    let Some(path) = either(FILE, "web_identity_token_file") else {
        return Err(Pass::Silent("unset".to_owned()));
    };
    let Some(arn) = either("AWS_ROLE_ARN", "role_arn") else {
        let fault = Fault::Half(FILE.to_owned(), "AWS_ROLE_ARN".to_owned());
        return Err(Pass::Broken(fault.into()));
    };
    let session = either("AWS_ROLE_SESSION_NAME", "role_session_name");
    with_token(setup, path, arn, session).map_err(Pass::Broken)
}

fn with_token(
    setup: &Setup<'_>,
    path: &str,
    arn: &str,
    session: Option<&str>,
) -> Result<Keys, Failure> {
    let token = token_file("AWS_WEB_IDENTITY_TOKEN_FILE", path)?;
    let role = Role {
        arn,
        session,
        external_id: None,
        duration: None,
    };
    sts::assume_with_token(setup, &role, &token)
}

/// The token in a file, without the newline that editors add.
pub(super) fn token_file(variable: &'static str, path: &str) -> Result<Secret, Failure> {
    let path = PathBuf::from(path);
    let found = files::read(&path, MOST, Accept::Regular)?;
    let token = found.map(|found| Secret::new(found.bytes.expose().trim_ascii().to_vec()));
    match token {
        Some(token) if !token.expose().is_empty() => Ok(token),
        _ => Err(Fault::TokenFile(variable, path).into()),
    }
}

/// What the profile has itself.
pub(super) fn own(setup: &Setup<'_>) -> Result<Keys, Pass> {
    let profile = setup.profile.as_str();
    if !setup.profiles.has(profile) {
        let why = if setup.profiles.found {
            format!("no `{profile}` in the AWS files")
        } else {
            "no file".to_owned()
        };
        return Err(Pass::Silent(why));
    }
    match inherent(setup, profile) {
        Ok(Some(keys)) => Ok(keys),
        Ok(None) => Err(Pass::Silent(format!("`{profile}` has no credentials"))),
        Err(failure) => Err(Pass::Broken(failure)),
    }
}

/// SSO, keys, `credential_process`: whichever the profile has.
fn inherent(setup: &Setup<'_>, profile: &str) -> Result<Option<Keys>, Failure> {
    if let Some(keys) = sso::of_profile(setup, profile)? {
        return Ok(Some(keys));
    }
    if let Some(keys) = fixed(setup, profile)? {
        return Ok(Some(keys));
    }
    if setup.profiles.text(profile, "login_session").is_some() {
        return Err(Fault::LoginSession(profile.to_owned()).into());
    }
    process::of_profile(setup, profile)
}

fn fixed(setup: &Setup<'_>, profile: &str) -> Result<Option<Keys>, Failure> {
    let (id, secret) = ("aws_access_key_id", "aws_secret_access_key");
    let profiles = &setup.profiles;
    match (profiles.text(profile, id), profiles.value(profile, secret)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(Fault::Lacks(profile.to_owned(), secret).into()),
        (None, Some(_)) => Err(Fault::Lacks(profile.to_owned(), id).into()),
        (Some(id), Some(secret)) => Ok(Some(Keys {
            id: id.to_owned(),
            secret: secret.duplicate(),
            token: profiles
                .value(profile, "aws_session_token")
                .map(Secret::duplicate),
        })),
    }
}

fn takes_role(setup: &Setup<'_>, profile: &str) -> bool {
    let has = |key| setup.profiles.value(profile, key).is_some();
    has("role_arn") && !has("web_identity_token_file")
}

fn taken(setup: &Setup<'_>, profile: &str, seen: &mut Vec<String>) -> Result<Keys, Failure> {
    let text = |key| setup.profiles.text(profile, key);
    let name = || profile.to_owned();
    if seen.iter().any(|known| known == profile) {
        return Err(Fault::Loop(name()).into());
    }
    seen.push(name());
    if text("mfa_serial").is_some() {
        return Err(Fault::Mfa(name()).into());
    }
    let source = match (text("source_profile"), text("credential_source")) {
        (Some(_), Some(_)) => return Err(Fault::Sources(name(), true).into()),
        (None, None) => return Err(Fault::Sources(name(), false).into()),
        (None, Some(source)) => place(setup, profile, source)?,
        (Some(source), None) => of_source(setup, profile, source, seen)?,
    };
    let role = Role {
        arn: text("role_arn").unwrap_or_default(),
        session: text("role_session_name"),
        external_id: text("external_id"),
        duration: text("duration_seconds"),
    };
    sts::assume(setup, &role, &source)
}

/// The credentials of a `source_profile`. One that names itself means its own keys.
fn of_source(
    setup: &Setup<'_>,
    profile: &str,
    source: &str,
    seen: &mut Vec<String>,
) -> Result<Keys, Failure> {
    if !setup.profiles.has(source) {
        return Err(Fault::NoProfile(source.to_owned(), setup.profiles.names()).into());
    }
    if let Some(keys) = fixed(setup, source)? {
        return Ok(keys);
    }
    if source == profile {
        return Err(Fault::Loop(source.to_owned()).into());
    }
    if takes_role(setup, source) {
        return taken(setup, source, seen);
    }
    let text = |key| setup.profiles.text(source, key);
    if let (Some(path), Some(arn)) = (text("web_identity_token_file"), text("role_arn")) {
        return with_token(setup, path, arn, text("role_session_name"));
    }
    inherent(setup, source)?.ok_or_else(|| Fault::Empty(source.to_owned()).into())
}

/// The credentials of a `credential_source`.
fn place(setup: &Setup<'_>, profile: &str, source: &str) -> Result<Keys, Failure> {
    let found = match source {
        "Environment" => environment::ask(setup),
        "EcsContainer" => container::ask(setup),
        "Ec2InstanceMetadata" => imds::ask(setup),
        _ => return Err(Fault::BadSource(profile.to_owned(), source.to_owned()).into()),
    };
    found.map_err(|pass| match pass {
        Pass::Silent(why) => Fault::SourceSilent(source.to_owned(), why).into(),
        Pass::Broken(failure) => failure,
    })
}
