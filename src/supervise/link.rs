//! The line between the supervisor and the process that is to be the program. The kernel closes the
//! program's end with `execve`, so that nothing of it is left there, and an end that is closed without
//! a word before is a load that did not come so far.

use std::ffi::{CStr, CString};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::unistd::{Pid, getpid};

use super::relay::Outlets;
use crate::resolve::{Print, Seen};
use crate::secret::Secret;
use crate::settings::{Supervision, split};
use crate::sys::children::{self, Mask};

/// Everything is loaded, and `execve` comes next.
const READY: u8 = b'R';

/// It came back.
const REFUSED: u8 = b'F';

/// What there is to say of a load follows, with its length in four bytes before it.
const TOLD: u8 = b'T';

/// What the parent says to a load that waits: become the program.
const GO: u8 = b'G';

/// More is no word of ours.
const MOST: usize = 1 << 20;

/// What a load says of itself; nothing of it is a secret.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// What it was made of.
    pub seen: Seen,
    /// The fingerprint of what the program is given.
    pub given: Print,
    /// When leases are to be renewed, and when new ones are wanted.
    pub again: Option<Duration>,
    /// The same, for what cannot be renewed.
    pub ends: Option<Duration>,
}

impl Told {
    fn bytes(&self) -> Vec<u8> {
        let time = |time: Option<Duration>| {
            let millis = time.map_or(u64::MAX, |time| {
                u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
            });
            millis.to_le_bytes()
        };
        let (again, ends) = (time(self.again), time(self.ends));
        // Of a fingerprint all bits are as good as random.
        let stamp = self.seen.stamp.unwrap_or_default();
        let leased = self.seen.leased.join("\n");
        let closed = self.seen.closed.join("\n");
        [
            &self.seen.print[..],
            &stamp,
            &self.given,
            &again,
            &ends,
            leased.as_bytes(),
            b"\0",
            closed.as_bytes(),
        ]
        .concat()
    }

    fn read(bytes: &[u8]) -> Option<Told> {
        let (print, rest) = bytes.split_first_chunk()?;
        let (stamp, rest) = rest.split_first_chunk()?;
        let (given, rest) = rest.split_first_chunk()?;
        let (again, rest) = rest.split_first_chunk()?;
        let (ends, rest) = rest.split_first_chunk()?;
        let time = |bytes: &[u8; 8]| {
            let millis = u64::from_le_bytes(*bytes);
            (millis != u64::MAX).then(|| Duration::from_millis(millis))
        };
        let (leased, closed) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        Some(Told {
            seen: Seen {
                print: *print,
                stamp: (*stamp != Print::default()).then_some(*stamp),
                leased: lines(leased),
                closed: lines(closed),
            },
            given: *given,
            again: time(again),
            ends: time(ends),
        })
    }
}

/// The end of the process that is to be the program.
pub struct Link {
    socket: UnixStream,
    parent: Pid,
    /// The parent says when.
    waits: bool,
    salt: Print,
    loans: Option<OwnedFd>,
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
        salt: Print,
        loans: Option<OwnedFd>,
        notify: Option<CString>,
    ) -> Link {
        if let Some(signal) = told.parent_death {
            // Cannot fail: the signal is valid by type.
            prctl::set_pdeathsig(signal).ok();
        }
        let link = Link {
            socket,
            parent,
            waits: false,
            salt,
            loans,
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

    /// A load that waits for the end of the program before it.
    pub(super) fn waiting(self) -> Link {
        Link {
            waits: true,
            ..self
        }
    }

    /// What fingerprints are salted with.
    pub fn salt(&self) -> &Print {
        &self.salt
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

    /// Says what there is to say of a load.
    pub fn tell(&self, told: &Told) {
        let bytes = told.bytes();
        let Ok(length) = u32::try_from(bytes.len()) else {
            return;
        };
        let words = [&[TOLD][..], &length.to_le_bytes(), &bytes].concat();
        // A parent that is gone has said so by a signal.
        drop((&self.socket).write_all(&words));
    }

    /// The program is next. False if there is to be none after all.
    pub fn ready(&self) -> bool {
        drop((&self.socket).write_all(&[READY]));
        let mut word = [0];
        !self.waits || matches!((&self.socket).read_exact(&mut word), Ok(()) if word == [GO])
    }

    /// Where what is lent is kept for those who renew it.
    pub fn loans(&self) -> Option<&OwnedFd> {
        self.loans.as_ref()
    }

    /// The program could not be started after all.
    pub fn refused(&self) {
        drop((&self.socket).write_all(&[REFUSED]));
    }

    /// The strings of an environment that name the process they are meant for, with their places:
    /// they named the process that envshim was started as, and the program is another one now. And
    /// where the program is to speak to systemd.
    pub fn addressed(&self, block: &[&CStr]) -> Vec<(usize, CString)> {
        let was = |value: &[u8]| {
            let text = std::str::from_utf8(value).unwrap_or_default();
            text.parse() == Ok(self.parent.as_raw())
        };
        let mine = |(place, string): (usize, &&CStr)| {
            let (name, value) = split(string)?;
            match name {
                b"NOTIFY_SOCKET" => Some((place, self.notify.clone()?)),
                b"LISTEN_PID" | b"WATCHDOG_PID" if was(value) => {
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
    /// What was said and not understood yet.
    heard: Vec<u8>,
    ready: bool,
    told: Option<Told>,
}

impl Start {
    pub(super) fn new(socket: UnixStream) -> Start {
        // Cannot fail for a socket; were it so, the loop would wait for a word that always comes.
        socket.set_nonblocking(true).ok();
        Start {
            socket: Some(socket),
            heard: Vec::new(),
            ready: false,
            told: None,
        }
    }

    /// Takes in what was said. Returns true when the line is closed: the program runs, or never will.
    pub(super) fn hear(&mut self) -> bool {
        let mut words = [0; 256];
        while let Some(socket) = &mut self.socket {
            match socket.read(&mut words) {
                Ok(0) => self.socket = None,
                Ok(count) => self.heard.extend(words.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.socket = None,
            }
        }
        while self.understand() {}
        self.socket.is_none()
    }

    /// Takes one word out of what was heard, if it is whole.
    fn understand(&mut self) -> bool {
        let length = match self.heard.as_slice() {
            [] => return false,
            [TOLD, rest @ ..] => match rest.split_first_chunk() {
                Some((length, _)) => u32::from_le_bytes(*length) as usize,
                None => return false,
            },
            [word, ..] => {
                self.ready = *word == READY;
                self.heard.drain(..1);
                return true;
            }
        };
        let whole = 5 + length.min(MOST);
        if self.heard.len() < whole {
            return false;
        }
        let words: Vec<u8> = self.heard.drain(..whole).collect();
        self.told = words.get(5..).and_then(Told::read);
        true
    }

    /// The same, without taking it.
    pub(super) fn heard_told(&self) -> Option<&Told> {
        self.told.as_ref()
    }

    /// What the load has said of itself.
    pub(super) fn told(&mut self) -> Option<Told> {
        self.told.take()
    }

    /// The load is complete, and waits for our word.
    pub(super) fn waits(&self) -> bool {
        self.socket.is_some() && self.ready
    }

    /// Gives it.
    pub(super) fn go(&self) {
        if let Some(socket) = &self.socket {
            // If it is gone, its end is the next thing that is heard.
            drop((&*socket).write_all(&[GO]));
        }
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
