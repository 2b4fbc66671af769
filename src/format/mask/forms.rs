//! The forms of a value: itself, and its digits, base64 and hexadecimal; and whether one begins at a place.

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::spell;

/// So many digits stand before the first line end in a form: with fewer, the end of nearly every line would wait
/// for the next one, for it might begin one of so many forms.
pub(super) const LINE: usize = 4;

/// Bytes to look for.
pub(super) struct Form {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) kind: Kind,
    /// It holds a byte by which others are escaped.
    pub(super) escapes: bool,
}

/// What may stand for the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The value: its characters may be escaped.
    Value,
    /// Its digits: line ends may stand between them. One more may follow, whose bits under the second number are the first.
    Digits { after: Option<(u8, u8)> },
}

/// What is known of a place.
#[derive(Default, Clone, Copy)]
pub(super) struct Verdict {
    /// A form begins here and ends there.
    pub(super) end: Option<usize>,
    /// The text is too short to know all.
    pub(super) open: bool,
}

impl Verdict {
    pub(super) fn add(&mut self, other: Verdict) {
        self.end = self.end.max(other.end);
        self.open |= other.open;
    }
}

/// Every form of a value; none comes twice.
pub(super) fn forms(value: &[u8]) -> Vec<Form> {
    let mut forms = vec![form(value.to_vec(), Kind::Value)];
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        let digit = |four: u8| digits[usize::from(four)];
        let hex = value
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        // Made in one piece, for a vector that grows leaves its old blocks behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(value.len() * 2));
        bytes.extend(hex);
        add(&mut forms, &bytes, None);
    }
    for before in 0..3 {
        let mut padded = Zeroizing::new(Vec::with_capacity(before + value.len()));
        padded.resize(before, 0);
        padded.extend_from_slice(value);
        for encode in [Base64Unpadded::encode as Encode, Base64UrlUnpadded::encode] {
            let (letters, after) = base64(&padded, before, encode);
            add(&mut forms, &letters, after);
        }
    }
    forms
}

/// Adds digits, unless they are there.
fn add(forms: &mut Vec<Form>, digits: &[u8], after: Option<(u8, u8)>) {
    let kind = Kind::Digits { after };
    let known = |form: &Form| *form.bytes == digits && form.kind == kind;
    if !forms.iter().any(known) {
        forms.push(form(digits.to_vec(), kind));
    }
}

fn form(bytes: Vec<u8>, kind: Kind) -> Form {
    let escapes = bytes
        .iter()
        .any(|byte| matches!(byte, b'%' | b'\\' | b'+' | b'\r'));
    Form {
        bytes: Zeroizing::new(bytes),
        kind,
        escapes,
    }
}

type Encode = for<'a> fn(&[u8], &'a mut [u8]) -> Result<&'a str, base64ct::InvalidLengthError>;

/// The letters that the value alone decides, when it begins `before` bytes after a multiple of three; and what is
/// known of the one after them.
fn base64(padded: &[u8], before: usize, encode: Encode) -> (Zeroizing<Vec<u8>>, Option<(u8, u8)>) {
    let mut letters = Zeroizing::new(vec![0; (padded.len() * 4).div_ceil(3)]);
    // The buffer has the length that the encoding has.
    encode(padded, &mut letters).ok();
    let bits = padded.len() * 8;
    let whole = bits / 6;
    let after = letters.get(whole).and_then(|last| {
        // The first bits of the letter are the value's, the rest are of whatever follows.
        let mask = 0x3f << (6 - bits % 6) & 0x3f;
        letter(*last).map(|six| (six & mask, mask))
    });
    letters.truncate(whole);
    letters.drain(..(before * 8).div_ceil(6));
    (letters, after)
}

/// The six bits of a letter, in either alphabet.
pub(super) fn letter(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

impl Form {
    /// Does the form begin at `at`?
    pub(super) fn look(&self, text: &[u8], at: usize) -> Verdict {
        let rest = &text[at..];
        match self.kind {
            Kind::Value => self.value(rest, at),
            Kind::Digits { after } => self.digits(rest, at, after),
        }
    }

    fn plain(&self, rest: &[u8], at: usize) -> Verdict {
        let end = rest
            .starts_with(&self.bytes)
            .then_some(at + self.bytes.len());
        let open = rest.len() < self.bytes.len() && self.bytes.starts_with(rest);
        Verdict { end, open }
    }

    fn value(&self, rest: &[u8], at: usize) -> Verdict {
        let mut verdict = self.plain(rest, at);
        if verdict.end.is_some() && !self.escapes {
            return verdict;
        }
        let same = || {
            rest.iter()
                .zip(self.bytes.iter())
                .take_while(|(a, b)| a == b)
        };
        // Without an escape in it or at its end, the stretch that is alike is all there is.
        if self.escapes
            || rest
                .get(same().count())
                .is_some_and(|byte| spell::escapes(*byte))
        {
            // Up to the first escape all three read the same.
            let same = same().take_while(|(byte, _)| !spell::escapes(**byte));
            let plain = same.count();
            for how in [spell::percent, spell::backslash, spell::terminal] {
                let rest = spell::follow(how, &self.bytes[plain..], &rest[plain..]);
                verdict.add(rest.map_or_else(
                    |open| Verdict { end: None, open },
                    |length| Verdict {
                        end: Some(at + plain + length),
                        open: false,
                    },
                ));
            }
        }
        verdict
    }

    /// `after`: the letters of base64 that may follow the last whole one, for they hold the value's last bits.
    fn digits(&self, rest: &[u8], at: usize, after: Option<(u8, u8)>) -> Verdict {
        let ends = |place, open| Verdict {
            end: Some(at + place),
            open,
        };
        let open = Verdict {
            end: None,
            open: true,
        };
        // Most are in one line.
        let whole = rest.starts_with(&self.bytes);
        let done = if whole { self.bytes.len() } else { 0 };
        let mut place = done;
        for (count, letter) in self.bytes.iter().enumerate().skip(done) {
            if count >= LINE {
                match rest.get(place..) {
                    Some([b'\n', ..]) => place += 1,
                    Some([b'\r', b'\n', ..]) => place += 2,
                    Some([b'\r']) => return open,
                    _ => {}
                }
            }
            match rest.get(place) {
                Some(byte) if byte == letter => place += 1,
                Some(_) => return Verdict::default(),
                None => return open,
            }
        }
        if let Some((bits, mask)) = after {
            match rest.get(place) {
                Some(byte) if letter(*byte).is_some_and(|six| six & mask == bits) => place += 1,
                Some(_) => return ends(place, false),
                None => return ends(place, true),
            }
            for _ in 0..2 {
                match rest.get(place) {
                    Some(b'=') => place += 1,
                    Some(_) => break,
                    None => return ends(place, true),
                }
            }
        }
        ends(place, false)
    }
}
