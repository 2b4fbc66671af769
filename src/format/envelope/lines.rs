//! The one spelling of a sealed file's text: lines, numbers, base64.

use base64ct::{Base64, Encoding};

use super::{COLUMNS, Fault, MAGIC, NONCE, TAG};

/// The text with LF, where every line ends in CRLF; as it is, where none does.
pub(super) fn with_lf(text: &[u8]) -> Result<Vec<u8>, Fault> {
    if !text.starts_with(MAGIC.as_bytes()) {
        return Err(Fault::NotSealed);
    }
    let crlf = text
        .iter()
        .position(|b| *b == b'\n')
        .is_some_and(|at| text[at - 1] == b'\r');
    let mut out = Vec::with_capacity(text.len());
    for (n, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let end: &[u8] = if crlf { b"\r\n" } else { b"\n" };
        if line.starts_with(b"<<<<<<< ") {
            return Err(Fault::Conflict(n + 1));
        }
        let body = line.strip_suffix(end).ok_or(Fault::Cut)?;
        if !body.iter().all(|b| (b' '..=b'~').contains(b)) {
            return Err(Fault::Malformed(n + 1));
        }
        out.extend_from_slice(body);
        out.push(b'\n');
    }
    Ok(out)
}

/// Lines with their number and place; every one of them ends in LF.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    /// Where the next line begins.
    pub(super) at: usize,
    /// The number of the last line, from 1.
    pub(super) number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Lines {
            text,
            at: 0,
            number: 0,
        }
    }

    pub(super) fn next_line(&mut self) -> Result<&'a str, Fault> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|b| *b == b'\n').ok_or(Fault::Cut)?;
        self.at += length + 1;
        self.number += 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| Fault::Malformed(self.number))
    }

    fn ended(&self) -> bool {
        self.at == self.text.len()
    }
}

/// The content: full lines, then one that may be shorter.
pub(super) fn unwrap_lines(lines: &mut Lines<'_>) -> Result<Vec<u8>, Fault> {
    let mut content = Vec::with_capacity((lines.text.len() - lines.at) / 4 * 3);
    while !lines.ended() {
        let line = lines.next_line()?;
        let full = line.len() == COLUMNS || (lines.ended() && line.len() < COLUMNS);
        let read = full && !line.is_empty() && public_base64(line.as_bytes(), &mut content);
        if !read {
            return Err(Fault::Malformed(lines.number));
        }
    }
    if content.len() < NONCE + TAG {
        return Err(Fault::Cut);
    }
    Ok(content)
}

/// The value of each letter; 64 for what is none.
const SEXTETS: [u8; 256] = {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [64; 256];
    let mut value = 0;
    while value < 64 {
        table[letters[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Appends what a line of base64 stands for, by look-up: ten times as fast as the decoder that hides
/// what it reads, which the encrypted content, open to everybody, does not need. False where the
/// line is not the one spelling of its bytes.
fn public_base64(line: &[u8], out: &mut Vec<u8>) -> bool {
    let padding = line.iter().rev().take_while(|byte| **byte == b'=').count();
    let letters = line.get(..line.len() - padding).unwrap_or_default();
    if !line.len().is_multiple_of(4) || padding > 2 {
        return false;
    }
    for group in letters.chunks(4) {
        let mut bits = 0;
        for letter in group {
            let sextet = SEXTETS[usize::from(*letter)];
            if sextet > 63 {
                return false;
            }
            bits = bits << 6 | u32::from(sextet);
        }
        bits <<= 6 * (4 - group.len());
        let [_, bytes @ ..] = bits.to_be_bytes();
        let (given, rest) = bytes.split_at(group.len() - 1);
        // Bits that belong to no byte must be zero, or one content would have several spellings.
        if rest.iter().any(|byte| *byte != 0) {
            return false;
        }
        out.extend_from_slice(given);
    }
    true
}

/// A number as we write it: no sign, no leading zero.
pub(super) fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Base64 of exactly `N` bytes.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = Base64::decode(text, &mut bytes).ok()?.len();
    (length == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::public_base64;
    use base64ct::{Base64, Encoding};
    use proptest::prelude::*;

    proptest! {
        /// It reads what the careful decoder reads, and refuses what that refuses.
        #[test]
        fn the_fast_decoder_agrees_with_the_careful_one(line in "[A-Da-d0-3+/=]{0,16}") {
            let mut fast = Vec::new();
            let read = public_base64(line.as_bytes(), &mut fast);
            match Base64::decode_vec(&line) {
                Ok(careful) => prop_assert!(read && fast == careful, "{line}"),
                Err(_) => prop_assert!(!read, "{line}"),
            }
        }

        #[test]
        fn all_bytes_come_back(bytes: Vec<u8>) {
            let mut fast = Vec::new();
            prop_assert!(public_base64(Base64::encode_string(&bytes).as_bytes(), &mut fast));
            prop_assert_eq!(fast, bytes);
        }
    }
}
