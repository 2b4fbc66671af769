//! A terminal whose echo is off: given back by a handler, and across ^Z. And what a terminal of our own
//! needs that has no safe name.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigaction, sigprocmask,
};
use nix::sys::termios::{SetArg, Termios, tcsetattr};

/// A terminal whose echo is off, and how it was before.
struct Hushed {
    fd: RawFd,
    before: libc::termios,
}

static HUSHED: AtomicPtr<Hushed> = AtomicPtr::new(null_mut());

/// Remembers how a terminal was, for [`restore_terminal`]. The descriptor must stay open until
/// [`forget_terminal`].
pub fn terminal_to_restore(terminal: BorrowedFd<'_>, before: &Termios) {
    let hushed = Hushed {
        fd: terminal.as_raw_fd(),
        before: before.clone().into(),
    };
    // Never freed: a handler may be reading the last one. A run asks a handful of questions.
    HUSHED.store(Box::leak(Box::new(hushed)), Ordering::Release);
}

/// The terminal is as it was.
pub fn forget_terminal() {
    HUSHED.store(null_mut(), Ordering::Release);
}

/// Gives the terminal its echo back, if a question took it. For the handler of a terminating
/// signal: only async-signal-safe calls.
pub fn restore_terminal() {
    // SAFETY: the pointer is null or a leaked box, which is never freed and never changed.
    let Some(hushed) = (unsafe { HUSHED.load(Ordering::Acquire).as_ref() }) else {
        return;
    };
    // SAFETY: `terminal_to_restore` asks its caller to keep the descriptor open until `forget_terminal`.
    let terminal = unsafe { BorrowedFd::borrow_raw(hushed.fd) };
    // In the background the terminal is somebody else's by now (and setting it would stop us).
    let owner = nix::unistd::tcgetpgrp(terminal);
    if owner.is_ok_and(|group| group != nix::unistd::getpgrp()) {
        return;
    }
    tcsetattr(terminal, SetArg::TCSANOW, &Termios::from(hushed.before)).ok();
}

/// Whether this descriptor is the terminal that controls us. (The streams of `std` would make buffers
/// for the question.)
pub fn is_of_our_terminal(fd: RawFd) -> bool {
    // SAFETY: asks; no descriptor is used or changed, and a closed one is an answer.
    unsafe { libc::tcgetpgrp(fd) != -1 }
}

static STOP_ASKED: AtomicBool = AtomicBool::new(false);
static CONTINUED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_job_control(signal: libc::c_int) {
    if signal == libc::SIGCONT {
        CONTINUED.store(true, Ordering::Relaxed);
    } else {
        STOP_ASKED.store(true, Ordering::Relaxed);
    }
}

/// What ended a wait.
pub enum Awaited {
    /// There is something to read.
    Readable,
    /// ^Z, or `kill -TSTP`: tidy up, then [`JobControl::stop`].
    StopAsked,
    /// Somebody stopped and continued us; the terminal may have changed.
    Continued,
}

/// While it lives, TSTP and CONT are told instead of taken, and only during a wait.
pub struct JobControl {
    mask: SigSet,
    stop: SigAction,
    resume: SigAction,
}

impl JobControl {
    /// Starts to watch. A TSTP that was ignored stays ignored.
    pub fn watch() -> nix::Result<JobControl> {
        let mut held = SigSet::empty();
        held.add(Signal::SIGTSTP);
        held.add(Signal::SIGCONT);
        let mut mask = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&held), Some(&mut mask))?;
        let stop = take(Signal::SIGTSTP)?;
        let resume = take(Signal::SIGCONT)?;
        if matches!(stop.handler(), SigHandler::SigIgn) {
            act(Signal::SIGTSTP, &stop)?;
        }
        Ok(JobControl { mask, stop, resume })
    }

    /// Forgets that we were continued: the terminal was set just now.
    pub fn settle(&self) -> nix::Result<()> {
        let resume = SigSet::from(Signal::SIGCONT);
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&resume), None)?;
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&resume), None)?;
        CONTINUED.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for input or for job control.
    pub fn wait(&self, input: BorrowedFd<'_>) -> nix::Result<Awaited> {
        loop {
            let mut fds = [PollFd::new(input, PollFlags::POLLIN)];
            let polled = ppoll(&mut fds, None, Some(self.mask));
            if STOP_ASKED.swap(false, Ordering::Relaxed) {
                return Ok(Awaited::StopAsked);
            }
            if CONTINUED.swap(false, Ordering::Relaxed) {
                return Ok(Awaited::Continued);
            }
            match polled {
                Ok(_) => return Ok(Awaited::Readable),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Stops this process as TSTP does by itself; returns when it was continued.
    pub fn stop(&self) -> nix::Result<()> {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        act(Signal::SIGTSTP, &default)?;
        raise(Signal::SIGTSTP)?;
        let mut held = SigSet::empty();
        // Here it stops, and here it goes on.
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), Some(&mut held))?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&held), None)?;
        take(Signal::SIGTSTP)?;
        Ok(())
    }
}

impl Drop for JobControl {
    fn drop(&mut self) {
        act(Signal::SIGTSTP, &self.stop).ok();
        act(Signal::SIGCONT, &self.resume).ok();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None).ok();
    }
}

/// Puts our handler of job control in place; gives what was there.
fn take(signal: Signal) -> nix::Result<SigAction> {
    let handler = SigHandler::Handler(note_job_control);
    act(
        signal,
        &SigAction::new(handler, SaFlags::empty(), SigSet::empty()),
    )
}

fn act(signal: Signal, action: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the action is one that was there before, the default, or `note_job_control`, which only stores to atomics.
    unsafe { sigaction(signal, action) }
}

/// Makes one terminal as large as another. The kernel tells those in its foreground, if it was not.
pub fn copy_size(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the kernel fills a structure of its own form.
    let known = unsafe { libc::ioctl(from.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    if known == 0 {
        // SAFETY: and reads one.
        unsafe { libc::ioctl(to.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    }
}

/// Makes a terminal that of the session that this process leads.
pub fn take_terminal(terminal: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: numbers only.
    let taken = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) };
    Errno::result(taken).map(drop)
}
