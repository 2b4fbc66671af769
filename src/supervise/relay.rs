//! Masked output: the program writes into a pipe, and a process of ours hands on what may be seen. One
//! process for each stream, so that one that nobody reads does not hold the other up; one for both where
//! they are the same file, so that what was written stays in its order.
//!
//! A relay was forked before anything was loaded, like the supervisor, and is told the values, nothing
//! else. It ends with the stream: when all writers have closed it, when the reader is gone (the program gets the EPIPE
//! it would have got), or a moment after the supervisor's word that the program has ended, for a
//! daemon that it left behind may hold the pipe open.

use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Read, Write, stderr, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use nix::unistd::{Pid, dup2_stderr, dup2_stdout, pipe2};

use super::pty::{Opened, Pty};
use super::{Beside, Fault, Role, own, terminal};
use crate::files;
use crate::format::mask::{self, Filter, Mask};
use crate::secret::Secret;
use crate::settings::Supervision;
use crate::sys::children;

/// More than an environment can hold, in the form that goes over the line.
pub(super) const MOST: usize = 64 << 20;

/// A pipe holds so much where that is allowed: fewer changes between processes.
const PIPE: i32 = 1 << 18;

/// So much of it is read at once.
const CHUNK: usize = 1 << 17;

/// How long a stream that is still open is read after the program's end.
pub(super) const GRACE: Duration = Duration::from_millis(200);

/// Which of the program's streams.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
    Both,
    /// It is the program's terminal already.
    Terminal,
}

/// The supervisor's side.
pub(super) struct Relays {
    /// Those that have not ended.
    pub(super) pids: Vec<Pid>,
    /// Whoever holds the other end hears that the program has ended.
    line: Option<File>,
}

/// The program's side.
pub(super) struct Outlets(Vec<Outlet>);

struct Outlet {
    stream: Stream,
    into: Option<OwnedFd>,
    values: File,
}

/// The process between.
pub(super) struct Relay {
    stream: Stream,
    from: File,
    values: File,
    line: OwnedFd,
}

/// What is forked for the streams that are to be masked.
pub(super) enum Side {
    Here(Relays, Option<Outlets>, Option<Box<Pty>>),
    Beside(Beside),
}

/// A terminal is passed on as it is, or has a screen: a program that finds a pipe in its place is another program.
fn streams() -> Vec<Stream> {
    let same = || {
        let (out, err) = (fstat(stdout()).ok()?, fstat(stderr()).ok()?);
        Some((out.st_dev, out.st_ino) == (err.st_dev, err.st_ino))
    };
    match (stdout().is_terminal(), stderr().is_terminal()) {
        (true, true) => Vec::new(),
        (true, false) => vec![Stream::Err],
        (false, true) => vec![Stream::Out],
        (false, false) if same() == Some(true) => vec![Stream::Both],
        (false, false) => vec![Stream::Out, Stream::Err],
    }
}

/// Forks a relay for each stream. Every signal is blocked by now, and stays so in a relay: it ends with its
/// stream, not with a signal to the whole job.
pub(super) fn start(told: &Supervision) -> Result<Side, Fault> {
    if !told.masks() {
        return Ok(Side::Here(Relays::none(), None, None));
    }
    let screen = told.masks_terminal();
    if screen {
        let [_, out, err] = terminal::streams();
        for (stream, is_terminal, ours) in [
            ("stdout", stdout().is_terminal(), out),
            ("stderr", stderr().is_terminal(), err),
        ] {
            if is_terminal && !ours {
                return Err(Fault::ForeignTerminal(stream));
            }
        }
    }
    let (heard, tell_end) = pipe2(OFlag::O_CLOEXEC)?;
    let mut relays = Relays {
        pids: Vec::new(),
        line: None,
    };
    let mut outlets = Vec::new();
    for stream in streams() {
        let (from, into) = pipe2(OFlag::O_CLOEXEC)?;
        let (values, tell) = pipe2(OFlag::O_CLOEXEC)?;
        // Where it is not allowed, the pipe stays as it is.
        fcntl(&from, FcntlArg::F_SETPIPE_SZ(PIPE)).ok();
        match children::fork()? {
            None => {
                let relay = Relay {
                    stream,
                    from: from.into(),
                    values: values.into(),
                    line: heard,
                };
                return Ok(Side::Beside(Beside(Role::Relay(Box::new(relay)))));
            }
            Some(pid) => relays.pids.push(pid),
        }
        outlets.push(Outlet {
            stream,
            into: Some(into),
            values: tell.into(),
        });
    }
    relays.line = Some(tell_end.into());
    let mut pty = None;
    if screen {
        match Pty::open().map_err(Fault::NoTerminal)? {
            Opened::Screen(screen) => {
                return Ok(Side::Beside(Beside(Role::Screen(screen))));
            }
            Opened::Here(opened, values) => {
                relays.pids.push(opened.screen_pid);
                outlets.push(Outlet {
                    stream: Stream::Terminal,
                    into: None,
                    values,
                });
                pty = Some(opened);
            }
        }
    }
    Ok(Side::Here(relays, Some(Outlets(outlets)), pty))
}

