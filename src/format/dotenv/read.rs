//! The reader: one pass over the bytes, line ends as Python opens a text file (CR LF and a lone CR
//! are line feeds, also inside quotes).

use std::ops::Range;

use super::decode::{Quoted, from_base64, unescape, unmark};
use super::fault::{Fault, Kind};
use super::{BASE64, FILE, GUARD, HEADER, HEADER_ANY, space};
use crate::secret::Secret;

/// A line that names a variable.
pub struct Binding {
    /// The name.
    pub name: String,
    /// The value after quotes and escapes; `${...}` is as it stands. `None` for a name without
    /// `=`, which sets nothing.
    pub value: Option<Secret>,
    /// The line of the value's first character, from 1 (of the name where there is no value).
    pub line: u32,
    /// Its column in characters, from 1; after the quote, if there is one.
    pub column: u32,
    /// A dump says that it is the content of a memory file.
    pub as_file: bool,
    /// The bytes of the value in the text, quotes and all; empty, behind the name, where there is none.
    pub span: Range<usize>,
    /// Where it stands in the text, from `export` or the name to its comment.
    pub(super) raw: Range<usize>,
}

/// The byte order mark, which some editors put in front.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether the file is a dump by envshim, whose values are not expanded.
pub fn is_literal(text: &[u8]) -> bool {
    text.strip_prefix(MARK).unwrap_or(text).starts_with(HEADER)
}

/// All bindings in the order of the file, a name as often as it stands there (the last one counts);
/// or everything that is wrong with the file.
pub fn read(text: &[u8]) -> Result<Vec<Binding>, Vec<Fault>> {
    if matches!(
        text,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]
    ) {
        return Err(vec![fault((1, 1), Kind::Utf16)]);
    }
    let start = if text.starts_with(MARK) { 3 } else { 0 };
    let literal = is_literal(text);
    if !literal && is_later_dump(&text[start..]) {
        return Err(vec![fault((1, 1), Kind::LaterDump)]);
    }
    let mut reader = Reader::new(text, start, literal);
    let mut faults = undecodable(&text[start..]);
    reader.statements(&mut faults);
    if faults.is_empty() {
        Ok(reader.bindings)
    } else {
        faults.sort_by_key(Fault::place);
        Err(faults)
    }
}

/// The header of another format number.
fn is_later_dump(text: &[u8]) -> bool {
    text.strip_prefix(HEADER_ANY).is_some_and(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && rest.get(digits) == Some(&b':')
    })
}

/// The first NUL and the first byte that is not UTF-8 of every line.
fn undecodable(text: &[u8]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if std::str::from_utf8(text).is_ok() && !text.contains(&0) {
        return faults;
    }
    let mut reader = Reader::new(text, 0, false);
    while reader.at < text.len() {
        let line = reader.rest_of_line();
        if let Err(error) = std::str::from_utf8(line) {
            let column = characters(&line[..error.valid_up_to()]) + 1;
            faults.push(fault((reader.line, column), Kind::NotUtf8));
        }
        if let Some(at) = line.iter().position(|&byte| byte == 0) {
            faults.push(fault((reader.line, characters(&line[..at]) + 1), Kind::Nul));
        }
        reader.newline();
    }
    faults
}

pub(super) fn fault((line, column): (u32, u32), kind: Kind) -> Fault {
    Fault { line, column, kind }
}

