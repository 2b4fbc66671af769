//! No program by that name: where it was looked for, and what was meant. Looked into only after the
//! failure.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::image::{DEFAULT_PATH, Image, folders};
use super::refusal::{Refusal, obstacle};
use crate::failure::nearest;
use crate::files;

/// Words that only a shell understands; people write them in front of a program.
const BUILTINS: [&str; 12] = [
    "cd", "export", "source", ".", "exec", "set", "unset", "ulimit", "umask", "alias", "eval",
    "trap",
];

/// Says where the name was looked for. `unreachable`: a candidate in a folder that may not be searched.
pub(super) fn not_found(image: &Image, unreachable: Option<PathBuf>) -> Refusal {
    let name = image.name;
    let text = name.to_string_lossy();
    let first = text.split_whitespace().next().unwrap_or_default();
    let whole = first == text;
    // What follows in a quoted command line may be a password.
    let shown = match whole {
        true => name.to_owned(),
        false => format!("{first} ...").into(),
    };
    let refuse = |place: &str, hint: Option<String>| {
        Refusal::NotFound(shown.clone(), place.to_owned(), hint)
    };
    if name.is_empty() {
        let hint = "write the program after `--`; is a variable of the command line empty?";
        return Refusal::NotFound(
            "the program".into(),
            "its name is empty".to_owned(),
            Some(hint.to_owned()),
        );
    }
    let one_word = (!whole && !BUILTINS.contains(&first)).then(|| {
        "it is one word; write it without quotes, or let a shell cut it: sh -c '...'".to_owned()
    });
    if one_word.is_some() {
        return refuse("there is no such program", one_word);
    }
    if text.contains('/') {
        let folder = files::folder(Path::new(name));
        let place = if folder.is_dir() {
            "does not exist".to_owned()
        } else {
            format!("does not exist, there is no folder `{}`", folder.display())
        };
        let meant = || Some(similar(name, &[folder])?.display().to_string());
        return refuse(&place, meant().map(|m| format!("did you mean `{m}`?")));
    }
    let place = match image.path {
        Some(_) => "not found in PATH".to_owned(),
        None => format!("not found in {DEFAULT_PATH}, and there is no PATH"),
    };
    let here = Path::new(".").join(name);
    let meant = || {
        let folders: Vec<_> = folders(image.path)
            .map(|f| Path::new(OsStr::from_bytes(f)))
            .collect();
        let found = similar(name, &folders)?;
        Some(format!("did you mean `{}`?", found.file_name()?.display()))
    };
    let hint = if BUILTINS.contains(&first) {
        format!("`{first}` is a word of the shell; let one run it: sh -c '...'")
    } else if obstacle(&here).is_none() {
        format!("it is in this folder; write {}", here.display())
    } else if let Some(path) = unreachable {
        format!(
            "user {} may not search `{}`, which is in PATH",
            geteuid(),
            files::folder(&path).display()
        )
    } else {
        meant().unwrap_or_else(|| "add its folder to PATH, or write its whole path".to_owned())
    };
    refuse(&place, Some(hint))
}

/// The program in one of the folders whose name is most like that of `typed`.
fn similar(typed: &OsStr, folders: &[&Path]) -> Option<PathBuf> {
    let typed = Path::new(typed).file_name()?.to_str()?;
    let entries = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok());
    let paths: Vec<PathBuf> = entries
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    let names: Vec<String> = paths.iter().filter_map(name).collect();
    let found = nearest(typed, names.iter().map(String::as_str))?;
    let path = paths
        .iter()
        .find(|path| path.file_name() == Some(found.as_ref()))?;
    obstacle(path).is_none().then(|| path.clone())
}
