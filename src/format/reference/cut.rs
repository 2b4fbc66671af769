//! The parts of a reference: where it is cut, and how a part is decoded.

use super::{Draft, Fault, Phrase, Word, variable};
use crate::format::template::Piece;

/// Cuts the pieces after the scheme at `#`, `?`, `&` and `=`, which count only in literal text.
pub(super) fn draft<'a>(
    scheme: &str,
    pieces: impl Iterator<Item = (Piece, &'a [u8])>,
) -> Result<Draft, Fault> {
    let mut cutter = Cutter {
        part: Place::Locator,
        name: String::new(),
        raw: Vec::new(),
        words: Vec::new(),
        draft: Draft {
            scheme: scheme.to_owned(),
            locator: Phrase(Vec::new()),
            field: None,
            parameters: Vec::new(),
        },
    };
    for (piece, value) in pieces {
        match piece {
            Piece::Text(range) => {
                for byte in &value[range] {
                    cutter.take(*byte)?;
                }
            }
            Piece::Variable { name, default } => {
                cutter.flush()?;
                let variable = variable(value, name, default);
                cutter.words.push(Word::Variable(variable));
            }
            Piece::Braced(_) => return Err(Fault::Nested(scheme.to_owned())),
        }
    }
    cutter.close()?;
    Ok(cutter.draft)
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Locator,
    Field,
    Name,
    Value,
}

struct Cutter {
    part: Place,
    name: String,
    raw: Vec<u8>,
    words: Vec<Word>,
    draft: Draft,
}

impl Cutter {
    fn take(&mut self, byte: u8) -> Result<(), Fault> {
        let next = match (byte, self.part) {
            (b'#', Place::Locator) => Place::Field,
            (b'?', Place::Locator | Place::Field) | (b'&', Place::Value | Place::Name) => {
                Place::Name
            }
            (b'=', Place::Name) => Place::Value,
            _ => {
                self.raw.push(byte);
                return Ok(());
            }
        };
        if next != Place::Value && self.part == Place::Name {
            return Err(Fault::BadParameter(self.draft.scheme.clone()));
        }
        self.close_part()?;
        self.part = next;
        Ok(())
    }

    /// Decodes the literal text gathered so far.
    fn flush(&mut self) -> Result<(), Fault> {
        if !self.raw.is_empty() {
            self.words.push(Word::Text(percent_decoded(&self.raw)?));
            self.raw.clear();
        }
        Ok(())
    }

    fn close_part(&mut self) -> Result<(), Fault> {
        self.flush()?;
        let words = std::mem::take(&mut self.words);
        let scheme = || self.draft.scheme.clone();
        match self.part {
            Place::Locator if words.is_empty() => return Err(Fault::NoLocator(scheme())),
            Place::Locator => self.draft.locator = Phrase(words),
            Place::Field if words.is_empty() => return Err(Fault::NoField(scheme())),
            Place::Field => self.draft.field = Some(Phrase(words)),
            Place::Name => match words.as_slice() {
                [Word::Text(name)] if self.draft.parameters.iter().any(|(n, _)| n == name) => {
                    return Err(Fault::TwiceParameter(name.clone()));
                }
                [Word::Text(name)] => self.name.clone_from(name),
                _ => return Err(Fault::BadParameter(scheme())),
            },
            Place::Value => {
                let name = std::mem::take(&mut self.name);
                self.draft.parameters.push((name, Phrase(words)));
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.part == Place::Name {
            return Err(Fault::BadParameter(self.draft.scheme.clone()));
        }
        self.close_part()
    }
}

fn percent_decoded(raw: &[u8]) -> Result<String, Fault> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(*bytes.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push(high << 4 | low),
            _ => return Err(Fault::Percent),
        }
    }
    String::from_utf8(out).map_err(|_| Fault::Percent)
}
