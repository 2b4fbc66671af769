//! `get` and `has`: single values, for scripts and people.
//!
//! A word is a reference, if its scheme is known; else the name of a variable that the source sets;
//! else a key of the store of keys. A name in capitals may also be a variable of an import: before a
//! store is asked for a key of that name, unless each of its keys is a variable anyway. Without a
//! store of keys every name may be.

use crate::audit::{self, Outcome, Record};
use crate::environment::{Decision, Line};
use crate::failure::{Exit, Explain, Failure, Failures};
use crate::format::json::{self, Json};
use crate::format::naming;
use crate::provider::{self, Lent, Network, Trouble};
use crate::report::Report;
use crate::resolve::{self, Direct, FileSettings, Got, Loaded, Place, Resolved};
use crate::run::table::on_terminal;
use crate::run::{Ended, texts};
use crate::secret::{Secret, SecretBuffer};
use crate::settings::Settings;
use crate::source::{self, Choice, Kind, document};

/// What became of a word.
type Outcomes = Vec<Result<Got, Trouble>>;

/// What a product cannot be made of.
struct NoJson(String);

impl Explain for NoJson {
    fn what(&self) -> String {
        format!(
            "{}: the value is not UTF-8, and JSON holds nothing else",
            self.0
        )
    }
    fn hint(&self) -> Option<String> {
        Some(format!(
            "get it alone, without --json: envshim get {} > FILE",
            self.0
        ))
    }
}

/// An entry that may be missing, and is.
struct Unset;

impl Explain for Unset {
    fn what(&self) -> String {
        "is optional, and missing".to_owned()
    }
    fn hint(&self) -> Option<String> {
        Some("envshim get --default TEXT prints something instead".to_owned())
    }
}

/// Prints one value as it is, or several as JSON. Exit status 1 where one is missing.
pub(super) fn get(settings: &mut Settings, record: &mut Record, report: &Report) -> Ended {
    let words = texts(settings)?;
    let found = outcomes(&words, true, settings, record, report)?;
    let default = settings.default.clone();
    let mut wrong = Failures::default();
    let mut values: Vec<(String, Got)> = Vec::new();
    for (word, outcome) in words.iter().zip(found) {
        match (outcome, &default) {
            (Ok(got), _) => values.push((word.clone(), got)),
            (Err(Trouble::Missing(_)), Some(default)) => {
                let text = default.clone().into_encoded_bytes();
                values.push((word.clone(), Got::text(Secret::new(text))));
            }
            (Err(Trouble::Missing(failure)), None) => wrong.0.push(Failure {
                exit: Exit::No,
                ..failure.at(&shown(word))
            }),
            (Err(Trouble::Failed(failure)), _) => wrong.0.push(failure.at(&shown(word))),
        }
    }
    // Trouble counts before what is merely missing.
    wrong.0.sort_by_key(|failure| failure.exit == Exit::No);
    wrong.or(())?;
    let text = match values.as_slice() {
        [(_, got)] if !settings.json => one(got),
        _ => several(&values)?,
    };
    audit::write(settings, record, Outcome::Done)?;
    report.product(text.expose())?;
    Ok(None)
}

/// Says with the exit status alone whether there is a value for each word.
pub(super) fn has(settings: &mut Settings, record: &mut Record, report: &Report) -> Ended {
    let words = texts(settings)?;
    let found = outcomes(&words, false, settings, record, report)?;
    let mut wrong = Failures::default();
    let mut all = true;
    for (word, outcome) in words.iter().zip(found) {
        match outcome {
            Ok(_) => {}
            Err(Trouble::Missing(_)) => all = false,
            Err(Trouble::Failed(failure)) => wrong.0.push(failure.at(&shown(word))),
        }
    }
    wrong.or(())?;
    audit::write(settings, record, Outcome::Done)?;
    Ok((!all).then_some(Exit::No))
}

/// How messages show a word: parameters and arguments may hold what nobody should read.
fn shown(word: &str) -> String {
    match resolve::meant(word) {
        Some(Ok(reference)) => reference.to_string(),
        _ => word.split('?').next().unwrap_or_default().to_owned(),
    }
}

