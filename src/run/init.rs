//! `init`: a first `.vault`, with what its store needs to be told, and git kept away from it.

use std::path::{Path, PathBuf};

use crate::failure::{Explain, Failure, nearest};
use crate::files::{self, Accept};
use crate::provider::{self, PROVIDERS, Row};
use crate::report::Report;
use crate::run::Ended;
use crate::settings::Settings;
use crate::source;

/// So many settings of a store are worth a beginner's look.
const SETTINGS: usize = 8;

/// What git must not see.
const IGNORED: &[&str] = &[".vault", ".env.dump", "vault.key"];

/// Why there is no beginning.
enum Fault {
    Exists(PathBuf),
    NoStore(String),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Exists(path) => format!("{}: is there already", path.display()),
            Fault::NoStore(name) => format!("there is no store `{name}`"),
        }
    }

    fn hint(&self) -> Option<String> {
        let schemes = provider::schemes();
        Some(match self {
            Fault::Exists(path) if path.ends_with(source::SEALED) => {
                format!("go on with it: envshim edit {}", path.display())
            }
            Fault::Exists(_) => "go on with it, or name another folder with --dir".to_owned(),
            Fault::NoStore(name) => match nearest(name, schemes.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it is one of {}", schemes.join(", ")),
            },
        })
    }
}

/// Makes the files.
pub(super) fn init(settings: &Settings, report: &Report) -> Ended {
    let row = match settings.words.first().map(|word| word.to_string_lossy()) {
        None => None,
        Some(name) => {
            let stranger = || Failure::from(Fault::NoStore(name.clone().into_owned()));
            Some(provider::row(&name).ok_or_else(stranger)?)
        }
    };
    for name in [source::VAULT, source::SEALED] {
        let path = source::place(settings, name);
        if path.exists() {
            return Err(Fault::Exists(path).into());
        }
    }
    let path = source::place(settings, source::VAULT);
    files::create(&path, template(row).as_bytes(), 0o600).map_err(Failure::from)?;
    report.info(&format!("wrote `{}`", path.display()));
    let ignore = files::folder(&path).join(".gitignore");
    let ignore = ignore.strip_prefix(".").unwrap_or(&ignore);
    if keep_from_git(ignore)? {
        report.info(&format!("`{}` keeps it out of git", ignore.display()));
    }
    report.info(match row {
        Some(Row { write: Some(_), .. }) | None => {
            "go on with: envshim set NAME; envshim check; envshim -- program"
        }
        Some(_) => "go on with the lines in it; envshim check; envshim -- program",
    });
    Ok(None)
}

fn template(row: Option<&Row>) -> String {
    let mut text = String::from(
        "# What `envshim -- program` gives to the program: NAME=value, or NAME=reference into a store\n\
         # (envshim help references). git does not see this file; to commit it, seal it: envshim seal\n",
    );
    match row {
        None => {
            text.push_str("\n#DB_PASSWORD=...\n#DATABASE_URL=postgres://app:${DB_PASSWORD}@localhost/app\n\n# From a store:\n");
            for row in PROVIDERS {
                text.push_str(&format!("#NAME={:<46} {}\n", row.example, row.title));
            }
        }
        Some(row) => {
            text.push_str(&format!("\n# {}\n", row.title));
            for setting in row.settings.iter().take(SETTINGS) {
                text.push_str(&format!("# {}\n#{}=\n", setting.doc, setting.name));
            }
            if row.settings.len() > SETTINGS {
                text.push_str("# and more: envshim help references\n");
            }
            text.push_str(&format!(
                "\n# A secret of it as a variable:\n#NAME={}\n",
                row.example
            ));
            if row.imports {
                text.push_str("# Every field of a secret as a variable:\n#ENVSHIM_IMPORT=");
                let whole = row.example.split(['#', '?']).next().unwrap_or_default();
                text.push_str(&format!("{whole}\n"));
            }
        }
    }
    text
}

/// Adds the lines that `.gitignore` lacks. `true` where it was changed.
fn keep_from_git(path: &Path) -> Result<bool, Failure> {
    let there = files::read(path, source::MOST, Accept::Regular)?;
    let (old, mode) = match &there {
        Some(there) => (there.bytes.expose(), there.mode),
        None => (&b""[..], 0o644),
    };
    let has = |line: &str| {
        old.split(|byte| *byte == b'\n').any(|known| {
            let known = known.trim_ascii();
            known == line.as_bytes() || known.strip_prefix(b"/") == Some(line.as_bytes())
        })
    };
    let missing: Vec<&str> = IGNORED.iter().copied().filter(|line| !has(line)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let mut text = old.to_vec();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    for line in missing {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    files::replace(path, &text, mode)?;
    Ok(true)
}
