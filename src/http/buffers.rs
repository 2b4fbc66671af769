//! The memory that answers and requests pass through.

use std::io::Read;

use ureq::unversioned::transport::Buffers as UreqBuffers;
use zeroize::Zeroizing;

/// Buffers of one connection, made once at their size and wiped at its end.
pub(super) struct Buffers {
    input: Zeroizing<Vec<u8>>,
    filled: usize,
    consumed: usize,
    progress: bool,
    output: Zeroizing<Vec<u8>>,
}

/// Holds the head of an answer; ureq is told to refuse larger ones before this is full.
pub(super) const INPUT: usize = 64 * 1024;
const OUTPUT: usize = 16 * 1024;

impl Default for Buffers {
    fn default() -> Self {
        Buffers {
            input: Zeroizing::new(vec![0; INPUT]),
            filled: 0,
            consumed: 0,
            progress: false,
            output: Zeroizing::new(vec![0; OUTPUT]),
        }
    }
}

impl Buffers {
    /// The first bytes of what is to be sent.
    pub(super) fn output_bytes(&self, amount: usize) -> &[u8] {
        self.output.get(..amount).unwrap_or_default()
    }
}

impl UreqBuffers for Buffers {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        self.input
            .get(self.consumed..self.filled)
            .unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        if self.consumed > 0 {
            self.input.copy_within(self.consumed..self.filled, 0);
            self.filled -= self.consumed;
            self.consumed = 0;
        }
        self.input.get_mut(self.filled..).unwrap_or_default()
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed += amount;
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.input_append_buf();
        let free = self.input.get_mut(self.filled..).unwrap_or_default();
        (free, &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.progress && self.consumed < self.filled
    }
}

/// Counts what is read.
pub(super) struct Counted<R>(R, usize);

impl<R> Counted<R> {
    pub(super) fn new(reader: R) -> Self {
        Counted(reader, 0)
    }

    pub(super) fn count(&self) -> usize {
        self.1
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(into)?;
        self.1 += count;
        Ok(count)
    }
}
