//! A few bytes looked for in many at once.

/// So many are looked at together.
const BLOCK: usize = 32;

/// Where the first of these bytes stands, or the end of the text.
pub fn first_of(bytes: [u8; 4], text: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    let at = unsafe { by_sixteens(bytes, text) };
    #[cfg(not(target_arch = "x86_64"))]
    let at = by_eights(bytes, text);
    let rest = &text[at..];
    let found = rest.iter().position(|byte| bytes.contains(byte));
    found.map_or(text.len(), |found| at + found)
}

/// Where the first block begins that has one of them, or that is not whole.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
fn by_sixteens(bytes: [u8; 4], text: &[u8]) -> usize {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let all = |place: usize| _mm_set1_epi8(bytes[place].cast_signed());
    let (a, b, c, d) = (all(0), all(1), all(2), all(3));
    let of = |block: &[u8; BLOCK], at| {
        let low = word(block, at).cast_signed();
        let half = _mm_set_epi64x(word(block, at + 8).cast_signed(), low);
        let one = _mm_or_si128(_mm_cmpeq_epi8(half, a), _mm_cmpeq_epi8(half, b));
        let other = _mm_or_si128(_mm_cmpeq_epi8(half, c), _mm_cmpeq_epi8(half, d));
        _mm_or_si128(one, other)
    };
    let has = |block: &_| _mm_movemask_epi8(_mm_or_si128(of(block, 0), of(block, 16))) != 0;
    let blocks = text.as_chunks().0;
    blocks.iter().take_while(|block| !has(block)).count() * BLOCK
}

/// The same without any help of the processor.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn by_eights(bytes: [u8; 4], text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let has = |block: &[u8; BLOCK]| {
        let mut found = 0;
        for byte in bytes {
            let same = ONES.wrapping_mul(u64::from(byte));
            // A byte that is the same is nought, and one less than nought has its high bit set. So has
            // many a byte above 127: those are looked at once more. Written out, for it is half the time.
            let one = |at| (word(block, at) ^ same).wrapping_sub(ONES);
            found |= one(0) | one(8) | one(16) | one(24);
        }
        found & (ONES << 7) != 0 && block.iter().any(|byte| bytes.contains(byte))
    };
    let blocks = text.as_chunks().0;
    blocks.iter().take_while(|block| !has(block)).count() * BLOCK
}

fn word(block: &[u8; BLOCK], at: usize) -> u64 {
    let eight = block[at..].first_chunk();
    eight.map_or(0, |eight| u64::from_le_bytes(*eight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, by_eights, first_of};

    proptest! {
        #[test]
        fn every_way_finds_the_same(
            bytes in any::<[u8; 4]>(),
            mut text in proptest::collection::vec(any::<u8>(), 0..4 * BLOCK),
            with in proptest::collection::vec((any::<prop::sample::Index>(), 0..4usize), 0..3),
        ) {
            // Few of them, so that whole blocks are skipped.
            text.retain(|byte| !bytes.contains(byte));
            for (at, which) in with {
                if !text.is_empty() {
                    let at = at.index(text.len());
                    text[at] = bytes[which];
                }
            }
            let place = text.iter().position(|byte| bytes.contains(byte));
            prop_assert_eq!(first_of(bytes, &text), place.unwrap_or(text.len()));
            let whole = text.len() / BLOCK;
            let block = place.map_or(whole, |place| (place / BLOCK).min(whole));
            prop_assert_eq!(by_eights(bytes, &text), block * BLOCK);
        }
    }
}
