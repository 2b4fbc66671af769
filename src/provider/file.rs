//! `file:path#field`: a file, or a field of a JSON file. Docker and Kubernetes mount secrets so.
//!
//! A relative path is looked for in `SECRET_MANAGER_PATH`, and cannot leave that folder. One final
//! newline is dropped, for editors add it. If the setting names a `.json` file, the locator is a
//! field of that file.

mod write;

use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::failure::{Explain, Failure};
use crate::files::{self, Accept};
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::provider::{
    About, Answer, Chosen, Context, Found, Keys, Listed, Provider, Row, Setting, Trouble, Value,
    Wanted, Writing, fields, fields_of, pick,
};
use crate::secret::Secret;

pub(crate) const ROW: Row = Row {
    scheme: "file",
    title: "a file",
    example: "file:/run/secrets/tls.key?as=file",
    settings: &[Setting {
        name: PATH,
        doc: "the folder, or .json file, of file: references (default /app/secrets, then /run/secrets)",
        bootstrap: false,
    }],
    parameters: &[],
    imports: true,
    names: Policy::Default,
    local: true,
    trusts_environment: true,
    marker: None,
    shield: str::to_owned,
    check,
    keys: Some(Keys {
        chosen: |settings| Chosen::by(settings, &[PATH]),
        reference: |key| format!("file:{key}"),
        all: "file:*",
        flat: true,
    }),
    implied: |settings| match settings.text("SECRET_MANAGER_TYPE") {
        Some("file") => vec!["file:*".to_owned()],
        _ => Vec::new(),
    },
    tend: None,
    open: |context| Ok(Box::new(Files { context })),
    write: Some(Writing {
        open: |context| Ok(Box::new(Files { context })),
        metadata: None,
    }),
};

const PATH: &str = "SECRET_MANAGER_PATH";

/// Folders that are looked into where the setting says nothing.
const FOLDERS: &[&str] = &["/app/secrets", "/run/secrets"];

/// More than any variable can hold, and enough for any memory file.
const MOST: usize = 16 << 20;

/// More files in a folder than anybody mounts as secrets.
const MANY: usize = 10_000;

enum Fault {
    Missing(Vec<PathBuf>),
    Leaves(String),
    NoFolder(Vec<PathBuf>),
    TooMany(PathBuf),
    NotListed(PathBuf),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Missing(paths) => format!("there is no {}", listed(paths)),
            Fault::Leaves(_) => "the path leaves the folder of the secrets".to_owned(),
            Fault::NoFolder(paths) => format!("there is no folder {}", listed(paths)),
            Fault::TooMany(path) => format!("{}: holds more than {MANY} files", path.display()),
            Fault::NotListed(path) => format!("{}: cannot be listed", path.display()),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Missing(_) => {
                format!("mount the secret there, or set {PATH}; ?optional=1 allows that")
            }
            Fault::Leaves(path) => format!(
                "write the full path, as in file:/run/secrets/{}",
                path.rsplit('/').next().unwrap_or_default()
            ),
            Fault::NoFolder(_) => format!("mount the secrets there, or set {PATH}"),
            Fault::TooMany(_) => "name the folder of the secrets itself".to_owned(),
            Fault::NotListed(path) => format!(
                "envshim runs as user {}; let that user list it: ls -ld {}",
                nix::unistd::geteuid(),
                path.display()
            ),
        })
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    names.join(" or ")
}

fn check(reference: &Reference, _import: bool) -> Result<(), Failure> {
    let path = Path::new(&reference.locator);
    let leaves = !path.is_absolute() && path.components().any(|part| part == Component::ParentDir);
    if leaves {
        return Err(Fault::Leaves(reference.locator.clone()).into());
    }
    Ok(())
}

struct Files<'a> {
    context: Context<'a>,
}

