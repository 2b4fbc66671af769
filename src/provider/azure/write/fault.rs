//! What is to be said of a version that was written.

use crate::failure::{Explain, Failure};

/// Somebody wrote this version at the same time.
pub(super) struct Between(pub(super) String);

impl Explain for Between {
    fn what(&self) -> String {
        format!(
            "somebody else wrote version {} at the same time; it is in the history",
            self.0
        )
    }
}

/// The versions could not be looked at.
pub(super) struct Unseen(pub(super) Failure);

impl Explain for Unseen {
    fn what(&self) -> String {
        format!(
            "it is not known whether somebody else wrote at the same time: {}",
            self.0.what
        )
    }
}

/// What others wrote could not be worked in.
pub(super) struct Unworked(pub(super) Failure);

impl Explain for Unworked {
    fn what(&self) -> String {
        format!(
            "somebody else wrote at the same time, and may miss something: {}",
            self.0.what
        )
    }
}
