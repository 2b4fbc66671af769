//! What the children of a supervisor do, and what a load tells it.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::load_for;
use super::start::{MadeOf, prepare};
use crate::audit::Record;
use crate::clock::Deadline;
use crate::environment::{Environment, memory_file};
use crate::failure::{Explain, Failure, Failures};
use crate::helper;
use crate::process::{self, Program};
use crate::provider::{self, Context, Loan, Network, Tend};
use crate::report::Report;
use crate::resolve::{Resolved, View};
use crate::secret::{Secret, SecretBuffer};
use crate::settings::Settings;
use crate::source::{Choice, Kind};
use crate::supervise::{Errand, Link, Told};

/// Does one errand. The exit status.
pub(super) fn errand(
    errand: Errand,
    link: &mut Link,
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
) -> Result<u8, Failures> {
    match errand {
        Errand::Look(before) => {
            let (resolved, ..) =
                load_for(&[], settings, record, report, Some(link), Some(&before))?;
            link.tell(&Told {
                seen: resolved.seen.unwrap_or_default(),
                ..Told::default()
            });
        }
        Errand::Refresh(program) => {
            let (environment, made_of) = prepare(settings, record, Some(link), report)?;
            rewrite(&environment, program.as_raw())?;
            tell(link, &environment, made_of);
        }
        Errand::Tend(act) => tend(act, link, settings, report),
        Errand::Command(command) => return Err(command_of(&command, settings, report)?.into()),
        Errand::Load => {}
    }
    Ok(0)
}

/// What there is to say of a load: its fingerprints, and what was lent to it.
pub(super) fn tell(link: &Link, environment: &Environment, made_of: MadeOf) {
    let seen = made_of.seen;
    let lent = &made_of.lent;
    if !lent.is_empty()
        && let Some(fd) = link.loans()
    {
        write(fd, &Loan::write(lent));
    }
    link.tell(&Told {
        given: environment.print(link.salt()),
        again: lent.iter().filter_map(|loan| loan.again).min(),
        ends: lent.iter().filter_map(|loan| loan.ends).min(),
        seen: seen.unwrap_or_default(),
    });
}

/// Renews what is lent, or gives it back.
fn tend(act: Tend, link: &Link, settings: &Settings, report: &Report) {
    let Some(fd) = link.loans() else { return };
    let network = Network::default();
    let view = View::of(&settings.inherited);
    let context = Context {
        settings: &view,
        deadline: Deadline::after(settings.timeout),
        report,
        strict: settings.strict,
        network: &network,
    };
    let mut loans = Vec::new();
    for loan in Loan::read(&read(fd)) {
        let tender = provider::row(loan.scheme).and_then(|row| row.tend);
        let troubles = match tender.map(|tender| tender(context, &loan, act)) {
            Some(Ok(tended)) => {
                loans.push(tended.loan);
                tended.troubles
            }
            Some(Err(failure)) => {
                loans.push(loan);
                vec![failure]
            }
            None => Vec::new(),
        };
        for failure in troubles {
            report.warn(&failure.what, failure.hint.as_deref());
        }
    }
    if act == Tend::Renew {
        write(fd, &Loan::write(&loans));
        link.tell(&Told {
            again: loans.iter().filter_map(|loan| loan.again).min(),
            ends: loans.iter().filter_map(|loan| loan.ends).min(),
            ..Told::default()
        });
    }
}

/// A memory file; it fails for want of memory, and then what is lent ends by itself.
fn write(fd: &OwnedFd, content: &Secret) {
    let Ok(file) = fd.try_clone().map(File::from) else {
        return;
    };
    let content = content.expose();
    let written = file.set_len(0).and_then(|()| file.write_all_at(content, 0));
    drop(written);
}

fn read(fd: &OwnedFd) -> Secret {
    let mut content = SecretBuffer::default();
    let mut part = zeroize::Zeroizing::new([0; 4096]);
    let mut at = 0;
    if let Ok(file) = fd.try_clone().map(File::from) {
        while let Ok(count @ 1..) = file.read_at(&mut *part, at) {
            content.push(part.get(..count).unwrap_or_default());
            at += count as u64;
        }
    }
    content.finish()
}

