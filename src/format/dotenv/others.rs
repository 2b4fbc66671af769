//! What other programs read from a file that a person wrote: where `sh` and `docker run --env-file`
//! get another value than we do, or none.
//!
//! python-dotenv reads what we read. Of `sh` nothing is modelled but the plainest of its words, so
//! that a line without a finding is one that every shell reads as we do; `docker` takes what stands
//! between `=` and the line end as it is, which is compared.

use super::read::{Binding, read};
use super::{Fault, sh_takes, space};
use crate::format::naming;
use crate::format::template::{Piece, split};

/// A program that reads dotenv files in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A POSIX shell: `. ./.env`.
    Sh,
    /// `docker run --env-file`.
    Docker,
}

/// What another reader sees differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// The line.
    pub line: u32,
    /// The variable; none where it is about more than one.
    pub name: Option<String>,
    /// Who.
    pub reader: Reader,
    /// What that reader does.
    pub does: &'static str,
    /// What to write instead.
    pub cure: Option<&'static str>,
}

/// What a reader does, and what to write instead.
type Does = (&'static str, Option<&'static str>);

/// Where quotes help.
const QUOTE: Option<&str> = Some("put the value into single quotes");

/// A line of `docker run --env-file` must be shorter.
const LINE: usize = 64 << 10;

/// What others see differently, of the variables that `counts` says yes to.
pub fn others(text: &[u8], counts: impl Fn(&Binding) -> bool) -> Result<Vec<Odd>, Vec<Fault>> {
    let bindings = read(text)?;
    let mut odd = Vec::new();
    let mut add = |line, name: Option<&str>, reader, does: Option<Does>| {
        odd.extend(does.map(|(does, cure)| Odd {
            line,
            name: name.map(str::to_owned),
            reader,
            does,
            cure,
        }));
    };
    if text.starts_with(b"\xef\xbb\xbf") {
        let does = "takes the byte order mark for a part of the first name";
        add(1, None, Reader::Sh, Some((does, None)));
    }
    if let Some(at) = text.iter().position(|byte| *byte == b'\r') {
        let line = 1 + text.iter().take(at).filter(|byte| **byte == b'\n').count();
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let does = "keeps the carriage return at the end of a line";
        add(line, None, Reader::Sh, Some((does, None)));
        let lone = text.split(|byte| *byte == b'\n');
        let lone = lone.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        if lone.into_iter().any(|line| line.contains(&b'\r')) {
            add(
                line,
                None,
                Reader::Docker,
                Some(("keeps a carriage return", None)),
            );
        }
    }
    let mut at = 0;
    for binding in &bindings {
        let raw = text.get(binding.raw.clone()).unwrap_or_default();
        let between = text.get(at..binding.raw.start).unwrap_or_default();
        if !is_plain(between) {
            let does = "takes for a command what stands above";
            add(binding.line, None, Reader::Sh, Some((does, None)));
        }
        at = binding.raw.end;
        if !counts(binding) {
            continue;
        }
        let name = Some(binding.name.as_str());
        add(binding.line, name, Reader::Sh, sh(raw, binding));
        add(binding.line, name, Reader::Docker, docker(raw, binding));
    }
    if !is_plain(text.get(at..).unwrap_or_default()) {
        let does = "takes for a command what stands in the last lines";
        add(1, None, Reader::Sh, Some((does, None)));
    }
    Ok(odd)
}

