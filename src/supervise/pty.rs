//! `--mask=terminal`, the supervisor's side: a terminal of the program's own, which a [`Screen`] shows on the
//! user's, with the program below a [`Monitor`] that leads its session.
//!
//! The supervisor stays where it was, in the user's session and the shell's job, and decides who has
//! which terminal. ^Z goes by the keys to the program, which stops; the monitor says so; the screen gives the user's
//! terminal back; and the whole job stops, by the signal that has stopped the program. Going on is the same
//! backwards. A program in the background of its terminal that wants it, by TTIN or TTOU, gets it whenever we
//! are in the foreground of the user's.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::pty::openpty;
use nix::unistd::{
    Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpid, pipe2, setpgid, setsid, tcsetpgrp,
};

use super::monitor::{BACKGROUND, DONE, FOREGROUND, Monitor};
use super::screen::{EDITING, END, PAUSE, PAUSED, REFUSED, Screen, TAKE, TAKEN};
use super::supervisor::Supervisor;
use super::terminal::{self, Terminal};
use super::{Beside, Forked, Role, own};
use crate::sys;
use crate::sys::children::{self, Status, send, stop_all_by};

/// What the supervisor has of it.
pub(super) struct Pty {
    user: Terminal,
    /// The program's side; ours speaks there too, while the user's terminal is raw.
    program: Option<OwnedFd>,
    /// What stderr was before.
    stderr: Option<OwnedFd>,
    streams: [bool; 3],
    screen: Option<UnixStream>,
    monitor: Option<UnixStream>,
    pub(super) screen_pid: Pid,
    /// The program begins with the keys.
    begins: bool,
    /// It wants them when it goes on.
    wants: bool,
    /// What has stopped the program, until something has come of it.
    stopped_by: Option<i32>,
    /// The signal of a key that only the program has got.
    key: Option<u8>,
    /// The screen knows that this is the end.
    finished: bool,
}

/// What the screen was forked with.
pub(super) enum Opened {
    /// Here; the values go in there.
    Here(Box<Pty>, File),
    /// This is the screen.
    Screen(Box<Screen>),
}

