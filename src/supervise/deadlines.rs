//! What is armed, and when it is due. After its first second nothing is armed unless somebody asked for
//! it, so that an idle supervisor sleeps without end.

use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

/// What can be armed; at most one of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// The program has not stopped.
    Stop,
    /// What it left behind has not.
    Drain,
    /// Nor when it was killed.
    Last,
    /// A signal that was held back is handed on.
    Double,
    /// The start is over, and what it needed is given back.
    Settled,
    /// What was lent is not given back yet.
    Back,
}

const ALL: [Due; 6] = [
    Due::Stop,
    Due::Drain,
    Due::Last,
    Due::Double,
    Due::Settled,
    Due::Back,
];

/// All deadlines.
pub(super) struct Deadlines([Option<Instant>; ALL.len()]);

impl Deadlines {
    pub(super) fn none() -> Deadlines {
        Deadlines([None; ALL.len()])
    }

    /// Arms one; a deadline that is armed already stays where it is.
    pub(super) fn arm(&mut self, due: Due, after: Duration) {
        let slot = &mut self.0[due as usize];
        if slot.is_none() {
            // Beyond the range of the clock is never.
            *slot = Instant::now().checked_add(after);
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn disarm(&mut self, due: Due) {
        self.0[due as usize] = None;
    }

    /// One that has passed; it is disarmed.
    pub(super) fn passed(&mut self) -> Option<Due> {
        let armed = self.0.iter().any(Option::is_some);
        let now = armed.then(Instant::now)?;
        let passed = |due: &Due| self.0[*due as usize].is_some_and(|at| at <= now);
        let due = ALL.into_iter().find(passed)?;
        self.0[due as usize] = None;
        Some(due)
    }

    /// How long to sleep at most, also for what is due elsewhere.
    pub(super) fn timeout(&self, other: Option<Instant>) -> PollTimeout {
        self.0
            .iter()
            .flatten()
            .chain(&other)
            .min()
            .map_or(PollTimeout::NONE, |at| {
                let left = at.saturating_duration_since(Instant::now());
                // Rounded up, so that the last millisecond is not spent spinning.
                let milliseconds = left.as_micros().div_ceil(1000);
                PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_once_and_does_not_move() {
        let mut deadlines = Deadlines::none();
        assert_eq!(deadlines.timeout(None), PollTimeout::NONE);
        assert_eq!(deadlines.passed(), None);
        deadlines.arm(Due::Stop, Duration::from_secs(3600));
        deadlines.arm(Due::Drain, Duration::ZERO);
        deadlines.arm(Due::Drain, Duration::from_secs(3600));
        assert_eq!(deadlines.timeout(None), PollTimeout::ZERO);
        assert_eq!(deadlines.passed(), Some(Due::Drain));
        assert_eq!(deadlines.passed(), None);
        assert!(deadlines.timeout(None) > PollTimeout::ZERO);
        deadlines.arm(Due::Last, Duration::MAX);
        assert_eq!(deadlines.passed(), None);
    }
}
