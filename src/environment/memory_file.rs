//! Memory files: a secret that a program wants as a file, and that never touches a disk.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};
use zeroize::Zeroizing;

use super::fault::Fault;
use crate::failure::Failure;
use crate::secret::Secret;
use crate::sys::proc_is_ours;

/// A memory file with this content, readable by its owner only. The program finds it by its path in
/// `/proc`. It is sealed, unless it will be `rewritten`.
pub(super) fn with(
    name: &str,
    value: &Secret,
    owner: Option<(u32, Option<u32>)>,
    rewritten: bool,
) -> Result<OwnedFd, Failure> {
    let name = || name.to_owned();
    if !Path::new("/proc/self/fd").exists() {
        return Err(Fault::NoProc(name()).into());
    }
    let made = made(&name(), value, owner, rewritten);
    made.map_err(|errno| {
        Fault::MemoryFile {
            name: name(),
            errno,
        }
        .into()
    })
}

fn made(
    name: &str,
    value: &Secret,
    owner: Option<(u32, Option<u32>)>,
    rewritten: bool,
) -> nix::Result<OwnedFd> {
    let plain = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Since Linux 6.3 a memory file can be kept from ever being executed.
    let never_executed = plain | MFdFlags::from_bits_retain(nix::libc::MFD_NOEXEC_SEAL);
    let short = short(name);
    let fd = match memfd_create(short, never_executed) {
        Err(Errno::EINVAL) => memfd_create(short, plain)?,
        made => made?,
    };
    // Written at an offset, so that the descriptor itself still reads from the start.
    let file = File::from(fd);
    file.write_all_at(value.expose(), 0)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let fd = OwnedFd::from(file);
    fchmod(&fd, Mode::S_IRUSR)?;
    if let Some((user, group)) = owner {
        fchown(&fd, Some(Uid::from_raw(user)), group.map(Gid::from_raw))?;
    }
    if rewritten {
        fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR)?;
        return Ok(fd);
    }
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SEAL;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(fd)
}

/// The memory files of this name that a process has, opened for writing. The process may be hostile
/// and we may be root: what is opened is looked at before anything is written, so that nothing but a
/// memory file is ever one.
pub fn of_process(pid: i32, name: &str) -> Vec<File> {
    let shown = PathBuf::from(format!("/memfd:{} (deleted)", short(name)));
    let is_it = |path: &Path| std::fs::read_link(path).is_ok_and(|to| to == shown);
    let entries = proc_is_ours().then(|| std::fs::read_dir(format!("/proc/{pid}/fd")));
    let paths = entries
        .into_iter()
        .flatten()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let open = |path: PathBuf| {
        // Whatever stands there by now, opening it waits for nobody.
        let calm = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mut options = File::options();
        let options = options.write(true).custom_flags(calm.bits());
        let file = options.open(path).ok()?;
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        // A file of a tmpfs has seals too, but can get no more.
        let seals = fcntl(&file, FcntlArg::F_GET_SEALS).ok()?;
        let memory = seals & SealFlag::F_SEAL_SEAL.bits() == 0;
        (memory && is_it(Path::new(&own))).then_some(file)
    };
    paths.filter(|path| is_it(path)).filter_map(open).collect()
}

/// What a memory file is called: the kernel takes 249 bytes.
fn short(name: &str) -> &str {
    name.get(..name.len().min(240)).unwrap_or("envshim")
}

/// Looks at the content, piece by piece, without moving where the program will read from.
pub(super) fn read(fd: &OwnedFd, mut look: impl FnMut(&[u8])) {
    let Ok(file) = fd.try_clone().map(File::from) else {
        return;
    };
    let mut part = Zeroizing::new([0; 4096]);
    let mut at = 0;
    while let Ok(count @ 1..) = file.read_at(&mut *part, at) {
        look(part.get(..count).unwrap_or_default());
        at += count as u64;
    }
}