impl Pty {
    /// Makes the program's terminal, like the user's, and forks what shows it.
    pub(super) fn open() -> nix::Result<Opened> {
        let user = Terminal::open()?;
        let pair = openpty(None, &user.before)?;
        for end in [&pair.master, &pair.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        sys::copy_size(user.as_fd(), pair.master.as_fd());
        let (ours, theirs) = UnixStream::pair().map_err(super::errno)?;
        let (values, tell) = pipe2(OFlag::O_CLOEXEC)?;
        let wants = !terminal::is_shared();
        let begins = wants && user.is_ours();
        Ok(match children::fork()? {
            None => {
                let screen = Screen::new(user, pair.master, values.into(), theirs);
                Opened::Screen(Box::new(screen))
            }
            Some(screen_pid) => {
                ours.set_nonblocking(true).map_err(super::errno)?;
                let pty = Pty {
                    user,
                    program: Some(pair.slave),
                    stderr: None,
                    streams: terminal::streams(),
                    screen: Some(ours),
                    monitor: None,
                    screen_pid,
                    begins,
                    wants,
                    stopped_by: None,
                    key: None,
                    finished: false,
                };
                Opened::Here(Box::new(pty), tell.into())
            }
        })
    }

    /// Forks the monitor, and below it what is to be the program.
    pub(super) fn fork(mut self: Box<Self>) -> nix::Result<(Forked, Option<Box<Pty>>)> {
        let Some(program) = self.program.take() else {
            return Err(Errno::EBADF);
        };
        let (mut ours, mut theirs) = UnixStream::pair().map_err(super::errno)?;
        let supervisor = getpid();
        if let Some(pid) = children::fork()? {
            drop(theirs);
            let mut number = [0; 4];
            ours.read_exact(&mut number).map_err(super::errno)?;
            let child = match i32::from_le_bytes(number) {
                child @ 1.. => Pid::from_raw(child),
                errno => return Err(Errno::from_raw(-errno)),
            };
            ours.set_nonblocking(true).map_err(super::errno)?;
            self.monitor = Some(ours);
            if self.begins {
                self.ask_screen(TAKE);
            }
            self.program = self.streams[2].then_some(program);
            return Ok((Forked::Parent(child, Some(pid)), Some(self)));
        }
        drop(ours);
        let Pty {
            user,
            streams,
            begins,
            ..
        } = *self;
        let place = |pid| {
            // From both sides: whoever comes first.
            setpgid(pid, pid).ok();
            if begins {
                tcsetpgrp(&program, pid).ok();
            }
        };
        let led = setsid().and_then(|_| sys::take_terminal(program.as_fd()));
        match led.and_then(|()| children::fork()) {
            Err(errno) => {
                theirs.write_all(&(-(errno as i32)).to_le_bytes()).ok();
                Ok((Forked::Beside(Beside(Role::Nothing)), None))
            }
            Ok(None) => {
                place(getpid());
                // Cannot fail: the numbers are open.
                if streams[0] {
                    dup2_stdin(&program).ok();
                }
                if streams[1] {
                    dup2_stdout(&program).ok();
                }
                if streams[2] {
                    dup2_stderr(&program).ok();
                }
                Ok((Forked::Child, None))
            }
            Ok(Some(pid)) => {
                place(pid);
                theirs.write_all(&pid.as_raw().to_le_bytes()).ok();
                let monitor = Monitor {
                    program: pid,
                    supervisor,
                    terminal: program,
                    line: theirs,
                    user,
                    lends: !begins,
                };
                Ok((
                    Forked::Beside(Beside(Role::Monitor(Box::new(monitor)))),
                    None,
                ))
            }
        }
    }

    /// What is to be kept open.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let monitor = self.monitor.as_ref().map(AsFd::as_fd);
        let (program, stderr) = (self.program.as_ref(), self.stderr.as_ref());
        let files = [program, stderr].into_iter().flatten().map(AsFd::as_fd);
        let screen = self.screen.as_ref().map(AsFd::as_fd);
        let lines = [Some(self.user.as_fd()), screen, monitor];
        lines.into_iter().flatten().chain(files)
    }

    /// What is to be waited for.
    pub(super) fn lines(&self) -> [Option<BorrowedFd<'_>>; 2] {
        let monitor = self.monitor.as_ref().map(AsFd::as_fd);
        [self.screen.as_ref().map(AsFd::as_fd), monitor]
    }

    /// From here on we speak on the program's terminal: on a raw one lines have no beginning.
    pub(super) fn speak_inside(&mut self) {
        if let Some(program) = self.program.take() {
            self.stderr = std::io::stderr().as_fd().try_clone_to_owned().ok();
            dup2_stderr(&program).ok();
        }
    }

    /// The program has ended, and all it has to say is on its way.
    pub(super) fn finish(&mut self) {
        if let Some(stderr) = self.stderr.take() {
            dup2_stderr(&stderr).ok();
        }
        if !std::mem::replace(&mut self.finished, true) {
            self.ask_screen(END);
        }
    }

    /// Whatever has become of the screen.
    pub(super) fn restore(&self) {
        self.user.restore();
    }

    fn ask_screen(&mut self, word: u8) {
        if let Some(screen) = &mut self.screen {
            screen.write_all(&[word]).ok();
        }
    }

    fn tell_monitor(&mut self, word: u8) {
        if let Some(monitor) = &mut self.monitor {
            monitor.write_all(&[word]).ok();
        }
    }

    /// A program that a key has ended: those of our job that were not told are told now.
    pub(super) fn ended(&self, status: Status) {
        if let Some(number) = self.key
            && status == Status::Signal(number)
        {
            send(0, i32::from(number)).ok();
        }
    }
}

