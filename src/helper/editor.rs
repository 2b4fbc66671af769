//! An editor for a text that must not reach a disk: the file lies in a folder of our own on a file
//! system in memory, together with whatever the editor puts beside it.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use super::{Fault, KEPT, words};
use crate::failure::Explain;
use crate::sys;

/// How our folders are called.
const NAME: &str = "envshim-edit-";

/// The other file system in memory, which nix does not name.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// There is no place for a plain text.
#[derive(Debug)]
pub struct NoMemory(Vec<PathBuf>);

impl Explain for NoMemory {
    fn what(&self) -> String {
        let tried: Vec<String> = self.0.iter().map(|p| p.display().to_string()).collect();
        format!(
            "there is no file system in memory that can be written to ({})",
            tried.join(", ")
        )
    }
    fn hint(&self) -> Option<String> {
        Some("set XDG_RUNTIME_DIR to a folder on tmpfs, or mount one at /dev/shm".to_owned())
    }
}

/// A folder in memory that nobody else can look into. It goes with its owner, and what an envshim
/// that was killed has left behind goes when the next one comes.
pub struct MemoryFolder {
    path: PathBuf,
    /// Held for as long as we live, so that others see that we do.
    _lock: Flock<OwnedFd>,
}

impl MemoryFolder {
    /// Makes one on the first of these places that is in memory.
    pub fn new(places: &[PathBuf]) -> Result<MemoryFolder, NoMemory> {
        let mut random = [0u8; 8];
        let named = sys::random(&mut random).is_ok();
        let mark = u64::from_le_bytes(random);
        places
            .iter()
            .filter(|place| named && place.is_absolute() && in_memory(place))
            .find_map(|place| MemoryFolder::at(place, mark))
            .ok_or_else(|| NoMemory(places.to_vec()))
    }

    fn at(place: &Path, mark: u64) -> Option<MemoryFolder> {
        clear(place);
        // Under its name it is locked already, lest another one takes it for left behind.
        let first = place.join(format!(".envshim-{mark:016x}"));
        std::fs::DirBuilder::new().mode(0o700).create(&first).ok()?;
        let path = place.join(format!("{NAME}{mark:016x}"));
        let locked = locked(&first).filter(|_| std::fs::rename(&first, &path).is_ok());
        match locked {
            Some(lock) => Some(MemoryFolder { path, _lock: lock }),
            None => {
                std::fs::remove_dir(&first).ok();
                None
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for MemoryFolder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).ok();
    }
}

fn in_memory(place: &Path) -> bool {
    statfs(place).is_ok_and(|about| {
        let kind = about.filesystem_type();
        kind == TMPFS_MAGIC || kind == RAMFS_MAGIC
    })
}

fn locked(folder: &Path) -> Option<Flock<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let fd = open(folder, flags, Mode::empty()).ok()?;
    Flock::lock(fd, FlockArg::LockExclusiveNonblock).ok()
}

/// Removes what killed ones have left.
fn clear(place: &Path) {
    let me = nix::unistd::geteuid().as_raw();
    for item in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let ours = item.file_name().to_string_lossy().starts_with(NAME);
        let mine = || {
            item.metadata()
                .is_ok_and(|about| about.is_dir() && about.uid() == me)
        };
        if ours && mine() && locked(&item.path()).is_some() {
            std::fs::remove_dir_all(item.path()).ok();
        }
    }
}

/// Runs an editor on a file and waits for its end. `path` is `PATH`, where the editor is looked up.
pub fn edit(command: &str, file: &Path, path: &[u8]) -> Result<ExitStatus, Fault> {
    let mut words = words(command)?.into_iter();
    let program = words.next().ok_or(Fault::OpenQuote)?;
    #[allow(
        clippy::disallowed_methods,
        reason = "the one room that starts helpers"
    )]
    let mut command = Command::new(&program);
    command.args(quiet(&program, path)).args(words).arg(file);
    for name in KEPT {
        command.env_remove(name);
    }
    sys::dies_with_us(&mut command);
    let started = command.spawn().map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        Fault::NotStarted(program.clone(), errno)
    });
    started?.wait().map_err(|_| Fault::Lost(program))
}

/// What keeps Vim from writing elsewhere: backups, undo files and registers go where its settings
/// say, which may be a disk.
fn quiet(program: &str, path: &[u8]) -> Vec<OsString> {
    let found = if program.contains('/') {
        std::fs::canonicalize(program).ok()
    } else {
        path.split(|byte| *byte == b':').find_map(|folder| {
            let folder = Path::new(std::str::from_utf8(folder).ok()?);
            std::fs::canonicalize(folder.join(program)).ok()
        })
    };
    let name = found.as_deref().unwrap_or(Path::new(program)).file_name();
    let name = name.map_or(String::new(), |name| name.to_string_lossy().into_owned());
    if !name.starts_with("vim") && !name.starts_with("nvim") {
        return Vec::new();
    }
    [
        "-n",
        "-i",
        "NONE",
        "-c",
        "silent! set nobackup nowritebackup noundofile noswapfile",
    ]
    .into_iter()
    .map(OsString::from)
    .collect()
}

/// Places where a file system in memory usually is.
pub fn places(runtime: Option<&Path>) -> Vec<PathBuf> {
    let own = PathBuf::from(format!("/run/user/{}", nix::unistd::geteuid()));
    let known = ["/dev/shm", "/run", "/tmp"].map(PathBuf::from);
    let named = runtime.map(Path::to_owned);
    named.into_iter().chain([own]).chain(known).collect()
}

/// Where an edit is kept that somebody else's came before: beside the file.
pub fn beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    (1..1000)
        .map(|n| match n {
            1 => format!("{name}.edited"),
            n => format!("{name}.edited.{n}"),
        })
        .map(|name| path.with_file_name(name))
        .find(|path| !path.exists())
}
