//! The line between the supervisor and the process that is to be the program. The kernel closes the
//! program's end with `execve`, so that nothing of it is left there, and an end that is closed without
//! a word before is a load that did not come so far.

use std::ffi::{CStr, CString};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::unistd::{Pid, getpid};

use super::relay::Outlets;
use crate::secret::Secret;
use crate::settings::{Supervision, split};
use crate::sys::children::{self, Mask};

/// Everything is loaded, and `execve` comes next.
const READY: u8 = b'R';

/// It came back.
const REFUSED: u8 = b'F';

/// The end of the process that is to be the program.
pub struct Link {
    socket: UnixStream,
    parent: Pid,
    outlets: Option<Outlets>,
    notify: Option<CString>,
}

impl Link {
    /// Makes this process, which was forked just now, what the program is to be: `given` is the
    /// signal mask that envshim was started with.
    pub(super) fn new(
        socket: UnixStream,
        parent: Pid,
        given: Mask,
        told: &Supervision,
        notify: Option<CString>,
    ) -> Link {
        if let Some(signal) = told.parent_death {
            // Cannot fail: the signal is valid by type.
            prctl::set_pdeathsig(signal).ok();
        }
        let link = Link {
            socket,
            parent,
            outlets: None,
            notify,
        };
        if told.parent_death.is_some() && link.is_orphaned() {
            // It was killed before the line above.
            children::die_of(told.parent_death.map_or(0, |signal| signal as u8));
        }
        children::block(given);
        link
    }

    /// Not by process ids: in a new namespace the parent is 0, and numbers are given again.
    fn is_orphaned(&self) -> bool {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// With this before its output.
    pub(super) fn with(mut self, outlets: Option<Outlets>) -> Link {
        self.outlets = outlets;
        self
    }

    /// Whether the program's output is to be masked.
    pub fn masks(&self) -> bool {
        self.outlets.is_some()
    }

    /// From here on the output goes past those who mask these values in it.
    pub fn mask(&mut self, values: &[Secret]) {
        if let Some(outlets) = self.outlets.take() {
            outlets.open(values);
        }
    }

    /// The program is next.
    pub fn ready(&self) {
        // A parent that is gone has said so by a signal.
        drop((&self.socket).write_all(&[READY]));
    }

    /// The program could not be started after all.
    pub fn refused(&self) {
        drop((&self.socket).write_all(&[REFUSED]));
    }

    /// The strings of an environment that name the process they are meant for, with their places:
    /// they named the process that envshim was started as, and the program is another one now. And
    /// where the program is to speak to systemd.
    pub fn addressed(&self, block: &[&CStr]) -> Vec<(usize, CString)> {
        let was = self.parent.to_string();
        let mine = |(place, string): (usize, &&CStr)| {
            let (name, value) = split(string)?;
            match name {
                b"NOTIFY_SOCKET" => Some((place, self.notify.clone()?)),
                b"LISTEN_PID" | b"WATCHDOG_PID" if value == was.as_bytes() => {
                    let name = String::from_utf8_lossy(name);
                    let now = CString::new(format!("{name}={}", getpid())).ok()?;
                    Some((place, now))
                }
                _ => None,
            }
        };
        block.iter().enumerate().filter_map(mine).collect()
    }
}

/// What the supervisor knows of the start.
pub(super) struct Start {
    socket: Option<UnixStream>,
    ready: bool,
}

impl Start {
    pub(super) fn new(socket: UnixStream) -> Start {
        // Cannot fail for a socket; were it so, the loop would wait for a word that always comes.
        socket.set_nonblocking(true).ok();
        Start {
            socket: Some(socket),
            ready: false,
        }
    }

    /// Takes in what was said. Returns true when the line is closed: the program runs, or never will.
    pub(super) fn hear(&mut self) -> bool {
        let mut words = [0; 16];
        while let Some(socket) = &mut self.socket {
            match socket.read(&mut words) {
                Ok(0) => self.socket = None,
                Ok(count) => {
                    for word in words.iter().take(count) {
                        self.ready = *word == READY;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.socket = None,
            }
        }
        self.socket.is_none()
    }

    /// Whether the program was started; known when the line is closed.
    pub(super) fn succeeded(&self) -> bool {
        self.socket.is_none() && self.ready
    }

    /// To be kept, and polled for its end alone: a word before it is no reason to wake.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }
}
