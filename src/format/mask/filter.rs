//! A stream on its way through a mask: which places are looked at, what comes out, and what waits.

use zeroize::Zeroizing;

use super::Mask;
use super::forms::Verdict;
use super::walk;
use crate::sys::bytes::{PIECE, Places};

/// So much of what may begin a secret is seen before its time, where it has to be.
const RELEASED: usize = 3;

/// One stream on its way through a mask.
#[derive(Default)]
pub struct Filter {
    /// What came and is not out yet, and room for more. Wiped in the end, with all that ever stood in it.
    text: Zeroizing<Vec<u8>>,
    held: usize,
    /// So much of it is under a mask that is out already.
    covered: usize,
    /// So much of it is out already, though it may turn out to begin what is to be masked.
    released: usize,
    /// Room to work in.
    places: walk::Places,
}

impl Filter {
    /// Where the next bytes of the stream go, so many at the most.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        let length = self.held + most;
        if length > self.text.len() {
            // Not left to the vector, which would leave the old block as it is.
            let mut larger = Zeroizing::new(vec![0; length + self.held]);
            larger[..self.held].copy_from_slice(&self.text[..self.held]);
            self.text = larger;
        }
        &mut self.text[self.held..length]
    }

    /// So many bytes stand there now: appends what may be seen to `out`.
    pub fn take(&mut self, mask: &Mask, count: usize, out: &mut Vec<u8>) {
        self.held = self.text.len().min(self.held + count);
        self.pass(mask, false, out);
    }

    /// The stream has ended: what was held back is out.
    pub fn finish(&mut self, mask: &Mask, out: &mut Vec<u8>) {
        self.pass(mask, true, out);
    }

    /// Lets out what waits though nobody knows yet what it begins, but for a few bytes never more: on a terminal,
    /// a key that was typed is seen at once. The rest of what it begins is masked all the same.
    pub fn release(&mut self, out: &mut Vec<u8>) {
        let from = self.released.max(self.covered);
        let to = RELEASED.min(self.held);
        out.extend_from_slice(self.text.get(from..to).unwrap_or_default());
        self.released = self.released.max(to);
    }

    /// Whether there is anything to release.
    pub fn waits(&self) -> bool {
        self.released.max(self.covered) < RELEASED.min(self.held)
    }

    /// How much waits for more.
    pub fn held(&self) -> usize {
        self.held
    }

    fn pass(&mut self, mask: &Mask, last: bool, out: &mut Vec<u8>) {
        let text = &self.text[..self.held];
        out.reserve(text.len());
        let mut seen = Seen {
            text,
            last,
            covered: self.covered,
            shown: self.covered.max(self.released),
            mask: mask.shown,
        };
        let mut at = text.len();
        if !mask.is_empty() {
            mask.steps.walk(text, &mut self.places);
            at = 0;
        }
        let mut bounds = Bounds::none();
        let mut places = self.places.iter().flatten().copied().peekable();
        let keep = 'search: loop {
            if at >= text.len() {
                break text.len();
            }
            let bound = bounds.next(mask, text, at);
            // From here on a window has the escape or the line end in it, which may be two bytes, or the end.
            let near = at.max(bound.saturating_sub(mask.window));
            while let Some(place) = places.next_if(|place| *place < near) {
                if place >= at && !seen.take(place, mask.likely(text, place), out) {
                    break 'search place;
                }
            }
            at = near;
            while at < text.len().min(bound + 1) {
                if !seen.take(at, mask.any(text, at), out) {
                    break 'search at;
                }
                at += 1;
            }
        };
        if seen.shown < keep {
            out.extend_from_slice(&text[seen.shown..keep]);
        }
        self.covered = seen.covered.saturating_sub(keep);
        self.released = self.released.saturating_sub(keep);
        self.text.copy_within(keep..self.held, 0);
        self.held -= keep;
    }
}

/// Where every place is tried, a piece of a text at a time.
struct Bounds {
    piece: Places,
    /// So many of them are behind us.
    passed: usize,
    /// Where the piece begins, and where it ends.
    from: usize,
    to: usize,
}

impl Bounds {
    fn none() -> Bounds {
        Bounds {
            piece: Places::none(),
            passed: 0,
            from: 0,
            to: 0,
        }
    }

    /// The first at this place or behind it; or the end of the text.
    fn next(&mut self, mask: &Mask, text: &[u8], at: usize) -> usize {
        let [a, b, c, d] = mask.escapes;
        loop {
            for place in &self.piece.all()[self.passed..] {
                let place = self.from + usize::from(*place);
                if place >= at && mask.bounds(text, place) {
                    return place;
                }
                self.passed += 1;
            }
            if self.to == text.len() {
                return self.to;
            }
            self.passed = 0;
            self.from = self.to;
            self.to = text.len().min(self.from + PIECE);
            self.piece
                .of([a, b, c, d, b'\n'], &text[self.from..self.to]);
        }
    }
}

/// What came out of a text so far.
struct Seen<'a> {
    text: &'a [u8],
    last: bool,
    /// Up to here a mask stands for it.
    covered: usize,
    /// Where what is neither out nor covered begins.
    shown: usize,
    mask: [u8; 3],
}

impl Seen<'_> {
    /// Takes the verdict on the next place; false if more has to come first.
    fn take(&mut self, at: usize, verdict: Verdict, out: &mut Vec<u8>) -> bool {
        if verdict.open && !self.last {
            return false;
        }
        if let Some(end) = verdict.end {
            if at >= self.covered {
                // Nothing, where it was released.
                out.extend_from_slice(self.text.get(self.shown..at).unwrap_or_default());
                out.extend_from_slice(&self.mask);
            }
            self.covered = self.covered.max(end);
            self.shown = self.shown.max(self.covered);
        }
        true
    }
}
