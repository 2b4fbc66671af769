//! Staying as the program's parent.
//!
//! The process splits before anything is loaded. The child walks the corridor as always and becomes
//! the program; the parent was there before the first secret, thread and connection, so that it has
//! none of them, and a later load is another such child. What the program is given is what it is
//! given without a supervisor: the same code gives it.
//!
//! - `link`: the two ends of the line between them, and what the child does on its side of the fork.
//! - `supervisor`: the one owner of everything that happens afterwards, a loop around one `poll`.
//! - `deadlines`, `origin`, `own`: when, from whom, and what of its own process it changes.
//! - `relay`: what stands between the program and its output when secrets are masked in it.
//! - `tree`: who descends from us.
//! - `notify`: what systemd is told.
//!
//! With a terminal the child stays in our group, so that the kernel gives ^C, ^Z and the rest to both
//! of us and we hand on only what a process sent. Without one it gets a group of its own, and a signal
//! to our whole group reaches it once, through us.

mod deadlines;

mod handing;

mod link;

mod notify;

mod origin;

mod own;

mod relay;

mod replace;

mod rotation;

mod supervisor;

mod tree;

use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::unistd::{Pid, getpid, setpgid};

use crate::failure::{Explain, Failure};
use crate::files::reason;
use crate::report::Report;
use crate::resolve::Print;
use crate::settings::{Inherited, Supervision};
use crate::sys::children::{self, EVERY, Mask, Signals};

use notify::Notifier;

pub use link::{Link, Told};
pub use relay::Relay;
pub use rotation::Errand;
pub use supervisor::{Supervisor, Watched};

use relay::Relays;

/// Which of the two this process is now.
pub enum Side {
    /// The child: it loads, and becomes the program.
    Program(Link),
    /// The parent: it watches.
    Parent(Box<Supervisor>),
    /// Between the program and where its output goes.
    Relay(Box<Relay>),
}

/// What every child of ours gets as we got it.
#[derive(Clone, Copy)]
struct Given {
    mask: Mask,
    ignores_children: bool,
    /// What fingerprints are salted with.
    salt: Print,
}

/// Why there is no second process.
struct NoChild(Errno);

impl Explain for NoChild {
    fn what(&self) -> String {
        format!("the program's process cannot be made: {}", reason(self.0))
    }

    fn hint(&self) -> Option<String> {
        match self.0 {
            Errno::EAGAIN => Some("allow more processes: ulimit -u, pids.max".to_owned()),
            _ => None,
        }
    }
}

impl From<Errno> for NoChild {
    fn from(errno: Errno) -> Self {
        NoChild(errno)
    }
}

/// Splits this process in two.
pub fn split(told: &Supervision, inherited: &Inherited, report: &Report) -> Result<Side, Failure> {
    notify::warn(told, inherited, report);
    Ok(in_two(told, inherited, report)?)
}

/// A memory file for what a load borrows.
fn ledger(told: &Supervision) -> Option<OwnedFd> {
    // Without it nothing is renewed; an init borrows nothing.
    let make = || memfd_create("envshim leases", MFdFlags::MFD_CLOEXEC).ok();
    (!told.init).then(make)?
}

fn in_two(told: &Supervision, inherited: &Inherited, report: &Report) -> Result<Side, NoChild> {
    let terminal = has_terminal();
    let mut salt = Print::default();
    crate::sys::random(&mut salt)?;
    let loans = ledger(told);
    let notifier = Notifier::of(told, inherited)?;
    // Whatever comes from here on waits until there is somebody who takes it.
    let given = children::block(EVERY);
    let signals = Signals::of(EVERY)?;
    let ignores_children = children::hear_of_children();
    let (relays, outlets) = match told.masks().then(relay::start).transpose()? {
        None => (Relays::none(), None),
        Some(relay::Side::Here(relays, outlets)) => (relays, Some(outlets)),
        Some(relay::Side::Relay(relay)) => return Ok(Side::Relay(relay)),
    };
    // Orphans of the program are ours, also where we are not PID 1.
    prctl::set_child_subreaper(true)?;
    let pair = UnixStream::pair();
    let (ours, theirs) =
        pair.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let parent = getpid();
    match children::fork()? {
        None => {
            let notify = notifier.as_ref().and_then(Notifier::variable);
            drop((ours, signals, notifier, relays));
            if !terminal {
                // Cannot fail: a new process leads no session.
                setpgid(Pid::from_raw(0), Pid::from_raw(0)).ok();
            }
            if ignores_children {
                children::ignore_children();
            }
            let link = Link::new(theirs, parent, given, told, salt, loans, notify).with(outlets);
            Ok(Side::Program(link))
        }
        Some(child) => {
            drop((theirs, outlets));
            if !terminal {
                // From both sides: whoever comes first. It fails where the program is running by now.
                setpgid(child, child).ok();
            }
            let own_group = !terminal;
            let given = Given {
                mask: given,
                ignores_children,
                salt,
            };
            let supervisor = Supervisor::new(
                told, *report, signals, ours, child, own_group, notifier, given, loans,
            );
            Ok(Side::Parent(Box::new(supervisor.with(relays))))
        }
    }
}

/// Whether this process has a controlling terminal.
fn has_terminal() -> bool {
    let mut terminal = std::fs::File::options();
    let terminal = terminal.read(true).write(true).custom_flags(libc::O_NOCTTY);
    (0..3).any(crate::sys::is_of_our_terminal) || terminal.open("/dev/tty").is_ok()
}
