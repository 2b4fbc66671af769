//! The reader: one pass over the bytes, one copy of every text, no recursion without a bound.

use super::{Fault, Json, Kind, string};
use crate::secret::{Secret, SecretBuffer};

/// How deep lists and objects may stand in each other.
const DEEPEST: usize = 64;

/// Reads one document: UTF-8, with or without a byte order mark, nothing after its value.
pub fn parse(bytes: &[u8]) -> Result<Json, Fault> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = Reader { bytes, at: 0 };
    reader.document().map_err(|kind| {
        let before = bytes.get(..reader.at).unwrap_or(bytes);
        let line = before.rsplit(|b| *b == b'\n').next().unwrap_or(before);
        Fault {
            line: 1 + before.iter().filter(|b| **b == b'\n').count(),
            // Bytes that continue a character make no column.
            column: 1 + line.iter().filter(|b| **b & 0xc0 != 0x80).count(),
            kind,
        }
    })
}

/// A place in a document. Where a step fails, `at` stays on what is wrong.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Json, Kind> {
        if let Err(error) = std::str::from_utf8(self.bytes) {
            self.at = error.valid_up_to();
            return Err(Kind::NotUtf8);
        }
        if self.next().is_none() {
            return Err(Kind::Empty);
        }
        let value = self.value(0)?;
        match self.next() {
            None => Ok(value),
            Some(_) => Err(Kind::Trailing),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, Kind> {
        match self.next() {
            Some(b'"') => self.text().map(Json::Text),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Json::Bool(true)),
            Some(b'f') => self.word(b"false", Json::Bool(false)),
            Some(b'n') => self.word(b"null", Json::Null),
            _ => Err(self.missing(Kind::Value)),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, Kind> {
        let depth = self.enter(depth)?;
        let mut entries = Vec::new();
        if self.next() == Some(b']') {
            self.at += 1;
            return Ok(Json::List(entries));
        }
        loop {
            entries.push(self.value(depth)?);
            if !self.more(b']')? {
                return Ok(Json::List(entries));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Kind> {
        let depth = self.enter(depth)?;
        let mut fields = Vec::new();
        if self.next() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(fields));
        }
        loop {
            if self.next() != Some(b'"') {
                return Err(self.missing(Kind::Name));
            }
            let name = string(self.text()?);
            if self.next() != Some(b':') {
                return Err(self.missing(Kind::Colon));
            }
            self.at += 1;
            fields.push((name, self.value(depth)?));
            if !self.more(b'}')? {
                keep_last(&mut fields);
                return Ok(Json::Object(fields));
            }
        }
    }

    /// Past an opening bracket, one level deeper.
    fn enter(&mut self, depth: usize) -> Result<usize, Kind> {
        if depth == DEEPEST {
            return Err(Kind::Deep);
        }
        self.at += 1;
        Ok(depth + 1)
    }

    /// Past a comma (`true`) or the closing bracket.
    fn more(&mut self, close: u8) -> Result<bool, Kind> {
        let more = match self.next() {
            Some(b',') => true,
            Some(byte) if byte == close => false,
            _ => return Err(self.missing(Kind::Comma)),
        };
        self.at += 1;
        Ok(more)
    }

    fn word(&mut self, word: &[u8], value: Json) -> Result<Json, Kind> {
        if !self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            return Err(Kind::Value);
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Json, Kind> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.peek() == Some(b'0');
        let first = self.at;
        self.digits()?;
        if zero && self.at > first + 1 {
            self.at = first;
            return Err(Kind::Number);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let written = self.bytes.get(start..self.at).unwrap_or_default();
        Ok(Json::Number(Secret::new(written.to_vec())))
    }

    fn digits(&mut self) -> Result<(), Kind> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(Kind::Number)
        }
    }

    /// From the opening quote past the closing one.
    fn text(&mut self) -> Result<Secret, Kind> {
        // The end is sought first: decoding never makes text longer, so that one block of that size
        // holds all of it and nothing is moved.
        let mut end = self.at + 1;
        loop {
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(Kind::Unclosed),
            }
        }
        self.at += 1;
        let mut text = SecretBuffer::with_capacity(end - self.at);
        loop {
            let rest = self.bytes.get(self.at..end).unwrap_or_default();
            let plain = rest
                .iter()
                .take_while(|b| **b >= 0x20 && **b != b'\\')
                .count();
            text.push(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match rest.get(plain) {
                None => break,
                Some(b'\\') => self.escape(&mut text)?,
                Some(_) => return Err(Kind::Control),
            }
        }
        self.at = end + 1;
        Ok(text.finish())
    }

    fn escape(&mut self, text: &mut SecretBuffer) -> Result<(), Kind> {
        let plain: &[u8] = match self.bytes.get(self.at + 1) {
            Some(b'"') => b"\"",
            Some(b'\\') => b"\\",
            Some(b'/') => b"/",
            Some(b'b') => b"\x08",
            Some(b'f') => b"\x0c",
            Some(b'n') => b"\n",
            Some(b'r') => b"\r",
            Some(b't') => b"\t",
            Some(b'u') => return self.unicode(text),
            _ => return Err(Kind::Escape),
        };
        text.push(plain);
        self.at += 2;
        Ok(())
    }

    fn unicode(&mut self, text: &mut SecretBuffer) -> Result<(), Kind> {
        let first = self.unit(self.at).ok_or(Kind::Escape)?;
        let (code, length) = match (first, self.unit(self.at + 6)) {
            (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
                (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
            }
            _ => (first, 6),
        };
        // Only the halves of pairs are no characters.
        let character = char::from_u32(code).ok_or(Kind::Surrogate)?;
        text.push(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Ok(())
    }

    /// The number in `\uXXXX`, where that stands at `at`.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| {
            Some(unit << 4 | char::from(*digit).to_digit(16)?)
        })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is no blank; `at` moves onto it.
    fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    /// `kind`, unless the document simply ends here.
    fn missing(&self, kind: Kind) -> Kind {
        self.peek().map_or(Kind::Unclosed, |_| kind)
    }
}

/// Leaves each name once: at its first place, with its last value.
fn keep_last(fields: &mut Vec<(String, Json)>) {
    // Sorted numbers, not pairs of all with all: a hostile document has a hundred thousand fields.
    let mut order: Vec<usize> = (0..fields.len()).collect();
    order.sort_unstable_by(|a, b| (&fields[*a].0, a).cmp(&(&fields[*b].0, b)));
    let mut gone = vec![false; fields.len()];
    let mut first = 0;
    for (n, &at) in order.iter().enumerate() {
        if n == 0 || fields[at].0 != fields[first].0 {
            first = at;
        } else {
            fields[first].1 = std::mem::replace(&mut fields[at].1, Json::Null);
            gone[at] = true;
        }
    }
    let mut gone = gone.into_iter();
    fields.retain(|_| gone.next() != Some(true));
}
