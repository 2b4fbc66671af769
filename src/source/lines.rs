//! A `.vault` or a `.vault.enc` that is to be changed: read, opened, and later looked at again in our
//! turn, so that nothing that came in between is lost.

use std::path::{Path, PathBuf};

use crate::failure::{Explain, Failure};
use crate::files::{self, Accept};
use crate::report::Report;
use crate::sealed::{self, Lock};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::source;

/// Why a file is not changed.
enum Fault {
    NotThere(PathBuf),
    Old(PathBuf),
    Changed(PathBuf),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotThere(path) => format!("{}: there is no such file", path.display()),
            Fault::Old(path) => {
                format!(
                    "{}: is of the old format, which is only read",
                    path.display()
                )
            }
            Fault::Changed(path) => format!(
                "{}: somebody else has sealed it anew meanwhile; nothing is written",
                path.display()
            ),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotThere(_) => {
                "make one: envshim init; or name its folder with --dir".to_owned()
            }
            Fault::Old(_) => {
                "convert it: umask 077; envshim open > .vault && envshim seal --remove-plain"
                    .to_owned()
            }
            Fault::Changed(_) => "try again".to_owned(),
        })
    }
}

/// A file with lines, as it was read.
pub struct Lines {
    /// What it holds.
    pub plain: Secret,
    /// Its permissions.
    pub mode: u32,
    /// Where it is sealed.
    pub lock: Option<Lock>,
}

/// Reads a file of lines.
pub fn lines(path: &Path, settings: &Settings, report: &Report) -> Result<Lines, Failure> {
    if path.ends_with(source::SEALED) {
        return sealed_lines(path, settings, report);
    }
    let there = files::read(path, source::MOST, Accept::Regular)?;
    let there = there.ok_or_else(|| Fault::NotThere(path.to_owned()))?;
    Ok(Lines {
        plain: there.bytes,
        mode: there.mode,
        lock: None,
    })
}

/// Reads and opens a sealed file.
pub fn sealed_lines(path: &Path, settings: &Settings, report: &Report) -> Result<Lines, Failure> {
    let there = files::read(path, source::MOST, Accept::Regular)?;
    let there = there.ok_or_else(|| Fault::NotThere(path.to_owned()))?;
    let opened = sealed::open(path, there.bytes.expose(), &settings.credentials)?;
    source::heed(opened.notes, settings.strict, report)?;
    let lock = opened.lock.ok_or_else(|| Fault::Old(path.to_owned()))?;
    Ok(Lines {
        plain: opened.plain,
        mode: there.mode,
        lock: Some(lock),
    })
}

impl Lines {
    /// What stands there by now; the lock of its folder is ours.
    pub fn again(&self, path: &Path) -> Result<Lines, Failure> {
        let changed = || Failure::from(Fault::Changed(path.to_owned()));
        let there = files::read(path, source::MOST, Accept::Regular)?.ok_or_else(changed)?;
        let (plain, lock) = match &self.lock {
            None => (there.bytes, None),
            Some(lock) => {
                let opened = lock.open_again(there.bytes.expose()).ok_or_else(changed)?;
                (opened.0, Some(opened.1))
            }
        };
        Ok(Lines {
            plain,
            mode: there.mode,
            lock,
        })
    }

    /// Replaces the file.
    pub fn write(&self, path: &Path, text: &Secret) -> Result<(), Failure> {
        match &self.lock {
            None => Ok(files::replace(path, text.expose(), self.mode)?),
            Some(lock) => sealed::reseal(path, text, lock),
        }
    }
}
