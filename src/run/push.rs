//! `push`: the variables of a dotenv file into a store.
//!
//! What stands there is looked at first, so that a value that is there already is left alone and the
//! same command can be given again. What became of every variable is told, whatever happens.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Explain, Failure, Failures, one_line};
use crate::prompt;
use crate::provider::{self, Change, Seen, Store, Written};
use crate::report::Report;
use crate::resolve::{Target, is_setting, look};
use crate::run::Ended;
use crate::run::set::{Present, desk, may_replace, present};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::source::values::{self, Values};
use crate::sys;

/// Why nothing is pushed.
enum Fault {
    NotText,
    Nothing(PathBuf),
    NoSuch(PathBuf, String),
    Field,
    Stopped(usize),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotText => "the reference is not text".to_owned(),
            Fault::Nothing(path) => format!("{}: there is nothing in it to push", path.display()),
            Fault::NoSuch(path, name) => {
                format!("{}: there is no `{}` in it", path.display(), one_line(name))
            }
            Fault::Field => "names a field, and every variable is to have its own".to_owned(),
            Fault::Stopped(count) => format!("ended by a signal; {count} are not begun"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotText => "write it in UTF-8".to_owned(),
            Fault::Nothing(_) => {
                "write NAME=value lines into it, or name others with --only".to_owned()
            }
            Fault::NoSuch(..) => "look at the names after --only and --except".to_owned(),
            Fault::Field => "leave `#field` out".to_owned(),
            Fault::Stopped(_) => "give the command again; what is done is left alone".to_owned(),
        })
    }
}

/// One variable on its way.
struct Item {
    name: String,
    value: Secret,
    target: Target,
    there: Option<Present>,
    outcome: Outcome,
}

/// What is to become of it, or became of it.
enum Outcome {
    Create,
    Change,
    Same,
    Done(Written, bool),
    Failed(Failure),
    Stopped,
}

/// Pushes a file.
pub(super) fn push(settings: &mut Settings, report: &Report) -> Ended {
    let [file, reference] = settings.words.as_slice() else {
        return Err(Fault::NotText.into());
    };
    let (file, reference) = (
        PathBuf::from(file),
        reference.to_str().ok_or(Fault::NotText)?,
    );
    let each = settings.each
        || reference
            .split(['?', '#'])
            .next()
            .is_some_and(|place| place.ends_with('/'));
    let shown = reference.split('?').next().unwrap_or_default().to_owned();
    let target = Target::parse(&without_slash(reference)).map_err(|failure| failure.at(&shown))?;
    if target.reference.field.is_some() {
        return Err(Failure::from(Fault::Field).at(&shown).into());
    }
    let metadata = std::mem::take(&mut settings.meta);
    target
        .keeps(&metadata)
        .map_err(|failure| failure.at(&shown))?;
    let Values { values, left_out } = wanted(&file, settings)?;
    let mut items = items(values, &target, each);
    let (dry, yes) = (settings.dry_run, settings.yes);
    let mut desk = desk(settings, report)?;
    let mut store = desk.store(&target).map_err(|failure| failure.at(&shown))?;
    let targets: Vec<&Target> = items.iter().map(|item| &item.target).collect();
    let answers = look(&mut *store, &targets);
    let found: Vec<Result<Option<Present>, Failure>> = answers.into_iter().map(present).collect();
    for (item, found) in items.iter_mut().zip(found) {
        match found {
            Err(failure) => item.outcome = Outcome::Failed(failure),
            Ok(None) => {}
            Ok(Some(there)) => {
                item.outcome = if there.value.is(&item.value) {
                    Outcome::Same
                } else {
                    Outcome::Change
                };
                item.there = Some(there);
            }
        }
    }
    if dry
        || items
            .iter()
            .any(|item| matches!(item.outcome, Outcome::Failed(_)))
    {
        // Nothing is begun where it is known that not all of it can be done.
        return told(&items, &left_out, dry, report);
    }
    let changes: Vec<&str> = items
        .iter()
        .filter(|item| matches!(item.outcome, Outcome::Change))
        .map(|item| item.name.as_str())
        .collect();
    if !changes.is_empty() && !yes && prompt::attended() {
        drop(store);
        let question = format!(
            "{shown} has other values of {}; write over them?",
            changes.join(", ")
        );
        may_replace(&question)?;
        desk.rested();
        store = desk.store(&target).map_err(|failure| failure.at(&shown))?;
    }
    // A terminating signal waits until it is told what was done.
    let held = sys::hold_termination();
    put(&mut *store, &mut items, each, &metadata, &held);
    told(&items, &left_out, false, report)
}

