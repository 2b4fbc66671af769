//! The corridor: one function per command, each a walk through the rooms in their order.

mod check;

mod edit;

mod explain;

mod export;

mod files;

mod get;

mod init;

mod lint;

mod list;

mod push;

mod set;

mod start;

mod table;

mod migrate;

mod supervised;

use std::ffi::OsString;

use crate::audit::{self, Outcome, Record};
use crate::cli::{self, Command, Invocation};
use crate::environment::{Decision, Line};
use crate::failure::{Exit, Explain, Failure, Failures};
use crate::provider::{self, Loan, Network};
use crate::report::Report;
use crate::resolve::{self, Adder, Loaded, Resolved, Seen, Watch};
use crate::secret::Secret;
use crate::settings::{self, Inherited, Misset, Settings};
use crate::source::{self, Choice, Kind, document, dump};
use crate::supervise::Link;
use crate::sys;

/// Runs the command line of this process, whose first word is our own name. Returns the exit status.
pub fn run(words: Vec<OsString>) -> u8 {
    sys::harden();
    let words = words.into_iter().skip(1).collect();
    let inherited = Inherited::of_this_process();
    let plain = Report::new(None, settings::logs_json(&inherited));
    let exit = match cli::read(words) {
        Ok(invocation) => obey(invocation, inherited, plain),
        Err(misuse) => Err(misuse.into()),
    };
    match exit {
        Ok(status) => status,
        Err(failures) => plain.failures(&failures) as u8,
    }
}

/// What is left to say when a command has ended: nothing, or a status whose reasons are told.
type Ended = Result<Option<Exit>, Failures>;

/// The exit status of a command that has ended.
fn status(exit: Option<Exit>) -> u8 {
    exit.map_or(0, |exit| exit as u8)
}

