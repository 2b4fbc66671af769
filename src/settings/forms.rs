//! The forms that values of options have.

use std::ffi::OsStr;
use std::path::PathBuf;

/// Yes or no.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// An empty one is a variable of the command line that nobody set.
pub(super) fn path(value: &OsStr) -> Option<PathBuf> {
    (!value.is_empty()).then(|| value.into())
}

/// Names between commas; blanks around them do not count.
pub(super) fn list(text: Option<&str>) -> Option<Vec<String>> {
    let names = text?
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    Some(names.map(str::to_owned).collect())
}

/// A user, and perhaps a group, in numbers.
pub(super) fn owner(text: &str) -> Option<(u32, Option<u32>)> {
    match text.split_once(':') {
        Some((user, group)) => Some((user.parse().ok()?, Some(group.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}