/// Nothing but comments and white space that a shell knows.
fn is_plain(between: &[u8]) -> bool {
    let between = between.strip_prefix(b"\xef\xbb\xbf").unwrap_or(between);
    let mut lines = between.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.all(|line| {
        let start = line.iter().position(|b| !matches!(b, b' ' | b'\t'));
        start.is_none_or(|at| line.get(at) == Some(&b'#'))
    })
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trimmed(mut text: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = text.split_first() {
        text = rest;
    }
    while let Some((b' ' | b'\t', rest)) = text.split_last() {
        text = rest;
    }
    text
}

/// What `sh` does with it, if not what we do.
fn sh(raw: &[u8], binding: &Binding) -> Option<Does> {
    let exported = raw
        .strip_prefix(b"export")
        .filter(|rest| rest.first().is_some_and(is_blank));
    let statement = exported.map_or(raw, trimmed);
    if binding.value.is_none() {
        return exported.is_none().then_some((
            "takes a name alone for a command",
            Some("write `=` behind it"),
        ));
    }
    let equals = statement.iter().position(|byte| *byte == b'=')?;
    let (name, rest) = statement.split_at(equals);
    let rest = rest.get(1..).unwrap_or_default();
    if name != binding.name.as_bytes() || !naming::is_valid(&binding.name) {
        return Some(("does not take this for a name", None));
    }
    if !sh_takes(&binding.name) {
        return Some(("keeps this name for itself", None));
    }
    if rest.first().is_some_and(is_blank) {
        let after = trimmed(rest);
        let nothing = after.is_empty() || after.starts_with(b"#");
        return (!nothing).then_some(("ends the value at the blank", QUOTE));
    }
    match rest.split_first() {
        None => None,
        Some((b'\'', inside)) => single(inside),
        Some((b'"', inside)) => double(inside),
        Some(_) => bare(rest, binding),
    }
}

fn single(inside: &[u8]) -> Option<Does> {
    let end = inside.iter().position(|byte| *byte == b'\'')?;
    let (value, after) = inside.split_at(end);
    if value.ends_with(b"\\") || value.windows(2).any(|two| two == b"\\\\") {
        return Some(("takes a backslash in single quotes as it is", None));
    }
    let variable = |piece: &Piece| matches!(piece, Piece::Variable { .. });
    if split(value).iter().any(variable) {
        return Some((
            "expands nothing in single quotes",
            Some("put the value into double quotes"),
        ));
    }
    behind(after.get(1..).unwrap_or_default())
}

fn double(inside: &[u8]) -> Option<Does> {
    let mut rest = inside;
    loop {
        rest = match rest {
            [] => return Some(("finds no end of the quote", None)),
            [b'"', after @ ..] => return behind(after),
            [b'\\', b'"' | b'\\', after @ ..] => after,
            [b'\\', ..] => return Some(("takes a backslash in double quotes as it is", QUOTE)),
            [b'`', ..] => return Some(("runs what stands between backticks", QUOTE)),
            [b'$', ..] => match dollar(rest) {
                Some(length) => rest.get(length..).unwrap_or_default(),
                None => return Some(BARE),
            },
            [_, after @ ..] => after,
        };
    }
}

const BARE: Does = ("expands a dollar sign without braces", QUOTE);

fn bare(rest: &[u8], binding: &Binding) -> Option<Does> {
    // A comment begins behind a blank.
    let comment = (0..rest.len()).find(|at| {
        rest.get(*at) == Some(&b'#')
            && at
                .checked_sub(1)
                .and_then(|b| rest.get(b))
                .is_some_and(is_blank)
    });
    let value = trimmed(
        rest.get(..comment.unwrap_or(rest.len()))
            .unwrap_or_default(),
    );
    let mut left = value;
    while let Some((byte, after)) = left.split_first() {
        left = match byte {
            b'$' => match dollar(left) {
                Some(length) => left.get(length..).unwrap_or_default(),
                None => return Some(BARE),
            },
            b' ' | b'\t' => return Some(("ends the value at the blank", QUOTE)),
            b'~' => return Some(("may take `~` for a home folder", QUOTE)),
            b if b.is_ascii_alphanumeric() || b"_@%+=:,./-]^#".contains(b) || *b >= 0x80 => after,
            _ => return Some(("takes a sign in it for one of its own", QUOTE)),
        };
    }
    let read = binding.value.as_ref().map(|value| value.expose());
    (read != Some(value)).then_some(("takes white space in it as it is", QUOTE))
}

/// How long `${NAME}` or `${NAME:-default}` is, or a dollar sign that means nothing.
fn dollar(text: &[u8]) -> Option<usize> {
    let rest = text.get(1..)?;
    let Some(inside) = rest.strip_prefix(b"{") else {
        let means = |b: &u8| b.is_ascii_alphanumeric() || b"_({@*#?$!-'[".contains(b);
        return (!rest.first().is_some_and(means)).then_some(1);
    };
    let end = inside.iter().position(|byte| *byte == b'}')?;
    let inside = std::str::from_utf8(inside.get(..end)?).ok()?;
    let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b);
    (naming::is_valid(name) && default.bytes().all(plain)).then_some(end + 3)
}

/// What follows a closing quote: nothing, or a comment behind a blank.
fn behind(after: &[u8]) -> Option<Does> {
    let rest = trimmed(after);
    let fine = rest.is_empty() || (rest.starts_with(b"#") && after.first().is_some_and(is_blank));
    (!fine).then_some((
        "goes on behind the quote",
        Some("put a blank before the comment"),
    ))
}

/// What `docker run --env-file` does with it, if not what we do.
fn docker(raw: &[u8], binding: &Binding) -> Option<Does> {
    let Some(value) = &binding.value else {
        return Some(("takes it from its own environment", None));
    };
    if raw.contains(&b'\n') || raw.contains(&b'\r') {
        return Some(("ends a value at the line end", None));
    }
    let equals = raw.iter().position(|byte| *byte == b'=')?;
    let (name, rest) = raw.split_at(equals);
    let rest = rest.get(1..).unwrap_or_default();
    let spaced = (0..name.len()).any(|at| space::leading(name.get(at..).unwrap_or_default()) > 0);
    if spaced {
        return Some(("refuses a blank before `=`", None));
    }
    if name != binding.name.as_bytes() {
        return Some(("takes the quotes for a part of the name", None));
    }
    if raw.len() + 1 >= LINE {
        return Some(("refuses a line of 64 KiB", None));
    }
    let variable = |piece: &Piece| matches!(piece, Piece::Variable { .. });
    if split(value.expose()).iter().any(variable) {
        return Some(("expands nothing", None));
    }
    if rest == value.expose() {
        return None;
    }
    let does = match rest.first() {
        Some(b'\'' | b'"') => "keeps the quotes",
        _ if rest.contains(&b'#') => "keeps the comment",
        _ => "keeps white space at the ends",
    };
    Some((does, None))
}
