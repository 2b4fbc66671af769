//! Masking: a filter for a stream of bytes in which no secret is left, in any of its forms.
//!
//! # What is found
//!
//! A value as it is; percent-encoded (any choice of characters to encode, digits in either case, `+` for
//! a blank); with backslashes, as JSON, JavaScript, Python and shells write it (`\n`, `\"`, `\/`, `\u00e9`, `\xc3`);
//! with CR LF for its line ends, as a terminal makes them; in hexadecimal digits, small or capital; in
//! base64, both alphabets, wherever it begins in the encoded text and also broken into lines of 20 letters or
//! more. White space round a value does not belong to it: what is left is what programs trim to.
//!
//! # How
//!
//! Every place of the text is a place where a form may begin. Where a stretch is free of the bytes that
//! escape others, a form begins there only with its own first `window` bytes, and three bytes at the end
//! of a window say by a table how far the next place is at which it can (Wu and Manber's search): most of
//! the text is never looked at. Round an escape, and at the end of what has come, every place is tried.
//! Both ways give the same verdict on a place, and it depends on what follows alone: what comes out
//! is the same however the stream was cut (`tests` holds us to it).
//!
//! Forms that overlap are one stretch, and one mask. What may be the beginning of a form is held back until
//! more is known, and nothing else is: no clock decides. The longest form less one byte is the most.
//!
//! # Values that are too short
//!
//! A value under [`LEAST`] bytes is a switch, a port or a word of the trade (`true`, `5432`, `prod`, `admin`): replaced
//! everywhere it would make a log unreadable, and the holes would tell the value. Such are not
//! masked, and [`Mask::new`] tells which.

use zeroize::Zeroizing;

use crate::secret::{Secret, SecretBuffer};

mod filter;

mod forms;

mod spell;

#[cfg(test)]
mod tests;

pub use filter::Filter;

use forms::{Form, Kind, Verdict, forms};
use spell::Head;

/// The fewest bytes that are masked.
pub const LEAST: usize = 6;

/// A window is no longer than this: beyond it the table fills up faster than the steps grow.
const WINDOW: usize = 16;

/// The places of the table, as a power of two: it fits the first cache.
const BITS: u32 = 15;

/// What must not be seen, ready to be looked for. It is wiped when it is given up.
pub struct Mask {
    forms: Vec<Form>,
    /// How far to go when these three bytes stand at the end of a window; 0: a form may be here.
    steps: Zeroizing<Vec<u8>>,
    /// Which forms those are, sorted by the hash of the three bytes.
    ends: Zeroizing<Vec<(u16, u32)>>,
    /// Which forms begin with this byte.
    first: Vec<Vec<u32>>,
    window: usize,
    /// The bytes round which every place is tried.
    escapes: Vec<u8>,
    shown: [u8; 3],
}

impl Mask {
    /// Prepares for these values; the second answer holds the places of those that are too short.
    pub fn new(values: &[&Secret]) -> (Mask, Vec<usize>) {
        let mut known: Vec<&[u8]> = Vec::new();
        let mut short = Vec::new();
        for (at, value) in values.iter().enumerate() {
            let value = value.expose().trim_ascii();
            if value.len() < LEAST {
                short.push(at);
            } else if !known.contains(&value) {
                known.push(value);
            }
        }
        let forms: Vec<Form> = known.iter().copied().flat_map(forms).collect();
        let shortest = forms.iter().map(|form| form.bytes.len()).min();
        let window = shortest.unwrap_or(WINDOW).min(WINDOW);
        let far = u8::try_from(window - 2).unwrap_or(1);
        let mut steps = Zeroizing::new(vec![far; 1 << BITS]);
        let mut ends = Zeroizing::new(Vec::with_capacity(forms.len()));
        let mut first = vec![Vec::new(); 256];
        for (number, form) in (0..).zip(&forms) {
            for (at, three) in form.bytes[..window].windows(3).enumerate() {
                let place = hash(u32::from_le_bytes([three[0], three[1], three[2], 0]));
                let left = u8::try_from(window - 3 - at).unwrap_or(0);
                steps[usize::from(place)] = steps[usize::from(place)].min(left);
                if left == 0 {
                    ends.push((place, number));
                }
            }
            first[usize::from(form.bytes[0])].push(number);
        }
        ends.sort_unstable();
        let begins_with = |byte| {
            known
                .iter()
                .any(|v| v[..window.min(v.len())].contains(&byte))
        };
        let mut escapes = vec![b'%', b'\\'];
        escapes.extend(begins_with(b' ').then_some(b'+'));
        escapes.extend(begins_with(b'\n').then_some(b'\r'));
        let mask = Mask {
            shown: [filler(&known); 3],
            forms,
            steps,
            ends,
            first,
            window,
            escapes,
        };
        (mask, short)
    }

