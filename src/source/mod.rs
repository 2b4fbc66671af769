//! Which document speaks: one table in order, one sentence of reason for the choice.
//!
//! The first source found decides. One that is found and fails is an error, never a reason to try
//! the next: a program is not started with yesterday's secrets because today's file has a typo.

pub mod amend;

pub mod document;

pub mod dump;

pub mod lines;

pub mod values;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cli::Command;
use crate::clock::spoken;
use crate::failure::{Explain, Failure, Failures};
use crate::files::{self, Accept};
use crate::report::Report;
use crate::sealed;
use crate::secret::Secret;
use crate::settings::Settings;

/// No sensible `.vault` is larger; the kernel takes 6 MiB of environment at most.
pub const MOST: usize = 16 << 20;

/// The variable that says that a load has happened.
pub const MARKER: &str = "secrets_loaded";

/// What a source is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `secrets_loaded=1` is set: nothing is loaded.
    Marked,
    /// Variables written by an earlier load; no network.
    Dump,
    /// Settings, entries and references in the clear.
    Vault,
    /// The same, encrypted.
    Sealed,
    /// Settings in the environment that name a store.
    Environment,
    /// Nothing, and that was allowed.
    Nothing,
}

/// The files in their order. The sentence is the reason given wherever a choice is explained.
static TABLE: &[(&str, Kind, &str)] = &[
    (
        ".env.dump",
        Kind::Dump,
        "it comes first, and nothing is fetched",
    ),
    (
        "env.dump",
        Kind::Dump,
        "it comes first, and nothing is fetched",
    ),
    (".vault", Kind::Vault, "there is no dump before it"),
    (
        ".vault.enc",
        Kind::Sealed,
        "there is neither a dump nor a plain .vault before it",
    ),
];

/// The file a dump is written to.
pub const DUMP: &str = TABLE[0].0;

/// The plain file, and the sealed one.
pub const VAULT: &str = TABLE[2].0;

/// The sealed file.
pub const SEALED: &str = TABLE[3].0;

/// The folder that is looked into when the current one holds none of the files.
const FOLDER: &str = "config";

/// The source that speaks, and why.
pub struct Choice {
    /// What it is.
    pub kind: Kind,
    /// The folder it was found in, or would be.
    pub folder: PathBuf,
    /// The file, as messages name it.
    pub file: String,
    /// Why this one: a sentence without full stop.
    pub reason: String,
    /// The bytes of the file, opened if it was sealed.
    pub bytes: Option<Secret>,
}

/// Why no source speaks.
#[derive(Debug)]
enum Fault {
    Nothing {
        looked: Vec<PathBuf>,
        passed: Option<String>,
    },
    Empty(PathBuf, Kind),
    Exposed(PathBuf),
    NoFolder(PathBuf),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Nothing { looked, passed } => {
                let looked: Vec<String> = looked
                    .iter()
                    .map(|p| format!("`{}`", p.display()))
                    .collect();
                let passed = passed
                    .as_ref()
                    .map_or(String::new(), |why| format!("; {why}"));
                format!(
                    "no secrets found: there is no {}, and the environment names no store{passed}",
                    join(&looked)
                )
            }
            Fault::Empty(path, _) => format!("{}: is empty", path.display()),
            Fault::Exposed(path) => exposed(path),
            Fault::NoFolder(path) => format!("--dir {}: there is no such folder", path.display()),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Nothing { .. } => "write NAME=value lines into .vault, then run envshim seal; --optional starts without secrets".to_owned(),
            Fault::Empty(path, Kind::Dump) => format!("write it anew with envshim dump, or remove it: rm {}", path.display()),
            Fault::Empty(..) => "write NAME=value lines into it".to_owned(),
            Fault::Exposed(path) => format!("chmod 600 {}", path.display()),
            Fault::NoFolder(_) => "name the folder that holds .vault, .vault.enc or .env.dump".to_owned(),
        })
    }
}

fn exposed(path: &Path) -> String {
    format!("{}: every user of this machine can read it", path.display())
}

