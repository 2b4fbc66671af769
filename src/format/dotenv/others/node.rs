//! What programs for Node.js read: the package `dotenv`, and `node --env-file` itself (as of
//! version 24). Neither expands anything.

use super::entries::Entry;
use crate::secret::Secret;

const QUOTES: [char; 3] = ['\'', '"', '`'];

/// With these positions, names and values.
fn entry(at: usize, name: &str, value: Vec<u8>) -> Entry {
    Entry {
        at,
        name: name.to_owned(),
        value: Some(Secret::new(value)),
        expands: false,
    }
}

/// Every `\n` (where `letter` is `n`) as the line end that it stands for.
fn unescaped(value: &[u8], letter: u8, byte: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    loop {
        rest = match rest {
            [b'\\', next, after @ ..] if *next == letter => {
                out.push(byte);
                after
            }
            [plain, after @ ..] => {
                out.push(*plain);
                after
            }
            [] => return out,
        };
    }
}

/// `node --env-file`. The text has no carriage returns any more: they are dropped.
pub(super) fn own(text: &str) -> Vec<Entry> {
    let trim = |text: &str| text.len() - text.trim_start_matches([' ', '\t', '\n']).len();
    let end = text.trim_end_matches([' ', '\t', '\n']).len();
    let text = &text[..end];
    let mut entries = Vec::new();
    let line = |at: usize| text[at..].find('\n').map_or(end, |length| at + length);
    let next = |at: usize| (line(at) + 1).min(end);
    let mut at = trim(text);
    while at < end {
        let rest = &text[at..];
        if rest.starts_with(['\n', '#']) {
            at = next(at);
            continue;
        }
        let Some(stop) = rest.find(['=', '\n']) else {
            break;
        };
        let begin = at + trim(&rest[..stop]);
        let key = rest[..stop].trim_matches([' ', '\t', '\n']);
        at += stop + 1;
        if rest[stop..].starts_with('\n') {
            at += trim(&text[at..]);
            continue;
        }
        if at == end || text[at..].starts_with('\n') {
            entries.push(entry(begin, key, Vec::new()));
            continue;
        }
        at += trim(&text[at..]);
        if key.is_empty() {
            continue;
        }
        let key = key
            .strip_prefix("export ")
            .map_or(key, |key| key.trim_matches([' ', '\t', '\n']));
        let rest = &text[at..];
        let quote = rest.chars().next().filter(|c| QUOTES.contains(c));
        let closing = quote.and_then(|quote| Some(at + 1 + rest[1..].find(quote)?));
        if let Some(closing) = closing {
            let value = &text.as_bytes()[at + 1..closing];
            let value = match quote {
                Some('"') => unescaped(value, b'n', b'\n'),
                _ => value.to_vec(),
            };
            entries.push(entry(begin, key, value));
            at = next(closing + 1);
            continue;
        }
        let value = &text[at..line(at)];
        let value = match quote {
            Some(_) => value,
            None => {
                let value = value.split('#').next().unwrap_or_default();
                value.trim_matches([' ', '\t'])
            }
        };
        entries.push(entry(begin, key, value.as_bytes().to_vec()));
        at = next(at);
        at += trim(&text[at..]);
    }
    entries
}

/// How long a name is to the package.
fn word(text: &str) -> usize {
    let other = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    text.find(other).unwrap_or(text.len())
}

fn blank(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\u{2028}' | '\u{2029}')
}

/// The package `dotenv`, which is one regular expression. The text has line feeds alone.
pub(super) fn package(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut at = 0;
    loop {
        let end = match matched(text, at + blanks(&text[at..])) {
            Some((entry, end)) => {
                entries.push(entry);
                end
            }
            None => at,
        };
        match text[end..].find(ends_line) {
            Some(length) => {
                at = end + length;
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
            None => return entries,
        }
    }
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(blank).len()
}

/// The statement that begins here, and where its match ends.
fn matched(text: &str, begin: usize) -> Option<(Entry, usize)> {
    let exported = text[begin..].strip_prefix("export").map(blanks);
    let exported = exported.filter(|blanks| *blanks > 0);
    let places = [exported.map(|blanks| begin + 6 + blanks), Some(begin)];
    places.into_iter().flatten().find_map(|key| {
        let rest = &text[key..];
        let name = &rest[..word(rest)];
        let behind = &rest[name.len()..];
        let gap = blanks(behind);
        let mut from = key + name.len();
        if name.is_empty() {
            return None;
        } else if behind[gap..].starts_with('=') {
            from += gap + 1;
        } else {
            let first = behind.strip_prefix(':')?.chars().next()?;
            from += 1 + if blank(first) {
                first.len_utf8()
            } else {
                return None;
            };
        }
        let (to, end) = value(text, from);
        let value = text[from..to].trim_matches(blank);
        let first = value.chars().next();
        let mut inside = value;
        if let Some(quote) = first.filter(|c| QUOTES.contains(c))
            && value.len() > 1
        {
            let stripped = value
                .strip_prefix(quote)
                .and_then(|v| v.strip_suffix(quote));
            inside = stripped.unwrap_or(value);
        }
        let mut bytes = inside.as_bytes().to_vec();
        if first == Some('"') {
            bytes = unescaped(&unescaped(&bytes, b'n', b'\n'), b'r', b'\r');
        }
        Some((entry(begin, name, bytes), end))
    })
}

/// Where the value ends that begins here, and the match.
fn value(text: &str, from: usize) -> (usize, usize) {
    let open = from + blanks(&text[from..]);
    let bytes = text.as_bytes();
    if let Some(quote @ (b'\'' | b'"' | b'`')) = bytes.get(open) {
        // A quote behind a backslash is passed over, unless there is no other end.
        let mut escaped = Vec::new();
        let mut at = open + 1;
        let mut ends = Vec::new();
        while let Some(byte) = bytes.get(at) {
            if byte == quote {
                ends.push(at + 1);
                break;
            }
            if *byte == b'\\' && bytes.get(at + 1) == Some(quote) {
                escaped.push(at + 2);
                at += 1;
            }
            at += 1;
        }
        ends.extend(escaped.into_iter().rev());
        let found = ends
            .into_iter()
            .find_map(|to| Some((to, ending(text, to)?)));
        if let Some(found) = found {
            return found;
        }
    }
    let stop = text[from..].find(['#', '\n']);
    let to = stop.map_or(text.len(), |length| from + length);
    (to, ending(text, to).unwrap_or(to))
}

/// Where a line ends of which nothing but white space and a comment is left.
fn ending(text: &str, at: usize) -> Option<usize> {
    let gap = &text[at..at + blanks(&text[at..])];
    let behind = at + gap.len();
    if text[behind..].starts_with('#') {
        let length = text[behind..].find(ends_line);
        return Some(length.map_or(text.len(), |length| behind + length));
    }
    if behind == text.len() {
        return Some(behind);
    }
    gap.rfind(ends_line).map(|length| at + length)
}
