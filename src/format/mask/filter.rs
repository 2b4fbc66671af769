//! A stream on its way through a mask: which places are looked at, what comes out, and what waits.

use zeroize::Zeroizing;

use super::Mask;
use super::forms::Verdict;

/// So much of what may begin a secret is seen before its time, where it has to be.
const RELEASED: usize = 3;

/// One stream on its way through a mask.
#[derive(Default)]
pub struct Filter {
    /// What came and is not out yet. Wiped in the end, with all that ever stood in it.
    text: Zeroizing<Vec<u8>>,
    /// So much of it is under a mask that is out already.
    covered: usize,
    /// So much of it is out already, though it may turn out to begin what is to be masked.
    released: usize,
    /// Room to work in.
    places: [Vec<usize>; 4],
}

impl Filter {
    /// Takes more of the stream, and appends what may be seen to `out`.
    pub fn push(&mut self, mask: &Mask, more: &[u8], out: &mut Vec<u8>) {
        let length = self.text.len() + more.len();
        if length > self.text.capacity() {
            // Not left to the vector, which would leave the old block as it is.
            let mut larger = Zeroizing::new(Vec::with_capacity(length * 2));
            larger.extend_from_slice(&self.text);
            self.text = larger;
        }
        self.text.extend_from_slice(more);
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
        let to = RELEASED.min(self.text.len());
        out.extend_from_slice(self.text.get(from..to).unwrap_or_default());
        self.released = self.released.max(to);
    }

    /// Whether there is anything to release.
    pub fn waits(&self) -> bool {
        self.released.max(self.covered) < RELEASED.min(self.text.len())
    }

    /// How much waits for more.
    pub fn held(&self) -> usize {
        self.text.len()
    }

    fn pass(&mut self, mask: &Mask, last: bool, out: &mut Vec<u8>) {
        let text = self.text.as_slice();
        out.reserve(text.len());
        let mut seen = Seen {
            text,
            last,
            covered: self.covered,
            shown: self.covered.max(self.released),
            mask: mask.shown,
        };
        let mut at = if mask.is_empty() { text.len() } else { 0 };
        let keep = 'search: loop {
            if at >= text.len() {
                break text.len();
            }
            let bound = next_of(&mask.escapes, text, at);
            mask.likely_places(text, at, bound, &mut self.places);
            for place in self.places.iter().flatten() {
                if !seen.take(*place, mask.likely(text, *place), out) {
                    break 'search *place;
                }
            }
            at = at.max((bound + 1).saturating_sub(mask.window));
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
        self.text.copy_within(keep.., 0);
        let left = self.text.len() - keep;
        self.text.truncate(left);
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

/// Where the next of these bytes stands, or the end of the text.
fn next_of(bytes: &[u8], text: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let mut at = from;
    while let Some(block) = text.get(at..).and_then(|rest| rest.first_chunk::<32>()) {
        let word = |at: usize| {
            block[at..]
                .first_chunk()
                .map_or(0, |eight| u64::from_le_bytes(*eight))
        };
        let (one, two, three, four) = (word(0), word(8), word(16), word(24));
        let mut found = 0;
        for byte in bytes {
            let same = ONES.wrapping_mul(u64::from(*byte));
            // A byte that is the same is nought, and one less than nought has its high bit set. So has
            // many a byte above 127: those are looked at once more. Written out, for it is half the time.
            found |= (one ^ same).wrapping_sub(ONES) | (two ^ same).wrapping_sub(ONES);
            found |= (three ^ same).wrapping_sub(ONES) | (four ^ same).wrapping_sub(ONES);
        }
        if found & (ONES << 7) != 0
            && let Some(found) = block.iter().position(|byte| bytes.contains(byte))
        {
            return at + found;
        }
        at += block.len();
    }
    let rest = &text[at.min(text.len())..];
    let found = rest.iter().position(|byte| bytes.contains(byte));
    found.map_or(text.len(), |found| at + found)
}
