//! Signals on their way to the program: which are handed on, as what, and to whom.

use std::time::Duration;

use nix::libc;
use nix::unistd::{Pid, getpgid, getpid};

use super::deadlines::Due;
use super::supervisor::{Stage, Supervisor};
use super::{origin, own, tree};
use crate::sys::children::{Mask, Received, mask, queue, send};

/// What is handed on while secrets are loaded: what ends the load, job control, and children.
/// Everything else waits until there is a program that it can be meant for.
const WHILE_STARTING: Mask = {
    let numbers = [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGCONT,
        libc::SIGCHLD,
    ];
    mask(&numbers)
};

/// How long a doubled signal is waited for.
const DOUBLE: Duration = Duration::from_millis(50);

impl Supervisor {
    /// A signal that was sent to us.
    pub(super) fn take(&mut self, signal: Received) {
        // The program may have sent it, so it may be there already.
        self.hear();
        let number = signal.number;
        // Of a word to a relay that had ended: the kernel says that we have sent it. Or to the whole job.
        if signal.sender == getpid().as_raw() && (number == libc::SIGPIPE || self.pty.is_some()) {
            return;
        }
        let child = match self.stage {
            Stage::Draining(_) | Stage::Gone(_) => None,
            _ => Some(self.child.pid),
        };
        if number == libc::SIGCHLD || !origin::concerns(&signal, child) {
            return;
        }
        if self.pty.is_some() && child.is_some() {
            match number {
                // Its terminal will tell it.
                libc::SIGWINCH if signal.code > 0 => return,
                libc::SIGCONT if std::mem::take(&mut self.woken) => return,
                libc::SIGCONT => return self.go_on(),
                _ => {}
            }
        }
        if number == libc::SIGCONT && std::mem::take(&mut self.woken) {
            self.reap();
            if !self.child.stopped {
                // Sent to the whole job: it goes on already.
                return;
            }
            own::hand_over_terminal(self.child.pid);
        }
        if self.told.rotation.reload_signal == Some(number) && origin::from_process(&signal) {
            // It is nobody else's, at any time. Whoever stops has no use for it.
            if matches!(
                self.stage,
                Stage::Starting | Stage::Running | Stage::Replacing
            ) {
                self.rotation.demand();
            }
            return;
        }
        if self.stage == Stage::Starting && mask(&[number]) & WHILE_STARTING == 0 {
            // It fails for no mask.
            self.signals.change(WHILE_STARTING).ok();
            self.early = Some(signal);
            return;
        }
        let to = match self.stage {
            Stage::Gone(_) if origin::asks_for_the_end(&signal) => return self.relays.kill(),
            Stage::Gone(_) | Stage::Returning(_) => return,
            // What it left behind is all that is left to be meant.
            Stage::Draining(_) => return tree::tell(number, &self.relays.pids),
            // Nothing is translated for a program that is not there.
            Stage::Starting => number,
            Stage::Running | Stage::Replacing | Stage::Stopping => match self.told.mapped(number) {
                Some(to) => to,
                None => return,
            },
        };
        if [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&to) {
            self.child.stop_asked = true;
        }
        if origin::asks_for_the_end(&signal) {
            // It wins over everything that was about to be started, and over its deadline.
            if self.stage == Stage::Replacing {
                self.deadlines.disarm(Due::Stop);
            }
            if let Some(limit) = self.told.stop_timeout {
                self.deadlines.arm(Due::Stop, limit);
            }
            // It has been told, by us.
            let again = self.stage == Stage::Replacing && number == libc::SIGTERM;
            if matches!(self.stage, Stage::Running | Stage::Replacing) {
                self.stage = Stage::Stopping;
                self.dismiss();
            }
            if again {
                return;
            }
            if self.told.dedupe && self.stage == Stage::Stopping {
                self.held = Some((to, signal));
                return self.deadlines.arm(Due::Double, DOUBLE);
            }
        }
        self.deliver(to, &signal);
    }

    pub(super) fn deliver(&self, number: i32, signal: &Received) {
        let child = self.child.pid;
        let alone = || {
            let with_value = signal.code == libc::SI_QUEUE;
            // A queue that is full loses the value, not the signal.
            if !with_value || queue(child, number, signal.value).is_err() {
                send(child.as_raw(), number).ok();
            }
        };
        if signal.code > 0 && (self.pty.is_some() || self.told.new_session) {
            // The keys of a terminal are for all that would have it.
            send(-child.as_raw(), number).ok();
        } else if !self.told.group || self.stage == Stage::Starting {
            alone();
        } else if !self.child.own_group {
            // Our group is that of the whole job, and others in it are none of our business.
            let group = getpgid(Some(child)).map_or(0, Pid::as_raw);
            alone();
            for process in tree::descendants(&self.relays.pids) {
                if process.group == group && process.pid != child.as_raw() {
                    send(process.pid, number).ok();
                }
            }
        } else if send(-child.as_raw(), number).is_err() {
            // It has moved to another group, and left nobody behind.
            alone();
        }
    }
}
