//! Masking: a filter for a stream of bytes in which no secret is left, in any of its forms.
//!
//! # What is found
//!
//! A value as it is; percent-encoded (any choice of characters to encode, digits in either case, `+` for
//! a blank); with backslashes, as JSON, JavaScript, Python and shells write it (`\n`, `\"`, `\/`, `\u00e9`, `\xc3`);
//! with CR LF for its line ends, as a terminal makes them; in hexadecimal digits, small or capital, and in
//! base64, both alphabets, wherever it begins in the encoded text: both also broken into lines, where the first
//! four digits are in one. White space round a value does not belong to it: what is left is what programs trim to.
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
//! more is known, and nothing else is: no clock decides. The longest form, with its line ends, less one byte is the most.
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

mod lines;

mod spell;

mod walk;

#[cfg(test)]
mod tests;

pub use filter::Filter;

use forms::{Form, Kind, LINE, Verdict, forms};
use lines::Lines;
use spell::Head;
use walk::{BITS, Steps, place};

/// The fewest bytes that are masked.
pub const LEAST: usize = 6;

/// A window is no longer than this: beyond it the table fills up faster than the steps grow.
const WINDOW: usize = 16;

/// The places on a shelf differ in so many bits at the most.
const SHELF: u32 = 7;

/// What must not be seen, ready to be looked for. It is wiped when it is given up.
pub struct Mask {
    forms: Vec<Form>,
    /// How far it is to the next place where a form may begin.
    steps: Steps,
    /// Which forms those are that end a window there, sorted by the place in the table; with their first four bytes.
    ends: Zeroizing<Vec<(u16, [u8; 4], usize)>>,
    /// Where those begin in the list whose places begin alike.
    shelves: Vec<usize>,
    /// Which forms begin with this byte, and their second one.
    first: Vec<Zeroizing<Vec<(u8, usize)>>>,
    /// With which two bytes any form begins.
    pairs: Pairs,
    window: usize,
    /// The bytes round which every place is tried.
    escapes: [u8; 4],
    /// And the line ends round which it is.
    lines: Lines,
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
        let mut steps = Steps::new(window);
        let mut ends = Zeroizing::new(Vec::with_capacity(forms.len()));
        let mut lines = Lines::new();
        let mut pairs = Pairs::new();
        let mut first = vec![Zeroizing::new(Vec::new()); 256];
        for (number, form) in forms.iter().enumerate() {
            for (at, three) in form.bytes[..window].windows(3).enumerate() {
                let left = window - 3 - at;
                steps.limit(three, left);
                if left == 0 {
                    ends.push((place(three), start(&form.bytes, 0), number));
                }
            }
            if form.kind != Kind::Value {
                // Where one breaks later, the walk finds it.
                let four = form.bytes[..window - 1].windows(LINE);
                four.for_each(|four| lines.add(four));
            }
            pairs.add(form.bytes[0], form.bytes[1]);
            first[usize::from(form.bytes[0])].push((form.bytes[1], number));
        }
        ends.sort_unstable();
        let shelves = (0..=1 << (BITS - SHELF))
            .map(|shelf| ends.partition_point(|(place, ..)| u32::from(place >> SHELF) < shelf));
        let shelves = shelves.collect();
        let begins_with = |byte| {
            known
                .iter()
                .any(|v| v[..window.min(v.len())].contains(&byte))
        };
        // One that is not needed is another once more.
        let needed = |escape, byte| if begins_with(byte) { escape } else { b'%' };
        let escapes = [b'%', b'\\', needed(b'+', b' '), needed(b'\r', b'\n')];
        let mask = Mask {
            shown: [filler(&known); 3],
            forms,
            steps,
            ends,
            shelves,
            first,
            pairs,
            window,
            escapes,
            lines,
        };
        (mask, short)
    }

    /// There is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Is every place tried round this one, where one of `escapes` or a line feed stands?
    #[inline]
    fn bounds(&self, text: &[u8], at: usize) -> bool {
        text[at] != b'\n' || self.lines.breaks(text, at)
    }

    /// What begins at a place that a walk has found.
    fn likely(&self, text: &[u8], at: usize) -> Verdict {
        let end = at + self.window;
        let wanted = (place(&text[end - 3..end]), start(text, at));
        let shelf = usize::from(wanted.0 >> SHELF);
        let mut verdict = Verdict::default();
        for (place, start, form) in &self.ends[self.shelves[shelf]..self.shelves[shelf + 1]] {
            if (*place, *start) == wanted {
                verdict.add(self.forms[*form].look(text, at));
            }
        }
        verdict
    }

    /// What begins at any place at all.
    fn any(&self, text: &[u8], at: usize) -> Verdict {
        let mut verdict = Verdict::default();
        let next = text.get(at + 1).filter(|byte| !spell::escapes(**byte));
        if next.is_none_or(|next| self.pairs.has(text[at], *next)) {
            for (second, form) in self.first[usize::from(text[at])].iter() {
                if next.is_none_or(|next| next == second) {
                    verdict.add(self.forms[*form].look(text, at));
                }
            }
        }
        if matches!(text[at], b'%' | b'\\') {
            let values = |form: &&Form| form.kind == Kind::Value;
            match spell::head(&text[at..]) {
                Head::Byte(byte) => {
                    let those = self.first[usize::from(byte)].iter();
                    for form in those.map(|(_, form)| &self.forms[*form]).filter(values) {
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

/// Two bytes: a bit for each that there may be.
struct Pairs(Zeroizing<Vec<u64>>);

impl Pairs {
    fn new() -> Pairs {
        Pairs(Zeroizing::new(vec![0; 1 << 10]))
    }

    fn add(&mut self, one: u8, two: u8) {
        self.0[usize::from(one) << 2 | usize::from(two >> 6)] |= 1 << (two & 63);
    }

    fn has(&self, one: u8, two: u8) -> bool {
        self.0[usize::from(one) << 2 | usize::from(two >> 6)] >> (two & 63) & 1 != 0
    }
}

/// The four bytes at a place.
fn start(text: &[u8], at: usize) -> [u8; 4] {
    let four = text.get(at..).and_then(|rest| rest.first_chunk());
    four.copied().unwrap_or_default()
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
