//! A terminal of our own: the program under test is the leader of a session that has it, as a
//! shell's child would.
#![allow(
    unsafe_code,
    reason = "a controlling terminal is taken between fork and exec"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal with a program on it. Everything that is still there is killed with its owner.
pub struct Pty {
    /// What a person's side reads and writes.
    person: File,
    /// Kept open, so that its modes can be asked for after the program's end.
    terminal: File,
    child: Child,
    seen: Vec<u8>,
    /// Where the text begins that no `expect` has found yet.
    at: usize,
}

impl Pty {
    /// Starts `command` with the terminal as stdin, stdout, stderr and controlling terminal.
    pub fn spawn(command: Command) -> Pty {
        Pty::spawn_with(command, true)
    }

    /// Starts `command` with the terminal as its controlling terminal alone; the streams are those
    /// of the command.
    pub fn spawn_aside(command: Command) -> Pty {
        Pty::spawn_with(command, false)
    }

    fn spawn_with(mut command: Command, streams: bool) -> Pty {
        let pair = openpty(None, None).expect("a terminal");
        let (person, terminal) = (File::from(pair.master), File::from(pair.slave));
        for end in [&person, &terminal] {
            let flag = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC);
            nix::fcntl::fcntl(end, flag).expect("close-on-exec");
        }
        if streams {
            let stream = || Stdio::from(terminal.try_clone().expect("a copy"));
            command.stdin(stream()).stdout(stream()).stderr(stream());
        }
        let own = terminal.try_clone().expect("a copy");
        let take = move || {
            nix::unistd::setsid()?;
            let fd = std::os::fd::AsRawFd::as_raw_fd(&own);
            // SAFETY: an ioctl without a pointer on a descriptor that the closure owns.
            let taken = unsafe { libc::ioctl(fd, libc::TIOCSCTTY, 0) };
            nix::errno::Errno::result(taken)
                .map(drop)
                .map_err(Into::into)
        };
        // SAFETY: the closure makes two system calls and allocates nothing.
        unsafe { command.pre_exec(take) };
        let child = command.spawn().expect("a program on a terminal");
        Pty {
            person,
            terminal,
            child,
            seen: Vec::new(),
            at: 0,
        }
    }

    /// The process that leads the session.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Reads until `text` was shown, after what the last call found; gives what stood before it.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let new = &self.seen[self.at..];
            if let Some(found) = new.windows(text.len()).position(|w| w == text.as_bytes()) {
                let before = String::from_utf8_lossy(&new[..found]).into_owned();
                self.at += found + text.len();
                return before;
            }
            assert!(
                self.take(end),
                "never shown: {text:?}\nshown: {:?}",
                String::from_utf8_lossy(&self.seen)
            );
        }
    }

    /// Everything that was shown and is not expected yet; nothing more is waited for.
    pub fn rest(&mut self) -> String {
        while self.take(Instant::now()) {}
        let rest = String::from_utf8_lossy(&self.seen[self.at..]).into_owned();
        self.at = self.seen.len();
        rest
    }

    /// The same, where it may never be shown.
    pub fn shows(&mut self, text: &str, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            let new = &self.seen[self.at..];
            if let Some(found) = new.windows(text.len()).position(|w| w == text.as_bytes()) {
                self.at += found + text.len();
                return true;
            }
            if !self.take(end) {
                return false;
            }
        }
    }

    /// Types.
    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        self.person.write_all(text.as_ref()).expect("typing");
    }

    /// Does the terminal show what is typed?
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.terminal).expect("modes");
        modes.local_flags.contains(LocalFlags::ECHO)
    }

    /// All its modes, to be compared.
    pub fn modes(&self) -> String {
        let modes = tcgetattr(&self.terminal).expect("modes");
        format!(
            "{:?} {:?} {:?} {:?} {:?}",
            modes.input_flags,
            modes.output_flags,
            modes.control_flags,
            modes.local_flags,
            modes.control_chars
        )
    }

    /// Is every key handed on as it is typed, also those that would be signals? A line editor leaves these.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.terminal).expect("modes");
        !modes
            .local_flags
            .intersects(LocalFlags::ICANON | LocalFlags::ISIG)
    }

    /// Waits for the echo to be on or off.
    #[track_caller]
    pub fn wait_for_echo(&self, on: bool) {
        super::wait_until("the echo", || self.echoes() == on);
    }

    /// Sends a signal to the program alone, as another terminal's `kill` does.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a signal");
    }

    /// Drags the window's corner.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let fd = std::os::fd::AsRawFd::as_raw_fd(&self.person);
        // SAFETY: the size is on the stack, and the descriptor is ours.
        let done = unsafe { libc::ioctl(fd, libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(done, 0);
    }

    /// Closes the window; the program is left to itself.
    pub fn hang_up(&mut self) {
        let null = || File::open("/dev/null").expect("the null device");
        self.person = null();
        self.terminal = null();
    }

    /// One letter for the state of a process, as `ps` shows it: `S`, `T`, `Z`, ...
    pub fn state_of(pid: Pid) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// Everything that was shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// The end of the program, with all that it has shown.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            // A full terminal would hold the program up.
            self.take(Instant::now() + Duration::from_millis(5));
            if let Some(status) = self.child.try_wait().expect("a status") {
                break status;
            }
            assert!(
                Instant::now() < end,
                "it does not end\nshown: {:?}",
                self.shown()
            );
        };
        while self.take(Instant::now()) {}
        let echoes = self.echoes();
        Ended {
            status,
            echoes,
            shown: self.shown(),
        }
    }

    /// Takes what is there; `false` when nothing came until `end`.
    fn take(&mut self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).expect("a short time");
        let mut fds = [PollFd::new(self.person.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, left) != Ok(1) {
            return false;
        }
        let mut chunk = [0; 4096];
        match self.person.read(&mut chunk) {
            Ok(count) => self.seen.extend_from_slice(&chunk[..count]),
            Err(_) => return false,
        }
        true
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // The session's processes get a hang-up when its leader is gone; the leader is killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// How a program on a terminal ended.
pub struct Ended {
    pub status: ExitStatus,
    /// The terminal shows what is typed, as before.
    pub echoes: bool,
    pub shown: String,
}

impl Ended {
    /// It ended with this status and left the terminal as it was.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ended {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{:?}\nshown: {}",
            self.status,
            self.shown
        );
        assert!(self.echoes, "the terminal is left mute");
        self
    }

    /// It died of this signal and left the terminal as it was.
    #[track_caller]
    pub fn dies_of(self, signal: Signal) -> Ended {
        assert_eq!(
            self.status.signal(),
            Some(signal as i32),
            "{:?}\nshown: {}",
            self.status,
            self.shown
        );
        assert!(self.echoes, "the terminal is left mute");
        self
    }
}
