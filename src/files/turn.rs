//! Whose turn it is to change the files of a folder.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;

use super::Fault;

/// While it lives, other envshims that want to change files in the same folder wait.
pub struct Lock(#[allow(dead_code, reason = "held, not used")] Option<Flock<OwnedFd>>);

/// How long somebody else may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for our turn to change files in a folder. File systems without locks have no turns; there
/// the last comparison before a file is replaced is all there is.
pub fn lock(folder: &Path) -> Result<Lock, Fault> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_DIRECTORY;
    // What is wrong with the folder is told by whoever writes into it.
    let Ok(mut folder_fd) = open(folder, flags, Mode::empty()) else {
        return Ok(Lock(None));
    };
    let end = Instant::now() + PATIENCE;
    loop {
        match Flock::lock(folder_fd, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Lock(Some(lock))),
            Err((fd, Errno::EWOULDBLOCK | Errno::EINTR)) if Instant::now() < end => {
                folder_fd = fd;
                nix::poll::poll(&mut [], nix::poll::PollTimeout::from(5u8)).ok();
            }
            Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => {
                return Err(Fault::Busy(folder.to_owned()));
            }
            Err(_) => return Ok(Lock(None)),
        }
    }
}
