//! From what stands in the file to what was meant: escapes, and what only dumps have.

use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use super::UNSET;
use crate::secret::{Secret, SecretBuffer};

/// What stands between two quotes, and what was seen there.
pub(super) struct Quoted<'a> {
    /// As it stands in the file.
    pub(super) inside: &'a [u8],
    /// Line and column of the opening quote.
    pub(super) opened: (u32, u32),
    /// Neither a backslash nor a carriage return is inside.
    pub(super) plain: bool,
}

/// A quoted text as it was meant.
pub(super) fn unescape(quoted: &Quoted, quote: u8) -> Secret {
    let inside = quoted.inside;
    if quoted.plain {
        return Secret::new(inside.to_vec());
    }
    let mut value = SecretBuffer::with_capacity(inside.len());
    let mut plain = 0;
    let mut at = 0;
    while at < inside.len() {
        let (length, replacement): (usize, &[u8]) = match (&inside[at..], quote) {
            ([b'\r', b'\n', ..], _) => (2, b"\n"),
            ([b'\r', ..], _) => (1, b"\n"),
            ([b'\\', b'\\', ..], _) => (2, b"\\"),
            ([b'\\', b'\'', ..], _) => (2, b"'"),
            ([b'\\', b'"', ..], b'"') => (2, b"\""),
            ([b'\\', b'a', ..], b'"') => (2, b"\x07"),
            ([b'\\', b'b', ..], b'"') => (2, b"\x08"),
            ([b'\\', b'f', ..], b'"') => (2, b"\x0c"),
            ([b'\\', b'n', ..], b'"') => (2, b"\n"),
            ([b'\\', b'r', ..], b'"') => (2, b"\r"),
            ([b'\\', b't', ..], b'"') => (2, b"\t"),
            ([b'\\', b'v', ..], b'"') => (2, b"\x0b"),
            _ => {
                at += 1;
                continue;
            }
        };
        value.push(&inside[plain..at]);
        value.push(replacement);
        at += length;
        plain = at;
    }
    value.push(&inside[plain..]);
    value.finish()
}

/// A value of a dump without what the writer put in for other readers.
pub(super) fn unmark(value: Secret) -> Secret {
    let coded = value.expose();
    let mut plain = SecretBuffer::default();
    let (mut done, mut at) = (0, 0);
    while let Some(found) = (coded[at..].windows(UNSET.len())).position(|part| part == UNSET) {
        let mark = at + found;
        at = mark + UNSET.len();
        let (length, meant): (usize, &[u8]) = match &coded[at..] {
            [b'$', b'}', ..] => (2, b"$"),
            [b'}', ..] => (1, b""),
            _ => continue,
        };
        plain.push(&coded[done..mark]);
        plain.push(meant);
        at += length;
        done = at;
    }
    if done == 0 {
        return value;
    }
    plain.push(&coded[done..]);
    plain.finish()
}

/// A value of a dump that is not text; `None` if it was not written by us.
pub(super) fn from_base64(text: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(text).ok()?;
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = Base64Unpadded::decode(text, &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(Secret::new(std::mem::take(&mut *bytes)))
}
