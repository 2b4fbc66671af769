//! Has anything changed? A fingerprint of all that a load depends on, which a later load compares.
//!
//! It is salted with random bytes that never leave the machine's memory, so that nobody can try
//! guesses on it. What is leased is not in it: each load would get another one.

use sha2::{Digest, Sha256};

use super::Query;
use crate::provider::{Answer, Found, Trouble, Value};
use crate::secret::Secret;

/// A fingerprint.
pub type Print = [u8; 32];

/// What a load is asked to say of itself.
pub struct Watch<'a> {
    /// The source has been added.
    pub adder: Adder,
    /// The references of the leases that the program has. With them it is only a look: they are not
    /// read, and no variable comes of it.
    pub look: Option<&'a [String]>,
}

impl Watch<'_> {
    /// Whether a query is left out.
    pub(super) fn skips(&self, query: &Query) -> bool {
        let held = |held: &[String]| held.contains(&query.reference.to_string());
        self.look.is_some_and(held)
    }
}

/// Adds up what is hashed, each part with its length.
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
