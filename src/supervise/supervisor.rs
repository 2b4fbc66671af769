//! The one owner of all that happens while the program runs: a loop around one `poll`, which sleeps
//! until there is a signal, a word of the child, or a deadline that somebody armed.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::{Pid, getpid};

use super::cgroup::Cgroup;
use super::deadlines::{Deadlines, Due};
use super::link::{Link, Start};
use super::notify::Notifier;
use super::pty::Pty;
use super::relay::Relays;
use super::rotation::{Errand, Rotation};
use super::{Beside, Given, own, tree};
use crate::report::Report;
use crate::settings::Supervision;
use crate::sys::children::{self, EVERY, Received, Signals, Status, send};

/// How long a start takes, at most times.
const START: Duration = Duration::from_secs(1);

/// Where we are. It only ever moves down, but for a program that is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// The child loads.
    Starting,
    /// The program runs.
    Running,
    /// It is stopped, because the next one waits for its place.
    Replacing,
    /// It was told to stop.
    Stopping,
    /// It has ended; what it left behind has time to do the same.
    Draining(Status),
    /// What was lent is given back.
    Returning(Status),
    /// Nothing is left to do.
    Gone(Status),
}

/// Why the watch is over.
pub enum Watched {
    /// Everything has ended; the status to exit with.
    Ended(u8),
    /// This process is a child of a moment, and has this to do.
    Errand(Errand, Link),
    /// This process is beside the next program.
    Beside(Beside),
}

/// The process that is, or is to be, the program.
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) start: Start,
    /// It was given a group of its own.
    pub(super) own_group: bool,
    pub(super) stopped: bool,
    /// Somebody asked us to stop it, and so to stop.
    pub(super) stop_asked: bool,
}

/// The parent of the program.
pub struct Supervisor {
    pub(super) told: Supervision,
    pub(super) report: Report,
    pub(super) signals: Signals,
    pub(super) notifier: Option<Notifier>,
    pub(super) child: Child,
    pub(super) stage: Stage,
    pub(super) deadlines: Deadlines,
    pub(super) held: Option<(i32, Received)>,
    /// The next sleep may be a long one.
    forgets: bool,
    /// A signal that was too early. Those behind it wait in the kernel.
    pub(super) early: Option<Received>,
    /// We were stopped, and the next CONT is the one that woke us.
    pub(super) woken: bool,
    pub(super) killed: bool,
    pub(super) pid1: bool,
    pub(super) given: Given,
    pub(super) rotation: Rotation,
    /// The status to leave with, whatever the program's is.
    pub(super) leave_with: Option<u8>,
    /// They hand the program's output on.
    pub(super) relays: Relays,
    /// The program's terminal, if it is not the user's.
    pub(super) pty: Option<Box<Pty>>,
    /// Where the program is, and what it starts.
    pub(super) cgroup: Option<Cgroup>,
}

