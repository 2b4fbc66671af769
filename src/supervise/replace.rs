//! How the supervisor sends children of a moment out, and what it makes of what they come back with.

use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::unistd::getpid;

use super::cgroup::Cgroup;
use super::deadlines::Due;
use super::link::{Link, Start};
use super::notify::Notifier;
use super::relay::{self, Relays};
use super::rotation::{Do, Errand, GIVE_BACK, Reason, STOP, Sent, errand};
use super::supervisor::{Child, Stage, Supervisor, Watched};
use super::{Fault, ledger, settle, settle_child};
use crate::failure::Exit;
use crate::provider::Tend;
use crate::settings::OnChange;
use crate::sys::children::{self, Status, send};

impl Supervisor {
    /// What has come due while the program runs.
    pub(super) fn rotate(&mut self) {
        self.hear_sent();
        if self.stage != Stage::Running {
            return;
        }
        match self.rotation.overdue(Instant::now()) {
            None => {}
            Some(Do::Send(errand)) => self.rotation.next = Some((errand, Reason::Change)),
            Some(Do::Act(reason)) => self.act(reason),
        }
    }

    /// Secrets have changed, or end.
    fn act(&mut self, reason: Reason) {
        let action = self.told.rotation.on_change.clone();
        let kept = self.told.rotation.wanted();
        let action = action.unwrap_or(if kept {
            OnChange::Restart
        } else {
            OnChange::Nothing
        });
        if let Some(errand) = errand(&action, self.child.pid) {
            self.rotation.next = Some((errand, reason));
            return;
        }
        if let OnChange::Exit(status) = action {
            self.report
                .info("secrets have changed, and the program is stopped");
            self.leave_with = Some(status);
            self.stop();
            self.stage = Stage::Stopping;
            return;
        }
        match reason {
            Reason::Change => self.report.info("secrets have changed"),
            Reason::Need if kept => self.report.info("secrets were asked for again, or end"),
            Reason::Need => self.report.warn(
                "credentials of the program end soon",
                Some("--on-change=restart gives it new ones"),
            ),
        }
        self.rotation.accept_look();
        self.rotation.look_again(self.told.rotation.watch);
    }

    /// Asks the program to stop, and not for ever.
    fn stop(&mut self) {
        let stop = self
            .told
            .mapped(nix::libc::SIGTERM)
            .unwrap_or(nix::libc::SIGTERM);
        let program = self.child.pid.as_raw();
        let all = self.told.group && self.child.own_group;
        send(if all { -program } else { program }, stop).ok();
        if self.child.stopped {
            send(self.child.pid.as_raw(), nix::libc::SIGCONT).ok();
        }
        self.deadlines
            .arm(Due::Stop, self.told.stop_timeout.unwrap_or(STOP));
    }

    /// Sends out whoever is next. In the child: what it has to do.
    pub(super) fn send_out(&mut self) -> Option<Watched> {
        if self.rotation.sent.is_some() {
            return None;
        }
        let (errand, reason) = self.rotation.next.take()?;
        let sent = self.fork(errand, reason);
        match (sent, self.stage) {
            // Nobody is sent out while a program is stopped, but the one that takes its place at once.
            (Ok(None), Stage::Replacing) => {
                if let Some(sent) = self.rotation.sent.take() {
                    self.put_in_place(sent);
                }
                None
            }
            (Ok(other), _) => other,
            (Err(_), Stage::Replacing) => {
                self.dismiss();
                self.give_back(Status::Code(Exit::Ours as u8));
                None
            }
            (Err(_), _) => {
                self.rotation.failed(reason);
                None
            }
        }
    }

    fn fork(&mut self, errand: Errand, reason: Reason) -> Result<Option<Watched>, Fault> {
        let (ours, theirs) = UnixStream::pair().map_err(super::errno)?;
        let loans = match errand {
            Errand::Load | Errand::Refresh(_) => ledger(&self.told),
            Errand::Tend(Tend::Revoke) => self.rotation.next_to_return(),
            Errand::Tend(Tend::Renew) => self
                .rotation
                .loans
                .as_ref()
                .and_then(|fd| fd.try_clone().ok()),
            _ => None,
        };
        let (mut relays, mut outlets) = (Relays::none(), None);
        if errand == Errand::Load {
            match relay::start(&self.told)? {
                // A program that has a terminal of its own is not started anew.
                relay::Side::Here(new, opened, _) => (relays, outlets) = (new, opened),
                relay::Side::Beside(beside) => return Ok(Some(Watched::Beside(beside))),
            }
        }
        let parent = getpid();
        let own_group = self.child.own_group;
        match children::fork()? {
            None => {
                drop((ours, relays));
                settle(&self.told, own_group);
                if self.given.ignores_children {
                    children::ignore_children();
                }
                let link = Link::new(
                    theirs,
                    parent,
                    self.given.mask,
                    &self.told,
                    self.given.salt,
                    loans,
                    self.notifier.as_ref().and_then(Notifier::variable),
                );
                let link = match errand {
                    Errand::Load => {
                        self.cgroup.iter().for_each(Cgroup::enter);
                        link.waiting().with(outlets)
                    }
                    _ => link,
                };
                Ok(Some(Watched::Errand(errand, link)))
            }
            Some(pid) => {
                settle_child(&self.told, own_group, pid);
                self.rotation.sent = Some(Sent {
                    errand,
                    pid,
                    start: Start::new(ours),
                    loans,
                    reason,
                    relays,
                });
                Ok(None)
            }
        }
    }

