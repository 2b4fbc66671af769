//! Files that hold secrets: read with limits, replaced atomically.
//!
//! Reading never blocks on a FIFO, never reads more than it was allowed, and tells what is wrong
//! with a path in its own words. Replacing writes a nameless file, syncs it and renames it over the
//! old one, so that a reader sees the old bytes or the new ones, and a crash leaves no plain text.

mod link;

mod turn;

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::stat::Mode;
use zeroize::Zeroizing;

use crate::failure::Explain;
use crate::secret::Secret;
use crate::sys;

pub use link::refuse_foreign_link;
pub use turn::{Lock, lock};

/// What stands at a path.
pub struct Contents {
    /// The bytes.
    pub bytes: Secret,
    /// Everybody on the machine may read the file.
    pub exposed: bool,
    /// When it was last written.
    pub modified: SystemTime,
    /// Its permissions.
    pub mode: u32,
}

/// Which kinds of file are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// A regular file, or a link to one.
    Regular,
    /// Also a pipe, as in `--password-file <(pass show team)`.
    Pipe,
}

/// Why a file cannot be read or replaced.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The path leads to something that is not a file.
    NotAFile(PathBuf, &'static str),
    /// A symbolic link that leads nowhere (or in a circle).
    Dangling(PathBuf, Option<PathBuf>),
    /// A link in a folder that everybody may write to, made by somebody else.
    ForeignLink(PathBuf),
    /// More bytes than such a file can sensibly have.
    TooLarge(PathBuf, usize),
    /// The kernel said no.
    Read(PathBuf, Errno),
    /// The kernel said no while writing.
    Write(PathBuf, Errno),
    /// A file is replaced, never written through a link.
    ReplacesLink(PathBuf),
    /// A file is there that must not be lost.
    Exists(PathBuf),
    /// Another envshim is changing files in this folder, and does not end.
    Busy(PathBuf),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotAFile(path, kind) => format!("{}: is {kind}, not a file", path.display()),
            Fault::Dangling(path, Some(target)) => format!(
                "{}: is a symbolic link to `{}`, which does not exist",
                path.display(),
                target.display()
            ),
            Fault::Dangling(path, None) => {
                format!(
                    "{}: is a symbolic link that leads in a circle",
                    path.display()
                )
            }
            Fault::ForeignLink(path) => format!(
                "{}: is a symbolic link that another user made in a folder that everybody can write to",
                path.display()
            ),
            Fault::TooLarge(path, most) => {
                format!("{}: is larger than {}", path.display(), spoken_size(*most))
            }
            Fault::Read(path, errno) => {
                format!("{}: cannot be read: {}", path.display(), reason(*errno))
            }
            Fault::Write(path, errno) => {
                format!("{}: cannot be written: {}", path.display(), reason(*errno))
            }
            Fault::ReplacesLink(path) => format!(
                "{}: is a symbolic link, and envshim replaces files, it does not write through links",
                path.display()
            ),
            Fault::Busy(path) => format!(
                "{}: another envshim is changing files there, and does not end",
                path.display()
            ),
            Fault::Exists(path) => format!(
                "{}: is there already, and is not overwritten",
                path.display()
            ),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotAFile(path, _) => {
                format!("look at what is there: ls -ld {}", path.display())
            }
            Fault::Dangling(path, _) => {
                format!("mend or remove the link: ls -l {}", path.display())
            }
            Fault::ForeignLink(path) => {
                format!(
                    "remove it, and keep the file in a folder of your own: ls -l {}",
                    path.display()
                )
            }
            Fault::TooLarge(path, _) => {
                format!("is it the right file? ls -l {}", path.display())
            }
            Fault::Read(path, Errno::EACCES) => format!(
                "envshim runs as user {}; let that user read it: ls -l {}",
                nix::unistd::geteuid(),
                path.display()
            ),
            Fault::Write(path, Errno::EACCES | Errno::EPERM) => format!(
                "envshim runs as user {}; let that user write to the folder: ls -ld {}",
                nix::unistd::geteuid(),
                folder(path).display()
            ),
            Fault::Write(_, Errno::ENOSPC | Errno::EDQUOT) => {
                "make room on the disk; the old file is as it was".to_owned()
            }
            Fault::Write(path, Errno::ENOENT) => {
                format!("make the folder: mkdir -p {}", folder(path).display())
            }
            Fault::Write(path, Errno::EROFS) => format!(
                "name a folder that can be written to, or mount one at {}",
                folder(path).display()
            ),
            Fault::ReplacesLink(path) => {
                format!("name the file itself: readlink -f {}", path.display())
            }
            Fault::Busy(path) => format!("see who it is: fuser -v {}", path.display()),
            Fault::Exists(_) => "name another file".to_owned(),
            Fault::Read(..) | Fault::Write(..) => return None,
        })
    }
}

/// An errno in words, in our voice.
pub fn reason(errno: Errno) -> String {
    let text = errno.desc();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => format!("errno {}", errno as i32),
    }
}

/// A size for a person.
pub fn spoken_size(bytes: usize) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=1_048_575 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// The bytes at `path`, at most `most` of them; `None` when there is nothing at that path.
pub fn read(path: &Path, most: usize, accept: Accept) -> Result<Option<Contents>, Fault> {
    // Non-blocking, so that a FIFO without a writer cannot hang the start.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = match open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(errno) => return explain_absence(path, errno),
    };
    let failed = |error: std::io::Error| Fault::Read(path.to_owned(), errno_of(&error));
    let metadata = file.metadata().map_err(failed)?;
    let kind = metadata.file_type();
    if accept == Accept::Pipe && kind.is_fifo() {
        blocking(&file).map_err(|errno| Fault::Read(path.to_owned(), errno))?;
    } else if !kind.is_file() {
        return Err(Fault::NotAFile(path.to_owned(), kind_name(kind)));
    }
    refuse_foreign_link(path)?;
    if metadata.len() > most as u64 {
        return Err(Fault::TooLarge(path.to_owned(), most));
    }
    let expected = usize::try_from(metadata.len()).unwrap_or(0);
    let bytes = drain(file, expected, most)
        .map_err(failed)?
        .ok_or_else(|| Fault::TooLarge(path.to_owned(), most))?;
    Ok(Some(Contents {
        bytes,
        exposed: metadata.mode() & 0o004 != 0,
        modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        mode: metadata.mode() & 0o777,
    }))
}

