//! Staying as the program's parent.
//!
//! The process splits before anything is loaded. The child walks the corridor as always and becomes
//! the program; the parent was there before the first secret, thread and connection, so that it has
//! none of them, and a later load is another such child. What the program is given is what it is
//! given without a supervisor: the same code gives it.
//!
//! - `link`: the two ends of the line between them, and what the child does on its side of the fork.
//! - `supervisor`: the one owner of everything that happens afterwards, a loop around one `poll`.
//! - `handing`, `ending`: what is handed on to the program, and what follows from its end.
//! - `deadlines`, `origin`, `own`: when, from whom, and what of its own process it changes.
//! - `relay`: what stands between the program and its output when secrets are masked in it.
//! - `pty`, `terminal`, `screen`, `monitor`: the same with a terminal.
//! - `tree`, `cgroup`: who descends from us, and what ends them all.
//! - `notify`: what systemd is told.
//!
//! With a terminal the child stays in our group, so that the kernel gives ^C, ^Z and the rest to both
//! of us and we hand on only what a process sent. Without one it gets a group of its own, and a signal
//! to our whole group reaches it once, through us.

mod cgroup;

mod deadlines;

mod ending;

mod handing;

mod link;

mod monitor;

mod notify;

mod origin;

mod own;

mod pty;

mod relay;

mod replace;

mod rotation;

mod screen;

mod supervisor;

mod terminal;

mod tree;

use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::unistd::{Pid, getpid, setpgid, setsid};

use crate::failure::{Explain, Failure};
use crate::files::reason;
use crate::report::Report;
use crate::resolve::Print;
use crate::settings::{Inherited, Supervision};
use crate::sys::children::{self, EVERY, Mask, Signals};

use cgroup::Cgroup;
use notify::Notifier;

pub use link::{Link, Told};
pub use rotation::Errand;
pub use supervisor::{Supervisor, Watched};

use monitor::Monitor;
use relay::Relay;
use screen::Screen;

/// Which of the two this process is now.
pub enum Side {
    /// The child: it loads, and becomes the program.
    Program(Link),
    /// The parent: it watches.
    Parent(Box<Supervisor>),
    /// Neither.
    Beside(Beside),
}

/// A process that helps the other two.
pub struct Beside(Role);

enum Role {
    /// Between the program and where its output goes.
    Relay(Box<Relay>),
    /// The same, where that is a terminal.
    Screen(Box<Screen>),
    /// Leads the session of the program.
    Monitor(Box<Monitor>),
    /// None: it could not become what it was to be.
    Nothing,
}

impl Beside {
    /// Does what it is for, to the end. The exit status.
    pub fn run(self) -> u8 {
        match self.0 {
            Role::Relay(relay) => relay.run(),
            Role::Screen(screen) => screen.run(),
            Role::Monitor(monitor) => monitor.run(),
            Role::Nothing => 0,
        }
    }
}

/// What a process is after a fork.
enum Forked {
    Child,
    /// Of this child, and of whoever stands between.
    Parent(Pid, Option<Pid>),
    Beside(Beside),
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
enum Fault {
    NoChild(Errno),
    /// None of our own for the program.
    NoTerminal(Errno),
    /// This stream is a terminal, and not that of the session.
    ForeignTerminal(&'static str),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoChild(errno) => {
                format!("the program's process cannot be made: {}", reason(*errno))
            }
            Fault::NoTerminal(errno) => {
                format!(
                    "--mask=terminal: no terminal can be made: {}",
                    reason(*errno)
                )
            }
            Fault::ForeignTerminal(stream) => {
                format!("--mask=terminal: {stream} is a terminal that is not that of this session")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Fault::NoChild(Errno::EAGAIN) => "allow more processes: ulimit -u, pids.max",
            Fault::NoChild(_) => return None,
            Fault::NoTerminal(_) => {
                "mount devpts: mount -t devpts devpts /dev/pts -o ptmxmode=0666"
            }
            Fault::ForeignTerminal(_) => {
                "setsid --ctty makes it that; or send the output to a file"
            }
        };
        Some(hint.to_owned())
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Fault::NoChild(errno)
    }
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// Makes the place of a process that is to be the program; called in the child.
fn settle(told: &Supervision, own_group: bool) {
    // Cannot fail: a new process leads no session and no group.
    if told.new_session {
        setsid().ok();
    } else if own_group {
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).ok();
    }
}

/// The same from the other side, for whoever comes first. It fails where the program is running by now.
fn settle_child(told: &Supervision, own_group: bool, child: Pid) {
    // Who leads a group cannot begin a session.
    if own_group && !told.new_session {
        setpgid(child, child).ok();
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

fn in_two(told: &Supervision, inherited: &Inherited, report: &Report) -> Result<Side, Fault> {
    let own_group = told.new_session || !has_terminal();
    let mut salt = Print::default();
    crate::sys::random(&mut salt)?;
    let loans = ledger(told);
    let notifier = Notifier::of(told, inherited)?;
    // Whatever comes from here on waits until there is somebody who takes it.
    let given = children::block(EVERY);
    let signals = Signals::of(EVERY)?;
    let ignores_children = children::hear_of_children();
    let (mut relays, outlets, pty) = match relay::start(told)? {
        relay::Side::Here(relays, outlets, pty) => (relays, outlets, pty),
        relay::Side::Beside(beside) => return Ok(Side::Beside(beside)),
    };
    // Orphans of the program are ours, also where we are not PID 1.
    prctl::set_child_subreaper(true)?;
    let (ours, theirs) = UnixStream::pair().map_err(errno)?;
    let parent = getpid();
    let own_group = own_group && pty.is_none();
    let cgroup = Cgroup::make(told);
    let forked = match pty {
        Some(pty) => pty.fork(),
        None => fork().map(|forked| (forked, None)),
    };
    let (forked, pty) = forked.inspect_err(|_| cgroup.iter().for_each(Cgroup::remove))?;
    match forked {
        Forked::Beside(beside) => Ok(Side::Beside(beside)),
        Forked::Child => {
            let notify = notifier.as_ref().and_then(Notifier::variable);
            drop((ours, signals, notifier, relays));
            settle(told, own_group);
            cgroup.iter().for_each(Cgroup::enter);
            if ignores_children {
                children::ignore_children();
            }
            let link = Link::new(theirs, parent, given, told, salt, loans, notify).with(outlets);
            Ok(Side::Program(link))
        }
        Forked::Parent(child, monitor) => {
            drop((theirs, outlets));
            settle_child(told, own_group, child);
            relays.pids.extend(monitor);
            let given = Given {
                mask: given,
                ignores_children,
                salt,
            };
            let supervisor = Supervisor::new(
                told, *report, signals, ours, child, own_group, notifier, given, loans,
            );
            Ok(Side::Parent(Box::new(supervisor.with(relays, pty, cgroup))))
        }
    }
}

fn fork() -> nix::Result<Forked> {
    Ok(match children::fork()? {
        None => Forked::Child,
        Some(pid) => Forked::Parent(pid, None),
    })
}

/// Whether this process has a controlling terminal.
fn has_terminal() -> bool {
    let mut terminal = std::fs::File::options();
    let terminal = terminal.read(true).write(true).custom_flags(libc::O_NOCTTY);
    (0..3).any(crate::sys::is_of_our_terminal) || terminal.open("/dev/tty").is_ok()
}
