//! Credential files: in a variable, named by one, or where gcloud leaves its login. What they are
//! is said in them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};

use crate::credential::Pass;
use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::secret::{Secret, SecretBuffer};

use super::document::{Document, parse};
use super::fault::Fault;
use super::{Found, Setup, external, impersonation, service_account, user};

pub(super) const CONTENT: &str = "GOOGLE_CREDENTIALS";
pub(super) const NAMED: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// A few kilobytes at most.
const MOST: usize = 256 << 10;

/// The content of a file, for platforms that have variables only; in Base64 too, where they take no
/// quotes. A path is meant as one.
pub(super) fn content(setup: &Setup<'_>) -> Result<Found, Pass> {
    let Some(text) = setup.secret(CONTENT) else {
        return Err(Pass::Silent(String::new()));
    };
    match inside(text.expose()) {
        Some(content) => account(setup, &content, "it"),
        None => must(setup, text.expose(), true),
    }
    .map_err(Pass::Broken)
}

/// The file that a variable names.
pub(super) fn named(setup: &Setup<'_>) -> Result<Found, Pass> {
    let Some(path) = (setup.look)(NAMED).filter(|path| !path.is_empty()) else {
        return Err(Pass::Silent("unset".to_owned()));
    };
    if inside(path).is_some() {
        return Err(Pass::Broken(Fault::Content.into()));
    }
    must(setup, path, false).map_err(Pass::Broken)
}

/// The JSON that a variable holds, as it is or in Base64.
fn inside(text: &[u8]) -> Option<Secret> {
    let text = text.trim_ascii();
    if text.starts_with(b"{") {
        return Some(Secret::new(text.to_vec()));
    }
    let mut digits = SecretBuffer::with_capacity(text.len());
    for line in text.split(u8::is_ascii_whitespace) {
        digits.push(line);
    }
    let digits = std::str::from_utf8(digits.as_bytes()).ok()?;
    let json = Secret::new(Base64::decode_vec(digits).ok()?);
    json.expose().starts_with(b"{").then_some(json)
}

/// The file at a path. What does not look like one may be a key, and is not repeated.
fn must(setup: &Setup<'_>, path: &[u8], strict: bool) -> Result<Found, Failure> {
    let odd = |b: &u8| b.is_ascii_control() || matches!(b, b'{' | b'"');
    let named = path.contains(&b'/') || path.ends_with(b".json");
    if path.len() > 1024 || path.iter().any(odd) || (strict && !named) {
        return Err(Fault::NoPath.into());
    }
    let path = PathBuf::from(OsStr::from_bytes(path));
    match read(setup, &path)? {
        Some(found) => Ok(found),
        None => Err(Fault::NoFile(path).into()),
    }
}

/// What `gcloud auth application-default login` has left.
pub(super) fn of_gcloud(setup: &Setup<'_>) -> Result<Found, Pass> {
    let Some(folder) = folder(setup) else {
        return Err(Pass::Silent("there is no home folder".to_owned()));
    };
    let path = folder.join("application_default_credentials.json");
    match read(setup, &path) {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(Pass::Silent(format!("there is no {}", path.display()))),
        Err(failure) => Err(Pass::Broken(failure)),
    }
}

/// The folder of gcloud.
pub(super) fn folder(setup: &Setup<'_>) -> Option<PathBuf> {
    let path = |name: &str| {
        let path = (setup.look)(name).filter(|path| !path.is_empty());
        path.map(|path| PathBuf::from(OsStr::from_bytes(path)))
    };
    path("CLOUDSDK_CONFIG").or_else(|| Some(path("HOME")?.join(".config/gcloud")))
}

fn read(setup: &Setup<'_>, path: &Path) -> Result<Option<Found>, Failure> {
    match files::read(path, MOST, Accept::Pipe).map_err(Fault::File)? {
        Some(contents) => {
            let place = path.display().to_string();
            account(setup, &contents.bytes, &place).map(Some)
        }
        None => Ok(None),
    }
}

fn account(setup: &Setup<'_>, bytes: &Secret, place: &str) -> Result<Found, Failure> {
    let json = parse(bytes, place)?;
    let document = Document { json: &json, place };
    let found = match document.text("type") {
        Some("impersonated_service_account") => impersonation::of_file(setup, &document)?,
        _ => own(setup, &document)?,
    };
    Ok(Found {
        quota: document.owned("quota_project_id").or(found.quota),
        ..found
    })
}

/// The credentials that a document holds itself.
pub(super) fn own(setup: &Setup<'_>, document: &Document<'_>) -> Result<Found, Failure> {
    match document.text("type") {
        Some("service_account") => service_account::of_file(document),
        Some("authorized_user") => user::of_file(setup, document),
        Some("external_account_authorized_user") => user::of_pool(setup, document),
        Some("external_account") => external::of_file(setup, document),
        kind => {
            let kind = kind.map(str::to_owned);
            Err(Fault::Kind(document.place.to_owned(), kind).into())
        }
    }
}
