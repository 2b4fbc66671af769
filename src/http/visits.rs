//! Who was asked in a run, for the audit: origins, never a path or a query.

use std::sync::{Mutex, PoisonError};

/// The origins that were asked, in the order of the first time.
#[derive(Default)]
pub struct Visits(Mutex<Vec<String>>);

impl Visits {
    pub(super) fn add(&self, origin: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&origin) {
            known.push(origin);
        }
    }

    /// What is known so far.
    pub fn list(&self) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }
}
