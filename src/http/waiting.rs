//! Says on a terminal what is being waited for: `waiting for vault.example (4 s of 30 s)`.
//!
//! One line for the whole run, rewritten every second and removed at the end. It is written by a
//! thread that lives only while something is waited for, and only where there is a terminal; it
//! has ended when the last wait has.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::Deadline;
use crate::report::Report;

/// A wait that is shorter is not worth a word.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shows a line, or removes it.
type Say = Box<dyn Fn(Option<&str>) + Send + Sync>;

/// What is being waited for, shared by all clients of a run.
pub struct Waiting {
    inner: Arc<Inner>,
}

struct Inner {
    say: Say,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waits: Vec<Wait>,
    next: u64,
    /// Counts the speakers; one whose number has passed ends, also when new waits have begun.
    generation: u64,
    speaker: Option<JoinHandle<()>>,
}

struct Wait {
    number: u64,
    host: String,
    begun: Instant,
    whole: Duration,
}

/// While it lives, something is being waited for.
pub(super) struct Guard<'a> {
    waiting: &'a Waiting,
    number: u64,
}

impl Waiting {
    /// On the terminal that somebody watches; nothing at all where nobody does.
    pub fn on(report: Report) -> Option<Waiting> {
        let watched = report.watched();
        watched.then(|| Waiting::new(move |line| report.passing(line)))
    }

    /// `say` is given the line to show, and `None` when it is to be removed.
    pub fn new(say: impl Fn(Option<&str>) + Send + Sync + 'static) -> Waiting {
        Waiting {
            inner: Arc::new(Inner {
                say: Box::new(say),
                state: Mutex::new(State::default()),
                changed: Condvar::new(),
            }),
        }
    }

    pub(super) fn start(&self, host: &str, deadline: &Deadline) -> Guard<'_> {
        let mut state = lock(&self.inner.state);
        let number = state.next;
        state.next += 1;
        state.waits.push(Wait {
            number,
            host: host.to_owned(),
            begun: Instant::now(),
            whole: deadline.left(),
        });
        if state.speaker.is_none() {
            let inner = Arc::clone(&self.inner);
            let generation = state.generation;
            // Without a thread there is no line, and nothing else is missing.
            state.speaker = std::thread::Builder::new()
                .name("waiting".to_owned())
                .spawn(move || inner.speak(generation))
                .ok();
        }
        Guard {
            waiting: self,
            number,
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let inner = &self.waiting.inner;
        let mut state = lock(&inner.state);
        state.waits.retain(|wait| wait.number != self.number);
        if state.waits.is_empty() {
            let speaker = state.speaker.take();
            state.generation += 1;
            inner.changed.notify_all();
            drop(state);
            // A thread that panicked has ended as well.
            speaker.map(JoinHandle::join).transpose().ok();
        }
    }
}

impl Inner {
    fn speak(&self, generation: u64) {
        let mut said = false;
        let mut state = lock(&self.state);
        while state.generation == generation
            && let Some(oldest) = state.waits.first()
        {
            let since = oldest.begun.elapsed();
            let next = if since < PATIENCE {
                PATIENCE - since
            } else {
                let text = format!(
                    "waiting for {} ({} s of {} s)",
                    oldest.host,
                    since.as_secs(),
                    (oldest.whole.as_millis() + 500) / 1000
                );
                (self.say)(Some(&text));
                said = true;
                Duration::from_secs(1)
            };
            state = match self.changed.wait_timeout(state, next) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        if said {
            (self.say)(None);
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
