//! `set`: one value into a store, or into a line of the source.

mod fault;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Failures};
use crate::files::{self, Accept};
use crate::prompt;
use crate::provider::{self, Change, Found, Seen, Trouble, Value};
use crate::report::Report;
use crate::resolve::{Desk, Target, look};
use crate::run::Ended;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::source::amend::{Amended, Standing, amend};
use crate::source::lines::{Lines, lines};
use crate::source::{self, document};

use fault::Fault;

/// No store takes more.
const MOST: usize = 16 << 20;

/// Puts one value.
pub(super) fn set(settings: &mut Settings, report: &Report) -> Ended {
    let key = settings.words.first().and_then(|word| word.to_str());
    let key = key.ok_or(Fault::NotText)?.to_owned();
    let place = key.split('?').next().unwrap_or_default();
    if place.contains('=') {
        return Err(Fault::ValueInKey.into());
    }
    // A name is a line of the source where there is one, and else a key like others.
    let line = if is_name(&key) {
        Some(entry_file(settings))
    } else {
        None
    };
    if let Some(Ok(path)) = &line {
        for (option, given) in [
            ("meta", !settings.meta.is_empty()),
            ("if-version", settings.if_version.is_some()),
        ] {
            if given {
                return Err(Fault::ForStores(option).into());
            }
        }
        let value = value(&key, &Wish::of(settings), report)?;
        return entry(path, &key, &value, settings, report);
    }
    let known = match key.contains(':') {
        true => Some(Target::parse(&key).map_err(|failure| failure.at(place))?),
        false => None,
    };
    let wish = Wish::of(settings);
    let desk = desk(settings, report)?;
    let target = match (known, line) {
        (Some(target), _) => Ok(target),
        (None, Some(Err(nowhere))) => desk.place(&key).map_err(|_| nowhere),
        (None, _) => desk.place(&key).map_err(|failure| failure.at(place)),
    };
    secret(target?, wish, desk, report)
}

/// What the options ask for.
struct Wish {
    from_file: Option<PathBuf>,
    trim: bool,
    metadata: Vec<(String, String)>,
    yes: bool,
    expected: Option<String>,
}

impl Wish {
    fn of(settings: &mut Settings) -> Wish {
        Wish {
            from_file: settings.from_file.take(),
            trim: settings.trim,
            metadata: std::mem::take(&mut settings.meta),
            yes: settings.yes,
            expected: settings.if_version.take(),
        }
    }
}

/// The name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut letters = text.bytes();
    letters
        .next()
        .is_some_and(|b| b == b'_' || b.is_ascii_alphabetic())
        && letters.all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

/// The value: from the named file, from stdin, or from a person.
fn value(shown: &str, wish: &Wish, report: &Report) -> Result<Secret, Failure> {
    let secret = if let Some(path) = &wish.from_file {
        from_file(path)?
    } else if std::io::stdin().is_terminal() {
        let asked = prompt::ask_twice(&format!("value for {shown}: "), "the same again: ");
        let answer = asked.map_err(|fault| match fault {
            prompt::Fault::TooLong => Fault::LongAnswer.into(),
            fault => Failure::from(fault),
        })?;
        let answer = answer.ok_or(Fault::NoValue)?;
        if answer.is_empty() {
            return Err(Fault::EmptyAnswer.into());
        }
        answer
    } else {
        let input = files::drain(std::io::stdin().lock(), 0, MOST);
        let input = input.map_err(|_| Fault::NoValue)?.ok_or(Fault::TooLarge)?;
        if input.is_empty() {
            return Err(Fault::EmptyInput.into());
        }
        input
    };
    let bytes = secret.expose();
    let Some(line) = bytes.strip_suffix(b"\n") else {
        return Ok(secret);
    };
    if wish.trim {
        return Ok(Secret::new(
            line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
        ));
    }
    if wish.from_file.is_none() && !line.contains(&b'\n') {
        report.warn(
            &format!("{shown}: the value ends with a line end, which is a part of it"),
            Some("--trim drops it; printf %s prints none"),
        );
    }
    Ok(secret)
}

fn from_file(path: &Path) -> Result<Secret, Failure> {
    if path == Path::new("/dev/null") {
        return Ok(Secret::new(Vec::new()));
    }
    let contents = files::read(path, MOST, Accept::Pipe)?;
    Ok(contents
        .ok_or_else(|| Fault::NoFile(path.to_owned()))?
        .bytes)
}

/// Asks before something is overwritten.
pub(super) fn may_replace(question: &str) -> Result<(), Failure> {
    match prompt::confirm(question)? {
        Some(false) => Err(Fault::Declined.into()),
        // Nobody can be asked after all.
        Some(true) | None => Ok(()),
    }
}

/// The settings of stores, as a load would have them; no file need be there.
pub(super) fn desk<'a>(
    settings: &'a mut Settings,
    report: &'a Report,
) -> Result<Desk<'a>, Failures> {
    (settings.optional, settings.reload, settings.past_dumps) = (true, true, true);
    let choice = source::choose(settings, false, report)?;
    let document = document::peruse(choice, &provider::schemes(), report)?;
    Desk::open(document, settings, report)
}

/// What stands at a place.
pub(super) struct Present {
    pub(super) value: Secret,
    pub(super) version: Option<String>,
}

