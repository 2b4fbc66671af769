//! A few bytes looked for in many at once.

/// So many are looked at together.
const BLOCK: usize = 32;

/// So many are looked at at once, at the most.
pub const PIECE: usize = 1 << 11;

/// Where one of some bytes stands in a piece of a text.
pub struct Places {
    found: [u16; PIECE + 1],
    count: usize,
}

impl Places {
    /// None.
    pub fn none() -> Places {
        Places {
            found: [0; PIECE + 1],
            count: 0,
        }
    }

    /// Where these bytes stand in a text of one piece, in order.
    pub fn of(&mut self, bytes: [u8; 5], text: &[u8]) {
        let (blocks, rest) = text[..text.len().min(PIECE)].as_chunks();
        self.count = 0;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            by_sixteens(bytes, blocks, self);
        }
        #[cfg(not(target_arch = "x86_64"))]
        by_eights(bytes, blocks, self);
        for (at, byte) in rest.iter().enumerate() {
            self.add(blocks.len(), u32::from(bytes.contains(byte)) << at);
        }
    }

    /// The places.
    pub fn all(&self) -> &[u16] {
        &self.found[..self.count]
    }

    /// Those of a block. Nobody can foresee which block has one: it costs less to write in vain than to go two ways.
    #[inline]
    fn add(&mut self, block: usize, mut bits: u32) {
        loop {
            let at = block * BLOCK + bits.trailing_zeros() as usize;
            self.found[self.count] = at as u16;
            self.count += usize::from(bits != 0);
            bits &= bits.wrapping_sub(1);
            if bits == 0 {
                return;
            }
        }
    }
}

/// By itself, so that the bytes stay in registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline(never)]
fn by_sixteens(bytes: [u8; 5], blocks: &[[u8; BLOCK]], places: &mut Places) {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let all = |place: usize| _mm_set1_epi8(bytes[place].cast_signed());
    let (a, b, c, d, e) = (all(0), all(1), all(2), all(3), all(4));
    let of = |block: &[u8; BLOCK], at| {
        let low = word(block, at).cast_signed();
        let half = _mm_set_epi64x(word(block, at + 8).cast_signed(), low);
        let one = _mm_or_si128(_mm_cmpeq_epi8(half, a), _mm_cmpeq_epi8(half, b));
        let other = _mm_or_si128(_mm_cmpeq_epi8(half, c), _mm_cmpeq_epi8(half, d));
        let found = _mm_or_si128(_mm_or_si128(one, other), _mm_cmpeq_epi8(half, e));
        _mm_movemask_epi8(found).cast_unsigned()
    };
    for (number, block) in blocks.iter().enumerate() {
        places.add(number, of(block, 0) | of(block, 16) << 16);
    }
}

/// The same without any help of the processor.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn by_eights(bytes: [u8; 5], blocks: &[[u8; BLOCK]], places: &mut Places) {
    const ONES: u64 = u64::MAX / 255;
    for (number, block) in blocks.iter().enumerate() {
        let mut found = 0;
        for byte in bytes {
            let same = ONES.wrapping_mul(u64::from(byte));
            // A byte that is the same is nought, and one less than nought has its high bit set. So has
            // many a byte above 127: those are looked at once more. Written out, for it is half the time.
            let one = |at| (word(block, at) ^ same).wrapping_sub(ONES);
            found |= one(0) | one(8) | one(16) | one(24);
        }
        if found & (ONES << 7) != 0 {
            let bit = |byte: &u8| u32::from(bytes.contains(byte));
            let bits = block.iter().rev();
            places.add(number, bits.fold(0, |bits, byte| bits << 1 | bit(byte)));
        }
    }
}

fn word(block: &[u8; BLOCK], at: usize) -> u64 {
    let eight = block[at..].first_chunk();
    eight.map_or(0, |eight| u64::from_le_bytes(*eight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, PIECE, Places, by_eights};

    proptest! {
        #[test]
        fn every_way_finds_the_same(
            bytes in any::<[u8; 5]>(),
            mut text in proptest::collection::vec(any::<u8>(), 0..4 * BLOCK),
            with in proptest::collection::vec((any::<prop::sample::Index>(), 0..5usize), 0..5),
        ) {
            // Few of them, so that whole blocks are skipped.
            text.retain(|byte| !bytes.contains(byte));
            for (at, which) in with {
                if !text.is_empty() {
                    let at = at.index(text.len());
                    text[at] = bytes[which];
                }
            }
            let mut places = Places::none();
            places.of(bytes, &text);
            let found: Vec<usize> = places.all().iter().map(|at| usize::from(*at)).collect();
            let there = (0..text.len()).filter(|at| bytes.contains(&text[*at]));
            prop_assert_eq!(&found, &there.collect::<Vec<_>>());
            let blocks = text.as_chunks().0;
            let mut others = Places::none();
            by_eights(bytes, blocks, &mut others);
            let whole = found.partition_point(|at| *at < blocks.len() * BLOCK);
            prop_assert_eq!(others.all(), &places.all()[..whole]);
        }
    }

    #[test]
    fn a_piece_may_be_full_of_them() {
        let mut places = Places::none();
        places.of(*b"\n\n\n\n\n", &[b'\n'; PIECE + 7]);
        assert!((0..PIECE).eq(places.all().iter().map(|at| usize::from(*at))));
    }
}
