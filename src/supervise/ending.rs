//! Ends: of the program, of what it leaves behind, and our own.

use std::time::Duration;

use nix::libc;
use nix::unistd::Pid;

use super::deadlines::Due;
use super::supervisor::{Stage, Supervisor};
use super::tree;
use crate::report::Level;
use crate::sys::children::{self, Status, Waited, send, wait};

/// How long killed processes may take to be gone.
const LAST: Duration = Duration::from_secs(1);

impl Supervisor {
    /// News of children, until there are no more: signals about them are not counted.
    pub(super) fn reap(&mut self) {
        let names = if self.told.reap_log {
            tree::zombies()
        } else {
            Vec::new()
        };
        loop {
            match wait() {
                Waited::Nothing => return self.drained(),
                Waited::NoChildren => {
                    if let Stage::Draining(status) = self.stage {
                        self.give_back(status);
                    }
                    return;
                }
                Waited::Ended(pid, status) if pid == self.child.pid => self.ended(status),
                Waited::Ended(pid, status) if self.rotation.is_sent(pid) => self.came_back(status),
                Waited::Ended(pid, _) if self.relays.ended(pid) => self.lost(pid),
                Waited::Ended(pid, status) => {
                    if self.told.reap_log {
                        let named = names.iter().find(|process| process.pid == pid.as_raw());
                        self.tell(pid, named.map_or("?", |process| &process.name), status);
                    }
                }
                Waited::Stopped(pid) if pid == self.child.pid => self.stopped(),
                Waited::Continued(pid) if pid == self.child.pid => self.child.stopped = false,
                Waited::Stopped(_) | Waited::Continued(_) => {}
            }
        }
    }

    /// With relays there is never nobody left: they are what is left.
    fn drained(&mut self) {
        let Stage::Draining(status) = self.stage else {
            return;
        };
        if self.killed {
            // Whoever was born while we looked.
            self.kill_rest();
        }
        if !self.relays.pids.is_empty() && tree::descendants(&self.relays.pids).is_empty() {
            self.give_back(status);
        }
    }

    fn tell(&self, pid: Pid, name: &str, status: Status) {
        let how = match status {
            Status::Code(code) => format!("status {code}"),
            Status::Signal(number) => format!("signal {number}"),
        };
        self.report
            .at_least(Level::Info)
            .info(&format!("reaped {pid} ({name}): {how}"));
    }

    /// The program has ended, or what was to be the program.
    fn ended(&mut self, status: Status) {
        // It may have become the program, spoken and ended since we looked.
        self.hear();
        self.relay();
        if self.stage == Stage::Replacing {
            return self.replace();
        }
        self.dismiss();
        self.attend();
        if let Some(pty) = &self.pty {
            pty.ended(status);
        }
        if !self.child.start.succeeded() {
            self.give_back(status);
        } else if self.killed {
            self.kill_left(status);
        } else if self.told.drain.is_zero() {
            if self.child.own_group {
                // Whoever is left in its group; nobody is an answer too.
                send(-self.child.pid.as_raw(), libc::SIGTERM).ok();
            }
            self.give_back(status);
        } else {
            tree::tell(libc::SIGTERM, &self.relays.pids);
            self.deadlines.arm(Due::Drain, self.told.drain);
            self.stage = Stage::Draining(status);
        }
    }

    /// The program is gone, and all that is left of it is to be.
    pub(super) fn kill_left(&mut self, status: Status) {
        self.killed = true;
        self.kill_rest();
        self.stage = Stage::Draining(status);
        self.deadlines.arm(Due::Last, LAST);
    }

    pub(super) fn kill_rest(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        // Who gives back what was lent is none of them.
        let mut ours = self.relays.pids.clone();
        ours.extend(self.rotation.sent.as_ref().map(|sent| sent.pid));
        tree::kill_rest(&ours);
    }

    /// Passes the program's end on.
    pub(super) fn leave(self, status: Status) -> u8 {
        if let Some(cgroup) = &self.cgroup {
            cgroup.remove();
        }
        if let Some(pty) = &self.pty {
            pty.restore();
        }
        let number = match status {
            Status::Code(code) => code,
            Status::Signal(signal) => signal.saturating_add(128),
        };
        if let Some(status) = self.leave_with {
            return status;
        }
        if self.child.start.succeeded() && self.told.ok_status.contains(&number) {
            return 0;
        }
        if let Status::Signal(signal) = status
            && !self.pid1
            && !self.told.as_number
        {
            children::die_of(signal);
        }
        number
    }
}