impl Files<'_> {
    fn folders(&self) -> Vec<PathBuf> {
        match self.context.settings.text(PATH) {
            Some(path) => vec![PathBuf::from(path)],
            None => FOLDERS.iter().map(PathBuf::from).collect(),
        }
    }

    /// The `.json` file that stands for a folder.
    fn document(&self) -> Option<PathBuf> {
        let path = self.context.settings.text(PATH).map(PathBuf::from)?;
        path.extension()
            .is_some_and(|extension| extension == "json")
            .then_some(path)
    }

    fn one(&self, reference: &Reference) -> Answer {
        if !reference.locator.starts_with('/')
            && let Some(document) = self.document()
        {
            let (whole, changed) = self.content(&[document])?;
            let value = pick(whole, Some(&reference.locator))?;
            let value = pick(value, reference.field.as_deref())?;
            return Ok(found(Value::One(value), changed));
        }
        let (value, changed) = self.content(&self.candidates(&reference.locator))?;
        let value = pick(value, reference.field.as_deref())?;
        Ok(found(Value::One(value), changed))
    }

    fn candidates(&self, locator: &str) -> Vec<PathBuf> {
        if locator.starts_with('/') {
            return vec![PathBuf::from(locator)];
        }
        self.folders()
            .iter()
            .map(|folder| folder.join(locator))
            .collect()
    }

    /// What the first of these files holds, and when it was written.
    fn content(&self, candidates: &[PathBuf]) -> Result<(Secret, SystemTime), Trouble> {
        for path in candidates {
            let found = files::read(path, MOST, Accept::Regular)
                .map_err(|fault| Trouble::Failed(fault.into()))?;
            if let Some(found) = found {
                return Ok((trimmed(found.bytes), found.modified));
            }
        }
        Err(Trouble::Missing(Fault::Missing(candidates.to_vec()).into()))
    }

    /// What an import may mean.
    fn places(&self, reference: &Reference) -> Vec<PathBuf> {
        match (reference.locator.as_str(), self.document()) {
            ("*", Some(document)) => vec![document],
            ("*", None) => self.folders(),
            (locator, _) => self.candidates(locator),
        }
    }

    /// `file:*` takes the files of the folder, `file:name` those of a folder or the fields of a file.
    fn all(&self, reference: &Reference) -> Answer {
        let candidates = self.places(reference);
        if let Some(folder) = candidates.iter().find(|path| path.is_dir()) {
            return self.folder(folder);
        }
        if reference.locator == "*" && self.document().is_none() {
            return Err(Trouble::Missing(Fault::NoFolder(candidates).into()));
        }
        let (whole, changed) = self.content(&candidates)?;
        let part = match reference.field.as_deref() {
            Some(field) => pick(whole, Some(field))?,
            None => whole,
        };
        Ok(found(Value::Several(fields(&part)?), changed))
    }

    /// Every file of a folder.
    fn folder(&self, folder: &Path) -> Answer {
        let values = names(folder)?.into_iter().map(|name| {
            let (value, _) = self.content(&[folder.join(&name)])?;
            Ok((name, value))
        });
        values.collect::<Result<Vec<_>, _>>().map(Found::several)
    }
}

/// Without the newline that editors add.
fn trimmed(content: Secret) -> Secret {
    match content.expose().strip_suffix(b"\n") {
        Some(text) => Secret::new(text.strip_suffix(b"\r").unwrap_or(text).to_vec()),
        None => content,
    }
}

/// The names of the files in a folder. Those with a dot in front are not secrets: Kubernetes keeps
/// its own bookkeeping there.
fn names(folder: &Path) -> Result<Vec<String>, Trouble> {
    let failed = || Trouble::Failed(Fault::NotListed(folder.to_owned()).into());
    let mut names: Vec<String> = Vec::new();
    for item in std::fs::read_dir(folder).map_err(|_| failed())? {
        let name = item.map_err(|_| failed())?.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if folder.join(name).is_file() {
            names.push(name.to_owned());
        }
        if names.len() > MANY {
            return Err(Trouble::Failed(Fault::TooMany(folder.to_owned()).into()));
        }
    }
    names.sort();
    Ok(names)
}

fn found(value: Value, changed: SystemTime) -> Found {
    Found {
        value,
        version: None,
        about: About {
            changed: Some(changed),
            lent: None,
        },
    }
}

impl Provider for Files<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        wanted
            .iter()
            .map(|wanted| {
                if wanted.import {
                    self.all(wanted.reference)
                } else {
                    self.one(wanted.reference)
                }
            })
            .collect()
    }

    fn list(&mut self, wanted: &Wanted<'_>, _: bool) -> Result<Vec<Listed>, Trouble> {
        let places = self.places(wanted.reference);
        let Some(folder) = places.iter().find(|path| path.is_dir()) else {
            return fields_of(self, wanted);
        };
        let listed = names(folder)?.into_iter().map(|name| {
            let about = folder.join(&name).metadata();
            Listed {
                changed: about.and_then(|about| about.modified()).ok(),
                version: None,
                note: None,
                name,
            }
        });
        Ok(listed.collect())
    }
}
