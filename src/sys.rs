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

/// Makes glibc look names up in `/etc/hosts` and by DNS alone. Static or not, glibc honours
/// `/etc/nsswitch.conf` and would load the image's plug-ins, with a second libc, into this process.
/// Called once, before the first look-up. musl has no plug-ins.
pub fn look_up_without_plugins() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: the signature is glibc's (nss.h, since 2.0).
        unsafe extern "C" {
            fn __nss_configure_lookup(
                database: *const nix::libc::c_char,
                services: *const nix::libc::c_char,
            ) -> nix::libc::c_int;
        }
        // SAFETY: both are C strings that live for ever; glibc copies what it keeps, under a lock
        // of its own. It fails only for a database that does not exist.
        unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    }
}
