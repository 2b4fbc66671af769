//! The search of `execvp` and the one system call.

use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::execve;

use super::binary;
use super::image::{Image, SHELL};
use super::refusal::{self, Refusal};
use crate::sys;

/// Becomes the program; returns only if that is not possible.
pub(super) fn exec(image: &Image, inherit: &[OwnedFd]) -> Refusal {
    for file in inherit {
        // Cannot fail: the descriptor is open.
        fcntl(file, FcntlArg::F_SETFD(FdFlag::empty())).ok();
    }
    let restored = sys::restore_for_exec();
    let refused = attempt(image);
    drop(restored);
    match refused {
        Some((path, errno)) => refusal::explain(image, &path, errno),
        None => refusal::search(image),
    }
}

/// Tries each candidate as `execvp` does: what is not there or not ours to run is passed over, any
/// other answer ends the search and is returned.
fn attempt(image: &Image) -> Option<(PathBuf, Errno)> {
    for path in &image.candidates {
        let Err(errno) = execve(path, &image.words, image.environment);
        match errno {
            Errno::EACCES
            | Errno::ENOENT
            | Errno::ENOTDIR
            | Errno::ESTALE
            | Errno::ENODEV
            | Errno::ETIMEDOUT => {}
            Errno::ENOEXEC => return Some(script(image, path)),
            errno => return Some((to_path(path), errno)),
        }
    }
    None
}

/// A file with the x bit that the kernel has no loader for: `/bin/sh` runs it, if it can be text.
fn script(image: &Image, path: &CStr) -> (PathBuf, Errno) {
    let file = to_path(path);
    if !binary::read(&file).is_text() {
        return (file, Errno::ENOEXEC);
    }
    match execve(SHELL, &image.script(path), image.environment) {
        Err(Errno::E2BIG) => (file, Errno::E2BIG),
        Err(errno) => (to_path(SHELL), errno),
    }
}

/// Where [`exec`] would end, without starting anything.
pub(super) fn find(image: &Image) -> Result<PathBuf, Refusal> {
    let mut paths = image.candidates.iter().map(|path| to_path(path));
    match paths.find(|path| refusal::obstacle(path).is_none()) {
        Some(path) => Ok(path),
        None => Err(refusal::search(image)),
    }
}

pub(super) fn to_path(path: &CStr) -> PathBuf {
    Path::new(OsStr::from_bytes(path.to_bytes())).to_owned()
}