/// Everything a reader gives, in a buffer that is wiped; `None` when it is more than `most`.
pub fn drain(mut from: impl Read, expected: usize, most: usize) -> std::io::Result<Option<Secret>> {
    // One byte more than expected: room to see that nothing follows.
    let mut bytes = Zeroizing::new(vec![0; expected + 1]);
    let mut filled = 0;
    loop {
        if filled == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; (filled * 2).max(4096)]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
        match from.read(&mut bytes[filled..]) {
            Ok(0) => {
                bytes.truncate(filled);
                return Ok(Some(Secret::new(std::mem::take(&mut *bytes))));
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled > most {
            return Ok(None);
        }
    }
}

/// Writes a new file; one that is there already stays as it is.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    let fault = |errno| match errno {
        Errno::EEXIST => Fault::Exists(path.to_owned()),
        errno => Fault::Write(path.to_owned(), errno),
    };
    // A terminating signal waits, so that no half of a file is left.
    let _held = sys::hold_termination();
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_CREAT | OFlag::O_EXCL;
    let mut file = File::from(open(path, flags, Mode::from_bits_truncate(mode)).map_err(fault)?);
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| {
        drop(std::fs::remove_file(path));
        fault(errno_of(&error))
    })
}

/// Puts `bytes` at `path` with `mode`, whole or not at all.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    let failed = |errno| Fault::Write(path.to_owned(), errno);
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => return Err(Fault::ReplacesLink(path.to_owned())),
        Ok(there) if !there.is_file() => {
            return Err(Fault::NotAFile(
                path.to_owned(),
                kind_name(there.file_type()),
            ));
        }
        _ => {}
    }
    let parent = folder(path);
    // A terminating signal waits for the few system calls that give the file its name.
    let _held = sys::hold_termination();
    let name = temporary(path).map_err(failed)?;
    let (mut file, nameless) = unfinished(parent, &name, mode).map_err(failed)?;
    let written = (|| {
        nix::sys::stat::fchmod(&file, Mode::from_bits_truncate(mode))?;
        file.write_all(bytes).map_err(|e| errno_of(&e))?;
        file.sync_all().map_err(|e| errno_of(&e))?;
        if nameless {
            let source = format!("/proc/self/fd/{}", file.as_raw_fd());
            nix::unistd::linkat(
                AT_FDCWD,
                source.as_str(),
                AT_FDCWD,
                &name,
                AtFlags::AT_SYMLINK_FOLLOW,
            )?;
        }
        nix::fcntl::renameat(AT_FDCWD, &name, AT_FDCWD, path)
    })();
    if let Err(errno) = written {
        drop(std::fs::remove_file(&name));
        return Err(failed(errno));
    }
    // The name is durable once the folder is; a folder that cannot be synced keeps the file all the same.
    if let Ok(fd) = open(parent, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) {
        nix::unistd::fsync(fd).ok();
    }
    Ok(())
}

/// A nameless file where the file system has them (`true`), else one under its temporary name.
fn unfinished(parent: &Path, name: &Path, mode: u32) -> nix::Result<(File, bool)> {
    let mode = Mode::from_bits_truncate(mode);
    let nameless = OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_TMPFILE;
    // Giving a nameless file its name goes through /proc, which a scratch root may lack.
    if Path::new("/proc/self/fd").exists()
        && let Ok(fd) = open(parent, nameless, mode)
    {
        return Ok((File::from(fd), true));
    }
    let named =
        OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    open(name, named, mode).map(|fd| (File::from(fd), false))
}

/// `.name.<random>` beside `path`.
fn temporary(path: &Path) -> nix::Result<PathBuf> {
    let mut random = [0u8; 8];
    sys::random(&mut random)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(Errno::EISDIR)?);
    name.push(format!(".{:016x}", u64::from_le_bytes(random)));
    Ok(folder(path).join(name))
}

/// The folder a path lies in; `.` for a bare name.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A path as the kernel takes it.
pub fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn kind_name(kind: std::fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        "a device"
    }
}

fn blocking(file: &File) -> nix::Result<()> {
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_SETFL(OFlag::empty())).map(|_| ())
}

/// Nothing there is an answer; a link that leads nowhere is a mistake that must be told.
fn explain_absence(path: &Path, errno: Errno) -> Result<Option<Contents>, Fault> {
    match errno {
        Errno::ENOENT => match std::fs::read_link(path) {
            Ok(target) => Err(Fault::Dangling(path.to_owned(), Some(target))),
            Err(_) => Ok(None),
        },
        Errno::ENOTDIR => Ok(None),
        Errno::ELOOP => Err(Fault::Dangling(path.to_owned(), None)),
        Errno::ENXIO => Err(Fault::NotAFile(path.to_owned(), "a socket")),
        errno => Err(Fault::Read(path.to_owned(), errno)),
    }
}
/// Appends to a file that is there.
pub fn append(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let failed = |errno| Fault::Write(path.to_owned(), errno);
    let mut file = File::from(open(path, flags, Mode::empty()).map_err(failed)?);
    let written = file.write_all(bytes);
    written.map_err(|error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(0))))
}
