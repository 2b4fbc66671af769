//! Many requests at once, over connections that are kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::{Answer, Client, Request};

/// More at once makes stores slower, not us faster. A hundred secrets are two rounds.
pub(super) const MOST: usize = 64;

/// A store that is near answers a hundred requests best over a few connections, for each costs both
/// sides a handshake; a far one wants many. So there are a few at first, and one more for every
/// while that the work is not done.
const FIRST: usize = 4;
const WHILE: Duration = Duration::from_millis(3);

/// A store that has answered nothing for so long is a far one: all are sent without delay, so that
/// fifty secrets take as long as two.
const FAR: Duration = Duration::from_millis(20);

impl Client {
    /// Sends all requests, at most `bound` at a time (64 at most), and gives the outcomes in the
    /// order of the requests. Where one fails to reach the server at all, those that were not sent
    /// yet fail with it: a hundred secrets of a dead store take as long as one. Every thread has
    /// ended when this returns.
    pub fn together(&self, requests: &[Request], bound: usize) -> Vec<Result<Answer, Fault>> {
        let workers = bound.min(MOST).min(requests.len());
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(Vec::with_capacity(requests.len()));
        let settled: Mutex<Vec<Fault>> = Mutex::default();
        let work = || {
            while let Some((index, request)) = {
                let index = next.fetch_add(1, Ordering::Relaxed);
                requests.get(index).map(|request| (index, request))
            } {
                let known = locked(&settled)
                    .iter()
                    .find(|f| f.at == self.place(request))
                    .cloned();
                let outcome = match known {
                    Some(fault) => Err(fault),
                    None => self.send(request),
                };
                if let Err(fault) = &outcome
                    && fault.settles()
                {
                    locked(&settled).push(fault.clone());
                }
                locked(&outcomes).push((index, outcome));
            }
        };
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let mut threads = Vec::with_capacity(workers);
            // This thread works too, when all are there; where a container has no more threads, it
            // works alone.
            for count in 1..workers {
                if count > FIRST {
                    if begun.elapsed() < FAR || !locked(&outcomes).is_empty() {
                        std::thread::park_timeout(WHILE);
                    }
                    if next.load(Ordering::Relaxed) >= requests.len() {
                        break;
                    }
                }
                let thread = std::thread::Builder::new()
                    .name("fetch".to_owned())
                    .stack_size(512 * 1024)
                    .spawn_scoped(scope, work);
                match thread {
                    Ok(thread) => threads.push(thread),
                    Err(_) => break,
                }
            }
            work();
            // A scope waits for the work only; joining waits for the threads themselves.
            for thread in threads {
                thread.join().ok();
            }
        });
        let mut outcomes = outcomes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        outcomes.sort_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