fn obey(invocation: Invocation, inherited: Inherited, plain: Report) -> Result<u8, Failures> {
    match invocation.command {
        Command::Help => {
            let topic = invocation.words.first().map(|word| word.to_string_lossy());
            let text = cli::help(topic.as_deref())
                .ok_or_else(|| NoTopic(topic.as_deref().unwrap_or("").to_owned()))?;
            plain.product(text.as_bytes())?;
            return Ok(0);
        }
        Command::Version => {
            plain.product(concat!("envshim ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())?;
            return Ok(0);
        }
        Command::Completions => {
            let shell = invocation.words.first().map(|word| word.to_string_lossy());
            let shell = shell.as_deref().unwrap_or_default();
            let text = cli::completions(shell).ok_or_else(|| NoShell(shell.to_owned()))?;
            plain.product(text.as_bytes())?;
            return Ok(0);
        }
        Command::Man => {
            plain.product(cli::man().as_bytes())?;
            return Ok(0);
        }
        _ => {}
    }
    let (mut settings, understood) = Settings::settle(invocation, inherited);
    let report = Report::new(settings.log, settings.log_json);
    let mut record = Record::of(&settings);
    let ended = understood.and_then(|unknown| {
        for name in unknown {
            let misset = Misset::Unknown(name);
            report.warn(&misset.what(), misset.hint().as_deref());
        }
        match settings.command {
            Command::Check => check::check(&mut settings, &mut record, &report),
            Command::Dump => write_dump(&mut settings, &mut record, &report),
            Command::Seal => files::seal(&settings, &report),
            Command::Open => files::open(&settings, &report),
            Command::Keygen => files::keygen(&settings, &report),
            Command::Set => set::set(&mut settings, &report),
            Command::Push => push::push(&mut settings, &report),
            Command::Edit => edit::edit(&settings, &report),
            Command::Rekey => edit::rekey(&settings, &report),
            Command::Init => init::init(&settings, &report),
            Command::Get => get::get(&mut settings, &mut record, &report),
            Command::Has => get::has(&mut settings, &mut record, &report),
            Command::Ls => list::list(&mut settings, &mut record, &report),
            Command::Export => export::export(&mut settings, &mut record, &report),
            Command::Explain => explain::explain(&mut settings, &mut record, &report),
            Command::Lint => lint::lint(&settings, &report),
            Command::Run
            | Command::Help
            | Command::Version
            | Command::Completions
            | Command::Man => {
                return start::start(&mut settings, &mut record, &report);
            }
            Command::Migrate => migrate::migrate(&settings, &report),
        }
        .map(status)
    });
    match ended {
        Err(mut failures) => {
            // The others load nothing.
            if !matches!(
                settings.command,
                Command::Seal | Command::Open | Command::Keygen | Command::Lint
            ) {
                let told = audit::write(&settings, &record, Outcome::Failed(&failures));
                failures.0.extend(told.err());
            }
            Ok(report.failures(&failures) as u8)
        }
        ended => ended,
    }
}

/// Command line to values: the part of the corridor that all loading commands share.
fn load(
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
) -> Result<Resolved, Failures> {
    let all = load_for(&[], settings, record, report, None, None);
    all.map(|(resolved, ..)| resolved)
}

/// The same of these variables alone, and the names of all others; of all of them where none is
/// named.
fn load_only(
    names: &[String],
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
) -> Result<(Resolved, Vec<String>), Failures> {
    let some = load_for(names, settings, record, report, None, None);
    some.map(|(resolved, others, _)| (resolved, others))
}

/// The same, for a supervisor: with what was lent, or only as a look that leaves these out.
fn load_for(
    names: &[String],
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
    link: Option<&Link>,
    look: Option<&Seen>,
) -> Result<(Resolved, Vec<String>, Vec<Loan>), Failures> {
    let choice = source::choose(settings, resolve::names_a_store(settings), report)?;
    report.debug(|| choice.reason.clone());
    if settings.audit.is_some() {
        record.source = Some((choice.file.clone(), choice.reason.clone()));
    }
    let watched = settings.supervision.rotation.wanted();
    let watch = link.filter(|_| watched).map(|link| {
        let mut adder = Adder::new(link.salt());
        adder.add(choice.bytes.as_ref().map_or(&[], Secret::expose));
        Watch { adder, look }
    });
    let mut document = document::read(choice, &provider::schemes(), report)?;
    let mut others = Vec::new();
    if !names.is_empty() {
        let all = document.entries.iter().map(|entry| entry.name.as_str());
        others.extend(
            all.filter(|name| !resolve::is_setting(name))
                .map(str::to_owned),
        );
        document.keep_only(names, resolve::is_setting);
        // Who loses is told as well.
        document.imports =
            settings.command == Command::Explain || !names.iter().all(|name| document.sets(name));
    }
    let network = Network::default();
    let resolved = resolve::resolve(document, settings, &network, report, watch);
    record.stores = network.asked();
    let (leases, lent) = network.lent();
    for lease in leases {
        let line = lease.line();
        match settings.dump || settings.command == Command::Dump {
            // A file that wins over the next load outlives them.
            true => report.warn(
                &line,
                Some("start with --max-age, lest they are used when they have ended"),
            ),
            false => report.info(&line),
        }
    }
    let mut resolved = resolved?;
    if !names.is_empty() {
        // What the named ones are made of, and the rest of an import.
        let wanted = |name: &String| names.contains(name);
        resolved.loaded.retain(|variable| wanted(&variable.name));
        resolved.aside.retain(|aside| wanted(&aside.name));
    }
    Ok((resolved, others, lent))
}

/// The words of a command, as text.
fn texts(settings: &Settings) -> Result<Vec<String>, Failures> {
    let text = |word: &OsString| word.to_str().map(str::to_owned);
    let texts: Option<Vec<String>> = settings.words.iter().map(text).collect();
    texts.ok_or_else(|| NotText.into())
}

/// Names and references are text.
struct NotText;

impl Explain for NotText {
    fn what(&self) -> String {
        "a word is not UTF-8".to_owned()
    }
    fn hint(&self) -> Option<String> {
        Some("names and references are text".to_owned())
    }
}

/// There is no such variable; this one comes near.
struct NoVariable {
    name: String,
    file: String,
    near: Option<String>,
}

impl Explain for NoVariable {
    fn what(&self) -> String {
        format!("{}: {} gives no such variable", self.name, self.file)
    }
    fn hint(&self) -> Option<String> {
        Some(match &self.near {
            Some(near) => format!("did you mean {near}?"),
            None => "envshim check shows them all".to_owned(),
        })
    }
    fn exit(&self) -> Exit {
        Exit::No
    }
}

fn write_dump(settings: &mut Settings, record: &mut Record, report: &Report) -> Ended {
    settings.reload = true;
    let resolved = load(settings, record, report)?;
    if for_the_program(&resolved).next().is_none() {
        return Err(NothingToDump(resolved.choice).into());
    }
    save(&resolved, report)?;
    if settings.audit.is_some() {
        let line = |variable: &Loaded| Line {
            name: variable.name.clone(),
            place: variable.place.clone(),
            provider: variable.provider,
            origin: variable.origin.clone(),
            decision: Decision::Set,
        };
        record.lines = for_the_program(&resolved).map(line).collect();
    }
    audit::write(settings, record, Outcome::Done)?;
    Ok(None)
}

/// What was loaded, without the settings among it.
fn for_the_program(resolved: &Resolved) -> impl Iterator<Item = &Loaded> {
    resolved
        .loaded
        .iter()
        .filter(|variable| variable.provider != resolve::SETTING)
}

fn save(resolved: &Resolved, report: &Report) -> Result<(), Failure> {
    let variables = for_the_program(resolved)
        .map(|variable| (variable.name.as_str(), &variable.value, variable.as_file));
    let (path, differences) = dump::write(&resolved.choice.folder, variables)?;
    report.info(&format!("wrote `{}`", path.display()));
    for difference in differences {
        report.warn(&format!("{}: {}", path.display(), difference.line()), None);
    }
    Ok(())
}

/// A load that gave no variable is not worth a file that would win over the next one.
struct NothingToDump(Choice);

impl Explain for NothingToDump {
    fn what(&self) -> String {
        match self.0.kind {
            Kind::Nothing => format!("there is nothing to dump: {}", self.0.reason),
            _ => format!("{}: gives no variable to dump", self.0.file),
        }
    }
    fn hint(&self) -> Option<String> {
        Some("write NAME=value lines into .vault".to_owned())
    }
}

/// Completions were asked for a shell that has none.
struct NoShell(String);

impl Explain for NoShell {
    fn what(&self) -> String {
        format!("there are no completions for `{}`", self.0)
    }
    fn hint(&self) -> Option<String> {
        Some("write: envshim completions bash, zsh or fish".to_owned())
    }
}

/// Help was asked for something that is not there.
struct NoTopic(String);

impl Explain for NoTopic {
    fn what(&self) -> String {
        format!("there is no help for `{}`", self.0)
    }
    fn hint(&self) -> Option<String> {
        let names: Vec<&str> = cli::COMMANDS.iter().map(|row| row.name).collect();
        Some(format!(
            "there is help for commands, options, references, {}",
            names.join(", ")
        ))
    }
}
