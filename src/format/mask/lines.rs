//! Line ends that may stand within the digits of a form, as base64(1) and mail break them.

use zeroize::Zeroizing;

use super::forms::LINE;

/// The places of the table, as a power of two.
const BITS: u32 = 17;

/// Which digits stand before such a line end: two bits of a word for each, and now and then for others.
pub(super) struct Lines(Zeroizing<Vec<u64>>);

impl Lines {
    /// Nothing is looked for yet.
    pub(super) fn new() -> Lines {
        Lines(Zeroizing::new(vec![0; 1 << (BITS - 6)]))
    }

    /// These digits of a form may stand before a line end.
    pub(super) fn add(&mut self, four: &[u8]) {
        if let Some(four) = four.first_chunk() {
            let (word, bits) = place(*four);
            self.0[word] |= bits;
        }
    }

    /// May the line feed at `at` stand within a form?
    pub(super) fn breaks(&self, text: &[u8], at: usize) -> bool {
        let line = &text[..at];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.last_chunk().is_some_and(|four| {
            let (word, bits) = place(*four);
            self.0[word] & bits == bits
        })
    }
}

fn place(four: [u8; LINE]) -> (usize, u64) {
    let hash = u64::from(u32::from_le_bytes(four)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = 1 << (hash >> 58) | 1 << (hash >> 52 & 63);
    (((hash >> 32) as usize) & ((1 << (BITS - 6)) - 1), bits)
}
