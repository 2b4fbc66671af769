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
    let mut row = [0; COLUMNS];
    while !lines.ended() {
        let line = lines.next_line()?;
        let full = line.len() == COLUMNS || (lines.ended() && line.len() < COLUMNS);
        match Base64::decode(line, &mut row) {
            Ok(bytes) if full && !bytes.is_empty() => content.extend_from_slice(bytes),
            _ => return Err(Fault::Malformed(lines.number)),
        }
    }
    if content.len() < NONCE + TAG {
        return Err(Fault::Cut);
    }
    Ok(content)
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
