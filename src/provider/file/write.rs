//! Writing files: whole, or one field of a JSON file; replaced, never written through.
//!
//! envshims that write to one folder wait for each other, so that no field is lost.

use std::path::PathBuf;

use crate::failure::{Explain, Failure};
use crate::files::{self, Accept};
use crate::format::reference::Reference;
use crate::provider::write::{Fault as Unfit, by_secret, into_bytes, outcomes, renamed};
use crate::provider::{Change, Store, Written};
use crate::secret::{Secret, SecretBuffer};

use super::{Files, MOST, PATH, trimmed};

/// For who runs envshim alone.
const MODE: u32 = 0o600;

/// It is not said where relative paths lie.
struct Nowhere;

impl Explain for Nowhere {
    fn what(&self) -> String {
        "no folder is named that the file could be written to".to_owned()
    }
    fn hint(&self) -> Option<String> {
        Some(format!(
            "set {PATH} to the folder, or write the full path: file:/path"
        ))
    }
}

/// Which file.
#[derive(PartialEq)]
struct Target {
    path: PathBuf,
    /// The setting names a `.json` file, whose field the locator is.
    field: bool,
}

impl Files<'_> {
    fn target(&self, reference: &Reference) -> Result<Target, Failure> {
        let locator = reference.locator.as_str();
        if locator.ends_with('/') || locator == "*" {
            return Err(Unfit::Folder.into());
        }
        if !locator.starts_with('/')
            && let Some(path) = self.document()
        {
            return Ok(Target { path, field: true });
        }
        let candidates = self.candidates(locator);
        let named = locator.starts_with('/') || self.context.settings.text(PATH).is_some();
        let there = candidates.iter().find(|path| path.exists());
        let path = match candidates.first() {
            Some(first) if named => first,
            _ => there.ok_or(Nowhere)?,
        };
        Ok(Target {
            path: path.clone(),
            field: false,
        })
    }
}

fn put(target: &Target, changes: &[&Change<'_>]) -> Result<Vec<Result<Written, Failure>>, Failure> {
    let _lock = files::lock(files::folder(&target.path))?;
    let there = files::read(&target.path, MOST, Accept::Regular)?;
    let mode = there.as_ref().map_or(MODE, |there| there.mode);
    let now = there.map(|there| trimmed(there.bytes));
    let named: Vec<Reference> = changes
        .iter()
        .map(|change| inner(change.reference, target))
        .collect();
    let changes = renamed(changes, &named);
    let changes: Vec<&Change<'_>> = changes.iter().collect();
    let (next, verdicts) = into_bytes(now.as_ref(), &changes, false);
    let written = match next {
        None => Ok(Written::default()),
        Some(next) => files::replace(&target.path, content(next, &named).expose(), mode)
            .map(|()| Written::default())
            .map_err(Failure::from),
    };
    Ok(outcomes(verdicts, &written, None))
}

/// A reference as it is meant within its file.
fn inner(reference: &Reference, target: &Target) -> Reference {
    let field = match (target.field, &reference.field) {
        (false, field) => field.clone(),
        (true, None) => Some(reference.locator.clone()),
        (true, Some(field)) => Some(format!("{}.{field}", reference.locator)),
    };
    Reference {
        field,
        ..reference.clone()
    }
}

/// A value is the file, byte for byte; a document of fields ends as editors end a file.
fn content(next: Secret, references: &[Reference]) -> Secret {
    if references.iter().all(|reference| reference.field.is_none()) {
        return next;
    }
    let mut bytes = SecretBuffer::with_capacity(next.expose().len() + 1);
    bytes.push(next.expose());
    bytes.push(b"\n");
    bytes.finish()
}

impl Store for Files<'_> {
    fn put(&mut self, changes: &[Change<'_>]) -> Vec<Result<Written, Failure>> {
        by_secret(
            changes,
            |reference| self.target(reference),
            |target, members| {
                put(target, members).unwrap_or_else(|failure| {
                    members.iter().map(|_| Err(failure.clone())).collect()
                })
            },
        )
    }
}
