//! A line to a server: bytes both ways, each step with a moment at which it gives up. Sockets never block; waiting is `poll`, so that a signal's handler can end the process
//! at any time.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::fault::{Cause, Phase};

/// Why a step on a line failed.
#[derive(Debug)]
pub(super) enum Broken {
    /// The moment has come.
    Late,
    /// The other side is gone.
    Closed,
    /// TLS says no.
    Tls(Cause),
}

impl Broken {
    /// The cause, seen from a phase of the exchange that began at a moment.
    pub(super) fn during(self, phase: Phase, begun: Instant) -> Cause {
        match self {
            Broken::Late => Cause::Slow(phase, begun.elapsed()),
            Broken::Closed => Cause::Closed(phase),
            Broken::Tls(cause) => cause,
        }
    }
}

/// Bytes both ways.
pub(super) trait Line: Send + Sync {
    /// Reads some bytes; 0 at a proper end.
    fn read(&mut self, into: &mut [u8], until: Instant) -> Result<usize, Broken>;
    /// Writes all bytes.
    fn write(&mut self, bytes: &[u8], until: Instant) -> Result<(), Broken>;
    /// Open, and nothing has come that nobody asked for.
    fn quiet(&mut self) -> bool;
    /// TLS reaches to the other end.
    fn sealed(&self) -> bool {
        false
    }
}

/// A socket in non-blocking mode.
pub(super) struct Open<S>(S);

impl Open<TcpStream> {
    pub(super) fn tcp(socket: TcpStream) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Open(socket))
    }
}

impl Open<UnixStream> {
    pub(super) fn unix(socket: UnixStream) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Open(socket))
    }
}

impl<S: Read + Write + AsFd + Send + Sync> Line for Open<S> {
    fn read(&mut self, into: &mut [u8], until: Instant) -> Result<usize, Broken> {
        loop {
            match self.0.read(into) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready(self.0.as_fd(), PollFlags::POLLIN, until)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Broken::Closed),
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8], until: Instant) -> Result<(), Broken> {
        while !bytes.is_empty() {
            match self.0.write(bytes) {
                Ok(0) => return Err(Broken::Closed),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready(self.0.as_fd(), PollFlags::POLLOUT, until)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Broken::Closed),
            }
        }
        Ok(())
    }

    fn quiet(&mut self) -> bool {
        let probe = self.0.read(&mut [0]);
        probe.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// Waits until the socket can go on.
fn ready(fd: BorrowedFd<'_>, what: PollFlags, until: Instant) -> Result<(), Broken> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Broken::Late);
        }
        // Rounded up, lest it spins through the last millisecond.
        let millis = i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        // An interruption is looked at like a time-out: the clock decides.
        if poll(&mut [PollFd::new(fd, what)], timeout).is_ok_and(|count| count > 0) {
            return Ok(());
        }
    }
}