    /// There is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// How far from `at` the next place is where a form may begin; 0: here. The window is within the text.
    #[inline(always)]
    fn step(&self, text: &[u8], at: usize) -> usize {
        let four = text
            .get(at + self.window - 4..)
            .and_then(|rest| rest.first_chunk());
        let three = four.map_or(0, |four| u32::from_le_bytes(*four) >> 8);
        self.steps
            .get(usize::from(hash(three)))
            .map_or(1, |step| usize::from(*step))
    }

    /// One step of a walk; a place where a form may begin is kept.
    #[inline(always)]
    fn walk(&self, text: &[u8], at: &mut usize, found: &mut Vec<usize>) {
        let step = self.step(text, *at);
        if step == 0 {
            found.push(*at);
        }
        *at += step.max(1);
    }

    /// All places from `from` on where a form may begin whose window ends at `bound` or before. A walk
    /// waits for memory at each step, so that four of them side by side take the time of one.
    fn likely_places(&self, text: &[u8], from: usize, bound: usize, found: &mut [Vec<usize>; 4]) {
        found.iter_mut().for_each(Vec::clear);
        let end = (bound + 1).saturating_sub(self.window);
        if end <= from {
            return;
        }
        let [one, two, three, four] = found;
        let quarter = (end - from) / 4;
        let ends = [from + quarter, from + 2 * quarter, from + 3 * quarter, end];
        let [mut a, mut b, mut c, mut d] = [from, ends[0], ends[1], ends[2]];
        while a < ends[0] && b < ends[1] && c < ends[2] && d < ends[3] {
            self.walk(text, &mut a, one);
            self.walk(text, &mut b, two);
            self.walk(text, &mut c, three);
            self.walk(text, &mut d, four);
        }
        for (at, end, found) in [
            (a, ends[0], one),
            (b, ends[1], two),
            (c, ends[2], three),
            (d, ends[3], four),
        ] {
            let mut at = at;
            while at < end {
                self.walk(text, &mut at, found);
            }
        }
    }

    /// What begins at a place that a walk has found.
    fn likely(&self, text: &[u8], at: usize) -> Verdict {
        let end = at + self.window;
        let three = hash(u32::from_le_bytes([
            text[end - 3],
            text[end - 2],
            text[end - 1],
            0,
        ]));
        let from = self.ends.partition_point(|(place, _)| *place < three);
        let same = self.ends[from..]
            .iter()
            .take_while(|(place, _)| *place == three);
        let mut verdict = Verdict::default();
        for (_, form) in same {
            verdict.add(self.forms[*form as usize].look(text, at));
        }
        verdict
    }

    /// What begins at any place at all.
    fn any(&self, text: &[u8], at: usize) -> Verdict {
        let mut verdict = Verdict::default();
        for form in &self.first[usize::from(text[at])] {
            verdict.add(self.forms[*form as usize].look(text, at));
        }
        if matches!(text[at], b'%' | b'\\') {
            let values = |form: &&Form| form.kind == Kind::Value;
            match spell::head(&text[at..]) {
                Head::Byte(byte) => {
                    let those = self.first[usize::from(byte)].iter();
                    for form in those.map(|form| &self.forms[*form as usize]).filter(values) {
                        verdict.add(form.look(text, at));
                    }
                }
                Head::Open => {
                    for form in self.forms.iter().filter(values) {
                        verdict.add(form.look(text, at));
                    }
                }
                Head::Nothing => {}
            }
        }
        verdict
    }
}

/// Is this value too short to be masked? An empty one hides nothing.
pub fn is_short(value: &Secret) -> bool {
    (1..LEAST).contains(&value.expose().trim_ascii().len())
}

/// Values in one piece, for another process.
pub fn pack(values: &[Secret]) -> Secret {
    let mut packed = SecretBuffer::default();
    packed.push(&[0]);
    for value in values {
        packed.push(&(value.expose().len() as u64).to_le_bytes());
        packed.push(value.expose());
    }
    packed.finish()
}

/// The values in what [`pack`] made; none if it is not whole.
pub fn unpack(packed: &Secret) -> Option<Vec<Secret>> {
    let mut rest = packed.expose().strip_prefix(&[0])?;
    let mut values = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk() {
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (value, more) = more.split_at_checked(length)?;
        values.push(Secret::new(value.to_vec()));
        rest = more;
    }
    rest.is_empty().then_some(values)
}

/// A place in the table for three bytes.
#[inline]
fn hash(three: u32) -> u16 {
    (three.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as u16
}

/// The byte a mask is made of: one with which it cannot complete a secret out of what stands round it.
fn filler(values: &[&[u8]]) -> u8 {
    let completes = |byte: u8| {
        values.iter().any(|value| {
            value.first() == Some(&byte)
                || value.last() == Some(&byte)
                || value.windows(3).any(|three| three == [byte; 3])
        })
    };
    let choice = b"*#~.?!@^_:;,<>|-=";
    choice
        .iter()
        .copied()
        .find(|byte| !completes(*byte))
        .unwrap_or(b'*')
}
