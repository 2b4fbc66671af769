//! The corridor: one function per command, each a walk through the rooms in their order.

mod check;

mod files;

mod migrate;

mod supervised;

use std::ffi::OsString;

use crate::audit::{self, Outcome, Record};
use crate::cli::{self, Command, Invocation};
use crate::environment::{Decision, Environment, Line};
use crate::failure::{Exit, Explain, Failure, Failures};
use crate::format::mask::{LEAST, is_short};
use crate::process::{self, Program};
use crate::provider::{self, Loan, Network};
use crate::report::Report;
use crate::resolve::{self, Adder, Loaded, Resolved, Seen, Watch};
use crate::sealed::Credentials;
use crate::secret::Secret;
use crate::settings::{self, Inherited, Misset, Settings};
use crate::source::{self, Choice, Kind, document, dump};
use crate::supervise::{self, Errand, Link, Side, Watched};
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
            Command::Migrate => migrate::migrate(&settings, &report),
            Command::Run | Command::Help | Command::Version => {
                return start(&mut settings, &mut record, &report);
            }
        }
        .map(status)
    });
    match ended {
        Err(mut failures) => {
            if matches!(
                settings.command,
                Command::Run | Command::Check | Command::Dump
            ) {
                let told = audit::write(&settings, &record, Outcome::Failed(&failures));
                failures.0.extend(told.err());
            }
            Ok(report.failures(&failures) as u8)
        }
        ended => ended,
    }
}

/// The main job. Returns if it failed, and when a program that was supervised has ended.
fn start(settings: &mut Settings, record: &mut Record, report: &Report) -> Result<u8, Failures> {
    let stays = settings.supervision.stays();
    let mut link = None;
    if settings.supervision.mask && !settings.supervision.masks() {
        report.warn(
            "--mask: stdout and stderr are a terminal, and nothing is masked there",
            Some("it is for output that is kept: envshim --mask -- program >log 2>&1"),
        );
    }
    // Before anything is known that the parent should not know; where nothing is loaded, as late as
    // can be, because whatever two processes touch costs twice.
    let loads = !settings.supervision.init || settings.resolve_env || !settings.file_env.is_empty();
    if stays && loads {
        link = match divide(settings, report)? {
            Part::Program(line) => Some(line),
            Part::Over(status) => return Ok(status),
            Part::Errand(errand, mut line) => {
                return supervised::errand(errand, &mut line, settings, record, report);
            }
        };
    }
    let (environment, made_of) = prepare(settings, record, link.as_mut(), report)?;
    supervised::has_files(settings, &environment)?;
    if stays && link.is_none() {
        link = match divide(settings, report)? {
            Part::Program(line) | Part::Errand(_, line) => Some(line),
            Part::Over(status) => return Ok(status),
        };
    }
    let program = Program {
        words: std::mem::take(&mut settings.program),
        arg0: settings.arg0.take(),
    };
    let mut block = environment.block();
    let addressed = link.as_ref().map(|link| link.addressed(&block));
    for (place, string) in addressed.iter().flatten() {
        block[*place] = string;
    }
    if settings.audit.is_some() {
        // What is not there is not told as started.
        process::find(&program, &block)
            .and_then(|_| audit::write(settings, record, Outcome::Starts))?;
    }
    if let Some(link) = &link {
        supervised::tell(link, &environment, made_of);
        if !link.ready() {
            return Ok(0);
        }
    }
    let refusal = process::exec(&program, &block, environment.files());
    if let Some(link) = &link {
        link.refused();
    }
    Err(refusal.into())
}

/// What this process is, after it has been divided.
enum Part {
    /// The one that loads, and becomes the program.
    Program(Link),
    /// One that was needed for something else, and is to exit with this status.
    Over(u8),
    /// A child of the supervisor, with this to do.
    Errand(Errand, Link),
}

