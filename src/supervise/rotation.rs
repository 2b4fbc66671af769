//! When the program's secrets change, or end: what is known of them, what is being done about it.
//!
//! Nothing here has ever held a secret. Whatever needs one is a child of a moment: a *look* makes the
//! fingerprint of what a load would find; a *load* is the next program before it becomes one, and
//! waits for our word; others renew leases or give them back. The leases lie in a memory file that
//! the parent only hands on.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::sys::stat::fstat;
use nix::unistd::Pid;

use super::link::{Start, Told};
use super::relay::Relays;
use crate::provider::Tend;
use crate::resolve::Seen;
use crate::settings::OnChange;

/// Changes often come in groups; so long after the first one the rest is there too.
pub(super) const QUIET: Duration = Duration::from_secs(2);

/// How long the program may take to stop for the next one, unless it is said.
pub(super) const STOP: Duration = Duration::from_secs(10);

/// How long giving back may take when everything has ended.
pub(super) const GIVE_BACK: Duration = Duration::from_secs(5);

/// After a load that failed, the next one comes this much later at first, and twice as late each time.
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_AT_MOST: Duration = Duration::from_secs(300);

/// So many sets of leases are left to a program that was not started anew.
const STILL_IN_USE: usize = 2;

/// What a child of a moment is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Errand {
    /// Has anything changed since this was seen?
    Look(Seen),
    /// Load everything, and become the program when the old one is gone.
    Load,
    /// Load everything, and write the memory files of this process anew.
    Refresh(Pid),
    /// Renew what is lent, or give it back.
    Tend(Tend),
    /// Run this command.
    Command(String),
}

/// Why there is to be another load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// Something looks different.
    Change,
    /// Something ends, or somebody asked.
    Need,
}

/// A child of a moment.
pub(super) struct Sent {
    pub(super) errand: Errand,
    pub(super) pid: Pid,
    pub(super) start: Start,
    pub(super) loans: Option<OwnedFd>,
    pub(super) reason: Reason,
    pub(super) relays: Relays,
}

/// What is known of the program's secrets.
#[derive(Default)]
pub(super) struct Rotation {
    /// Of the load that the program runs on.
    pub(super) told: Told,
    /// What was lent to it.
    pub(super) loans: Option<OwnedFd>,
    /// What was lent to those before it, and to loads that were not needed.
    returns: Vec<OwnedFd>,
    /// The same, to a program that may still use it.
    later: VecDeque<OwnedFd>,
    /// What the last look saw, where that is not what the program has.
    seen: Option<Seen>,
    pub(super) sent: Option<Sent>,
    /// To be sent out as soon as nobody is on the way.
    pub(super) next: Option<(Errand, Reason)>,
    failures: u32,
    /// Somebody asked for another load, and none has begun since.
    demanded: bool,
    look: Option<Instant>,
    renew: Option<Instant>,
    /// When new credentials are wanted, because the old ones end.
    end: Option<Instant>,
    /// A change was seen, and is acted on then.
    change: Option<Instant>,
}

impl Rotation {
    /// The first load may borrow.
    pub(super) fn of(loans: Option<OwnedFd>) -> Rotation {
        Rotation {
            loans,
            ..Rotation::default()
        }
    }

    /// The program has started, and runs on this load.
    pub(super) fn started(&mut self, told: Told, every: Option<Duration>) {
        self.failures = 0;
        self.change = None;
        self.tended(&told);
        self.told = told;
        self.look_again(every);
    }

    /// Somebody asks for another load.
    pub(super) fn demand(&mut self) {
        self.demanded = true;
    }

