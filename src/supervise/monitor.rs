//! The process that leads the session of the program's own terminal. The program is its child, so that the
//! kernel sees somebody who can continue it, and lets ^Z stop it. It has no secret, and says and does
//! three things: that the program has stopped, which group has the terminal, and what somebody sends to
//! the program's parent. When the program has ended, so does it, and the supervisor inherits the end.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getpgid, getpgrp, tcsetpgrp};

use super::own;
use super::terminal::Terminal;
use crate::sys::children::{EVERY, Signals, send};

/// The terminal is the program's, and it goes on. The answer is [`DONE`], for keys that come before it would be
/// nobody's.
pub(super) const FOREGROUND: u8 = b'F';

/// No signal has this number.
pub(super) const DONE: u8 = 0;

/// It goes on, without the terminal.
pub(super) const BACKGROUND: u8 = b'B';

pub(super) struct Monitor {
    pub(super) program: Pid,
    pub(super) supervisor: Pid,
    pub(super) terminal: OwnedFd,
    pub(super) line: UnixStream,
    /// To be given back if nobody else is left who could.
    pub(super) user: Terminal,
    /// The program was begun in the background, and gets the modes that the terminal has when it has that.
    pub(super) lends: bool,
}

impl Monitor {
    /// Until the program has ended, or the supervisor.
    pub(super) fn run(mut self) -> u8 {
        let kept = [self.terminal.as_fd(), self.line.as_fd(), self.user.as_fd()];
        own::keep_only(kept.into_iter(), false, false);
        self.line.set_nonblocking(true).ok();
        if let Ok(signals) = Signals::of(EVERY) {
            while self.watch(&signals) {}
        }
        // The end of a session is a hang-up for whoever has the terminal. What the program leaves behind
        // has until the terminal itself is gone.
        tcsetpgrp(&self.terminal, getpgrp()).ok();
        0
    }

    fn watch(&mut self, signals: &Signals) -> bool {
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.line.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, PollTimeout::NONE).ok();
        while let Some(signal) = signals.next() {
            if signal.number != libc::SIGCHLD && signal.code <= 0 {
                // It is meant for the program's parent, which is the supervisor for all who do not look.
                send(self.supervisor.as_raw(), signal.number).ok();
            }
        }
        let news = |flags| waitid(Id::Pid(self.program), flags | WaitPidFlag::WNOHANG);
        if let Ok(WaitStatus::Stopped(_, signal)) = news(WaitPidFlag::WSTOPPED) {
            let number = u8::try_from(signal as i32).unwrap_or_default();
            self.line.write_all(&[number]).ok();
        }
        // Left for the supervisor, that its number may not become another process before.
        if news(WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) != Ok(WaitStatus::StillAlive) {
            return false;
        }
        let mut word = [0];
        match self.line.read(&mut word) {
            Ok(0) => {
                self.user.restore();
                return false;
            }
            Ok(_) => self.go_on(word == [FOREGROUND]),
            Err(_) => {}
        }
        true
    }

    fn go_on(&mut self, foreground: bool) {
        let Ok(group) = getpgid(Some(self.program)) else {
            return;
        };
        let owner = if foreground { group } else { getpgrp() };
        // While it is stopped, for it may set some of its own as soon as it goes on.
        if foreground && std::mem::take(&mut self.lends) {
            self.user.lend(&self.terminal);
        }
        tcsetpgrp(&self.terminal, owner).ok();
        if foreground {
            self.line.write_all(&[DONE]).ok();
        }
        send(-group.as_raw(), libc::SIGCONT).ok();
    }
}
