//! Docker's `NAME_FILE` convention: `POSTGRES_PASSWORD_FILE=/run/secrets/pg` sets
//! `POSTGRES_PASSWORD`, on request.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::failure::{Explain, Failure, Failures};
use crate::files::{self, Accept};
use crate::resolve::{Loaded, Place};
use crate::secret::Secret;
use crate::settings::Settings;

const SUFFIX: &str = "_FILE";

/// A variable cannot be longer than this (the kernel's limit for one string).
const MOST: usize = 128 << 10;

enum Fault {
    Both(String),
    NotThere(Option<PathBuf>),
    NoVariable(String),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Both(name) => format!("{name} and {name}{SUFFIX} are both set"),
            Fault::NotThere(Some(path)) => format!("{}: there is no such file", path.display()),
            Fault::NotThere(None) => "its value is not the path of a file".to_owned(),
            Fault::NoVariable(name) => format!("--file-env {name}: {name}{SUFFIX} is not set"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Both(name) => format!("unset one of them: env -u {name}"),
            Fault::NotThere(Some(_)) => "mount the secret, or correct the path".to_owned(),
            Fault::NotThere(None) => "write the full path, as in /run/secrets/...".to_owned(),
            Fault::NoVariable(name) => {
                format!("set {name}{SUFFIX}=/run/secrets/..., or take {name} out of --file-env")
            }
        })
    }
}

/// The variables that come from files, and the names that have served. `*` means every `NAME_FILE`
/// that names an existing file by its full path, where `NAME` is not set.
pub(crate) fn from_files(settings: &Settings, wrong: &mut Failures) -> (Vec<String>, Vec<Loaded>) {
    let (mut served, mut loaded) = (Vec::new(), Vec::new());
    let all = settings.file_env.iter().any(|name| name == "*");
    let mut names: Vec<String> = settings
        .file_env
        .iter()
        .filter(|name| *name != "*")
        .cloned()
        .collect();
    if all {
        let found = settings.inherited.pairs().filter_map(|(name, path)| {
            let bare = std::str::from_utf8(name).ok()?.strip_suffix(SUFFIX)?;
            let ours = bare.is_empty() || bare.starts_with("ENVSHIM_");
            let usable =
                !ours && settings.inherited.value(bare).is_none() && path.starts_with(b"/");
            (usable && Path::new(OsStr::from_bytes(path)).is_file()).then(|| bare.to_owned())
        });
        names.extend(found.collect::<Vec<_>>());
    }
    for name in names {
        match one(settings, &name) {
            Ok(Some(variable)) => {
                served.push(format!("{name}{SUFFIX}"));
                loaded.push(variable);
            }
            Ok(None) => {}
            Err(failure) => wrong.0.push(failure),
        }
    }
    (served, loaded)
}

fn one(settings: &Settings, name: &str) -> Result<Option<Loaded>, Failure> {
    let variable = format!("{name}{SUFFIX}");
    let inherited = &settings.inherited;
    let path = match (inherited.value(&variable), inherited.value(name)) {
        (Some(_), Some(_)) => return Err(Fault::Both(name.to_owned()).into()),
        // Docker's images take the variable itself as well.
        (None, Some(_)) => return Ok(None),
        (None, None) => return Err(Fault::NoVariable(name.to_owned()).into()),
        (Some(path), None) => PathBuf::from(OsStr::from_bytes(path)),
    };
    let found = files::read(&path, MOST, Accept::Regular)
        .map_err(|fault| Failure::from(fault).at(&variable))?;
    let bytes = found
        .ok_or_else(|| {
            // What is no path may well be the secret itself.
            let path = Some(path).filter(|path| path.is_absolute());
            Failure::from(Fault::NotThere(path)).at(&variable)
        })?
        .bytes;
    let text = bytes.expose().strip_suffix(b"\n").unwrap_or(bytes.expose());
    Ok(Some(Loaded {
        name: name.to_owned(),
        value: Secret::new(text.to_vec()),
        place: Place::Named(format!("environment: {variable}")),
        provider: "file",
        origin: None,
        as_file: false,
        parts: Vec::new(),
    }))
}