/// How many characters begin in `text`.
pub(super) fn characters(text: &[u8]) -> u32 {
    let count = text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A name. What is not UTF-8 is a fault by now; a replaced byte is only seen beside it.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) line_start: usize,
    literal: bool,
    bindings: Vec<Binding>,
    /// Where the statement begins that is being read.
    statement: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8], start: usize, literal: bool) -> Self {
        Reader {
            text,
            at: start,
            line: 1,
            line_start: start,
            literal,
            bindings: Vec::new(),
            statement: start,
        }
    }

    fn statements(&mut self, faults: &mut Vec<Fault>) {
        // The lines after an open quote are likely the rest of its value: until a line is whole
        // again, what is wrong with them is not worth telling.
        let mut adrift = false;
        loop {
            while self.blanks() > 0 || self.newline() {}
            if self.at == self.text.len() {
                return;
            }
            let known = self.bindings.len();
            self.statement = self.at;
            match self.statement() {
                Ok(()) => adrift &= self.bindings[known..].iter().all(|b| b.value.is_none()),
                Err(fault) => {
                    self.rest_of_line();
                    let lost = matches!(fault.kind, Kind::NoEquals { .. } | Kind::NoName);
                    let open = fault.kind == Kind::OpenQuote;
                    if !(adrift && lost) {
                        faults.push(fault);
                    }
                    adrift |= open;
                }
            }
        }
    }

    /// `export NAME = value # comment`, or a comment; leaves the reader before the line end.
    fn statement(&mut self) -> Result<(), Fault> {
        if self.literal && self.at == self.line_start {
            for (mark, as_file) in [(BASE64, false), (FILE, true)] {
                if self.rest().starts_with(mark) {
                    self.at += mark.len();
                    return self.base64(as_file);
                }
            }
        }
        let export = self.export();
        if self.peek() == Some(b'#') {
            self.rest_of_line();
            return Ok(());
        }
        let mut place = self.place();
        let name = self.name(export)?;
        let behind = self.at;
        self.blanks();
        if self.peek() != Some(b'=') {
            self.comment();
            if !self.ends() {
                let colon = name.ends_with(':');
                return Err(self.fault(Kind::NoEquals { colon }));
            }
            // The line at which sh stops is no variable.
            if !(self.literal && name.as_bytes() == GUARD) {
                self.bind(name, None, place, behind..behind);
            }
            return Ok(());
        }
        self.at += 1;
        let spaced = self.blanks() > 0;
        place = self.place();
        let from = self.at;
        let mut end = from;
        let value = match self.peek() {
            Some(b'#') if spaced => Secret::new(Vec::new()),
            Some(quote @ (b'\'' | b'"')) => {
                let quoted = self.quoted(quote)?;
                end = self.at;
                place.1 += 1;
                self.comment();
                if !self.ends() {
                    let opened = quoted.opened;
                    return Err(self.fault(Kind::AfterQuote { opened }));
                }
                let value = unescape(&quoted, quote);
                if self.literal { unmark(value) } else { value }
            }
            _ => {
                let value = self.unquoted();
                end = from + value.len();
                Secret::new(value.to_vec())
            }
        };
        self.comment();
        self.bind(name, Some(value), place, from..end);
        Ok(())
    }

    fn bind(
        &mut self,
        name: String,
        value: Option<Secret>,
        (line, column): (u32, u32),
        span: Range<usize>,
    ) {
        self.bindings.push(Binding {
            name,
            value,
            line,
            column,
            as_file: false,
            span,
            raw: self.statement..self.at,
        });
    }

    /// Passes `export` if something stands between it and the name.
    fn export(&mut self) -> bool {
        let word = b"export";
        let from = self.at;
        if self.rest().starts_with(word) {
            self.at += word.len();
            if self.blanks() > 0 {
                return true;
            }
            self.at = from;
        }
        false
    }

    fn name(&mut self, export: bool) -> Result<String, Fault> {
        if self.peek() == Some(b'\'') {
            let from = self.at;
            let place = self.place();
            let length = self.text[from + 1..].iter().position(|&byte| byte == b'\'');
            let length = length.ok_or_else(|| fault(place, Kind::OpenQuote))?;
            if length == 0 {
                return Err(fault(place, Kind::NoName));
            }
            let inside = &self.text[from + 1..from + 1 + length];
            self.pass(from + length + 2);
            let plain = String::from_utf8_lossy(inside);
            return Ok(plain.replace("\r\n", "\n").replace('\r', "\n"));
        }
        let from = self.at;
        while let Some(byte) = self.peek() {
            let plain = byte.is_ascii_alphanumeric() || byte == b'_';
            if !plain && (matches!(byte, b'=' | b'#') || space::leading(self.rest()) > 0) {
                break;
            }
            self.at += 1;
        }
        match (self.at - from, self.peek()) {
            (0, Some(b'=')) => Err(self.fault(Kind::NoName)),
            (0, _) if export => Err(self.fault(Kind::NoExport)),
            _ => Ok(text(&self.text[from..self.at])),
        }
    }

    /// A quoted text, up to and with its closing quote. A backslash covers whatever follows it.
    fn quoted(&mut self, quote: u8) -> Result<Quoted<'a>, Fault> {
        let opened = self.place();
        let from = self.at + 1;
        let mut plain = true;
        let mut at = from;
        loop {
            at += match self.text.get(at) {
                None => return Err(fault(opened, Kind::OpenQuote)),
                Some(byte) if *byte == quote => break,
                Some(b'\\') => {
                    plain = false;
                    2
                }
                Some(byte) => {
                    plain &= *byte != b'\r';
                    1
                }
            }
        }
        let inside = &self.text[from..at];
        self.pass(at + 1);
        Ok(Quoted {
            inside,
            opened,
            plain,
        })
    }

    /// To the end of the line or to white space and `#`, without white space at its end.
    fn unquoted(&mut self) -> &'a [u8] {
        let from = self.at;
        let line = self.rest_of_line();
        let mut value = line;
        for (at, _) in line.iter().enumerate().filter(|(_, byte)| **byte == b'#') {
            if space::trailing(&line[..at]) > 0 {
                value = &line[..at];
                self.at = from + at;
                break;
            }
        }
        loop {
            match space::trailing(value) {
                0 => return value,
                length => value = &value[..value.len() - length],
            }
        }
    }

    /// A value of a dump that only we read: `#envshim:base64 NAME=...`, or `=name=...` with both
    /// sides encoded where the name has a line end. The reader stands behind the mark.
    fn base64(&mut self, as_file: bool) -> Result<(), Fault> {
        let mut place = self.place();
        let wrong = |place| fault(place, Kind::NotBase64);
        let line = self.rest_of_line();
        let (line, encoded) = match line.strip_prefix(b"=") {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        let equals = line.iter().position(|&byte| byte == b'=');
        let (name, value) = line.split_at(equals.ok_or_else(|| wrong(place))?);
        place.1 += characters(name) + 1 + u32::from(encoded);
        let decoded;
        let name = if encoded {
            decoded = from_base64(name).ok_or_else(|| wrong(place))?;
            decoded.expose()
        } else {
            name
        };
        let name = text(name);
        let span = self.at + 1 - value.len()..self.at;
        let value = from_base64(&value[1..]).ok_or_else(|| wrong(place))?;
        self.bind(name, Some(value), place, span);
        if let Some(binding) = self.bindings.last_mut() {
            binding.as_file = as_file;
        }
        Ok(())
    }
}
