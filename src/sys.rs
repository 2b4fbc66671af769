//! Every `unsafe` line: what was captured before `main`, what is restored before `execve`, the
//! handlers that end a load.
//!
//! The entry point is our own, so that `std` does not ignore SIGPIPE and open the null device on
//! closed descriptors before we can look; what we were given would be lost. Masks and all other
//! dispositions are transparent by never being touched, and caught signals by `execve` itself, which
//! resets them to the default in one step with the start of the program.
#![allow(
    unsafe_code,
    reason = "the one room for it; tests/house_rules.rs counts the blocks"
)]

use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigprocmask,
};
use nix::unistd::{Pid, getpid};

mod arena;

pub mod bytes;

pub mod children;

mod terminal;

pub use arena::Arena;

pub use terminal::{
    Awaited, JobControl, copy_size, forget_terminal, is_of_our_terminal, restore_terminal,
    take_terminal, terminal_to_restore,
};

/// The signals that end a load.
const TERMINATING: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// What we were started with, and change.
static SIGPIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// The very first act of the process: record what we were given, be able to end, and see to it that
/// our own words cannot kill us. The start-up code of `std` would do some of this, and more that we
/// do not need (it reads our memory map, among others); the entry point in `main.rs` replaces it.
pub fn begin() {
    let given = dispose(Signal::SIGPIPE, SigHandler::SigIgn);
    SIGPIPE_WAS_IGNORED.store(given, Ordering::Relaxed);
    for fd in 0..3 {
        // SAFETY: asks for a flag; no descriptor is used or changed, and a closed one is an answer.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            // No file of ours may get the number of a standard stream. The lowest free number is
            // this one; a root without /dev leaves it closed.
            let flags = libc::O_RDWR | libc::O_CLOEXEC;
            // SAFETY: the path is a string with its NUL.
            unsafe { libc::open(c"/dev/null".as_ptr(), flags) };
        }
    }
    // As PID 1 the kernel drops a signal that is left at its default, so every microsecond without a
    // handler is one in which `docker stop` is not heard. Whoever ignores a signal keeps ignoring it;
    // one that comes between the two calls is held, and forgotten with the second.
    let _held = hold_termination();
    for signal in TERMINATING {
        if dispose(signal, SigHandler::Handler(end)) {
            dispose(signal, SigHandler::SigIgn);
        }
    }
}

/// The very last act: nothing is left to flush or to undo, and what C does at the end of a program
/// would copy pages for it.
pub fn exit(status: u8) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(i32::from(status)) }
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

/// Sets the disposition; was the signal ignored before?
fn dispose(signal: Signal, handler: SigHandler) -> bool {
    let mut mask = TERMINATING.into_iter().collect::<SigSet>();
    // Modes of a terminal may be set from the background while this one is blocked.
    mask.add(Signal::SIGTTOU);
    let action = SigAction::new(handler, SaFlags::SA_RESETHAND, mask);
    // SAFETY: the only handler ever given is `end`, which calls async-signal-safe functions alone.
    let before = unsafe { nix::sys::signal::sigaction(signal, &action) };
    // Cannot fail: the signals are valid by type, and none of them is KILL or STOP.
    before.is_ok_and(|before| matches!(before.handler(), SigHandler::SigIgn))
}

/// The words of the command line, as `main` was given them; the standard library does not collect
/// them for an entry point that is not its own (it does with glibc, not with musl).
///
/// # Safety
///
/// `argv` is the argument of `main`: `argc` pointers to strings that live as long as the process.
pub unsafe fn words(argc: libc::c_int, argv: *const *const libc::c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or(0);
    let word = |at| {
        // SAFETY: the caller promises `argc` pointers.
        let string = unsafe { argv.wrapping_add(at).read() };
        // SAFETY: and that each points to a string with its NUL.
        let word = unsafe { CStr::from_ptr(string) };
        OsString::from_vec(word.to_bytes().to_vec())
    };
    (0..count).map(word).collect()
}