fn join(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// Finds the source that speaks. `names_a_store`: the settings in the environment suffice.
pub fn choose(
    settings: &Settings,
    names_a_store: bool,
    report: &Report,
) -> Result<Choice, Failures> {
    let explicit = settings.dir.is_some();
    let folders: Vec<PathBuf> = match &settings.dir {
        Some(dir) => vec![dir.clone()],
        None => vec![PathBuf::from("."), PathBuf::from(FOLDER)],
    };
    let refreshes = settings.past_dumps || settings.command == Command::Dump;
    let home = || folders.first().cloned().unwrap_or_default();
    if settings.supervision.init {
        let reason = "--init loads nothing";
        return Ok(Choice::without_file(Kind::Marked, home(), reason));
    }
    if !settings.reload && !refreshes && settings.inherited.value(MARKER) == Some(b"1") {
        return Ok(Choice::without_file(
            Kind::Marked,
            home(),
            "secrets_loaded=1 is set: an envshim before this one has loaded them",
        ));
    }
    let mut looked = Vec::new();
    let mut passed = None;
    for folder in &folders {
        for (name, kind, reason) in TABLE {
            let path = shown(folder, name);
            if *kind == Kind::Dump && refreshes {
                continue;
            }
            let Some(found) = files::read(&path, MOST, Accept::Regular).map_err(Failure::from)?
            else {
                looked.push(path);
                continue;
            };
            if let Some(limit) = settings.max_age.filter(|_| *kind == Kind::Dump)
                && let Some(why) = too_old(&path, found.modified, limit)
            {
                report.info(&why);
                passed = Some(why);
                continue;
            }
            if found.bytes.expose().is_empty() {
                return Err(Fault::Empty(path, *kind).into());
            }
            if found.exposed && *kind != Kind::Sealed {
                warn_exposed(&path, settings.strict, report)?;
            }
            let file = path.display().to_string();
            let reason = match &passed {
                Some(why) => format!("`{file}` is there; {why}"),
                None => format!("`{file}` is there: {reason}"),
            };
            let mut choice = Choice {
                kind: *kind,
                folder: folder.clone(),
                file,
                reason,
                bytes: Some(found.bytes),
            };
            if *kind == Kind::Sealed {
                choice.unseal(settings, report)?;
            }
            return Ok(choice);
        }
        if passed.is_some() {
            break;
        }
    }
    if names_a_store {
        return Ok(Choice::without_file(
            Kind::Environment,
            home(),
            "there is no file, but the environment says where the secrets are",
        ));
    }
    if settings.optional {
        return Ok(Choice::without_file(
            Kind::Nothing,
            home(),
            "there is no source, and --optional allows that",
        ));
    }
    if explicit && !home().is_dir() {
        return Err(Fault::NoFolder(home()).into());
    }
    // `env.dump` is an old spelling; naming it would only confuse.
    looked.retain(|path| !path.ends_with(TABLE[1].0));
    Err(Fault::Nothing { looked, passed }.into())
}

impl Choice {
    /// Nothing was read, for this reason.
    pub fn without_file(kind: Kind, folder: PathBuf, reason: &str) -> Choice {
        Choice {
            kind,
            folder,
            file: "environment".to_owned(),
            reason: reason.to_owned(),
            bytes: None,
        }
    }

    /// The same again, for who reads it twice.
    pub fn duplicate(&self) -> Choice {
        Choice {
            kind: self.kind,
            folder: self.folder.clone(),
            file: self.file.clone(),
            reason: self.reason.clone(),
            bytes: self.bytes.as_ref().map(Secret::duplicate),
        }
    }

    fn unseal(&mut self, settings: &Settings, report: &Report) -> Result<(), Failures> {
        let sealed = self.bytes.take().unwrap_or_else(|| Secret::new(Vec::new()));
        let opened = sealed::open(
            Path::new(&self.file),
            sealed.expose(),
            &settings.credentials,
        )?;
        heed(opened.notes, settings.strict, report)?;
        report.debug(|| format!("{}: opened with the {}", self.file, opened.how));
        self.bytes = Some(opened.plain);
        Ok(())
    }
}

/// What there is to say of a sealed file and its keys: warnings, or with `--strict` an error.
pub fn heed(notes: Vec<sealed::Note>, strict: bool, report: &Report) -> Result<(), Failure> {
    for note in notes {
        if strict && matches!(note, sealed::Note::Exposed(_)) {
            return Err(note.into());
        }
        report.warn(&note.what(), note.hint().as_deref());
    }
    Ok(())
}

/// Where a file of this name is, or would be looked for first.
pub fn place(settings: &Settings, name: &str) -> PathBuf {
    let folder = match &settings.dir {
        Some(dir) => dir.as_path(),
        None if TABLE.iter().any(|(file, ..)| Path::new(file).exists()) => Path::new("."),
        None if Path::new(FOLDER).join(name).exists() => Path::new(FOLDER),
        None => Path::new("."),
    };
    shown(folder, name)
}

/// A warning, or with `--strict` an error.
pub fn warn_exposed(path: &Path, strict: bool, report: &Report) -> Result<(), Failure> {
    let fault = Fault::Exposed(path.to_owned());
    if strict {
        return Err(fault.into());
    }
    report.warn(&fault.what(), fault.hint().as_deref());
    Ok(())
}

/// `./x` is shown as `x`.
fn shown(folder: &Path, name: &str) -> PathBuf {
    if folder == Path::new(".") {
        PathBuf::from(name)
    } else {
        folder.join(name)
    }
}

fn too_old(path: &Path, modified: SystemTime, limit: Duration) -> Option<String> {
    // A file from the future (a clock that was set back) is as fresh as can be.
    let age = SystemTime::now()
        .duration_since(modified)
        .unwrap_or_default();
    (age > limit).then(|| {
        format!(
            "`{}` is passed over, for it is {} old and --max-age is {}",
            path.display(),
            spoken(age),
            spoken(limit)
        )
    })
}
