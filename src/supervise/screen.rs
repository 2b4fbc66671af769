//! A terminal's masked output, and its keys: between the user's terminal and one of ours, which the program
//! has in its place. Like every relay it knows the values, and was forked before anything was loaded.
//!
//! Both directions are in one loop that never waits for one of them alone: a program that does not read
//! does not keep its output from being seen, and what cannot be shown yet holds the program up.
//!
//! Keys are taken, and the user's terminal is raw, only while the supervisor says so and our group is in the
//! foreground. A hang-up of the user's terminal becomes one of the program's.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, SpecialCharacterIndices, tcgetattr};
use nix::unistd::{read, write};

use super::own;
use super::relay::{GRACE, MOST};
use super::terminal::Terminal;
use crate::files;
use crate::format::mask::{self, Filter, Mask};
use crate::sys;
use crate::sys::children::{Signals, mask};

/// Take the keys, if our group is in the foreground. The answer is [`TAKEN`] or [`REFUSED`].
pub(super) const TAKE: u8 = b'T';

/// Show what there is to be shown, and give the terminal back. The answer is [`PAUSED`].
pub(super) const PAUSE: u8 = b'P';

/// The program has ended.
pub(super) const END: u8 = b'E';

/// The number of a signal that a key has sent to those in the foreground of the program's terminal; with this bit
/// where the program edits lines or a screen.
pub(super) const EDITING: u8 = 0x80;

pub(super) const TAKEN: u8 = b't';

pub(super) const REFUSED: u8 = b'r';

pub(super) const PAUSED: u8 = b'p';

/// So long nothing comes before the beginning of what may be a secret is shown: somebody may have typed it.
const SILENCE: Duration = Duration::from_millis(10);

/// What a terminal that has stopped may take to show the rest.
const LAST: Duration = Duration::from_secs(5);

pub(super) struct Screen {
    user: Terminal,
    master: Option<OwnedFd>,
    values: Option<File>,
    line: Option<UnixStream>,
    taking: bool,
    mask: Option<Mask>,
    filter: Filter,
    /// To be shown.
    shown: Vec<u8>,
    /// To be given to the program.
    typed: Vec<u8>,
    /// The last key.
    last: Option<u8>,
    chunk: Vec<u8>,
    /// Nothing is waited for after that.
    end: Option<Instant>,
}

impl Screen {
    pub(super) fn new(user: Terminal, master: OwnedFd, values: File, line: UnixStream) -> Screen {
        Screen {
            user,
            master: Some(master),
            values: Some(values),
            line: Some(line),
            taking: false,
            mask: None,
            filter: Filter::default(),
            shown: Vec::new(),
            typed: Vec::new(),
            last: None,
            chunk: vec![0; 1 << 14],
            end: None,
        }
    }

    /// Until the program's terminal is closed, or a moment after its end.
    pub(super) fn run(mut self) -> u8 {
        let kept = [
            Some(self.user.as_fd()),
            self.master.as_ref().map(AsFd::as_fd),
            self.values.as_ref().map(AsFd::as_fd),
            self.line.as_ref().map(AsFd::as_fd),
        ];
        own::keep_only(kept.into_iter().flatten(), false, false);
        if let Ok(resized) = Signals::of(mask(&[libc::SIGWINCH])) {
            while self.turn(&resized) {}
            if let Some(mask) = &self.mask {
                self.filter.finish(mask, &mut self.shown);
            }
            self.show_until(Instant::now() + LAST);
        }
        self.user.restore();
        0
    }

