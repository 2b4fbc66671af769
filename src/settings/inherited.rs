//! The environment that envshim was started with.

use std::ffi::CStr;

use crate::sys;

/// The environment as the kernel gave it: `NAME=value` strings in their order, also odd ones.
pub struct Inherited(Vec<&'static CStr>);

impl Inherited {
    /// The environment of this process.
    pub fn of_this_process() -> Inherited {
        Inherited(sys::environment().collect())
    }

    /// Every string.
    pub fn strings(&self) -> &[&'static CStr] {
        &self.0
    }

    /// Names and values of the strings that have both.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        self.0.iter().filter_map(|string| split(string))
    }

    /// The value of a variable; the first one counts, as `getenv` has it.
    pub fn value(&self, name: &str) -> Option<&'static [u8]> {
        self.pairs()
            .find(|(known, _)| *known == name.as_bytes())
            .map(|(_, value)| value)
    }
}

/// `NAME` and `value` of an environment string.
pub fn split(string: &CStr) -> Option<(&[u8], &[u8])> {
    let bytes = string.to_bytes();
    let equals = bytes.iter().position(|b| *b == b'=')?;
    let (name, value) = bytes.split_at(equals);
    Some((name, value.get(1..).unwrap_or_default()))
}
