//! Who sent a signal, and so for whom it is.

use nix::libc;
use nix::unistd::{Pid, getpgid, getpgrp};

use super::own::leads_session;
use crate::sys::children::Received;

/// Whether a signal is to be handed on to the child. What a process sent always is. The kernel tells
/// both of us what it has to say about a terminal, as long as the child is in our group, but a hang-up
/// to the leader of the session alone; what it says of timers and faults is about us.
pub(super) fn concerns(signal: &Received, child: Option<Pid>) -> bool {
    if from_process(signal) {
        return true;
    }
    // When the program is gone, nobody is left who is ours alone to tell.
    let Some(child) = child else { return false };
    let shared = || getpgid(Some(child)).is_ok_and(|group| group == getpgrp());
    match signal.number {
        libc::SIGINT
        | libc::SIGQUIT
        | libc::SIGTSTP
        | libc::SIGTTIN
        | libc::SIGTTOU
        | libc::SIGWINCH => !shared(),
        libc::SIGHUP | libc::SIGCONT => leads_session() || !shared(),
        _ => false,
    }
}

/// Whether a signal means that the program shall end. ^C may mean something else to the program, and
/// HUP from a process means that it shall read its files again.
pub(super) fn asks_for_the_end(signal: &Received) -> bool {
    match signal.number {
        libc::SIGTERM => true,
        libc::SIGINT | libc::SIGQUIT => from_process(signal),
        libc::SIGHUP => !from_process(signal),
        _ => false,
    }
}

/// Whether a process has sent it, and not the kernel on its own.
pub(super) fn from_process(signal: &Received) -> bool {
    signal.code <= 0
}