unsafe extern "C" {
    // SAFETY: libc sets it before `main`; nothing here changes the environment in place, so that it
    // can be read at any time.
    safe static environ: AtomicPtr<*const libc::c_char>;
}

/// The strings of the environment, where the kernel put them.
fn environment_strings() -> impl Iterator<Item = *const libc::c_char> {
    let start = environ.load(Ordering::Relaxed).cast_const();
    let mut next = (!start.is_null()).then_some(start);
    std::iter::from_fn(move || {
        let place = next?;
        // SAFETY: the list ends with a null pointer, and `next` never moves past it.
        let string = unsafe { place.read() };
        next = (!string.is_null()).then(|| place.wrapping_add(1));
        next?;
        Some(string)
    })
}

/// The environment as the kernel handed it over: every string in order, also those that are no
/// `NAME=value` and those that come twice, which `std` hides.
pub fn environment() -> impl Iterator<Item = &'static CStr> {
    // SAFETY: not null, so it points to a string with its NUL that lives as long as the process.
    environment_strings().map(|string| unsafe { CStr::from_ptr(string) })
}

/// Switches core dumps and tracing by the same user off, while secrets are in memory. `execve`
/// switches them on again.
pub fn harden() {
    // Cannot fail: the argument is valid.
    nix::sys::prctl::set_dumpable(false).ok();
}

/// While it lives, the signal state is what the program is to inherit.
pub struct Restored(());

/// Puts back what [`begin`] changed: the disposition of SIGPIPE. (The null device on descriptors that
/// were closed goes away with the exec itself.) Dropped when `execve` has failed, so that a word on a
/// broken stderr does not kill us.
pub fn restore_for_exec() -> Restored {
    if !SIGPIPE_WAS_IGNORED.load(Ordering::Relaxed) {
        dispose(Signal::SIGPIPE, SigHandler::SigDfl);
    }
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

impl Held {
    /// One is waiting. Where there is no `/proc`, nobody knows.
    pub fn asked(&self) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let pending = status.lines().filter_map(|line| {
            let mask = line
                .strip_prefix("SigPnd:")
                .or_else(|| line.strip_prefix("ShdPnd:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        });
        let ours = |signal: Signal| 1u64 << (signal as u32 - 1);
        let all = TERMINATING
            .into_iter()
            .map(ours)
            .fold(0, |all, one| all | one);
        pending.fold(0, |all, one| all | one) & all != 0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None).ok();
    }
}

/// Makes glibc look names up in `/etc/hosts` and by DNS alone. Static or not, glibc honours
/// `/etc/nsswitch.conf` and would load the image's plug-ins, with a second libc, into this process.
/// Called once, before the first look-up. musl has no plug-ins.
pub fn look_up_without_plugins() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: the signature is glibc's (nss.h, since 2.0).
        unsafe extern "C" {
            fn __nss_configure_lookup(
                database: *const libc::c_char,
                services: *const libc::c_char,
            ) -> libc::c_int;
        }
        // SAFETY: both are C strings that live for ever; glibc copies what it keeps, under a lock
        // of its own. It fails only for a database that does not exist.
        unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    }
}

/// Whether processes have the numbers in `/proc` that they have for us. One that was mounted in another
/// PID namespace, as `unshare --pid` alone leaves it, has those of strangers.
pub fn proc_is_ours() -> bool {
    let own = std::fs::read_link("/proc/self");
    own.is_ok_and(|own| own == Path::new(&getpid().to_string()))
}

/// Whether a file has an extended attribute of this value.
pub fn has_attribute(path: &Path, name: &CStr, value: &[u8]) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let mut found = [0; 16];
    // SAFETY: two C strings, and room for as many bytes as are said.
    let count = unsafe {
        libc::getxattr(
            path.as_ptr(),
            name.as_ptr(),
            found.as_mut_ptr().cast(),
            found.len(),
        )
    };
    let found = usize::try_from(count)
        .ok()
        .and_then(|count| found.get(..count));
    found == Some(value)
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
