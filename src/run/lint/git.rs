//! What git does with a file.

use std::path::Path;

use crate::clock::Deadline;
use crate::failure::Explain;
use crate::helper::Helper;
use crate::report::Report;
use crate::settings::Settings;

/// A repository can be anybody's, and its configuration names programs. None is run: no monitor, no
/// hook, and nothing is fetched that is not there.
const GIT: &str = "git -c core.fsmonitor=false -c core.hooksPath=/dev/null --literal-pathspecs --no-optional-locks";

const QUIET: &[(&str, &str)] = &[("GIT_NO_LAZY_FETCH", "1"), ("GIT_ALLOW_PROTOCOL", "")];

/// What git sets for its hooks, of which we may be one, would lead it to another place from here.
const ELSEWHERE: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
];

/// Git keeps the file (true), or does not ignore it (false).
pub(super) fn keeps(path: &Path, settings: &Settings, report: &Report) -> Option<bool> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
    // Asked only where there is something to ask about.
    folder
        .ancestors()
        .find(|above| above.join(".git").exists())?;
    let name = path.file_name()?.to_str()?;
    let command = format!(
        "{GIT} -C {} ls-files -t --cached --others --exclude-standard -- {}",
        shielded(folder.to_str()?),
        shielded(name)
    );
    let deadline = Deadline::after(settings.timeout);
    let helper = Helper::told(&command, QUIET, ELSEWHERE, deadline);
    let said = helper.and_then(Helper::output).map_err(|fault| {
        let what = format!("{}: git was not asked: {}", path.display(), fault.what());
        report.warn(&what, fault.hint().as_deref());
    });
    match said.ok()?.expose().first() {
        Some(b'?') => Some(false),
        Some(_) => Some(true),
        None => None,
    }
}

/// Text that stays one word of a command.
fn shielded(text: &str) -> String {
    let special = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '\\');
    let letter = |c: char| {
        if special(c) {
            format!("\\{c}")
        } else {
            c.to_string()
        }
    };
    text.chars().map(letter).collect()
}
