//! `--audit FILE`: one JSON line for each load, written before the program starts.
//!
//! Two invariants. A line holds names, places, references and versions, never a value. A load
//! whose line cannot be written is a failure: an audit that is lost in silence is none.
//!
//! A line is appended by one system call, so that many starts can share a file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::cli::COMMANDS;
use crate::clock::timestamp;
use crate::environment::Line;
use crate::failure::{Explain, Failure, Failures};
use crate::files::{self, reason};
use crate::format::json::quote;
use crate::settings::Settings;

/// What is known of a load, collected on its way.
#[derive(Default)]
pub struct Record {
    /// The program's name, without its path and arguments: those may be secrets.
    pub program: Option<String>,
    /// The source as messages name it, and why it speaks.
    pub source: Option<(String, String)>,
    /// The origins of the stores that were asked.
    pub stores: Vec<String>,
    /// What was decided.
    pub lines: Vec<Line>,
}

/// How a load ended.
#[derive(Clone, Copy)]
pub enum Outcome<'a> {
    /// The program is about to be started.
    Starts,
    /// The command has done its work: a check, a dump.
    Done,
    /// With these reasons.
    Failed(&'a Failures),
}

/// Why a line cannot be written.
enum Fault {
    Stderr(std::io::ErrorKind),
    Open(PathBuf, Errno),
    Write(PathBuf, Errno),
    Cut(PathBuf),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Stderr(kind) => format!("--audit: stderr cannot be written: {kind}"),
            Fault::Open(path, errno) => {
                let (path, why) = (path.display(), reason(*errno));
                format!("--audit {path}: cannot be opened: {why}")
            }
            Fault::Write(path, errno) => {
                let (path, why) = (path.display(), reason(*errno));
                format!("--audit {path}: cannot be written: {why}")
            }
            Fault::Cut(path) => {
                format!(
                    "--audit {}: only a part of the line was written",
                    path.display()
                )
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Stderr(_) => "name a file: --audit FILE".to_owned(),
            Fault::Open(path, _) => format!(
                "envshim runs as user {}; let that user write to it: ls -ld {}",
                nix::unistd::geteuid(),
                path.display()
            ),
            Fault::Write(..) | Fault::Cut(_) => {
                "make room on the disk; nothing is started without its line".to_owned()
            }
        })
    }
}

/// Writes the line of a load, where the settings ask for one.
pub fn write(settings: &Settings, record: &Record, outcome: Outcome<'_>) -> Result<(), Failure> {
    let Some(path) = &settings.audit else {
        return Ok(());
    };
    let line = line(settings, record, outcome);
    if path.as_os_str() == "-" {
        let written = std::io::stderr().write_all(line.as_bytes());
        return written.map_err(|error| Fault::Stderr(error.kind()).into());
    }
    append(path, line.as_bytes()).map_err(Failure::from)
}

impl Record {
    /// A load that is about to begin.
    pub fn of(settings: &Settings) -> Record {
        if settings.audit.is_none() {
            return Record::default();
        }
        let word = settings.program.first();
        let name = word.and_then(|word| Path::new(word).file_name());
        Record {
            program: name.map(|name| name.to_string_lossy().into_owned()),
            ..Record::default()
        }
    }
}

fn append(path: &Path, line: &[u8]) -> Result<(), Fault> {
    files::refuse_foreign_link(path).map_err(|_| Fault::Open(path.to_owned(), Errno::ELOOP))?;
    // Non-blocking, so that a pipe without a reader cannot hang the start.
    let flags = OFlag::O_WRONLY
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_CLOEXEC
        | OFlag::O_NOCTTY
        | OFlag::O_NONBLOCK;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let fd = open(path, flags, mode).map_err(|errno| Fault::Open(path.to_owned(), errno))?;
    let mut file = File::from(fd);
    loop {
        return match file.write(line) {
            Ok(count) if count == line.len() => Ok(()),
            Ok(_) => Err(Fault::Cut(path.to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                Err(Fault::Write(path.to_owned(), errno))
            }
        };
    }
}

fn line(settings: &Settings, record: &Record, outcome: Outcome<'_>) -> String {
    let file = record.source.as_ref().map(|(file, _)| file.as_str());
    let reason = record.source.as_ref().map(|(_, reason)| reason.as_str());
    let variables: Vec<String> = record
        .lines
        .iter()
        .map(|line| variable(line, file.unwrap_or_default()))
        .collect();
    let mut rows = COMMANDS.iter();
    let row = rows.find(|row| row.command == settings.command);
    let command = row.map(|row| row.name);
    let none = Failures::default();
    let (word, failures) = match outcome {
        Outcome::Starts => ("started", &none),
        Outcome::Done => ("done", &none),
        Outcome::Failed(failures) => ("failed", failures),
    };
    let errors = failures.0.iter().map(|failure| quote(&failure.what));
    let fields = [
        pair("time", &quote(&timestamp(SystemTime::now()))),
        pair("envshim", &quote(env!("CARGO_PKG_VERSION"))),
        pair("pid", &std::process::id().to_string()),
        pair("command", &text(command)),
        pair("program", &text(record.program.as_deref())),
        pair("outcome", &quote(word)),
        pair("source", &text(file)),
        pair("reason", &text(reason)),
        pair(
            "stores",
            &list(record.stores.iter().map(|store| quote(store))),
        ),
        pair("variables", &list(variables.into_iter())),
        pair("errors", &list(errors)),
    ];
    format!("{{{}}}\n", fields.join(","))
}

fn variable(line: &Line, file: &str) -> String {
    let references = line.origin.iter().flat_map(|origin| &origin.references);
    let references = references.map(|reference| quote(reference));
    let fields = [
        pair("name", &quote(&line.name)),
        pair("place", &quote(&line.place.shown(file))),
        pair(
            "provider",
            &text(Some(line.provider).filter(|p| !p.is_empty())),
        ),
        pair("references", &list(references)),
        pair("version", &text(line.version())),
        pair("decision", &quote(line.decision.words())),
    ];
    format!("{{{}}}", fields.join(","))
}

fn pair(name: &str, value: &str) -> String {
    format!("\"{name}\":{value}")
}

fn text(value: Option<&str>) -> String {
    value.map_or("null".to_owned(), quote)
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}