    /// One turn of the loop; false when there is nothing left to do.
    fn turn(&mut self, resized: &Signals) -> bool {
        if self.master.is_none() && (self.line.is_none() || self.end.is_some()) {
            return false;
        }
        let now = Instant::now();
        if self.end.is_some_and(|end| end <= now) {
            return false;
        }
        let [line, winch, user, master] = self.wait(resized, now);
        let all = line | winch | user | master;
        if all.is_empty() && self.filter.waits() {
            self.filter.release(&mut self.shown);
        }
        if !winch.is_empty() {
            while resized.next().is_some() {}
            self.copy_size();
        }
        if !line.is_empty() {
            self.obey();
        }
        if user.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            self.hang_up();
        } else if self.taking && user.contains(PollFlags::POLLIN) {
            self.hear_keys();
        }
        if master.contains(PollFlags::POLLOUT) {
            self.hand_keys_on();
        }
        if self.shown.is_empty() && master.intersects(PollFlags::POLLIN | PollFlags::POLLHUP) {
            self.hear_program();
        }
        self.show();
        true
    }

    /// What the supervisor, the window, the user's terminal and the program's have to say.
    fn wait(&self, resized: &Signals, now: Instant) -> [PollFlags; 4] {
        let when = |holds, flag| if holds { flag } else { PollFlags::empty() };
        let (show, hand) = (!self.shown.is_empty(), !self.typed.is_empty());
        let user = when(show, PollFlags::POLLOUT) | when(self.taking && !hand, PollFlags::POLLIN);
        let program = when(hand, PollFlags::POLLOUT) | when(!show, PollFlags::POLLIN);
        let nothing = || PollFd::new(resized.as_fd(), PollFlags::empty());
        let on = |fd, events| PollFd::new(fd, events);
        let master = self.master.as_ref().map(AsFd::as_fd);
        let mut fds = [
            self.line
                .as_ref()
                .map_or_else(nothing, |line| on(line.as_fd(), PollFlags::POLLIN)),
            on(resized.as_fd(), PollFlags::POLLIN),
            master.map_or_else(nothing, |_| on(self.user.as_fd(), user)),
            master.map_or_else(nothing, |master| on(master, program)),
        ];
        let silence = (self.filter.waits() && !show).then_some(SILENCE);
        let end = self.end.map(|end| end.saturating_duration_since(now));
        let least = silence.into_iter().chain(end).min();
        let wait = least.map_or(PollTimeout::NONE, |least| {
            let millis = least.as_micros().div_ceil(1000);
            PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
        });
        poll(&mut fds, wait).ok();
        fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
    }

    /// Does what the supervisor says.
    fn obey(&mut self) {
        let Some(line) = &mut self.line else { return };
        let mut word = [0];
        match line.read(&mut word) {
            Ok(1) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            // It was killed. The terminal is the shell's, and the program may live on.
            _ => {
                self.line = None;
                return self.leave();
            }
        }
        let answer = match word[0] {
            END => {
                self.end = Some(Instant::now() + GRACE);
                return;
            }
            TAKE if self.user.is_ours() => {
                self.take();
                TAKEN
            }
            TAKE => {
                self.leave();
                REFUSED
            }
            _ => {
                let end = Instant::now() + GRACE;
                while self.hear_program() && self.show_until(end) {}
                self.show_until(end);
                self.leave();
                PAUSED
            }
        };
        if let Some(line) = &mut self.line {
            line.write_all(&[answer]).ok();
        }
    }

    fn take(&mut self) {
        self.copy_size();
        self.user.make_raw();
        self.taking = true;
    }

    fn leave(&mut self) {
        self.user.restore();
        self.taking = false;
    }

    fn copy_size(&self) {
        if let Some(master) = &self.master {
            sys::copy_size(self.user.as_fd(), master.as_fd());
        }
    }

    /// The user's terminal is gone, and so is the program's.
    fn hang_up(&mut self) {
        self.master = None;
        self.shown.clear();
    }

    fn hear_keys(&mut self) {
        if !self.user.is_ours() {
            // Somebody has stopped us, and the keys are a shell's.
            return self.leave();
        }
        match read(&self.user, &mut self.chunk) {
            Ok(count @ 1..) => {
                self.notice(count);
                self.typed.extend_from_slice(&self.chunk[..count]);
                self.hand_keys_on();
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(_) | Err(_) if self.user.is_ours() => self.hang_up(),
            Ok(_) | Err(_) => self.leave(),
        }
    }

    /// The user's terminal would have sent ^C to all of the job, to the script that has started us too. Not where
    /// the program is a shell that reads its next line: it would have left the job by then.
    fn notice(&mut self, count: usize) {
        let keys = &self.chunk[..count];
        let (Some(master), Some(line)) = (&self.master, &mut self.line) else {
            return;
        };
        // Modes of either side are those of the program's.
        let Ok(modes) = tcgetattr(master) else { return };
        if !modes.local_flags.contains(LocalFlags::ISIG) {
            return;
        }
        let editing = !modes.local_flags.contains(LocalFlags::ICANON);
        let key = |index: SpecialCharacterIndices| modes.control_chars[index as usize];
        let quoted = modes.local_flags.contains(LocalFlags::IEXTEN);
        let quote = key(SpecialCharacterIndices::VLNEXT);
        for (at, typed) in keys.iter().enumerate().filter(|(_, typed)| **typed != 0) {
            let before = at.checked_sub(1).and_then(|at| keys.get(at)).copied();
            let before = before.or(self.last);
            if quoted && before == Some(quote) {
                continue;
            }
            for (index, signal) in [
                (SpecialCharacterIndices::VINTR, Signal::SIGINT),
                (SpecialCharacterIndices::VQUIT, Signal::SIGQUIT),
            ] {
                if *typed == key(index) {
                    let bit = if editing { EDITING } else { 0 };
                    line.write_all(&[signal as u8 | bit]).ok();
                }
            }
        }
        self.last = keys.last().copied();
    }

    fn hand_keys_on(&mut self) {
        if let Some(master) = &self.master
            && let Ok(count) = write(master, &self.typed)
        {
            self.typed.drain(..count);
        }
    }

    /// False when there is nothing to be heard now.
    fn hear_program(&mut self) -> bool {
        let Some(master) = &self.master else {
            return false;
        };
        let count = match read(master, &mut self.chunk) {
            Ok(count @ 1..) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => return false,
            // Nobody has the program's side open.
            Ok(_) | Err(_) => {
                self.master = None;
                return false;
            }
        };
        // What the load writes before it has told the values is no secret; what comes after them may be one.
        self.learn();
        let heard = &self.chunk[..count];
        match &self.mask {
            Some(mask) => {
                self.filter.room(count).copy_from_slice(heard);
                self.filter.take(mask, count, &mut self.shown);
            }
            None => self.shown.extend_from_slice(heard),
        }
        if self.user.ends_lines(self.taking) {
            // Both terminals would do it.
            let mut after = None;
            let mut shown: Vec<u8> = std::mem::take(&mut self.shown);
            shown.reverse();
            shown.retain(|byte| {
                let keep = !(*byte == b'\r' && after == Some(b'\n'));
                after = Some(*byte);
                keep
            });
            shown.reverse();
            self.shown = shown;
        }
        true
    }

    /// Looks whether the values have been told.
    fn learn(&mut self) {
        let Some(values) = &mut self.values else {
            return;
        };
        let mut fds = [PollFd::new(values.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::ZERO) != Ok(1) {
            return;
        }
        let told = files::drain(values, 0, MOST);
        self.values = None;
        if let Some(values) = told.ok().flatten().and_then(|packed| mask::unpack(&packed)) {
            self.mask = Some(Mask::new(&values.iter().collect::<Vec<_>>()).0);
        }
    }

    /// As much as goes without waiting.
    fn show(&mut self) {
        while !self.shown.is_empty() {
            match write(&self.user, &self.shown) {
                Ok(count) => drop(self.shown.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => return self.hang_up(),
            }
        }
    }

    /// All of it, unless that takes too long.
    fn show_until(&mut self, end: Instant) -> bool {
        loop {
            self.show();
            let left = end.saturating_duration_since(Instant::now());
            if self.shown.is_empty() || left.is_zero() {
                return self.shown.is_empty() && !left.is_zero();
            }
            let mut fds = [PollFd::new(self.user.as_fd(), PollFlags::POLLOUT)];
            poll(
                &mut fds,
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
            )
            .ok();
        }
    }
}
