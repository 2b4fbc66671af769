//! The supervisor's own process: what it lets go of, and its place on the terminal.

use std::io::{IsTerminal, stdin, stdout};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{
    Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, getpgid, getpgrp, getpid, getsid, tcgetpgrp,
    tcsetpgrp,
};

use crate::sys::children;

/// Holds nothing that belongs to others, but `kept`: pipes see their end when the program closes them,
/// file systems can be unmounted, and what authenticates envshim is not in our memory. A terminal on
/// 0 and 1 stays if it is ours.
pub(super) fn let_go<'a>(kept: impl Iterator<Item = BorrowedFd<'a>>, terminal: bool) {
    let kept: Vec<_> = kept.map(|fd| fd.as_raw_fd()).collect();
    children::close_all_but(&kept);
    if let Ok(null) = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()) {
        if !(terminal && stdin().is_terminal()) {
            dup2_stdin(&null).ok();
        }
        if !(terminal && stdout().is_terminal()) {
            dup2_stdout(&null).ok();
        }
    }
    chdir("/").ok();
    children::wipe_environment();
}

/// Holds `kept`, of the standard streams those that are said, and nothing else that anybody gave us.
pub(super) fn keep_only<'a>(kept: impl Iterator<Item = BorrowedFd<'a>>, out: bool, err: bool) {
    let kept: Vec<_> = kept.map(|fd| fd.as_raw_fd()).collect();
    children::close_all_but(&kept);
    if let Ok(null) = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()) {
        dup2_stdin(&null).ok();
        if !out {
            dup2_stdout(&null).ok();
        }
        if !err {
            dup2_stderr(&null).ok();
        }
    }
    chdir("/").ok();
    children::wipe_environment();
}

/// Whether nobody in this session is above us.
pub(super) fn leads_session() -> bool {
    getsid(None) == Ok(getpid())
}

/// Gives the terminal to the child's group if it is ours now: a shell that has suspended itself has
/// a group of its own, and without us it would be the one that `fg` brings to the foreground.
pub(super) fn hand_over_terminal(child: Pid) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    if let Ok(group) = getpgid(Some(child))
        && group != getpgrp()
        && let Ok(terminal) = open("/dev/tty", flags, Mode::empty())
        && tcgetpgrp(&terminal) == Ok(getpgrp())
    {
        tcsetpgrp(&terminal, group).ok();
    }
}
