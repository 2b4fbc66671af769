//! Every `unsafe` line: what was captured before `main`, what is restored before `execve`, the
//! handlers that end a load.
#![allow(
    unsafe_code,
    reason = "the one room for it; tests/house_rules.rs counts the blocks"
)]

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

/// Fills `bytes` from the kernel's random source.
pub fn random(bytes: &mut [u8]) -> nix::Result<()> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // SAFETY: the pointer and length describe `rest`, which is writable and lives past the call.
        let count = unsafe { nix::libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
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
    let mut set = SigSet::empty();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        set.add(signal);
    }
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

/// The environment as the kernel gave it, string by string: also strings without `=` and doubles,
/// which the standard library drops.
pub fn environment() -> Vec<&'static std::ffi::CStr> {
    unsafe extern "C" {
        static mut environ: *const *const std::ffi::c_char;
    }
    let mut strings = Vec::new();
    // SAFETY: the C library set `environ` before main; nothing in this program changes it (set_var
    // is denied by lint), so reading the pointer races with nothing.
    let mut next = unsafe { environ };
    while !next.is_null() {
        // SAFETY: `next` points into the NULL-terminated array, before or at its end.
        let string = unsafe { *next };
        if string.is_null() {
            break;
        }
        // SAFETY: each entry is a NUL-terminated string that lives, unchanged, as long as the process.
        strings.push(unsafe { std::ffi::CStr::from_ptr(string) });
        // SAFETY: the entry was not the terminator, so the array goes on.
        next = unsafe { next.add(1) };
    }
    strings
}

/// A helper that ends when we do, however we end.
pub fn dies_with_us(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let parent = nix::unistd::getpid();
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