fn outcomes(
    words: &[String],
    defaults: bool,
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
) -> Result<Outcomes, Failures> {
    // This is asked now, and by whom nothing is started.
    (settings.reload, settings.optional) = (true, true);
    let network = Network::default();
    let ended = look_up(words, defaults, settings, &network, record, report);
    record.stores = network.asked();
    let ended = ended?;
    if settings.audit.is_some() {
        for (word, outcome) in words.iter().zip(&ended) {
            record.lines.push(line(word, outcome));
        }
    }
    Ok(ended)
}

fn look_up(
    words: &[String],
    defaults: bool,
    settings: &mut Settings,
    network: &Network,
    record: &mut Record,
    report: &Report,
) -> Result<Outcomes, Failures> {
    let mut outcomes: Vec<Option<Result<Got, Trouble>>> = words.iter().map(|_| None).collect();
    // A dump has variables and nothing else.
    let names = words.iter().all(|word| resolve::meant(word).is_none());
    settings.past_dumps = !names;
    let mut choice = choose(settings, record, report)?;
    from_source(
        words,
        &mut outcomes,
        &choice,
        Among::Entries,
        settings,
        network,
        report,
    )?;
    if outcomes.iter().all(Option::is_some) {
        return Ok(outcomes.into_iter().flatten().collect());
    }
    if choice.kind == Kind::Dump {
        settings.past_dumps = true;
        choice = choose(settings, record, report)?;
        from_source(
            words,
            &mut outcomes,
            &choice,
            Among::Entries,
            settings,
            network,
            report,
        )?;
    }
    let document = document::read(choice.duplicate(), &provider::schemes(), report)?;
    let file = FileSettings::of(document, settings, network, report)?;
    let among = match Direct::new(settings, file.duplicate(), network, report).store() {
        Ok((_, keys)) if keys.flat => None,
        Ok(_) => Some(Among::Capitals),
        Err(_) => Some(Among::Names),
    };
    if let Some(among) = among {
        from_source(
            words,
            &mut outcomes,
            &choice,
            among,
            settings,
            network,
            report,
        )?;
    }
    let direct = Direct::new(settings, file, network, report);
    let mut asked = Vec::new();
    let mut references = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if !matches!(outcomes.get(at), Some(None)) {
            continue;
        }
        match direct.reference(word) {
            Ok(reference) => {
                asked.push(at);
                references.push(reference);
            }
            // Where there is no source, nobody has said that it is not there.
            Err(Trouble::Missing(failure)) if choice.kind == Kind::Nothing => {
                put(&mut outcomes, at, Err(Trouble::Failed(failure)));
            }
            Err(trouble) => put(&mut outcomes, at, Err(trouble)),
        }
    }
    for (at, outcome) in asked.into_iter().zip(direct.values(references, defaults)) {
        put(&mut outcomes, at, outcome);
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// Which words are looked up where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Among {
    /// Those that are entries.
    Entries,
    /// Names in capitals, among the imports.
    Capitals,
    /// All names, for there is no store of keys.
    Names,
}

fn put(outcomes: &mut [Option<Result<Got, Trouble>>], at: usize, outcome: Result<Got, Trouble>) {
    if let Some(slot) = outcomes.get_mut(at) {
        *slot = Some(outcome);
    }
}

fn choose(settings: &Settings, record: &mut Record, report: &Report) -> Result<Choice, Failures> {
    let choice = source::choose(settings, resolve::names_a_store(settings), report)?;
    report.debug(|| choice.reason.clone());
    record.source = Some((choice.file.clone(), choice.reason.clone()));
    Ok(choice)
}