    /// Whether this child is the one that is on the way.
    pub(super) fn is_sent(&self, pid: Pid) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.pid == pid)
    }

    /// What a tender, or a load, says about the life of the leases.
    pub(super) fn tended(&mut self, told: &Told) {
        self.renew = told.again.and_then(after);
        self.end = told.ends.and_then(after);
    }

    pub(super) fn look_again(&mut self, every: Option<Duration>) {
        self.look = every.and_then(after);
    }

    /// A look saw something else than the program has.
    pub(super) fn changed(&mut self, seen: Seen, splay: Duration) {
        self.seen = Some(seen);
        self.change = after(QUIET + random(splay));
    }

    /// What the last look saw is what the program has, as far as we are concerned.
    pub(super) fn accept_look(&mut self) {
        if let Some(seen) = self.seen.take() {
            self.told.seen = seen;
        }
    }

    /// Renewing failed on the way.
    pub(super) fn renew_soon(&mut self) {
        self.renew = after(AGAIN);
    }

    /// The program runs on what was lent to this load; what was lent before goes back.
    pub(super) fn borrow(&mut self, loans: Option<OwnedFd>) {
        let before = std::mem::replace(&mut self.loans, loans);
        self.disown(before);
    }

    /// The running program has new ones; connections that it made with the old ones may live on for
    /// a while.
    pub(super) fn borrow_more(&mut self, loans: Option<OwnedFd>) {
        self.later.extend(std::mem::replace(&mut self.loans, loans));
        if self.later.len() > STILL_IN_USE {
            let oldest = self.later.pop_front();
            self.disown(oldest);
        }
    }

    /// The program has ended.
    pub(super) fn borrow_nothing(&mut self) {
        self.borrow(None);
        while let Some(loans) = self.later.pop_front() {
            self.disown(Some(loans));
        }
    }

    /// Nobody needs this any more.
    pub(super) fn disown(&mut self, loans: Option<OwnedFd>) {
        let lent = |fd: &OwnedFd| fstat(fd).is_ok_and(|stat| stat.st_size > 0);
        self.returns.extend(loans.filter(lent));
    }

    /// What goes back next.
    pub(super) fn next_to_return(&mut self) -> Option<OwnedFd> {
        self.returns.pop()
    }

    /// Whether there is anything to give back.
    pub(super) fn owes(&self) -> bool {
        !self.returns.is_empty()
    }

    /// A load failed: the program goes on with what it has. The time until the next.
    pub(super) fn failed(&mut self, reason: Reason) {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let wait = AGAIN.saturating_mul(factor).min(AGAIN_AT_MOST);
        self.failures = self.failures.saturating_add(1);
        match reason {
            Reason::Change => self.change = after(wait),
            Reason::Need => self.end = after(wait),
        }
    }

    /// When something is to be done next.
    pub(super) fn due(&self) -> Option<Instant> {
        let times = [self.look, self.renew, self.end, self.change];
        let idle = self.next.is_none() && self.sent.is_none();
        let now = (self.demanded || self.owes()).then(Instant::now);
        times
            .into_iter()
            .flatten()
            .chain(now)
            .min()
            .filter(|_| idle)
    }

    /// What is to be done now, if anything is. `act`: what a change leads to.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Do> {
        if self.next.is_some() || self.sent.is_some() {
            return None;
        }
        if self.owes() {
            return Some(Do::Send(Errand::Tend(Tend::Revoke)));
        }
        let passed = |time: &mut Option<Instant>| time.take_if(|at| *at <= now).is_some();
        if std::mem::take(&mut self.demanded) || passed(&mut self.end) {
            self.change = None;
            return Some(Do::Act(Reason::Need));
        }
        if passed(&mut self.change) {
            return Some(Do::Act(Reason::Change));
        }
        if passed(&mut self.renew) {
            return Some(Do::Send(Errand::Tend(Tend::Renew)));
        }
        if passed(&mut self.look) {
            return Some(Do::Send(Errand::Look(self.told.seen.clone())));
        }
        None
    }

    /// Nothing is watched or renewed any more.
    pub(super) fn rest(&mut self) {
        self.next = None;
        self.demanded = false;
        (self.look, self.renew, self.end, self.change) = (None, None, None, None);
    }
}

/// What has come due.
pub(super) enum Do {
    /// Send somebody out.
    Send(Errand),
    /// Do what was said for a change.
    Act(Reason),
}

/// The errand of an action; `None` where it is nobody's but ours.
pub(super) fn errand(action: &OnChange, program: Pid) -> Option<Errand> {
    match action {
        OnChange::Restart => Some(Errand::Load),
        OnChange::Signal(_) => Some(Errand::Refresh(program)),
        OnChange::Command(command) => Some(Errand::Command(command.clone())),
        OnChange::Exit(_) | OnChange::Nothing => None,
    }
}

fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

/// Anything up to a limit.
fn random(most: Duration) -> Duration {
    let mut random = [0; 4];
    if most.is_zero() || crate::sys::random(&mut random).is_err() {
        return Duration::ZERO;
    }
    most.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
}