impl Relays {
    pub(super) fn none() -> Relays {
        Relays {
            pids: Vec::new(),
            line: None,
        }
    }

    /// To be kept open.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(AsFd::as_fd)
    }

    /// One of them has ended; was it one?
    pub(super) fn ended(&mut self, pid: Pid) -> bool {
        let before = self.pids.len();
        self.pids.retain(|relay| *relay != pid);
        self.pids.len() < before
    }

    /// The program has ended, and these are those of the next one.
    pub(super) fn follow(&mut self, next: Relays) {
        self.finish();
        self.line = next.line;
        self.pids.extend(next.pids);
    }

    /// The program has ended, and with it what it had to say.
    pub(super) fn finish(&mut self) {
        if let Some(mut line) = self.line.take() {
            // A byte for each, for a byte is read once.
            drop(line.write_all(&[b'E'; 2]));
        }
    }

    /// Nobody wants to wait for them any more.
    pub(super) fn kill(&self) {
        for pid in &self.pids {
            children::send(pid.as_raw(), nix::libc::SIGKILL).ok();
        }
    }
}

impl Outlets {
    /// Tells the relays what must not be seen, and makes their pipes the streams of this process.
    pub(super) fn open(self, values: &[Secret]) {
        let packed = mask::pack(values);
        for mut outlet in self.0 {
            // A relay that is gone has lost its reader; the program will hear of it.
            drop(outlet.values.write_all(packed.expose()));
            let (out, err) = match outlet.stream {
                Stream::Out => (true, false),
                Stream::Err => (false, true),
                Stream::Both => (true, true),
                Stream::Terminal => (false, false),
            };
            // Cannot fail: both numbers are open, or can be.
            if let Some(into) = outlet.into.as_ref().filter(|_| out) {
                dup2_stdout(into).ok();
            }
            if let Some(into) = outlet.into.as_ref().filter(|_| err) {
                dup2_stderr(into).ok();
            }
        }
    }
}

impl Relay {
    /// Hands on until the end of the stream.
    pub(super) fn run(mut self) -> u8 {
        let kept = [self.from.as_fd(), self.values.as_fd(), self.line.as_fd()];
        own::keep_only(
            kept.into_iter(),
            self.stream != Stream::Err,
            self.stream == Stream::Err,
        );
        let told = files::drain(&mut self.values, 0, MOST);
        let Some(values) = told.ok().flatten().and_then(|packed| mask::unpack(&packed)) else {
            // The load has failed, and there is no program.
            return 0;
        };
        self.relay(values).ok();
        0
    }

    fn relay(&mut self, mut values: Vec<Secret>) -> std::io::Result<()> {
        // Made when there is something to mask: many a program never writes to stderr.
        let mut mask = None;
        let mut filter = Filter::default();
        let mut out = Vec::new();
        let mut end: Option<Instant> = None;
        let mut hears = true;
        // What one pipe can hold when time is up.
        let mut left = PIPE.unsigned_abs() as usize;
        loop {
            let wait = end.map_or(PollTimeout::NONE, |end| {
                let left = end.saturating_duration_since(Instant::now()).as_millis();
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            });
            let (readable, spoken) = {
                let line = if hears {
                    PollFlags::POLLIN
                } else {
                    PollFlags::empty()
                };
                let mut fds = [
                    PollFd::new(self.from.as_fd(), PollFlags::POLLIN),
                    PollFd::new(self.line.as_fd(), line),
                ];
                let fds = if hears { &mut fds[..] } else { &mut fds[..1] };
                poll(fds, wait)?;
                (
                    fds[0].any() == Some(true),
                    fds.get(1).and_then(PollFd::any) == Some(true),
                )
            };
            if spoken {
                hears = false;
                // A supervisor that was killed says nothing, and its program may live on.
                let mut word = [0];
                if nix::unistd::read(&self.line, &mut word) == Ok(1) {
                    end = Some(Instant::now() + GRACE);
                }
            }
            let late = end.is_some_and(|end| end <= Instant::now());
            if !readable {
                if late {
                    break;
                }
                continue;
            }
            let count = match self.from.read(filter.room(CHUNK)) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let mask = mask.get_or_insert_with(|| {
                let values = std::mem::take(&mut values);
                Mask::new(&values.iter().collect::<Vec<_>>()).0
            });
            filter.take(mask, count, &mut out);
            self.write(&out)?;
            out.clear();
            if late {
                left = left.saturating_sub(count);
                if left == 0 {
                    break;
                }
            }
        }
        if let Some(mask) = &mask {
            filter.finish(mask, &mut out);
        }
        self.write(&out)
    }

    /// All of it, also into a stream that somebody has made non-blocking.
    fn write(&self, mut bytes: &[u8]) -> std::io::Result<()> {
        let (out, err) = (stdout(), stderr());
        let target = if self.stream == Stream::Err {
            err.as_fd()
        } else {
            out.as_fd()
        };
        while !bytes.is_empty() {
            match nix::unistd::write(target, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::EAGAIN) => {
                    let mut fds = [PollFd::new(target, PollFlags::POLLOUT)];
                    poll(&mut fds, PollTimeout::NONE)?;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}
