//! The steps of the reader: what it passes over, and where it stands.

use super::fault::{Fault, Kind};
use super::read::{Reader, characters, fault};
use super::space;

impl<'a> Reader<'a> {
    /// Passes white space up to the line end, and says how much it was.
    pub(super) fn blanks(&mut self) -> usize {
        let from = self.at;
        while !self.ends() {
            match space::leading(self.rest()) {
                0 => break,
                length => self.at += length,
            }
        }
        self.at - from
    }

    /// Passes white space and a comment.
    pub(super) fn comment(&mut self) {
        self.blanks();
        if self.peek() == Some(b'#') {
            self.rest_of_line();
        }
    }

    /// Passes what is left of the line, but not its end.
    pub(super) fn rest_of_line(&mut self) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let line = &rest[..length.unwrap_or(rest.len())];
        self.at += line.len();
        line
    }

    /// Passes one line end.
    pub(super) fn newline(&mut self) -> bool {
        self.at += match self.rest() {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return false,
        };
        self.line += 1;
        self.line_start = self.at;
        true
    }

    /// Goes on to an offset, counting lines.
    pub(super) fn pass(&mut self, to: usize) {
        while self.at < to {
            self.rest_of_line();
            if self.at >= to {
                self.at = to;
                return;
            }
            self.newline();
        }
    }

    pub(super) fn ends(&self) -> bool {
        matches!(self.peek(), None | Some(b'\r' | b'\n'))
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    pub(super) fn place(&self) -> (u32, u32) {
        let before = &self.text[self.line_start..self.at];
        (self.line, characters(before) + 1)
    }

    pub(super) fn fault(&self, kind: Kind) -> Fault {
        fault(self.place(), kind)
    }
}
