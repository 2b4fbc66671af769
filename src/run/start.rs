//! The main job: from a load to the program, in this process or in one that is watched.

use super::{for_the_program, load_for, save, supervised};
use crate::audit::{self, Outcome, Record};
use crate::environment::Environment;
use crate::failure::{Failure, Failures};
use crate::format::mask::{LEAST, is_short};
use crate::process::{self, Program};
use crate::provider::Loan;
use crate::report::Report;
use crate::resolve::{Resolved, Seen};
use crate::sealed::Credentials;
use crate::secret::Secret;
use crate::settings::{Masking, Settings};
use crate::source::Kind;
use crate::supervise::{self, Errand, Link, Side, Watched};

/// The main job. Returns if it failed, and when a program that was supervised has ended.
pub(super) fn start(
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
) -> Result<u8, Failures> {
    let stays = settings.supervision.stays();
    let mut link = None;
    if settings.supervision.mask == Masking::Kept && !settings.supervision.masks() {
        report.warn(
            "--mask: stdout and stderr are a terminal, and nothing is masked there",
            Some("--mask=terminal masks there too; --mask is for output that is kept: >log 2>&1"),
        );
    }
    supervised::goes_together(settings)?;
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
        // What nobody will ask for is not made.
        if settings.supervision.rotation.wanted() || !made_of.lent.is_empty() {
            supervised::tell(link, &environment, made_of);
        }
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
        Side::Beside(beside) => Part::Over(beside.run()),
        Side::Parent(supervisor) => match supervisor.watch() {
            Watched::Ended(status) => Part::Over(status),
            Watched::Beside(beside) => Part::Over(beside.run()),
            Watched::Errand(Errand::Load, link) => Part::Program(link),
            Watched::Errand(errand, link) => Part::Errand(errand, link),
        },
    })
}

pub(super) fn prepare(
    settings: &mut Settings,
    record: &mut Record,
    link: Option<&mut Link>,
    report: &Report,
) -> Result<(Environment, MadeOf), Failures> {
    let (mut resolved, _, lent) = load_for(&[], settings, record, report, link.as_deref(), None)?;
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
pub(super) struct MadeOf {
    pub(super) seen: Option<Seen>,
    pub(super) lent: Vec<Loan>,
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
