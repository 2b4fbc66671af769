//! The user's terminal, and how it was found. Whoever of us is left gives it back: it is put right only
//! while its modes are exactly those that we have set, so that nobody undoes what a shell has done since.

use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, getpid, tcgetpgrp};

pub(super) struct Terminal {
    fd: OwnedFd,
    /// Its modes before it was ours.
    pub(super) before: Termios,
    /// Another one in the pipeline writes there too, and its lines end as they did.
    keeps_lines: bool,
}

impl Terminal {
    /// The controlling terminal. What is set for its descriptor concerns nobody else.
    pub(super) fn open() -> nix::Result<Terminal> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let fd = open("/dev/tty", flags, Mode::empty())?;
        let before = tcgetattr(&fd)?;
        Ok(Terminal {
            fd,
            before,
            keeps_lines: is_pipe(stdout().as_fd()),
        })
    }

    /// Whether it makes CR LF of LF: also while it is raw.
    pub(super) fn ends_lines(&self, raw: bool) -> bool {
        let ends = OutputFlags::OPOST | OutputFlags::ONLCR;
        (self.keeps_lines || !raw) && self.before.output_flags.contains(ends)
    }

    fn raw(&self) -> Termios {
        let mut raw = self.before.clone();
        cfmakeraw(&mut raw);
        if self.keeps_lines {
            raw.output_flags = self.before.output_flags;
        }
        raw
    }

    /// Whether what is typed is for us now.
    pub(super) fn is_ours(&self) -> bool {
        tcgetpgrp(&self.fd) == Ok(getpgrp())
    }

    /// Gives another terminal, which was made like this one, the modes that this one has now: what was begun in
    /// the background was made while a shell edited its line.
    pub(super) fn lend(&self, to: &OwnedFd) {
        let (now, then) = (tcgetattr(&self.fd), tcgetattr(to));
        if let (Ok(now), Ok(then)) = (now, then)
            && same(&then, &self.before)
        {
            // Not behind what was written: who writes may be waiting for us to read it.
            tcsetattr(to, SetArg::TCSANOW, &now).ok();
        }
    }

    /// Hands every key on as it is.
    pub(super) fn make_raw(&mut self) {
        let Ok(found) = tcgetattr(&self.fd) else {
            return;
        };
        if !same(&found, &self.raw()) {
            self.before = found;
        }
        // What was typed ahead is not lost.
        set(&self.fd, &self.raw());
    }

    /// Puts back what was found, behind all that was written.
    pub(super) fn restore(&self) {
        if tcgetattr(&self.fd).is_ok_and(|found| same(&found, &self.raw())) {
            set(&self.fd, &self.before);
        }
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn same(one: &Termios, other: &Termios) -> bool {
    let modes = |it: &Termios| {
        let (input, output) = (it.input_flags, it.output_flags);
        (input, output, it.control_flags, it.local_flags)
    };
    modes(one) == modes(other)
}

fn set(fd: &OwnedFd, modes: &Termios) {
    while tcsetattr(fd, SetArg::TCSADRAIN, modes) == Err(Errno::EINTR) {}
}

/// Which of stdin, stdout and stderr are the controlling terminal.
pub(super) fn streams() -> [bool; 3] {
    [
        tcgetpgrp(stdin()).is_ok(),
        tcgetpgrp(stdout()).is_ok(),
        tcgetpgrp(stderr()).is_ok(),
    ]
}

/// Whether somebody else is likely to use the keyboard: the other half of a pipeline, or what a script
/// has not left in the foreground.
pub(super) fn is_shared() -> bool {
    let of_a_script = tcgetpgrp(stdin()).is_err() && getpgrp() != getpid();
    is_pipe(stdin().as_fd()) || is_pipe(stdout().as_fd()) || of_a_script
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    fstat(fd).is_ok_and(|stat| {
        let kind = stat.st_mode & SFlag::S_IFMT.bits();
        [SFlag::S_IFIFO.bits(), SFlag::S_IFSOCK.bits()].contains(&kind)
    })
}
