//! `edit` and `rekey`: a sealed file, changed in place.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::failure::{Exit, Explain, Failure};
use crate::files::{self, Accept};
use crate::helper::editor::{MemoryFolder, beside, edit as run_editor, places};
use crate::prompt;
use crate::report::Report;
use crate::run::Ended;
use crate::run::files::{content, named};
use crate::sealed::{self, Addition};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::source::lines::{Lines, sealed_lines};
use crate::source::{self, document};
use crate::sys;

/// The editor where nobody names one.
const EDITOR: &str = "vi";

/// Why a file is not edited.
enum Fault {
    NotSealed(PathBuf),
    Editor(String, ExitStatus),
    Gone,
    Moved(PathBuf, PathBuf),
    Crowded(PathBuf),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotSealed(path) => format!("{}: there is no such file", path.display()),
            Fault::Editor(name, status) => {
                format!("`{name}` did not end well ({status}); nothing is changed")
            }
            Fault::Gone => "the editor has removed the file; nothing is changed".to_owned(),
            Fault::Moved(path, aside) => format!(
                "{}: somebody else has changed it meanwhile; your text is sealed in `{}`",
                path.display(),
                aside.display()
            ),
            Fault::Crowded(path) => format!(
                "{}: somebody else has changed it meanwhile, and too many edits lie beside it",
                path.display()
            ),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotSealed(_) => {
                "make one: envshim init, then envshim seal; a plain .vault is edited as it is"
                    .to_owned()
            }
            Fault::Editor(..) => "set VISUAL or EDITOR to the editor that you want".to_owned(),
            Fault::Gone => "save it under its own name".to_owned(),
            Fault::Moved(_, aside) => format!(
                "compare: envshim open {}; when all is in the one file: rm {0}",
                aside.display()
            ),
            Fault::Crowded(path) => format!("look at them: ls {}.edited*", path.display()),
        })
    }
}

/// Opens a sealed file in an editor, and seals what comes of it.
pub(super) fn edit(settings: &Settings, report: &Report) -> Ended {
    let path = named(settings, source::SEALED);
    if !path.exists() {
        return Err(Fault::NotSealed(path).into());
    }
    let lines = sealed_lines(&path, settings, report)?;
    let command = ["VISUAL", "EDITOR"].into_iter().find_map(|name| {
        let value = settings.inherited.value(name)?;
        std::str::from_utf8(value)
            .ok()
            .filter(|text| !text.trim().is_empty())
    });
    let command = command.unwrap_or(EDITOR);
    let runtime = settings.inherited.value("XDG_RUNTIME_DIR");
    let runtime = runtime
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .map(PathBuf::from);
    // A terminating signal waits until the folder is gone; the editor gets it all the same.
    let _held = sys::hold_termination();
    let folder = MemoryFolder::new(&places(runtime.as_deref())).map_err(Failure::from)?;
    let file = folder.path().join(source::VAULT);
    files::create(&file, lines.plain.expose(), 0o600).map_err(Failure::from)?;
    let shown = path.display().to_string();
    let text = loop {
        let search = settings.inherited.value("PATH").unwrap_or_default();
        let status = run_editor(command, &file, search).map_err(Failure::from)?;
        if !status.success() {
            return Err(Fault::Editor(command.to_owned(), status).into());
        }
        let text = files::read(&file, source::MOST, Accept::Regular).map_err(Failure::from)?;
        let text = text.ok_or(Fault::Gone)?.bytes;
        if text.is(&lines.plain) {
            report.info(&format!("`{shown}` is as it was"));
            return Ok(None);
        }
        let Err(failures) = document::proofread(&shown, text.expose()) else {
            break text;
        };
        report.failures(&failures);
        let question = "throw the change away? (no: edit it again)";
        if prompt::confirm(question).map_err(Failure::from)? != Some(false) {
            return Ok(Some(Exit::Ours));
        }
    };
    // What was typed is worth another try, on a disk with more room.
    while let Err(failure) = save(&path, &lines, &text) {
        let again = "try to write it again? (no: the change is lost)";
        let kept = failure.1;
        report.failures(&failure.0.into());
        if kept || prompt::confirm(again).map_err(Failure::from)? != Some(true) {
            return Ok(Some(Exit::Ours));
        }
    }
    report.info(&format!("`{shown}` is sealed with the change"));
    Ok(None)
}

/// Seals an edited text; `true` beside a failure after which the text is safe all the same.
fn save(path: &Path, lines: &Lines, text: &Secret) -> Result<(), (Failure, bool)> {
    let lost = |failure: Failure| (failure, false);
    let _turn = files::lock(files::folder(path)).map_err(|fault| lost(fault.into()))?;
    let now = lines.again(path).map_err(lost)?;
    if now.plain.is(&lines.plain) {
        return now.write(path, text).map_err(lost);
    }
    let aside = beside(path).ok_or_else(|| lost(Fault::Crowded(path.to_owned()).into()))?;
    now.write(&aside, text).map_err(lost)?;
    Err((Fault::Moved(path.to_owned(), aside).into(), true))
}

/// Lists what opens a sealed file, adds to it, takes away from it.
pub(super) fn rekey(settings: &Settings, report: &Report) -> Ended {
    let path = named(settings, source::SEALED);
    let bytes = content(&path)?.bytes;
    let mut additions = Vec::new();
    if settings.add_password {
        additions.push(Addition::AskedPassword);
    }
    additions.extend(
        settings
            .add_password_file
            .clone()
            .map(Addition::PasswordFile),
    );
    additions.extend(settings.add_key.clone().map(Addition::KeyFile));
    if additions.is_empty() && settings.remove.is_empty() {
        let kinds = sealed::list(&path, &bytes)?;
        let lines = kinds.iter().zip(1..);
        let list: String = lines.map(|(kind, n)| format!("{n:>2}  {kind}\n")).collect();
        report.product(list.as_bytes())?;
        return Ok(None);
    }
    let done = sealed::rekey(
        &path,
        &bytes,
        &settings.credentials,
        &additions,
        &settings.remove,
    )?;
    source::heed(done.notes, false, report)?;
    let join = |kinds: &[sealed::Kind]| {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        kinds.join(", ")
    };
    let shown = path.display();
    for (word, kinds) in [("added", &done.added), ("removed", &done.removed)] {
        if !kinds.is_empty() {
            report.info(&format!("`{shown}`: {word}: {}", join(kinds)));
        }
    }
    report.info(&format!("`{shown}` opens with: {}", join(&done.opens)));
    if !done.removed.is_empty() {
        report.warn(
            &format!("{shown}: whoever had what is removed has seen the secrets, and older versions of the file still open with it"),
            Some("change the secrets themselves; envshim seal --fresh makes a new key of the file too"),
        );
    }
    Ok(None)
}
