//! Every `unsafe` line: what was captured before `main`, what is restored before `execve`, the
//! handlers that end a load.
//!
//! The capture stands in `.init_array`, which runs before the start-up code of `std`: that code
//! ignores SIGPIPE and opens the null device on closed descriptors 0-2, and what we were given would
//! be lost. It works the same in static glibc, static musl and dynamic programs. Masks and all other
//! dispositions are transparent by never being touched, and caught signals by `execve` itself, which
//! resets them to the default in one step with the start of the program.
#![allow(
    unsafe_code,
    reason = "the one room for it; tests/house_rules.rs counts the blocks"
)]

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigprocmask,
};
use nix::unistd::{Pid, getpid};

mod terminal;

pub use terminal::{
    Awaited, JobControl, forget_terminal, restore_terminal, terminal_to_restore,
};

/// The signals that end a load.
const TERMINATING: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// What we were started with and `std` changes before `main`.
static SIGPIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);
/// Bit n: descriptor n was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

// SAFETY: the loader (or libc's start-up code) calls each pointer of this section once, before
// `main`, when libc is ready for use; `capture` has the C ABI and ignores the arguments it may get.
#[used]
#[unsafe(link_section = ".init_array")]
static CAPTURE: extern "C" fn() = capture;

/// The very first act: record, then be able to end. Nothing here allocates.
extern "C" fn capture() {
    SIGPIPE_WAS_IGNORED.store(is_ignored(Signal::SIGPIPE), Ordering::Relaxed);
    let mut closed = 0;
    for fd in 0..3 {
        // SAFETY: asks for a flag; no descriptor is used or changed, and a closed one is an answer.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            closed |= 1 << fd;
        }
    }
    CLOSED.store(closed, Ordering::Relaxed);
    // As PID 1 the kernel drops a signal that is left at its default, so every microsecond without a
    // handler is one in which `docker stop` is not heard. Whoever ignores a signal keeps ignoring it.
    for signal in TERMINATING {
        if !is_ignored(signal) {
            dispose(signal, SigHandler::Handler(end));
        }
    }
}

/// Ends the process: as PID 1 with 128+n, because the kernel does not let its own signals kill it;
/// else by the signal, so that the parent sees what happened. A second signal ends it at once.
extern "C" fn end(number: libc::c_int) {
    restore_terminal();
    if getpid() == Pid::from_raw(1) {
        // SAFETY: async-signal-safe, and does not return.
        unsafe { libc::_exit(128 + number) };
    }
    // The disposition is back at its default (`SA_RESETHAND`), and the signal is blocked while its
    // handler runs: it is pending now, and kills as soon as it is unblocked.
    if let Ok(signal) = Signal::try_from(number) {
        raise(signal).ok();
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&SigSet::from(signal)), None).ok();
    }
}

fn is_ignored(signal: Signal) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action asks only; the kernel writes a whole action to a valid pointer.
    unsafe { libc::sigaction(signal as libc::c_int, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeroed bytes are a valid action (no handler, empty mask), also if the call failed.
    unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

fn dispose(signal: Signal, handler: SigHandler) {
    let mut mask = TERMINATING.into_iter().collect::<SigSet>();
    // Modes of a terminal may be set from the background while this one is blocked.
    mask.add(Signal::SIGTTOU);
    let action = SigAction::new(handler, SaFlags::SA_RESETHAND, mask);
    // SAFETY: the only handler ever given is `end`, which calls async-signal-safe functions alone.
    // Cannot fail: the signals are valid by type, and none of them is KILL or STOP.
    unsafe { nix::sys::signal::sigaction(signal, &action) }.ok();
}

unsafe extern "C" {
    // SAFETY: libc sets it before `main`; nothing here changes the environment in place, so that it
    // can be read at any time.
    safe static environ: AtomicPtr<*const libc::c_char>;
}

/// The environment as the kernel handed it over: every string in order, also those that are no
/// `NAME=value` and those that come twice, which `std` hides.
pub fn environment() -> impl Iterator<Item = &'static CStr> {
    let start = environ.load(Ordering::Relaxed).cast_const();
    let mut next = (!start.is_null()).then_some(start);
    std::iter::from_fn(move || {
        let place = next?;
        // SAFETY: the list ends with a null pointer, and `next` never moves past it.
        let string = unsafe { place.read() };
        next = (!string.is_null()).then(|| place.wrapping_add(1));
        next?;
        // SAFETY: not null, so it points to a string with its NUL that lives as long as the process.
        Some(unsafe { CStr::from_ptr(string) })
    })
}

/// Switches core dumps and tracing by the same user off, while secrets are in memory. `execve`
/// switches them on again.
pub fn harden() {
    // Cannot fail: the argument is valid.
    nix::sys::prctl::set_dumpable(false).ok();
}

/// While it lives, the signal state is what the program is to inherit.
pub struct Restored(());

/// Puts back what `std` changed at its start: the disposition of SIGPIPE, and closed descriptors.
/// Dropped when `execve` has failed, so that a word on a broken stderr does not kill us.
pub fn restore_for_exec() -> Restored {
    if !SIGPIPE_WAS_IGNORED.load(Ordering::Relaxed) {
        dispose(Signal::SIGPIPE, SigHandler::SigDfl);
    }
    // The null device goes away with the exec itself; until then nothing else can take its number.
    let closed = CLOSED.load(Ordering::Relaxed);
    let close = |fd: &dyn AsFd, bit: u8| {
        if closed & bit != 0 {
            fcntl(fd.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok();
        }
    };
    close(&std::io::stdin(), 1);
    close(&std::io::stdout(), 2);
    close(&std::io::stderr(), 4);
    Restored(())
}

impl Drop for Restored {
    fn drop(&mut self) {
        dispose(Signal::SIGPIPE, SigHandler::SigIgn);
    }
}

/// Fills `bytes` from the kernel's random source.
pub fn random(bytes: &mut [u8]) -> nix::Result<()> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // SAFETY: the pointer and length describe `rest`, which is writable and lives past the call.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match Errno::result(count) {
            Ok(count) => filled += usize::try_from(count).unwrap_or(0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// While it lives, terminating signals wait.
pub struct Held(SigSet);

/// Holds TERM, INT, HUP and QUIT back for a few system calls that must not be torn apart.
pub fn hold_termination() -> Held {
    let set = TERMINATING.into_iter().collect::<SigSet>();
    let mut before = SigSet::empty();
    // Cannot fail: the arguments are valid by type.
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before)).ok();
    Held(before)
}

impl Drop for Held {
    fn drop(&mut self) {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None).ok();
    }
}

/// A helper that ends when we do, however we end.
pub fn dies_with_us(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let parent = getpid();
    let tie = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // We may have ended before the line above; 0 is a parent outside of a new PID namespace.
        let now = nix::unistd::getppid();
        if now != parent && now.as_raw() != 0 {
            return Err(std::io::Error::from(Errno::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only; it neither allocates nor locks.
    unsafe { command.pre_exec(tie) };
}
