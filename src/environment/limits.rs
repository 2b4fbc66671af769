//! How much the kernel takes, and who has most of it: names and sizes, never values.

use std::ffi::{CStr, OsString};

use nix::sys::resource::{Resource, getrlimit};

use crate::failure::Explain;
use crate::files::spoken_size;

/// The limit for one `NAME=value` or one word, its NUL included: 32 pages.
pub const STRING: usize = 128 << 10;

/// An environment and words, measured against the limit for all of them together.
#[derive(Debug)]
pub struct Excess {
    variables: usize,
    bytes: usize,
    limit: usize,
    largest: Vec<(String, usize)>,
}

/// Measures; none where no limit can be near.
pub fn measure(block: &[&CStr], words: &[OsString]) -> Option<Excess> {
    // The kernel counts a pointer for each string as well, and the name of the program twice.
    let pointer = size_of::<usize>();
    let strings = block
        .iter()
        .map(|string| string.count_bytes() + 1 + pointer);
    let words = words
        .iter()
        .chain(words.first())
        .map(|word| word.len() + 1 + pointer);
    let bytes: usize = strings.chain(words).sum();
    if bytes < STRING {
        return None;
    }
    let name = |string: &CStr| {
        let name = string.to_bytes().split(|byte| *byte == b'=').next();
        String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
    };
    let mut largest: Vec<&CStr> = block.to_vec();
    largest.sort_by_key(|string| std::cmp::Reverse(string.count_bytes()));
    largest.truncate(3);
    Some(Excess {
        variables: block.len(),
        bytes,
        limit: limit(),
        largest: largest
            .into_iter()
            .map(|string| (name(string), string.count_bytes()))
            .collect(),
    })
}

impl Excess {
    /// The kernel would refuse it.
    pub fn is_over(&self) -> bool {
        self.bytes > self.limit
    }
}

impl Explain for Excess {
    fn what(&self) -> String {
        format!(
            "the environment of {} variables and the arguments have {} bytes; the kernel takes {}",
            self.variables, self.bytes, self.limit
        )
    }

    fn hint(&self) -> Option<String> {
        let largest = self
            .largest
            .iter()
            .map(|(name, bytes)| format!("`{name}` ({})", spoken_size(*bytes)));
        let largest: Vec<String> = largest.collect();
        Some(format!(
            "the largest are {}; hand them over with ?as=file, or raise the limit: ulimit -s",
            largest.join(", ")
        ))
    }
}

/// A quarter of the stack, at least 128 KiB and at most three quarters of 8 MiB.
fn limit() -> usize {
    let stack = getrlimit(Resource::RLIMIT_STACK).map_or(8 << 20, |(soft, _)| soft);
    usize::try_from((stack / 4).clamp(128 << 10, 6 << 20)).unwrap_or(128 << 10)
}
