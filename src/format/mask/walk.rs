//! A walk through a text that stops where a form may begin: the table of steps, and eight walks side by side.

use zeroize::Zeroizing;

/// The places of the table, as a power of two: it fits the first cache.
pub(super) const BITS: u32 = 15;

/// So many walks through a text side by side.
const WALKS: usize = 8;

/// So many steps before each of them is looked at.
const ROUND: usize = 8;

/// What they have found.
pub(super) type Places = [Vec<usize>; WALKS];

type Table = Zeroizing<[u8; 1 << BITS]>;

/// How far to go when these three bytes stand at the end of a window; 0: a form may be here.
pub(super) struct Steps {
    table: Box<Table>,
    window: usize,
}

impl Steps {
    /// Nothing is looked for yet.
    pub(super) fn new(window: usize) -> Steps {
        let far = u8::try_from(window - 2).unwrap_or(1);
        Steps {
            table: Box::new(Zeroizing::new([far; 1 << BITS])),
            window,
        }
    }

    /// No further than this, where these three bytes stand.
    pub(super) fn limit(&mut self, three: &[u8], step: usize) {
        let known = &mut self.table[usize::from(place(three))];
        *known = u8::try_from(step).map_or(*known, |step| step.min(*known));
    }

    /// All places where a form may begin whose window is within the text. A walk waits for memory at
    /// each step, so that several of them side by side take the time of one.
    pub(super) fn walk(&self, text: &[u8], found: &mut Places) {
        found.iter_mut().for_each(Vec::clear);
        let Some(rest) = text.get(self.window - 4..) else {
            return;
        };
        let path = Path {
            table: &self.table,
            text: rest,
        };
        let end = (text.len() + 1).saturating_sub(self.window);
        let part = end / WALKS;
        let mut at: [usize; WALKS] = std::array::from_fn(|walk| part * walk);
        let mut ends: [usize; WALKS] = std::array::from_fn(|walk| part * (walk + 1));
        ends[WALKS - 1] = end;
        // In a round of so many steps nobody passes its end.
        let round = ROUND * self.window;
        while at.iter().zip(&ends).all(|(at, end)| at + round < *end) {
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = at;
            for _ in 0..ROUND {
                // Who may stand before a form stays there, and is asked once at the end.
                a += path.at(a);
                b += path.at(b);
                c += path.at(c);
                d += path.at(d);
                e += path.at(e);
                f += path.at(f);
                g += path.at(g);
                h += path.at(h);
            }
            let [i, j, k, l, m, n, o, p] = found;
            path.settle(&mut a, i);
            path.settle(&mut b, j);
            path.settle(&mut c, k);
            path.settle(&mut d, l);
            path.settle(&mut e, m);
            path.settle(&mut f, n);
            path.settle(&mut g, o);
            path.settle(&mut h, p);
            at = [a, b, c, d, e, f, g, h];
        }
        // The ends are walked side by side too.
        while at.iter().zip(&ends).any(|(at, end)| at < end) {
            for ((at, end), found) in at.iter_mut().zip(&ends).zip(found.iter_mut()) {
                if *at < *end {
                    *at += path.at(*at);
                }
                if *at < *end {
                    path.settle(at, found);
                }
            }
        }
    }
}

/// A text to walk through.
#[derive(Clone, Copy)]
struct Path<'a> {
    table: &'a Table,
    /// From the last four bytes of the first window on.
    text: &'a [u8],
}

impl Path<'_> {
    /// How far from `at` the next place is where a form may begin; 0: here. The window is within the text.
    #[inline(always)]
    fn at(self, at: usize) -> usize {
        // No place is so far away, which the compiler does not know, and would ask twice.
        let at = at & (usize::MAX >> 1);
        let four = self
            .text
            .get(at..at + 4)
            .and_then(|four| four.first_chunk());
        let three = four.map_or(0, |four| u32::from_le_bytes(*four) >> 8);
        usize::from(self.table[usize::from(hash(three))])
    }

    /// A walk that stands before a place where a form may begin keeps it, and goes on.
    #[inline(always)]
    fn settle(self, at: &mut usize, found: &mut Vec<usize>) {
        if self.at(*at) == 0 {
            keep(*at, found);
            *at += 1;
        }
    }
}

#[inline(never)]
fn keep(at: usize, found: &mut Vec<usize>) {
    found.push(at);
}

/// The place of three bytes in the table.
pub(super) fn place(three: &[u8]) -> u16 {
    match *three {
        [a, b, c] => hash(u32::from_le_bytes([a, b, c, 0])),
        _ => 0,
    }
}

#[inline]
fn hash(three: u32) -> u16 {
    (three.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as u16
}