    /// A load that is complete asks for its place.
    fn hear_sent(&mut self) {
        let Some(sent) = &mut self.rotation.sent else {
            return;
        };
        sent.start.hear();
        if sent.errand != Errand::Load || !sent.start.waits() || self.stage != Stage::Running {
            return;
        }
        let new = sent.start.heard_told();
        let given = new.is_some_and(|new| new.given == self.rotation.told.given);
        if given && sent.reason == Reason::Change {
            // A change that changes nothing for the program.
            self.rotation.accept_look();
            self.dismiss_sent();
            self.rotation.look_again(self.told.rotation.watch);
            return;
        }
        self.report.info(match sent.reason {
            Reason::Change => "secrets have changed: the program is started anew",
            Reason::Need => "the program is started anew with new secrets",
        });
        self.stage = Stage::Replacing;
        self.stop();
    }

    /// The old program has ended: the next one takes its place.
    pub(super) fn replace(&mut self) {
        self.deadlines.disarm(Due::Stop);
        if self.child.own_group {
            // Whoever is left in its group; nobody is an answer too.
            send(-self.child.pid.as_raw(), nix::libc::SIGTERM).ok();
        }
        if let Some(sent) = &mut self.rotation.sent {
            sent.start.hear();
        }
        match self.rotation.sent.take_if(|sent| sent.start.waits()) {
            Some(sent) => self.put_in_place(sent),
            None => {
                // It was lost on its way. Nobody has asked for an end, so another one is sent now,
                // to a place that is free.
                self.dismiss_sent();
                self.rotation.next = Some((Errand::Load, Reason::Need));
            }
        }
    }

    fn put_in_place(&mut self, sent: Sent) {
        sent.start.go();
        self.child = Child {
            pid: sent.pid,
            start: sent.start,
            own_group: self.child.own_group,
            stopped: false,
            stop_asked: false,
        };
        self.rotation.borrow(sent.loans);
        self.relays.follow(sent.relays);
        self.stage = Stage::Starting;
    }

    /// A child of a moment has ended.
    pub(super) fn came_back(&mut self, status: Status) {
        let Some(mut sent) = self.rotation.sent.take() else {
            return;
        };
        sent.start.hear();
        let told = sent.start.told().filter(|_| status == Status::Code(0));
        let every = self.told.rotation.watch;
        match (sent.errand, told) {
            (Errand::Tend(Tend::Revoke), _) => {
                if let Stage::Returning(status) = self.stage {
                    self.return_next(status);
                }
            }
            (Errand::Look(_), Some(told)) => {
                if told.seen.print == self.rotation.told.seen.print {
                    self.rotation.told.seen = told.seen;
                    self.rotation.look_again(every);
                } else {
                    self.rotation.changed(told.seen, self.told.rotation.splay);
                }
            }
            (Errand::Tend(Tend::Renew), Some(told)) => self.rotation.tended(&told),
            (Errand::Tend(Tend::Renew), None) => self.rotation.renew_soon(),
            (Errand::Refresh(_), Some(told)) => {
                self.rotation.borrow_more(sent.loans);
                let same = told.given == self.rotation.told.given;
                if !same
                    && let Some(OnChange::Signal(number)) = self.told.rotation.on_change
                    && self.stage == Stage::Running
                {
                    send(self.child.pid.as_raw(), number).ok();
                }
                self.rotation.started(told, every);
            }
            (Errand::Command(_), _) => {
                if status != Status::Code(0) {
                    self.report
                        .warn("the command of --on-change did not succeed", None);
                }
                self.rotation.accept_look();
                self.rotation.look_again(every);
            }
            (Errand::Look(_), None) => self.rotation.look_again(every),
            (Errand::Load | Errand::Refresh(_), _) => {
                if self.stage == Stage::Running {
                    self.report
                        .warn("the program goes on with the secrets that it has", None);
                    self.rotation.failed(sent.reason);
                }
            }
        }
    }

    /// Nobody is needed any more but those who give back.
    pub(super) fn dismiss(&mut self) {
        self.rotation.rest();
        self.dismiss_sent();
    }

    fn dismiss_sent(&mut self) {
        if let Some(sent) = self
            .rotation
            .sent
            .take_if(|sent| sent.errand != Errand::Tend(Tend::Revoke))
        {
            // It has done nothing that anybody would miss; it is reaped as any other.
            send(sent.pid.as_raw(), nix::libc::SIGKILL).ok();
            self.rotation.disown(sent.loans);
        }
    }

    /// The end, once what was lent is given back.
    pub(super) fn give_back(&mut self, status: Status) {
        self.rotation.borrow_nothing();
        self.deadlines.arm(Due::Back, GIVE_BACK);
        if self.rotation.sent.is_some() {
            self.stage = Stage::Returning(status);
        } else {
            self.return_next(status);
        }
    }

    fn return_next(&mut self, status: Status) {
        self.stage = Stage::Gone(status);
        if self.rotation.owes() {
            self.rotation.next = Some((Errand::Tend(Tend::Revoke), Reason::Need));
            self.stage = Stage::Returning(status);
        }
    }
}
