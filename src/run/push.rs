//! `push`: the variables of a dotenv file into a store.
//!
//! What stands there is looked at first, so that a value that is there already is left alone and the
//! same command can be given again. What became of every variable is told, whatever happens.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Explain, Failure, Failures, one_line};
use crate::files::{self, Accept};
use crate::format::dotenv;
use crate::format::reference::{self, Part};
use crate::prompt;
use crate::provider::{self, Change, Seen, Store, Written};
use crate::report::Report;
use crate::resolve::{Target, is_setting, look};
use crate::run::Ended;
use crate::run::set::{Present, desk, may_replace, present};
use crate::secret::{Secret, SecretBuffer};
use crate::settings::Settings;
use crate::source::{self, document};
use crate::sys;

/// Why nothing is pushed.
enum Fault {
    NotText,
    NotThere(PathBuf),
    Nothing(PathBuf),
    NoSuch(PathBuf, String),
    Unknown(String),
    Field,
    Stopped,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotText => "the reference is not text".to_owned(),
            Fault::NotThere(path) => format!("{}: there is no such file", path.display()),
            Fault::Nothing(path) => format!("{}: there is nothing in it to push", path.display()),
            Fault::NoSuch(path, name) => {
                format!("{}: there is no `{}` in it", path.display(), one_line(name))
            }
            Fault::Unknown(name) => format!("`${{{}}}` is no variable of the file", one_line(name)),
            Fault::Field => "names a field, and every variable is to have its own".to_owned(),
            Fault::Stopped => "ended by a signal before its turn".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotText => "write it in UTF-8".to_owned(),
            Fault::NotThere(_) => "envshim push FILE REF: name the dotenv file first".to_owned(),
            Fault::Nothing(_) => {
                "write NAME=value lines into it, or name others with --only".to_owned()
            }
            Fault::NoSuch(..) => "look at the names after --only and --except".to_owned(),
            Fault::Unknown(name) => format!(
                "define {} above it in the file, or write the text itself",
                one_line(name)
            ),
            Fault::Field => "leave `#field` out".to_owned(),
            Fault::Stopped => "give the command again; what is done is left alone".to_owned(),
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
    let (mut items, left_out) = variables(&file, &target, each, settings)?;
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
                item.outcome = if there.value.expose() == item.value.expose() {
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
    put(&mut *store, &mut items, each, &held);
    told(&items, &left_out, false, report)
}

/// Writes what is to be written; what has not begun when a signal comes is left.
fn put(store: &mut dyn Store, items: &mut [Item], each: bool, held: &sys::Held) {
    let open = |item: &Item| matches!(item.outcome, Outcome::Create | Outcome::Change);
    let places: Vec<usize> = (0..items.len())
        .filter(|at| items.get(*at).is_some_and(open))
        .collect();
    let together = if each { 1 } else { places.len().max(1) };
    for chunk in places.chunks(together) {
        if held.asked() {
            for at in chunk {
                if let Some(item) = items.get_mut(*at) {
                    item.outcome = Outcome::Failed(Fault::Stopped.into());
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
                metadata: &[],
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

/// Why a variable is not pushed.
struct LeftOut(String, &'static str);

/// The variables of a file, each with its place, and those that are no values of their own.
fn variables(
    file: &Path,
    target: &Target,
    each: bool,
    settings: &Settings,
) -> Result<(Vec<Item>, Vec<LeftOut>), Failures> {
    let shown = file.display().to_string();
    let text = files::read(file, source::MOST, Accept::Pipe).map_err(Failure::from)?;
    let text = text.ok_or_else(|| Fault::NotThere(file.to_owned()))?.bytes;
    let bindings = document::bindings(&shown, text.expose())?;
    let literal = dotenv::is_literal(text.expose());
    for name in settings.only.iter().chain(&settings.except) {
        if !bindings.iter().any(|binding| binding.name == *name) {
            return Err(Fault::NoSuch(file.to_owned(), name.clone()).into());
        }
    }
    let schemes = provider::schemes();
    let mut wrong = Failures::default();
    let mut known: Vec<(&str, Secret)> = Vec::new();
    let mut left_out: Vec<LeftOut> = Vec::new();
    for binding in &bindings {
        let Some(value) = &binding.value else {
            continue;
        };
        left_out.retain(|left| left.0 != binding.name);
        known.retain(|(name, _)| *name != binding.name);
        let named = settings.only.contains(&binding.name);
        let out = |why| LeftOut(binding.name.clone(), why);
        if settings.except.contains(&binding.name) || (!settings.only.is_empty() && !named) {
            left_out.push(out("not asked for"));
        } else if !named && is_setting(&binding.name) {
            left_out.push(out("configures envshim; --only pushes it"));
        }
        let place = format!(
            "{shown}:{}:{}: {}",
            binding.line, binding.column, binding.name
        );
        match filled(value, literal, &known, &schemes) {
            Ok(Some(value)) => known.push((&binding.name, value)),
            Ok(None) if !left_out.iter().any(|left| left.0 == binding.name) => {
                left_out.push(out("a reference: its value is in a store already"));
            }
            Ok(None) => {}
            Err(_) if left_out.iter().any(|left| left.0 == binding.name) => {}
            Err(failure) => wrong.0.push(failure.at(&place)),
        }
    }
    wrong.or(())?;
    known.retain(|(name, _)| !left_out.iter().any(|left| left.0 == *name));
    let items: Vec<Item> = known
        .into_iter()
        .map(|(name, value)| {
            let locator = &target.reference.locator;
            let target = match each {
                true if locator.ends_with('/') => target.with(format!("{locator}{name}"), None),
                true => target.with(format!("{locator}/{name}"), None),
                false => target.with(locator.clone(), Some(name.to_owned())),
            };
            Item {
                name: name.to_owned(),
                value: target.coded(value),
                target,
                there: None,
                outcome: Outcome::Create,
            }
        })
        .collect();
    if items.is_empty() {
        return Err(Fault::Nothing(file.to_owned()).into());
    }
    Ok((items, left_out))
}

/// A value with the variables of its file in it; none where it is a reference, or holds one.
fn filled(
    value: &Secret,
    literal: bool,
    known: &[(&str, Secret)],
    schemes: &[&'static str],
) -> Result<Option<Secret>, Failure> {
    if literal {
        return Ok(Some(value.duplicate()));
    }
    let template = reference::parse(value.expose(), schemes)?;
    let mut whole = SecretBuffer::default();
    for part in template.parts {
        match part {
            Part::Text(text) => whole.push(text.expose()),
            Part::Reference(_) => return Ok(None),
            Part::Variable(variable) => {
                let there = known.iter().find(|(name, _)| *name == variable.name);
                match (there, variable.default) {
                    (Some((_, value)), _) => whole.push(value.expose()),
                    (None, Some(default)) => whole.push(default.expose()),
                    (None, None) => return Err(Fault::Unknown(variable.name).into()),
                }
            }
        }
    }
    Ok(Some(whole.finish()))
}

/// The table of what was done, or would be.
fn told(items: &[Item], left_out: &[LeftOut], dry: bool, report: &Report) -> Ended {
    let mut failures = Failures::default();
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
    for LeftOut(name, why) in left_out {
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
    if failures.0.is_empty() {
        return Ok(None);
    }
    report.failures(&failures);
    Ok(Some(Exit::Ours))
}

fn since(version: Option<&String>) -> String {
    version.map_or(String::new(), |version| format!(" (version {version} now)"))
}