/// The values of words that are variables of the source.
fn from_source(
    words: &[String],
    outcomes: &mut [Option<Result<Got, Trouble>>],
    choice: &Choice,
    among: Among,
    settings: &mut Settings,
    network: &Network,
    report: &Report,
) -> Result<(), Failures> {
    let mut document = document::read(choice.duplicate(), &provider::schemes(), report)?;
    let mut wanted: Vec<(usize, String)> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let open = matches!(outcomes.get(at), Some(None)) && resolve::meant(word).is_none();
        let here = match among {
            Among::Entries => document.sets(word) && !resolve::is_setting(word),
            Among::Capitals => is_in_capitals(word),
            Among::Names => naming::is_valid(word),
        };
        if open && here {
            wanted.push((at, word.clone()));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = wanted.iter().map(|(_, name)| name.clone()).collect();
    document.keep_only(&names, resolve::is_setting);
    document.imports = among != Among::Entries;
    let Resolved { mut loaded, .. } = resolve::resolve(document, settings, network, report, None)?;
    for (at, name) in wanted {
        let found = loaded.iter().position(|variable| variable.name == name);
        match found.map(|found| loaded.swap_remove(found)) {
            Some(variable) => put(outcomes, at, Ok(Got::of(variable))),
            None if among != Among::Entries => {}
            None => put(outcomes, at, Err(Trouble::Missing(Unset.into()))),
        }
    }
    Ok(())
}

/// As variables are written.
fn is_in_capitals(word: &str) -> bool {
    let letter = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    word.bytes().all(letter) && !word.is_empty()
}

fn line(word: &str, outcome: &Result<Got, Trouble>) -> Line {
    let got = outcome.as_ref().ok();
    Line {
        name: shown(word),
        place: Place::Named("command line".to_owned()),
        provider: got.map_or("", |got| got.provider),
        origin: got.and_then(|got| got.origin.clone()),
        decision: if got.is_some() {
            Decision::Read
        } else {
            Decision::Absent
        },
    }
}

/// A value as it is. A terminal gets the line end that a person expects there; a program gets
/// nothing but the value.
fn one(got: &Got) -> Secret {
    let mut out = SecretBuffer::default();
    match &got.lent {
        Some(lent) => leased(&mut out, &got.value, lent),
        None => out.push(got.value.expose()),
    }
    if on_terminal() && !out.as_bytes().ends_with(b"\n") {
        out.push(b"\n");
    }
    out.finish()
}

/// `{"WORD":"value"}`, in the order asked.
fn several(values: &[(String, Got)]) -> Result<Secret, Failures> {
    let mut wrong = Failures::default();
    let mut out = SecretBuffer::default();
    for (n, (word, got)) in values.iter().enumerate() {
        out.push(if n == 0 { b"{" } else { b"," });
        out.push(json::quote(word).as_bytes());
        out.push(b":");
        match &got.lent {
            Some(lent) => leased(&mut out, &got.value, lent),
            None if std::str::from_utf8(got.value.expose()).is_ok() => {
                out.push(Json::Text(got.value.duplicate()).compact().expose());
            }
            None => wrong.0.push(NoJson(shown(word)).into()),
        }
    }
    out.push(b"}\n");
    wrong.or(out.finish())
}

/// A dynamic secret with how long it lives, in the words of Vault's own client.
fn leased(out: &mut SecretBuffer, value: &Secret, lent: &Lent) {
    let object = matches!(json::parse(value.expose()), Ok(Json::Object(_)));
    out.push(b"{\"data\":");
    if object {
        out.push(value.expose());
    } else {
        out.push(Json::Text(value.duplicate()).compact().expose());
    }
    let rest = format!(
        ",\"lease_id\":{},\"lease_duration\":{},\"renewable\":{}}}",
        json::quote(&lent.id),
        lent.duration.as_secs(),
        lent.renewable
    );
    out.push(rest.as_bytes());
}

impl Got {
    /// What is known of a variable.
    fn of(variable: Loaded) -> Got {
        Got {
            value: variable.value,
            lent: None,
            provider: variable.provider,
            origin: variable.origin,
        }
    }

    fn text(value: Secret) -> Got {
        Got {
            value,
            lent: None,
            provider: "text",
            origin: None,
        }
    }
}
