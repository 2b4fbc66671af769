//! `seal`, `open`, `keygen`: the commands on sealed files.

use std::path::{Path, PathBuf};

use crate::failure::{Explain, Failure};
use crate::files::{self, Accept};
use crate::report::Report;
use crate::run::Ended;
use crate::sealed;
use crate::settings::Settings;
use crate::source::{self, document};

/// What the commands cannot do.
enum Fault {
    NotThere(PathBuf),
    NotPlain(PathBuf),
    Remains(PathBuf, nix::errno::Errno),
    Changed(PathBuf),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Changed(path) => format!("{}: was changed while it was sealed", path.display()),
            Fault::NotThere(path) => format!("{}: there is no such file", path.display()),
            Fault::NotPlain(path) => format!("{}: is sealed already", path.display()),
            Fault::Remains(path, errno) => {
                format!(
                    "{}: cannot be removed: {}",
                    path.display(),
                    files::reason(*errno)
                )
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Changed(path) => {
                format!("it is kept; seal it again: envshim seal {}", path.display())
            }
            Fault::NotThere(_) => "name the file, or its folder with --dir".to_owned(),
            Fault::NotPlain(_) => "name the plain file: envshim seal .vault".to_owned(),
            Fault::Remains(path, _) => {
                format!("the sealed file is complete; rm {}", path.display())
            }
        })
    }
}

/// `.vault` to `.vault.enc`. The file must be one that a start could read.
pub(super) fn seal(settings: &Settings, report: &Report) -> Ended {
    let plain_path = named(settings, source::VAULT);
    if plain_path
        .extension()
        .is_some_and(|extension| extension == "enc")
    {
        return Err(Fault::NotPlain(plain_path).into());
    }
    let plain = content(&plain_path)?.bytes;
    document::proofread(&plain_path.display().to_string(), plain.expose())?;
    let mut path = plain_path.clone().into_os_string();
    path.push(".enc");
    let path = PathBuf::from(path);
    let existing = files::read(&path, source::MOST, Accept::Regular).map_err(Failure::from)?;
    let existing = existing.as_ref().map(|there| there.bytes.expose());
    let sealed = sealed::seal(
        &path,
        &plain,
        existing,
        &settings.credentials,
        settings.fresh,
    )?;
    // It is sealed by now: a warning, also with --strict.
    source::heed(sealed.notes, false, report)?;
    let kinds: Vec<String> = sealed.opens.iter().map(ToString::to_string).collect();
    let done = if sealed.unchanged {
        "is up to date"
    } else {
        "is sealed and was opened again to make sure"
    };
    report.info(&format!(
        "`{}` {done}; it opens with: {}",
        path.display(),
        kinds.join(", ")
    ));
    if settings.remove_plain {
        // An edit made meanwhile is in no sealed file.
        if content(&plain_path)?.bytes.expose() != plain.expose() {
            return Err(Fault::Changed(plain_path).into());
        }
        std::fs::remove_file(&plain_path).map_err(|error| {
            let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0));
            Failure::from(Fault::Remains(plain_path.clone(), errno))
        })?;
        report.info(&format!("`{}` is removed", plain_path.display()));
    } else {
        report.info(&format!(
            "`{0}` is still there, and comes first at a start; rm {0} when you no longer edit it",
            plain_path.display()
        ));
    }
    Ok(None)
}

/// Prints what a sealed file holds.
pub(super) fn open(settings: &Settings, report: &Report) -> Ended {
    let path = named(settings, source::SEALED);
    let bytes = content(&path)?.bytes;
    let opened = sealed::open(&path, bytes.expose(), &settings.credentials)?;
    source::heed(opened.notes, settings.strict, report)?;
    report.debug(|| format!("{}: opened with the {}", path.display(), opened.how));
    report.product(opened.plain.expose())?;
    Ok(None)
}

/// Makes a new key: prints it, or writes a new file that nobody else can read.
pub(super) fn keygen(settings: &Settings, report: &Report) -> Ended {
    let (text, id) = sealed::keygen()?;
    let Some(path) = settings.words.first().map(PathBuf::from) else {
        report.product(text.expose())?;
        report.info(&format!("this is key {id}; to keep it in a file that only you can read: envshim keygen vault.key"));
        return Ok(None);
    };
    files::create(&path, text.expose(), 0o600).map_err(Failure::from)?;
    let path = path.display();
    report.info(&format!("`{path}` holds key {id}; keep it out of the repository, and seal with it: envshim seal --key-file {path}"));
    Ok(None)
}

/// The file that was named, or `name` in the folder where it would be found at a start.
fn named(settings: &Settings, name: &str) -> PathBuf {
    match settings.words.first() {
        Some(word) => PathBuf::from(word),
        None => source::place(settings, name),
    }
}

pub(super) fn content(path: &Path) -> Result<files::Contents, Failure> {
    let found = files::read(path, source::MOST, Accept::Regular).map_err(Failure::from)?;
    found.ok_or_else(|| Fault::NotThere(path.to_owned()).into())
}
