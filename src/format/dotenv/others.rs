//! What other programs read from a file that a person wrote: where they get another value than we
//! do, or none.
//!
//! python-dotenv reads what we read. Of `sh` nothing is modelled but the plainest of its words, so
//! that a line without a finding is one that every shell reads as we do; `docker` takes what stands
//! between `=` and the line end as it is, which is compared. What Docker Compose and Node.js read is
//! read by their own rules ([`compose`], [`node`]), and compared.

mod compose;
mod entries;
mod node;
mod sh;

use super::read::{Binding, read};
use super::{Fault, space};
use crate::format::template::{Piece, split};

/// A program that reads dotenv files in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A POSIX shell: `. ./.env`.
    Sh,
    /// `docker run --env-file`.
    Docker,
    /// Docker Compose: `env_file:`.
    Compose,
    /// Node.js: the package `dotenv`, and `node --env-file`.
    Node,
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
    /// For this it gives the whole file up.
    pub whole: bool,
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
            whole: false,
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
        add(binding.line, name, Reader::Sh, sh::odd(raw, binding));
        add(binding.line, name, Reader::Docker, docker(raw, binding));
    }
    if !is_plain(text.get(at..).unwrap_or_default()) {
        let does = "takes for a command what stands in the last lines";
        add(1, None, Reader::Sh, Some((does, None)));
    }
    let whole = std::str::from_utf8(text).unwrap_or_default();
    for reader in [Reader::Compose, Reader::Node] {
        for (at, does) in entries::compared(whole, &bindings, reader) {
            if let Some(binding) = bindings.get(at).filter(|binding| counts(binding)) {
                add(binding.line, Some(&binding.name), reader, Some(does));
            }
        }
    }
    if let Some((at, does)) = entries::refusal(whole) {
        let near = bindings.iter().rfind(|binding| binding.raw.start <= at);
        if near.is_none_or(&counts) {
            odd.push(Odd {
                line: near.map_or(1, |binding| binding.line),
                name: near.map(|binding| binding.name.clone()),
                reader: Reader::Compose,
                does,
                cure: None,
                whole: true,
            });
        }
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