/// Becomes two processes. The parent returns at the end.
fn divide(settings: &mut Settings, report: &Report) -> Result<Part, Failure> {
    let side = supervise::split(&settings.supervision, &settings.inherited, report)?;
    let next = settings.supervision.rotation.wanted();
    if !matches!(side, Side::Program(_)) && !next {
        settings.credentials = Credentials::default();
    }
    Ok(match side {
        Side::Program(link) => Part::Program(link),
        Side::Relay(relay) => Part::Over(relay.run()),
        Side::Parent(supervisor) => match supervisor.watch() {
            Watched::Ended(status) => Part::Over(status),
            Watched::Relay(relay) => Part::Over(relay.run()),
            Watched::Errand(Errand::Load, link) => Part::Program(link),
            Watched::Errand(errand, link) => Part::Errand(errand, link),
        },
    })
}

fn prepare(
    settings: &mut Settings,
    record: &mut Record,
    link: Option<&mut Link>,
    report: &Report,
) -> Result<(Environment, MadeOf), Failures> {
    let (mut resolved, lent) = load_for(settings, record, report, link.as_deref(), None)?;
    if let Some(link) = link.filter(|link| link.masks()) {
        mask(&resolved, link, report);
    }
    let made_of = MadeOf {
        seen: resolved.seen.take(),
        lent,
    };
    if settings.dump
        && matches!(
            resolved.choice.kind,
            Kind::Vault | Kind::Sealed | Kind::Environment
        )
    {
        save(&resolved, report)?;
    }
    let count = for_the_program(&resolved).count();
    let (file, reason) = (resolved.choice.file.clone(), resolved.choice.reason.clone());
    let mut environment = Environment::build(resolved, settings, report)?;
    match count {
        // An init is as silent as any other.
        0 if settings.supervision.init => {}
        0 => report.info(&reason),
        1 => report.info(&format!("1 variable from `{file}`")),
        _ => report.info(&format!("{count} variables from `{file}`")),
    }
    for line in &environment.lines {
        report.debug(|| {
            format!(
                "{}: {} ({}, {})",
                line.name,
                line.decision.words(),
                line.place.shown(&file),
                line.provider
            )
        });
    }
    record.lines = std::mem::take(&mut environment.lines);
    Ok((environment, made_of))
}

/// What those who keep a load alive want to know of it.
struct MadeOf {
    seen: Option<Seen>,
    lent: Vec<Loan>,
}

/// From here on no loaded value comes out of this process, or of the program that it becomes.
fn mask(resolved: &Resolved, link: &mut Link, report: &Report) {
    let (mut values, mut short) = (Vec::new(), Vec::new());
    for variable in resolved.loaded.iter().chain(&resolved.rewritten) {
        if is_short(&variable.value) {
            short.push(format!("`{}`", variable.name));
        }
        values.push(variable.value.duplicate());
        values.extend(variable.parts.iter().map(Secret::duplicate));
    }
    link.mask(&values);
    if !short.is_empty() {
        report.warn(
            &format!("too short to be masked: {}", short.join(", ")),
            Some(&format!(
                "{LEAST} bytes are the least; shorter ones are found in any text"
            )),
        );
    }
}

/// Command line to values: the part of the corridor that all loading commands share.
fn load(
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
) -> Result<Resolved, Failures> {
    load_for(settings, record, report, None, None).map(|(resolved, _)| resolved)
}

/// The same, for a supervisor: with what was lent, or only as a look that leaves these out.
fn load_for(
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
    link: Option<&Link>,
    look: Option<&[String]>,
) -> Result<(Resolved, Vec<Loan>), Failures> {
    let choice = source::choose(settings, resolve::names_a_store(settings), report)?;
    report.debug(|| choice.reason.clone());
    if settings.audit.is_some() {
        record.source = Some((choice.file.clone(), choice.reason.clone()));
    }
    let watch = link.map(|link| {
        let mut adder = Adder::new(link.salt());
        adder.add(choice.bytes.as_ref().map_or(&[], Secret::expose));
        Watch { adder, look }
    });
    let document = document::read(choice, &provider::schemes(), report)?;
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
    Ok((resolved?, lent))
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

/// Help was asked for something that is not there.
struct NoTopic(String);

impl Explain for NoTopic {
    fn what(&self) -> String {
        format!("there is no help for `{}`", self.0)
    }
    fn hint(&self) -> Option<String> {
        let names: Vec<&str> = cli::COMMANDS.iter().map(|row| row.name).collect();
        Some(format!(
            "there is help for options, references, {}",
            names.join(", ")
        ))
    }
}
