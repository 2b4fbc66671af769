//! `set`: one value into a store, or into a line of the source.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::failure::{Explain, Failure, Failures};
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

/// No store takes more.
const MOST: usize = 16 << 20;

/// Why a value is not set.
pub(super) enum Fault {
    ValueInKey,
    NoKey,
    NotText,
    NoValue,
    EmptyInput,
    EmptyAnswer,
    LongAnswer,
    NoFile(PathBuf),
    TooLarge,
    NoSource(PathBuf),
    ForStores(&'static str),
    Version { want: String, have: Option<String> },
    Declined,
    IsReference(String),
    Changed,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::ValueInKey => {
                "a value stands on the command line, or the key has a `=` in it".to_owned()
            }
            Fault::NoKey => "the key is neither the name of a variable nor a reference".to_owned(),
            Fault::NotText => "the key is not text".to_owned(),
            Fault::NoValue => "there is no value, and no terminal to ask on".to_owned(),
            Fault::EmptyInput => "stdin gives no value".to_owned(),
            Fault::EmptyAnswer => "the value is empty".to_owned(),
            Fault::LongAnswer => "the value is longer than a line of a terminal can be".to_owned(),
            Fault::NoFile(path) => format!("{}: there is no such file", path.display()),
            Fault::TooLarge => format!("the value is larger than {} MiB", MOST >> 20),
            Fault::NoSource(path) => format!(
                "{}: there is no such file, and no .vault either",
                path.display()
            ),
            Fault::ForStores(option) => {
                format!("--{option} is for secrets in a store; a line of a file has none")
            }
            Fault::Version {
                want,
                have: Some(have),
            } => format!(
                "version {want} was expected, and version {have} is there; nothing is written"
            ),
            Fault::Version { want, have: None } => {
                format!("version {want} was expected, and there is nothing; nothing is written")
            }
            Fault::Declined => "nothing is written".to_owned(),
            Fault::IsReference(scheme) => {
                format!("is a reference ({scheme}:...), and the secret lies elsewhere")
            }
            Fault::Changed => {
                "somebody else has changed it meanwhile; nothing is written".to_owned()
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::ValueInKey => "every user of a machine can see its command lines: printf %s ... | envshim set KEY, or envshim set KEY and type it; in a name, write %3D for `=`".to_owned(),
            Fault::NoKey => format!(
                "envshim set DB_PASSWORD sets a line of .vault or .vault.enc, envshim set {}:... a secret in a store",
                provider::writable().first().unwrap_or(&"vault")
            ),
            Fault::NotText => "write it in UTF-8".to_owned(),
            Fault::NoValue => "give it on stdin, or with --from-file FILE".to_owned(),
            Fault::EmptyInput => "did the program in front of it fail? --from-file /dev/null sets an empty value".to_owned(),
            Fault::EmptyAnswer => "--from-file /dev/null sets an empty value".to_owned(),
            Fault::LongAnswer => "give it on stdin, or with --from-file FILE".to_owned(),
            Fault::NoFile(_) => "name the file that holds the value".to_owned(),
            Fault::TooLarge => "is it the right file?".to_owned(),
            Fault::NoSource(_) => "make one: envshim init; or name its folder with --dir".to_owned(),
            Fault::ForStores(option) => format!("leave --{option} out"),
            Fault::Version { .. } => "look at what is there now, and name its version".to_owned(),
            Fault::Declined => "--yes asks no questions".to_owned(),
            Fault::IsReference(_) => "set the secret itself: envshim set and the reference; --yes replaces the reference by the value".to_owned(),
            Fault::Changed => "look at what is there now, and set it again".to_owned(),
        })
    }
}

/// Puts one value.
pub(super) fn set(settings: &mut Settings, report: &Report) -> Ended {
    let key = settings.words.first().and_then(|word| word.to_str());
    let key = key.ok_or(Fault::NotText)?.to_owned();
    let place = key.split('?').next().unwrap_or_default();
    if place.contains('=') {
        return Err(Fault::ValueInKey.into());
    }
    if is_name(&key) {
        for (option, given) in [
            ("meta", !settings.meta.is_empty()),
            ("if-version", settings.if_version.is_some()),
        ] {
            if given {
                return Err(Fault::ForStores(option).into());
            }
        }
        let path = entry_file(settings)?;
        let value = value(&key, settings, report)?;
        return entry(&path, &key, &value, settings, report);
    }
    if !key.contains(':') {
        return Err(Fault::NoKey.into());
    }
    let target = Target::parse(&key).map_err(|failure| failure.at(place))?;
    if !settings.meta.is_empty() {
        target
            .keeps_metadata()
            .map_err(|failure| failure.at(&target.shown))?;
    }
    let value = value(&target.shown, settings, report)?;
    secret(target, value, settings, report)
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
fn value(shown: &str, settings: &Settings, report: &Report) -> Result<Secret, Failure> {
    let secret = if let Some(path) = &settings.from_file {
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
    if settings.trim {
        return Ok(Secret::new(
            line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
        ));
    }
    if settings.from_file.is_none() && !line.contains(&b'\n') {
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
    settings.optional = true;
    settings.reload = true;
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

fn secret(target: Target, value: Secret, settings: &mut Settings, report: &Report) -> Ended {
    let value = target.coded(value);
    let metadata = std::mem::take(&mut settings.meta);
    let (yes, expected) = (settings.yes, settings.if_version.take());
    let at = |failure: Failure| failure.at(&target.shown);
    let mut desk = desk(settings, report)?;
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