/// What was found; none where there is nothing.
pub(super) fn present(answer: provider::Answer) -> Result<Option<Present>, Failure> {
    match answer {
        Ok(Found {
            value: Value::One(value),
            version,
            ..
        }) => Ok(Some(Present { value, version })),
        Ok(_) | Err(Trouble::Missing(_)) => Ok(None),
        Err(Trouble::Failed(failure)) => Err(failure),
    }
}

/// `: version 3`, where there is one.
pub(super) fn version(version: Option<&String>) -> String {
    version.map_or(String::new(), |version| format!(": version {version}"))
}

fn secret(target: Target, wish: Wish, mut desk: Desk<'_>, report: &Report) -> Ended {
    let at = |failure: Failure| failure.at(&target.shown);
    target.keeps(&wish.metadata).map_err(at)?;
    let value = target.coded(value(&target.shown, &wish, report)?);
    desk.rested();
    let Wish {
        metadata,
        yes,
        expected,
        ..
    } = wish;
    let mut store = desk.store(&target).map_err(at)?;
    let answer = look(&mut *store, &[&target]).pop();
    let found = match answer.map(present) {
        None => Ok(None),
        // Whoever may write and not read, and says so.
        Some(Err(_)) if yes && expected.is_none() => Err(()),
        Some(found) => Ok(found.map_err(at)?),
    };
    let there = found.as_ref().ok().and_then(Option::as_ref);
    if let Some(want) = expected {
        let have = there.map(|there| there.version.clone().unwrap_or_default());
        if have.as_deref().unwrap_or("0") != want {
            return Err(at(Fault::Version { want, have }.into()).into());
        }
    }
    if let Some(there) = there {
        if there.value.is(&value) && metadata.is_empty() {
            let version = version(there.version.as_ref());
            report.info(&format!(
                "`{}` has this value already{version}",
                target.shown
            ));
            return Ok(None);
        }
        if !yes && prompt::attended() {
            drop(store);
            let version = version(there.version.as_ref()).replace(": ", " (");
            let version = if version.is_empty() {
                version
            } else {
                format!("{version})")
            };
            let question = format!(
                "{} has another value{version}; write over it?",
                target.shown
            );
            may_replace(&question).map_err(at)?;
            desk.rested();
            store = desk.store(&target).map_err(at)?;
        }
    }
    let seen = match &found {
        Err(()) => Seen::Whatever,
        Ok(None) => Seen::Nothing,
        Ok(Some(there)) => Seen::Value(&there.value),
    };
    let change = Change {
        reference: &target.reference,
        value: &value,
        seen,
        metadata: &metadata,
    };
    let written = store.put(&[change]).pop();
    let written = written.ok_or(Fault::Changed)?.map_err(at)?;
    let done = if matches!(found, Ok(None)) {
        "created"
    } else {
        "set"
    };
    let version = version(written.version.as_ref());
    report.info(&format!("`{}` is {done}{version}", target.shown));
    if let Some(note) = written.note {
        report.warn(&format!("{}: {note}", target.shown), None);
    }
    Ok(None)
}

/// The file whose lines a start would read.
fn entry_file(settings: &Settings) -> Result<PathBuf, Failure> {
    let plain = source::place(settings, source::VAULT);
    if plain.exists() {
        return Ok(plain);
    }
    let sealed = source::place(settings, source::SEALED);
    if sealed.exists() {
        return Ok(sealed);
    }
    Err(Fault::NoSource(sealed).into())
}

fn entry(path: &Path, name: &str, value: &Secret, settings: &Settings, report: &Report) -> Ended {
    let shown = path.display().to_string();
    let place = format!("{shown}: {name}");
    let schemes = provider::schemes();
    let change = |lines: &Lines| amend(path, &lines.plain, name, value, &schemes);
    let lines = lines(path, settings, report)?;
    let first: Amended = change(&lines)?;
    match &first.standing {
        Standing::Same => {
            report.info(&format!("`{shown}`: {name} has this value already"));
            return Ok(None);
        }
        Standing::Nothing => {}
        Standing::Text if settings.yes || !prompt::attended() => {}
        Standing::Text => {
            let question = format!("{place} has another value; write over it?");
            may_replace(&question).map_err(|failure| failure.at(&place))?;
        }
        Standing::Reference(_) if settings.yes => {}
        Standing::Reference(scheme) => {
            return Err(Failure::from(Fault::IsReference(scheme.clone()))
                .at(&place)
                .into());
        }
    }
    let _turn = files::lock(files::folder(path)).map_err(Failure::from)?;
    let now = lines.again(path)?;
    let second = change(&now)?;
    if !second.replaces_what(&first) {
        return Err(Failure::from(Fault::Changed).at(&place).into());
    }
    now.write(path, &second.text)?;
    let done = match first.standing {
        Standing::Nothing => "added",
        _ => "set",
    };
    report.info(&format!("`{shown}`: {name} is {done}"));
    let sealed = source::place(settings, source::SEALED);
    if now.lock.is_none() && sealed.exists() {
        report.info(&format!(
            "`{}` does not have it yet; envshim seal brings it there",
            sealed.display()
        ));
    }
    Ok(None)
}
