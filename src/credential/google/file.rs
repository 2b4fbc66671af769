//! Credential files: in a variable, named by one, or where gcloud leaves its login. What they are
//! is said in them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::credential::Pass;
use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::secret::Secret;

use super::document::{Document, parse};
use super::fault::Fault;
use super::{Found, Setup, external, impersonation, service_account, user};

pub(super) const CONTENT: &str = "GOOGLE_CREDENTIALS";
pub(super) const NAMED: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// A few kilobytes at most.
const MOST: usize = 256 << 10;

/// The content of a file, for platforms that have variables only. A path is meant as one.
pub(super) fn content(setup: &Setup<'_>) -> Result<Found, Pass> {
    let Some(content) = setup.secret(CONTENT) else {
        return Err(Pass::Silent(String::new()));
    };
    if content.expose().starts_with(b"{") {
        return account(setup, &content, "it").map_err(Pass::Broken);
    }
    let path = PathBuf::from(OsStr::from_bytes(content.expose()));
    must(setup, path).map_err(Pass::Broken)
}

/// The file that a variable names.
pub(super) fn named(setup: &Setup<'_>) -> Result<Found, Pass> {
    let Some(path) = (setup.look)(NAMED).filter(|path| !path.is_empty()) else {
        return Err(Pass::Silent("unset".to_owned()));
    };
    must(setup, PathBuf::from(OsStr::from_bytes(path))).map_err(Pass::Broken)
}

fn must(setup: &Setup<'_>, path: PathBuf) -> Result<Found, Failure> {
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
