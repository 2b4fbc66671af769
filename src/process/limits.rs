//! More than the kernel takes: which string, or that all of them together. Names, never values.

use std::ffi::{CStr, CString};
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};

use super::image::Image;
use super::refusal::Refusal;

/// The kernel takes no longer string, its final NUL included.
const LONGEST_STRING: usize = 128 * 1024;

/// What is over the kernel's limits.
pub(super) fn too_large(image: &Image, path: &Path) -> Refusal {
    let refuse = |what, hint| Refusal::TooLarge(path.to_owned(), what, hint);
    let size = |string: &CStr| string.to_bytes_with_nul().len();
    let name = |variable: &CStr| {
        let bytes = variable.to_bytes();
        let name = bytes.split(|byte| *byte == b'=').next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    };
    let mut variables: Vec<&CStr> = image.environment.to_vec();
    variables.sort_by_key(|variable| std::cmp::Reverse(size(variable)));
    if let Some(longest) = variables.first().filter(|v| size(v) > LONGEST_STRING) {
        let what = format!(
            "the variable `{}` has {} bytes, and the kernel takes {LONGEST_STRING} in one string",
            name(longest),
            size(longest)
        );
        return refuse(what, "hand it over as a file: `?as=file`");
    }
    if let Some(n) = image
        .words
        .iter()
        .position(|word| size(word) > LONGEST_STRING)
    {
        let what = format!(
            "argument {n} has {} bytes, and the kernel takes {LONGEST_STRING} in one string",
            image.words.get(n).map_or(0, |word| size(word))
        );
        return refuse(what, "hand it over in a file");
    }
    let words: Vec<&CStr> = image.words.iter().map(CString::as_c_str).collect();
    let total = |strings: &[&CStr]| {
        let sizes = strings.iter().map(|s| size(s) + size_of::<usize>());
        sizes.sum::<usize>()
    };
    let largest: Vec<String> = variables
        .iter()
        .take(3)
        .map(|variable| format!("`{}` ({})", name(variable), size(variable)))
        .collect();
    let what = format!(
        "{} variables ({} bytes) and {} words ({} bytes) are more than the {} bytes that the kernel takes; the largest variables: {}",
        image.environment.len(),
        total(image.environment),
        image.words.len(),
        total(&words),
        all_strings(),
        largest.join(", ")
    );
    refuse(
        what,
        "hand large values over as files (`?as=file`), or raise the stack limit: ulimit -s",
    )
}

/// The kernel's limit for all strings and their pointers: a quarter of the stack, within bounds.
fn all_strings() -> u64 {
    let stack = getrlimit(Resource::RLIMIT_STACK).map_or(8 << 20, |(soft, _)| soft);
    (stack / 4).clamp(128 << 10, 6 << 20)
}