/// The next word, if there is one. A line that is closed is one no more.
fn word(line: &mut Option<UnixStream>) -> Option<u8> {
    let mut word = [0];
    let heard = line.as_mut()?.read(&mut word);
    match heard {
        Ok(1) => return Some(word[0]),
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {}
        Ok(_) | Err(_) => *line = None,
    }
    None
}

impl Supervisor {
    /// Hears what the monitor and the screen have to say.
    pub(super) fn attend(&mut self) {
        loop {
            let Some(pty) = &mut self.pty else { return };
            match word(&mut pty.monitor).map(i32::from) {
                None => {}
                Some(done) if done == i32::from(DONE) => {
                    pty.ask_screen(TAKE);
                    continue;
                }
                Some(number) => {
                    self.child.stopped = true;
                    self.woken = false;
                    let wants = [libc::SIGTTIN, libc::SIGTTOU].contains(&number);
                    pty.wants |= wants;
                    if wants && pty.user.is_ours() {
                        self.go_on();
                    } else {
                        pty.stopped_by = Some(number);
                        pty.ask_screen(PAUSE);
                    }
                    continue;
                }
            }
            match word(&mut pty.screen) {
                None => return,
                Some(TAKEN) => self.woken = false,
                Some(REFUSED) => {
                    self.woken = false;
                    self.go_on_behind();
                }
                Some(PAUSED) => {
                    if let Some(number) = pty.stopped_by.take() {
                        // The signal that continues us is looked at before anything that follows from it.
                        return self.stop_job(number);
                    }
                }
                Some(key) if key & EDITING != 0 => pty.key = Some(key & !EDITING),
                // Not for us: the program has it, and what becomes of us is its end.
                Some(key) => send(0, i32::from(key)).unwrap_or_default(),
            }
        }
    }

    /// The program has stopped, and the user's terminal is as it was.
    fn stop_job(&mut self, number: i32) {
        let asked = std::mem::take(&mut self.child.stop_asked);
        let wants = [libc::SIGTTIN, libc::SIGTTOU].contains(&number);
        if wants && self.pty.as_ref().is_some_and(|pty| pty.user.is_ours()) {
            // By now it may have it.
            return self.go_on();
        }
        if number == libc::SIGSTOP {
            if self.pid1 || (own::leads_session() && !asked) {
                return;
            }
            send(getpid().as_raw(), number).ok();
        } else {
            // As the keys would have sent it. Where nobody is left who could continue us, the kernel drops it.
            stop_all_by(number);
        }
        // Who has wanted a terminal in the background goes on when somebody says so.
        if !wants {
            self.woken = true;
            self.go_on();
        }
    }

    /// Lets the program go on, with the keys where it wants them and we have them.
    pub(super) fn go_on(&mut self) {
        match &mut self.pty {
            Some(pty) if pty.wants && pty.user.is_ours() => {
                self.child.stopped = false;
                pty.tell_monitor(FOREGROUND);
            }
            _ => self.go_on_behind(),
        }
    }

    fn go_on_behind(&mut self) {
        self.child.stopped = false;
        match &mut self.pty {
            Some(pty) if pty.monitor.is_some() => pty.tell_monitor(BACKGROUND),
            // Somebody has killed it, and the program is our child now.
            _ => send(-self.child.pid.as_raw(), libc::SIGCONT).unwrap_or_default(),
        }
    }

    /// The screen has ended; before its time, if the program has not.
    pub(super) fn lost(&mut self, pid: Pid) {
        let Some(pty) = self.pty.as_mut().filter(|pty| pty.screen_pid == pid) else {
            return;
        };
        pty.restore();
        if !pty.finished {
            let group = -self.child.pid.as_raw();
            for number in [libc::SIGHUP, libc::SIGCONT] {
                send(group, number).ok();
            }
        }
    }
}