/// Becomes the command of `--on-change`, with the environment that the program would have without
/// its secrets. Returns only if that is not possible.
fn command_of(command: &str, settings: &Settings, report: &Report) -> Result<Failure, Failures> {
    let words = helper::words(command).map_err(Failure::from)?;
    let nothing = Choice::without_file(Kind::Marked, PathBuf::new(), "");
    let environment = Environment::build(Resolved::nothing(nothing, None), settings, report)?;
    let program = Program {
        words: words.into_iter().map(OsString::from).collect(),
        arg0: None,
    };
    Ok(process::exec(&program, &environment.block(), &[]))
}

/// Why a signal would tell the program nothing new.
enum Fault {
    /// All its secrets are in variables.
    NoFiles,
    /// Those who mask were told the old values.
    Masked,
    /// The next program would need another terminal.
    OneTerminal,
    /// The program leads no session, but who gives it its terminal.
    OneSession,
    /// The dump wins over every later look.
    Dumped,
    /// The program's own memory file cannot be written.
    Unwritten(String),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoFiles => {
                "--on-change: the program has its secrets in variables, which no signal changes"
                    .to_owned()
            }
            Fault::Masked => {
                "--mask: values that --on-change=signal brings to a running program would be seen"
                    .to_owned()
            }
            Fault::OneTerminal => {
                "--mask=terminal: the terminal is the program's, and not for one that is started anew"
                    .to_owned()
            }
            Fault::OneSession => {
                "--new-session: with --mask=terminal the program has a session, and a terminal of its own in it"
                    .to_owned()
            }
            Fault::Dumped => {
                "--dump: .env.dump would win over every later look, and no change be seen"
                    .to_owned()
            }
            Fault::Unwritten(name) => {
                format!("{name}: the file that the program has cannot be written anew")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NoFiles => {
                "give it what it can read again as a file: NAME=scheme:...?as=file; or --on-change=restart"
            }
            Fault::OneTerminal => "--mask masks what goes into pipes and files; or leave --watch, --on-change and --reload-signal out",
            Fault::OneSession => "leave --new-session out",
            Fault::Dumped => "leave --dump out where secrets are watched",
            Fault::Masked | Fault::Unwritten(_) => "--on-change=restart starts the program anew",
        }
        .to_owned())
    }
}

/// What cannot go together, told before anything is loaded.
pub(super) fn goes_together(settings: &Settings) -> Result<(), Failure> {
    let told = &settings.supervision;
    if told.rotation.rewrites_files() && told.masks() {
        return Err(Fault::Masked.into());
    }
    if told.masks_terminal() && told.rotation.wanted() {
        return Err(Fault::OneTerminal.into());
    }
    if told.masks_terminal() && told.new_session {
        return Err(Fault::OneSession.into());
    }
    if told.rotation.wanted() && settings.dump {
        return Err(Fault::Dumped.into());
    }
    Ok(())
}

/// A signal is of use only for files.
pub(super) fn has_files(settings: &Settings, environment: &Environment) -> Result<(), Failure> {
    let rewrites = settings.supervision.rotation.rewrites_files();
    match rewrites && environment.files().is_empty() {
        true => Err(Fault::NoFiles.into()),
        false => Ok(()),
    }
}

/// Writes the memory files of a running program anew.
fn rewrite(environment: &Environment, program: i32) -> Result<(), Failures> {
    let mut wrong = Failures::default();
    for (name, file) in environment.file_names() {
        let content = read(file);
        let targets = memory_file::of_process(program, &name);
        let write = |target: File| {
            // In one go, so that a reader in between finds the whole of one or of the other.
            let length = content.expose().len() as u64;
            let done = target.write_all_at(content.expose(), 0);
            done.and_then(|()| target.set_len(length)).is_ok()
        };
        if targets.is_empty() || !targets.into_iter().all(write) {
            wrong.0.push(Fault::Unwritten(name).into());
        }
    }
    wrong.or(())
}
