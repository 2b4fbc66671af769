//! What Docker Compose reads: the dialect of compose-go, statement by statement.

use super::entries::{Entry, name as name_length};
use crate::secret::Secret;

/// White space that is not the end of a line.
fn space(c: char) -> bool {
    matches!(
        c,
        '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}'
    )
}

/// All that it reads; or where it gives the whole file up, and why.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, (usize, &'static str)> {
    let mut entries = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        if rest.is_empty() {
            return Ok(entries);
        }
        if rest.starts_with('#') {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        let mut key = rest;
        if let Some(after) = rest.strip_prefix("export")
            && after.starts_with(['\t', '\n', '\u{c}', '\r', ' '])
        {
            key = after.trim_start_matches(space);
        }
        let letter = |c: char| space(c) || c.is_alphanumeric() || "_.-[]".contains(c);
        let end = key.find(|c| !letter(c));
        let (name, mut left) = match end.map(|end| (end, &key[end..])) {
            Some((end, behind)) if behind.starts_with(['=', ':', '\n']) => {
                (key[..end].trim_end(), &behind[1..])
            }
            Some(_) => return Err((at, "knows no such name")),
            None if key.is_empty() => return Err((at, "knows no such name")),
            // A name alone in a last line without an end is taken for a value.
            None => ("", key),
        };
        if name.contains(' ') {
            return Err((at, "knows no such name"));
        }
        left = left.trim_start_matches(space);
        let alone = end.is_some_and(|end| key[end..].starts_with('\n'));
        let (value, expands) = match left.as_bytes().first() {
            _ if alone => (None, false),
            Some(quote @ (b'"' | b'\'')) => {
                let Some((value, length)) = quoted(left.as_bytes(), *quote) else {
                    return Err((at, "finds no end of the quote"));
                };
                left = &left[length..];
                (Some(value), *quote == b'"')
            }
            _ => {
                let (line, after) = left.split_once('\n').unwrap_or((left, ""));
                left = after;
                let value = line.split(" #").next().unwrap_or_default().trim_end();
                (Some(value.as_bytes().to_vec()), true)
            }
        };
        if expands
            && value
                .as_deref()
                .is_some_and(|value| dollars(value).is_none())
        {
            return Err((at, "cannot expand `${`"));
        }
        entries.push(Entry {
            at,
            name: name.to_owned(),
            value: value.map(Secret::new),
            expands,
        });
        rest = left;
    }
}

/// The value in quotes, and how long all of it is.
fn quoted(text: &[u8], quote: u8) -> Option<(Vec<u8>, usize)> {
    let mut value = Vec::new();
    let mut at = 1;
    loop {
        match *text.get(at)? {
            byte if byte == quote => break,
            b'\\' => {
                at += 1;
                let next = *text.get(at)?;
                if next != quote {
                    value.push(b'\\');
                }
                value.push(next);
            }
            byte => value.push(byte),
        }
        at += 1;
    }
    let value = match quote {
        b'"' => unescaped(&value),
        _ => value,
    };
    Some((value, at + 1))
}

fn unescaped(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let plain = match after.first() {
            Some(b'a') => 7,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 11,
            Some(byte @ (b'"' | b'\\')) => *byte,
            Some(b'$') => {
                out.extend_from_slice(b"$$");
                rest = &after[1..];
                continue;
            }
            Some(b'0') => match octal(after) {
                Some(c) => {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = &after[4..];
                    continue;
                }
                None => {
                    out.push(b'\\');
                    continue;
                }
            },
            _ => {
                out.push(b'\\');
                continue;
            }
        };
        out.push(plain);
        rest = &after[1..];
    }
    out
}

/// `0101`
fn octal(text: &[u8]) -> Option<char> {
    let digits = std::str::from_utf8(text.get(1..4)?).ok()?;
    let octal = digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let number = octal.then(|| u8::from_str_radix(digits, 8).ok())??;
    Some(char::from(number))
}

/// Whether every dollar sign means to Compose what it means to us: itself, `${NAME}` or
/// `${NAME:-default}`; none where it gives the file up.
pub(super) fn dollars(text: &[u8]) -> Option<bool> {
    let mut same = true;
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        rest = &rest[at + 1..];
        match rest.first() {
            Some(b'$') => {
                same = false;
                rest = &rest[1..];
            }
            Some(b'{') => {
                let name = name_length(&rest[1..]);
                let behind = &rest[1 + name..];
                let sign = behind.strip_prefix(b":").unwrap_or(behind);
                rest = match (name, behind, sign) {
                    (1.., [b'}', after @ ..], _) => after,
                    (1.., _, [b'-' | b'+' | b'?', ..]) => {
                        let line = behind.split(|byte| *byte == b'\n').next()?;
                        let last = line.iter().rposition(|byte| *byte == b'}')?;
                        let first = line.iter().position(|byte| *byte == b'}')?;
                        let default = line.get(2..first);
                        same &= behind.starts_with(b":-") && default.is_some_and(is_plain);
                        &behind[closing(line).unwrap_or(last) + 1..]
                    }
                    _ => return None,
                };
            }
            _ => same &= name_length(rest) == 0,
        }
    }
    Some(same)
}

/// A default in which nothing is expanded, and that ends where we see its end.
fn is_plain(default: &[u8]) -> bool {
    let means = |two: &[u8]| two[0] == b'$' && (two[1] == b'$' || name_length(&two[1..]) > 0);
    !default.contains(&b'{') && !default.windows(2).any(means)
}

/// The brace that closes what was opened before `text`, as Compose counts them.
fn closing(text: &[u8]) -> Option<usize> {
    let (mut open, mut at) = (1, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            b'{' => {
                open += 1;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}
