//! Has anything changed? A fingerprint of all that a load depends on, which a later load compares.
//!
//! It is salted with random bytes that never leave the machine's memory, so that nobody can try
//! guesses on it. What is leased is not in it: each load would get another one.

use sha2::{Digest, Sha256};

use super::Query;
use super::ask::{How, Reply};
use crate::failure::Failures;
use crate::provider::{Answer, Found, Glance, Trouble, Value};
use crate::secret::Secret;

/// So many references are remembered as closed; they travel in one piece.
const CLOSED: usize = 1000;

/// A fingerprint.
pub type Print = [u8; 32];

/// What a load was made of, as far as those who watch it compare it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Everything but what is leased.
    pub print: Print,
    /// The same, with what the stores said instead of their values, before these were read. The first look finds it out.
    pub stamp: Option<Print>,
    /// The references that were answered with a lease.
    pub leased: Vec<String>,
    /// Those whose stores are not to be asked without values again.
    pub closed: Vec<String>,
}

/// What a load is asked to say of itself.
pub struct Watch<'a> {
    /// The source has been added.
    pub adder: Adder,
    /// What the load or look before has seen. With it this is only a look: what is leased is not
    /// read, and no variable comes of it.
    pub look: Option<&'a Seen>,
}

impl Watch<'_> {
    /// How a query is to be answered.
    pub(super) fn how(&self, query: &Query) -> How {
        let Some(seen) = self.look else {
            return How::Read;
        };
        let text = query.reference.to_string();
        if seen.leased.contains(&text) {
            How::Leave
        } else if seen.closed.contains(&text) {
            How::Read
        } else if seen.stamp.is_some() {
            How::Glance
        } else {
            How::Both
        }
    }
}

/// Adds up what is hashed, each part with its length.
#[derive(Clone)]
pub struct Adder(Sha256);

impl Adder {
    /// Nothing but the salt.
    pub fn new(salt: &Print) -> Adder {
        Adder(Sha256::new().chain_update(salt))
    }

    /// One part.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// The fingerprint.
    pub fn finish(self) -> Print {
        self.0.finalize().into()
    }
}

/// The references that were answered with a lease.
pub(super) fn leased(queries: &[Query], answers: &[Option<Answer>]) -> Vec<String> {
    let pairs = queries.iter().zip(answers);
    let leased = pairs.filter(|(_, answer)| answer.as_ref().is_some_and(is_leased));
    leased
        .map(|(query, _)| query.reference.to_string())
        .collect()
}

/// It was made for this load: the next one would get another.
fn is_leased(answer: &Answer) -> bool {
    matches!(answer, Ok(Found { about, .. }) if about.lent.is_some())
}

/// What a look sees. Where the stores say that no value can have changed, that is what was seen before; else
/// those values are `read` that were only asked about.
pub(super) fn look(
    adder: &Adder,
    before: &Seen,
    queries: &[Query],
    replies: Vec<Reply>,
    read: impl FnOnce(&[bool]) -> Vec<Reply>,
    wrong: &mut Failures,
) -> Seen {
    let pairs = replies
        .into_iter()
        .map(|reply| (reply.answer, reply.glance));
    let (mut answers, glances): (Vec<_>, Vec<_>) = pairs.unzip();
    let mut stamp = adder.clone();
    self::glances(&mut stamp, queries, &answers, &glances);
    let stamp = stamp.finish();
    if before.stamp != Some(stamp) {
        let told = answers.iter().zip(&glances);
        let open: Vec<bool> = told
            .map(|(answer, glance)| answer.is_none() && glance.is_some())
            .collect();
        if open.contains(&true) {
            for (slot, reply) in answers.iter_mut().zip(read(&open)) {
                *slot = slot.take().or(reply.answer);
            }
        }
    }
    let failed = answers.iter().flatten().filter_map(|answer| match answer {
        Err(Trouble::Failed(failure)) => Some(failure.clone()),
        _ => None,
    });
    wrong.0.extend(failed);
    if before.stamp == Some(stamp) {
        return before.clone();
    }
    let mut print = adder.clone();
    self::answers(&mut print, queries, &answers);
    let closed = before.closed.iter().cloned();
    Seen {
        print: print.finish(),
        stamp: Some(stamp),
        leased: before.leased.clone(),
        closed: closed
            .chain(self::closed(queries, &glances))
            .take(CLOSED)
            .collect(),
    }
}

/// Adds what stores say of values, and the answers of those that say nothing.
pub(super) fn glances(
    adder: &mut Adder,
    queries: &[Query],
    answers: &[Option<Answer>],
    glances: &[Option<Glance>],
) {
    for ((query, answer), glance) in queries.iter().zip(answers).zip(glances) {
        match glance {
            Some(Glance::Mark(mark)) => {
                adder.add(query.reference.to_string().as_bytes());
                adder.add(b"mark");
                adder.add(mark.as_bytes());
            }
            Some(Glance::Unclear | Glance::Closed) | None => {
                let (query, answer) = (std::slice::from_ref(query), std::slice::from_ref(answer));
                self::answers(adder, query, answer);
            }
        }
    }
}

/// The references whose stores are not to be asked without values again.
pub(super) fn closed(queries: &[Query], glances: &[Option<Glance>]) -> Vec<String> {
    let pairs = queries.iter().zip(glances);
    let closed = pairs.filter(|(_, glance)| **glance == Some(Glance::Closed));
    closed
        .map(|(query, _)| query.reference.to_string())
        .collect()
}

/// Adds every answer; what cannot be told from a change is not added.
pub(super) fn answers(adder: &mut Adder, queries: &[Query], answers: &[Option<Answer>]) {
    let named = |adder: &mut Adder, name: &str, value: &Secret| {
        adder.add(name.as_bytes());
        adder.add(value.expose());
    };
    for (query, answer) in queries.iter().zip(answers) {
        adder.add(query.reference.to_string().as_bytes());
        match answer {
            None => adder.add(b"leased"),
            Some(answer) if is_leased(answer) => adder.add(b"leased"),
            Some(Err(Trouble::Missing(_))) => adder.add(b"missing"),
            Some(Err(Trouble::Failed(_))) => adder.add(b"failed"),
            Some(Ok(found)) => match &found.value {
                Value::One(value) => adder.add(value.expose()),
                Value::Several(fields) => {
                    for (name, value) in fields {
                        named(adder, name, value);
                    }
                }
                Value::Folder(items) => {
                    for item in items {
                        named(adder, &item.name, &item.value);
                    }
                }
            },
        }
    }
}