/// Writes what is to be written; what has not begun when a signal comes is left.
fn put(
    store: &mut dyn Store,
    items: &mut [Item],
    each: bool,
    metadata: &[(String, String)],
    held: &sys::Held,
) {
    let open = |item: &Item| matches!(item.outcome, Outcome::Create | Outcome::Change);
    let places: Vec<usize> = (0..items.len())
        .filter(|at| items.get(*at).is_some_and(open))
        .collect();
    let together = if each { 1 } else { places.len().max(1) };
    for chunk in places.chunks(together) {
        if held.asked() {
            for at in chunk {
                if let Some(item) = items.get_mut(*at) {
                    item.outcome = Outcome::Stopped;
                }
            }
            continue;
        }
        let members: Vec<&Item> = chunk.iter().filter_map(|at| items.get(*at)).collect();
        let changes: Vec<Change<'_>> = members
            .iter()
            .map(|item| Change {
                reference: &item.target.reference,
                value: &item.value,
                seen: item
                    .there
                    .as_ref()
                    .map_or(Seen::Nothing, |there| Seen::Value(&there.value)),
                metadata,
            })
            .collect();
        let written = store.put(&changes);
        for (at, written) in chunk.iter().zip(written) {
            if let Some(item) = items.get_mut(*at) {
                item.outcome = match written {
                    Ok(written) => Outcome::Done(written, item.there.is_none()),
                    Err(failure) => Outcome::Failed(failure),
                };
            }
        }
    }
}

/// The reference as one of a secret: the slash behind it says that its name is to be completed.
fn without_slash(reference: &str) -> String {
    let (place, rest) = match reference.find(['?', '#']) {
        Some(at) => reference.split_at(at),
        None => (reference, ""),
    };
    let bare = place.trim_end_matches('/');
    // Of a mount as a whole, or of all files, nothing is left but the scheme.
    let bare = if bare.ends_with(':') { place } else { bare };
    format!("{bare}{rest}")
}

/// The variables of a file, each with its place.
fn items(values: Vec<(String, Secret)>, target: &Target, each: bool) -> Vec<Item> {
    let locator = &target.reference.locator;
    let item = |(name, value): (String, Secret)| {
        let target = match each {
            true => target.below(&name),
            false => target.with(locator.clone(), Some(name.clone())),
        };
        Item {
            name,
            value: target.coded(value),
            target,
            there: None,
            outcome: Outcome::Create,
        }
    };
    values.into_iter().map(item).collect()
}

/// The variables that are asked for.
fn wanted(file: &Path, settings: &Settings) -> Result<Values, Failures> {
    let skip = |name: &str| {
        let named = settings.only.iter().any(|only| only == name);
        let except = settings.except.iter().any(|except| except == name);
        if except || (!settings.only.is_empty() && !named) {
            Some("not asked for")
        } else {
            (!named && is_setting(name)).then_some("configures envshim; --only pushes it")
        }
    };
    let found = values::read(file, &provider::schemes(), skip)?;
    let known = |name: &String| {
        found.values.iter().any(|(known, _)| known == name)
            || found.left_out.iter().any(|(known, _)| known == name)
    };
    if let Some(name) = settings
        .only
        .iter()
        .chain(&settings.except)
        .find(|name| !known(name))
    {
        return Err(Fault::NoSuch(file.to_owned(), name.clone()).into());
    }
    if found.values.is_empty() {
        return Err(Fault::Nothing(file.to_owned()).into());
    }
    Ok(found)
}

/// The table of what was done, or would be.
fn told(items: &[Item], left_out: &[(String, &str)], dry: bool, report: &Report) -> Ended {
    let mut failures = Failures::default();
    let mut stopped = 0;
    let mut rows =
        vec![["VARIABLE", "INTO", if dry { "WOULD BE" } else { "IS" }].map(str::to_owned)];
    let numbered = |word: &str, version: Option<&String>| match version {
        Some(version) => format!("{word}, version {version}"),
        None => word.to_owned(),
    };
    for item in items {
        let version = item.there.as_ref().and_then(|there| there.version.as_ref());
        let words = match &item.outcome {
            Outcome::Create if dry => "created".to_owned(),
            Outcome::Change if dry => numbered("changed", None) + &since(version),
            Outcome::Create | Outcome::Change => "not begun".to_owned(),
            Outcome::Stopped => {
                stopped += 1;
                "not begun".to_owned()
            }
            Outcome::Same => numbered("there already", version),
            Outcome::Done(written, new) => {
                if let Some(note) = &written.note {
                    report.warn(&format!("{}: {note}", item.target.shown), None);
                }
                numbered(
                    if *new { "created" } else { "changed" },
                    written.version.as_ref(),
                )
            }
            Outcome::Failed(failure) => {
                failures.0.push(
                    failure
                        .clone()
                        .at(&format!("{}: {}", item.name, item.target.shown)),
                );
                "not written".to_owned()
            }
        };
        rows.push([item.name.clone(), item.target.shown.clone(), words]);
    }
    for (name, why) in left_out {
        rows.push([name.clone(), "-".to_owned(), format!("left out: {why}")]);
    }
    let rows: Vec<[String; 3]> = rows
        .into_iter()
        .map(|row| row.map(|cell| one_line(&cell)))
        .collect();
    let mut widths = [0; 3];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for [name, place, words] in &rows {
        let [first, second, _] = widths;
        text.push_str(&format!("{name:<first$}  {place:<second$}  {words}\n"));
    }
    report.product(text.as_bytes())?;
    if stopped > 0 {
        failures.0.push(Fault::Stopped(stopped).into());
    }
    if failures.0.is_empty() {
        return Ok(None);
    }
    report.failures(&failures);
    Ok(Some(Exit::Ours))
}

fn since(version: Option<&String>) -> String {
    version.map_or(String::new(), |version| format!(" (version {version} now)"))
}
