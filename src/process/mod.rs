//! Becoming the program: where it is, what the kernel is given, and why it refuses.
//!
//! Nothing of ours is left in the program: it has our process id, parent, group, session, terminal,
//! folder, masks, limits and timers because none of them is touched, and the signal state and
//! descriptors that we were given because `sys` puts back the little that it changed. The
//! handlers that end a load stay installed up to the system call, which resets them in one step:
//! there is no moment in which a signal is lost.
//!
//! - `image`: everything that allocates, made before: candidates of the search, words, bytes.
//! - `exec`: the search of `execvp`, with the program's own `PATH`.
//! - `binary`: what a program file asks for in its first bytes.
//! - `refusal`: an errno, looked into and told to the person who has to mend it; `missing` is
//!   its longest answer.

mod binary;
mod exec;
mod image;
mod missing;
mod refusal;

use std::ffi::{CStr, OsString};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::failure::Failure;

/// What the user asked to run.
pub struct Program {
    /// The program and its arguments, byte for byte.
    pub words: Vec<OsString>,
    /// What the program sees as its own name; the first word as it was typed, if not given.
    pub arg0: Option<OsString>,
}

/// Becomes the program with exactly this environment (`NAME=value` each) and, beside the descriptors
/// that we were given, the memory files in `inherit`. Returns only if that is not possible.
pub fn exec(program: &Program, environment: &[&CStr], inherit: &[OwnedFd]) -> Failure {
    match image::Image::new(program, environment) {
        Ok(image) => exec::exec(&image, inherit).into(),
        Err(refusal) => refusal.into(),
    }
}

/// Where [`exec()`] finds the program in this environment, or why it cannot be run. Starts nothing.
pub fn find(program: &Program, environment: &[&CStr]) -> Result<PathBuf, Failure> {
    let image = image::Image::new(program, environment)?;
    Ok(exec::find(&image)?)
}
