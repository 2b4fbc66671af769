//! The allocator of a program that lives for a millisecond: blocks are cut from one piece of memory
//! that costs nothing until it is touched, and are not given back.
//!
//! A start makes some hundred small blocks and ends in `execve`; giving each back would be a tenth
//! of its work (measured: `tests/bench`). What does not fit goes to the allocator of the C library.
//!
//! Every block is wiped when it is given up or outgrown, whoever had it: a library that keeps a
//! response body in a buffer of its own leaves no copy behind.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 256 << 10;

/// The allocator.
#[repr(align(4096))]
pub struct Arena {
    memory: UnsafeCell<[u8; SIZE]>,
    next: AtomicUsize,
}

// SAFETY: the memory is only handed out in blocks that do not overlap: each is a range that `next`
// passed over exactly once since it was last given back.
unsafe impl Sync for Arena {}

impl Arena {
    /// An empty one.
    #[allow(
        clippy::new_without_default,
        reason = "for a static, which needs a const"
    )]
    pub const fn new() -> Arena {
        Arena {
            memory: UnsafeCell::new([0; SIZE]),
            next: AtomicUsize::new(0),
        }
    }

    fn start(&self) -> *mut u8 {
        self.memory.get().cast()
    }

    /// The offset of a block of ours.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().checked_sub(self.start().addr())?;
        (offset < SIZE).then_some(offset)
    }

    /// Moves `next` from one place to another, if it is still there.
    fn moves(&self, from: usize, to: usize) -> bool {
        let order = Ordering::Relaxed;
        self.next.compare_exchange(from, to, order, order).is_ok()
    }
}

// SAFETY: `alloc` returns blocks of the size and alignment of their layout, from our memory or from
// System; each goes back to where it came from, which its address tells.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        loop {
            let next = self.next.load(Ordering::Relaxed);
            // As `malloc` does it, a block is aligned for whatever its size allows it to hold: libraries
            // put C structures into buffers of bytes.
            let natural = 1 << layout.size().trailing_zeros().min(3);
            // The memory itself is aligned to 4096; nothing here asks for more.
            let from = next.next_multiple_of(layout.align().max(natural));
            let fits = layout.align() <= 4096 && layout.size() <= SIZE.saturating_sub(from);
            if !fits {
                // SAFETY: the same promise that we were given.
                return unsafe { System.alloc(layout) };
            }
            if self.moves(next, from + layout.size()) {
                return self.start().wrapping_add(from);
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is that long, and nobody uses it any more.
        unsafe { block.write_bytes(0, layout.size()) };
        // The compiler may not think that nobody will look.
        black_box(block);
        match self.offset(block) {
            // The last block goes back; most are short-lived, and the last.
            Some(from) => drop(self.moves(from + layout.size(), from)),
            // SAFETY: it is none of ours, so it came from System, with this layout.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The last block grows where it stands.
        let grows = |from| size <= SIZE - from && self.moves(from + layout.size(), from + size);
        if size >= layout.size() && self.offset(block).is_some_and(grows) {
            return block;
        }
        // SAFETY: the alignment is one that was valid before, and the caller vouches for the size.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller vouches that the size is not zero.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks are at least this long, and they do not overlap.
            unsafe { new.copy_from_nonoverlapping(block, layout.size().min(size)) };
            // SAFETY: a block of ours, or System's, with its layout; nobody uses it any more.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::{Arena, SIZE};
    use std::alloc::{GlobalAlloc, Layout};

    #[test]
    fn blocks_hold_what_is_written_and_never_overlap() {
        static ARENA: Arena = Arena::new();
        let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
        for round in 0..400usize {
            let layout = Layout::from_size_align(1 + round * 7 % 3000, 1 << (round % 7)).unwrap();
            // SAFETY: the layout is not empty.
            let block = unsafe { ARENA.alloc(layout) };
            assert_eq!(block.addr() % layout.align(), 0);
            let mark = u8::try_from(round % 251).unwrap();
            // SAFETY: the block is that long.
            unsafe { block.write_bytes(mark, layout.size()) };
            blocks.push((block, layout, mark));
            if round % 3 == 0 {
                let (block, layout, mark) = blocks.swap_remove(round / 2 % blocks.len());
                let size = layout.size() * 2;
                // SAFETY: a block of this arena with its layout; the size is not zero.
                let block = unsafe { ARENA.realloc(block, layout, size) };
                // SAFETY: the block is that long.
                let kept = unsafe { std::slice::from_raw_parts(block, layout.size()) };
                assert!(kept.iter().all(|byte| *byte == mark));
                // SAFETY: the block is that long.
                unsafe { block.write_bytes(mark, size) };
                let layout = Layout::from_size_align(size, layout.align()).unwrap();
                blocks.push((block, layout, mark));
            }
        }
        assert!(
            blocks
                .iter()
                .any(|(block, ..)| ARENA.offset(*block).is_none()),
            "{SIZE} bytes were enough"
        );
        let ours = blocks
            .iter()
            .find(|(block, ..)| ARENA.offset(*block).is_some());
        let (ours, length) = ours
            .map(|(block, layout, _)| (*block, layout.size()))
            .unwrap();
        for (block, layout, mark) in blocks {
            // SAFETY: the block is that long.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            assert!(bytes.iter().all(|byte| *byte == mark));
            // SAFETY: a block of this arena with its layout.
            unsafe { ARENA.dealloc(block, layout) };
        }
        // SAFETY: memory of the arena, which is a static.
        let left = unsafe { std::slice::from_raw_parts(ours, length) };
        assert!(left.iter().all(|byte| *byte == 0), "a block was not wiped");
    }
}
