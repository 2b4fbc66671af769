//! What a store says of a reference without its value, for a look that comes every minute.
//!
//! `docs/supervise.md` says of which stores that is asked, and why not of the others.

/// What a store says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Glance {
    /// Something that changes whenever the value may have changed.
    Mark(String),
    /// Nothing: the value has to be read.
    Unclear,
    /// The same, and there is no use in asking again.
    Closed,
}