impl Supervisor {
    #[allow(
        clippy::too_many_arguments,
        reason = "what two processes agree on, once"
    )]
    pub(super) fn new(
        told: &Supervision,
        report: Report,
        signals: Signals,
        line: UnixStream,
        pid: Pid,
        own_group: bool,
        notifier: Option<Notifier>,
        given: Given,
        loans: Option<OwnedFd>,
    ) -> Supervisor {
        Supervisor {
            told: told.clone(),
            report,
            signals,
            notifier,
            child: Child {
                pid,
                start: Start::new(line),
                own_group,
                stopped: false,
                stop_asked: false,
            },
            stage: Stage::Starting,
            deadlines: Deadlines::none(),
            held: None,
            forgets: false,
            early: None,
            woken: false,
            killed: false,
            pid1: getpid().as_raw() == 1,
            given,
            rotation: Rotation::of(loans),
            leave_with: None,
            relays: Relays::none(),
            pty: None,
            cgroup: None,
        }
    }

    /// With these between the program and its output, and with a group of its own.
    pub(super) fn with(
        mut self,
        relays: Relays,
        pty: Option<Box<Pty>>,
        cgroup: Option<Cgroup>,
    ) -> Supervisor {
        self.relays = relays;
        self.pty = pty;
        self.cgroup = cgroup;
        self
    }

    /// Watches until the end, or until this process is another one. The caller has dropped whatever
    /// this process knew; the environment that it was started with is wiped here, unless the next
    /// program is to have it.
    pub fn watch(mut self) -> Watched {
        if !self.told.rotation.wanted() {
            let line = self.child.start.descriptor();
            let notifier = self.notifier.as_ref().map(Notifier::descriptor);
            let loans = self.rotation.loans.as_ref().map(AsFd::as_fd);
            let relays = self.relays.descriptor();
            let kept = [Some(self.signals.as_fd()), line, notifier, loans, relays];
            let kept = kept.into_iter().flatten();
            let kept = kept.chain(self.pty.iter().flat_map(|pty| pty.descriptors()));
            own::let_go(kept, !self.child.own_group);
        }
        if let Some(pty) = &mut self.pty {
            pty.speak_inside();
        }
        self.deadlines.arm(Due::Settled, START);
        loop {
            self.sleep();
            while let Some(signal) = self.signals.next() {
                self.take(signal);
            }
            self.hear();
            self.attend();
            self.relay();
            self.reap();
            while let Some(due) = self.deadlines.passed() {
                self.overdue(due);
            }
            if let Stage::Gone(status) = self.stage {
                // What it has written is not lost.
                self.relays.finish();
                if let Some(pty) = &mut self.pty {
                    pty.finish();
                }
                if self.relays.pids.is_empty() {
                    return Watched::Ended(self.leave(status));
                }
            }
            self.rotate();
            if let Some(watched) = self.send_out() {
                return watched;
            }
        }
    }

    /// Until something happens.
    fn sleep(&mut self) {
        let timeout = self.deadlines.timeout(self.rotation.due());
        let long = timeout.is_none() && std::mem::take(&mut self.forgets);
        let on = |fd, events| PollFd::new(fd, events);
        // That the program is there now is not worth waking up for, unless somebody waits for it.
        let awaited = self.early.is_some() || self.notifier.is_some() || !self.told.init;
        let line = self.child.start.descriptor().filter(|_| awaited);
        let notifier = self.notifier.as_ref().map(Notifier::descriptor);
        // A load that waits has said all; its place is free when the program has ended.
        let sent = self.rotation.sent.as_ref().map(|sent| &sent.start);
        let sent = sent
            .filter(|start| !start.waits())
            .and_then(Start::descriptor);
        let lines = self.pty.as_ref().map(|pty| pty.lines());
        let [screen, monitor] = lines.unwrap_or_default();
        let signals = || on(self.signals.as_fd(), PollFlags::POLLIN);
        let mut fds = [
            signals(),
            line.map_or_else(signals, |fd| on(fd, PollFlags::empty())),
            notifier.map_or_else(signals, |fd| on(fd, PollFlags::POLLIN)),
            sent.map_or_else(signals, |fd| on(fd, PollFlags::POLLIN)),
            screen.map_or_else(signals, |fd| on(fd, PollFlags::POLLIN)),
            monitor.map_or_else(signals, |fd| on(fd, PollFlags::POLLIN)),
        ];
        // A stop and its continuation end the sleep too; then nothing is found, and it goes on.
        if long {
            children::sleep_for_long(&mut fds);
        } else {
            poll(&mut fds, timeout).ok();
        }
    }

    fn overdue(&mut self, due: Due) {
        match (due, self.stage) {
            (Due::Stop, Stage::Replacing) => tree::kill_one(self.child.pid, self.child.own_group),
            (Due::Stop, Stage::Starting | Stage::Running | Stage::Stopping) => {
                self.killed = true;
                tree::kill_one(self.child.pid, true);
                self.kill_rest();
            }
            (Due::Drain, Stage::Draining(status)) => self.kill_left(status),
            (Due::Last, Stage::Draining(status)) => self.give_back(status),
            (Due::Back, Stage::Returning(status)) => self.stage = Stage::Gone(status),
            (Due::Settled, _) => {
                self.hear();
                self.forgets = true;
            }
            (Due::Double, Stage::Running | Stage::Stopping) => {
                if let Some((number, signal)) = self.held.take() {
                    self.deliver(number, &signal);
                }
            }
            _ => {}
        }
    }

    /// Looks whether the child is the program by now; asked whenever it matters.
    pub(super) fn hear(&mut self) {
        if self.stage == Stage::Starting && self.child.start.hear() && self.child.start.succeeded()
        {
            self.stage = Stage::Running;
            let told = self.child.start.told().unwrap_or_default();
            self.rotation.started(told, self.told.rotation.watch);
            if let Some(notifier) = &self.notifier {
                notifier.started(self.child.pid);
            }
            if let Some(signal) = self.early.take() {
                self.signals.change(EVERY).ok();
                self.take(signal);
            }
        }
    }

    /// What the program has said to systemd.
    pub(super) fn relay(&self) {
        if let Some(notifier) = &self.notifier {
            notifier.relay(self.child.pid);
        }
    }

    /// The program has stopped. With a terminal there is a shell that waits for us to do the same;
    /// elsewhere only who asked for it expects that.
    pub(super) fn stopped(&mut self) {
        self.child.stopped = true;
        let asked = std::mem::take(&mut self.child.stop_asked);
        let shell = !self.child.own_group && !own::leads_session();
        if !self.pid1 && (asked || shell) {
            // Here we stop, and here we go on.
            send(getpid().as_raw(), libc::SIGSTOP).ok();
            self.woken = true;
        }
    }
}
