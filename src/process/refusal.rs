//! Why a program cannot be run. The kernel gives one number; the file, the mount, the first line and
//! the search path are looked into here, after the failure, to say what to mend.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, eaccess, geteuid};

use super::binary::{self, Kind};
use super::exec::to_path;
use super::image::{Image, SHELL};
use super::missing;
use crate::environment::limits::{self, Excess};
use crate::failure::{Exit, Explain};
use crate::files;

/// What stands between a path and its start.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Nothing there; the target where a link leads nowhere.
    Absent(Option<PathBuf>),
    /// A folder on the way may not be searched.
    Unreachable,
    /// Something that is not a file.
    NotAFile(&'static str),
    /// Nobody may execute it.
    NoExecuteBit,
    /// Others may execute it.
    NotForUs,
    /// Nothing on that file system may be executed.
    NoExecMount,
    /// The interpreter of the first line is not there.
    NoInterpreter(OsString, bool),
    /// The loader of a dynamic program is not there.
    NoLoader(OsString),
    /// The interpreter or loader is there and cannot be run.
    Through(OsString, Box<Obstacle>),
    /// Built for another machine.
    Machine(u16),
    /// Neither a program nor a script.
    NotAProgram,
    /// The kernel's own reason.
    Kernel(Errno),
}

/// Why nothing was started.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A word holds a NUL byte. The command line cannot bring one.
    NulByte,
    /// Nothing by that name: name, where it was looked for, what to do.
    NotFound(OsString, String, Option<String>),
    /// It is there and cannot be run.
    CannotRun(PathBuf, Obstacle),
    /// More bytes than the kernel takes.
    TooLarge(PathBuf, Excess),
}

impl Explain for Refusal {
    fn what(&self) -> String {
        match self {
            Refusal::NulByte => "a word of the program's command line holds a NUL byte".to_owned(),
            Refusal::NotFound(name, place, _) => format!("{}: {place}", name.display()),
            Refusal::CannotRun(path, obstacle) => {
                format!("{}: {}", path.display(), describe(obstacle))
            }
            Refusal::TooLarge(path, excess) => format!("{}: {}", path.display(), excess.what()),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Refusal::NulByte => None,
            Refusal::NotFound(_, _, hint) => hint.clone(),
            Refusal::CannotRun(path, obstacle) => cure(path, obstacle),
            Refusal::TooLarge(_, excess) => excess.hint(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Refusal::NulByte => Exit::Ours,
            Refusal::NotFound(..) | Refusal::CannotRun(_, Obstacle::Absent(_)) => Exit::NotFound,
            Refusal::CannotRun(..) | Refusal::TooLarge(..) => Exit::CannotRun,
        }
    }
}

fn describe(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Absent(None) => "does not exist".to_owned(),
        Obstacle::Absent(Some(target)) => format!(
            "is a symbolic link to `{}`, which does not exist",
            target.display()
        ),
        Obstacle::Unreachable => format!(
            "user {} may not search one of the folders of this path",
            geteuid()
        ),
        Obstacle::NotAFile(kind) => format!("is {kind}, not a program"),
        Obstacle::NoExecuteBit => "has no execute permission".to_owned(),
        Obstacle::NotForUs => format!("user {} has no execute permission", geteuid()),
        Obstacle::NoExecMount => "lies on a file system that is mounted `noexec`".to_owned(),
        Obstacle::NoInterpreter(interpreter, false) => format!(
            "its first line asks for the interpreter `{}`, which does not exist",
            interpreter.display()
        ),
        Obstacle::NoInterpreter(interpreter, true) => format!(
            "its first line ends in CR LF, and the kernel looks for an interpreter `{}\\r`",
            interpreter.display()
        ),
        Obstacle::NoLoader(loader) => format!(
            "the program needs the loader `{}`, which does not exist here",
            loader.display()
        ),
        Obstacle::Through(interpreter, obstacle) => {
            format!(
                "`{}`, which it needs: {}",
                interpreter.display(),
                describe(obstacle)
            )
        }
        Obstacle::Machine(machine) => format!(
            "is built for {}, and this machine is {}",
            binary::machine_name(*machine),
            binary::this_machine()
        ),
        Obstacle::NotAProgram => "is neither a program for this kernel nor a script".to_owned(),
        Obstacle::Kernel(errno) => format!("cannot be executed: {}", files::reason(*errno)),
    }
}

fn cure(path: &Path, obstacle: &Obstacle) -> Option<String> {
    let path = path.display();
    Some(match obstacle {
        Obstacle::Absent(_) => format!("look at what is there: ls -l {path}"),
        Obstacle::Unreachable => format!("see which one: namei -l {path}"),
        Obstacle::NotAFile(_) => "name a program".to_owned(),
        Obstacle::NoExecuteBit => format!("chmod +x {path}"),
        Obstacle::NotForUs => format!("let that user execute it: ls -l {path}"),
        Obstacle::NoExecMount => {
            "copy it to another file system, or mount this one without `noexec`".to_owned()
        }
        Obstacle::NoInterpreter(_, true) => format!("sed -i 's/\\r$//' {path}"),
        Obstacle::NoInterpreter(interpreter, false) => format!(
            "install `{}` in this image, or change the first line",
            interpreter.display()
        ),
        Obstacle::NoLoader(loader) if loader.as_bytes().windows(7).any(|w| w == b"ld-musl") => {
            "it was built for musl (Alpine); take such an image, or build it static".to_owned()
        }
        Obstacle::NoLoader(_) => {
            "it was built for another C library; take an image that has it (Debian for glibc), or build it static"
                .to_owned()
        }
        Obstacle::Through(interpreter, obstacle) => return cure(Path::new(interpreter), obstacle),
        Obstacle::Machine(_) => format!(
            "take a build for this machine; for an image: docker build --platform linux/{}",
            binary::this_machine()
        ),
        Obstacle::NotAProgram => format!("is it the right file? file {path}"),
        Obstacle::Kernel(Errno::ETXTBSY) => "something still writes to it; wait for that".to_owned(),
        Obstacle::Kernel(_) => return None,
    })
}

/// What would keep the file at `path` from being run; `None` when nothing can be seen from outside.
pub(super) fn obstacle(path: &Path) -> Option<Obstacle> {
    look(path, 4)
}

fn look(path: &Path, depth: u8) -> Option<Obstacle> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Some(match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT | Errno::ENOTDIR) => {
                    Obstacle::Absent(std::fs::read_link(path).ok())
                }
                Some(Errno::EACCES) => Obstacle::Unreachable,
                errno => Obstacle::Kernel(errno.unwrap_or(Errno::UnknownErrno)),
            });
        }
    };
    if !metadata.is_file() {
        let kind = if metadata.is_dir() {
            "a folder"
        } else {
            "a device, pipe or socket"
        };
        return Some(Obstacle::NotAFile(kind));
    }
    if eaccess(path, AccessFlags::X_OK).is_err() {
        let noexec = statvfs(path).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_NOEXEC));
        return Some(match metadata.mode() & 0o111 {
            0 => Obstacle::NoExecuteBit,
            _ if noexec => Obstacle::NoExecMount,
            _ => Obstacle::NotForUs,
        });
    }
    let (needed, absent) = match binary::read(path) {
        Kind::Script {
            interpreter,
            carriage_return,
        } => {
            let mut asked = interpreter.clone();
            if carriage_return {
                asked.push("\r");
            }
            (asked, Obstacle::NoInterpreter(interpreter, carriage_return))
        }
        Kind::Elf {
            loader: Some(loader),
            ..
        } => (loader.clone(), Obstacle::NoLoader(loader)),
        _ => return None,
    };
    match look(Path::new(&needed), depth.checked_sub(1)?)? {
        Obstacle::Absent(None) => Some(absent),
        other => Some(Obstacle::Through(needed, Box::new(other))),
    }
}

/// What `errno` means for the file at `path`.
pub(super) fn explain(image: &Image, path: &Path, errno: Errno) -> Refusal {
    if errno == Errno::E2BIG
        && let Some(excess) = limits::measure(image.environment, image.typed)
    {
        return Refusal::TooLarge(path.to_owned(), excess);
    }
    let obstacle = match (errno, obstacle(path), binary::read(path)) {
        (_, Some(obstacle), _) => obstacle,
        (Errno::ENOEXEC | Errno::ELIBBAD, None, Kind::Elf { machine, .. })
            if binary::machine_name(machine) != binary::this_machine() =>
        {
            Obstacle::Machine(machine)
        }
        (Errno::ENOEXEC, None, _) => Obstacle::NotAProgram,
        _ => Obstacle::Kernel(errno),
    };
    if path == to_path(SHELL) && !image.candidates.iter().any(|c| c.as_c_str() == SHELL) {
        let script = PathBuf::from(image.name);
        return Refusal::CannotRun(script, Obstacle::Through(path.into(), Box::new(obstacle)));
    }
    Refusal::CannotRun(path.to_owned(), obstacle)
}

/// No candidate could be run: the first that is there says why, else the name was not found.
pub(super) fn search(image: &Image) -> Refusal {
    let searched = !image.name.as_bytes().contains(&b'/');
    let mut unreachable = None;
    for path in image.candidates.iter().map(|path| to_path(path)) {
        match obstacle(&path) {
            Some(Obstacle::Absent(None)) => {}
            // A link that leads nowhere in one folder of PATH hides nothing in the next.
            Some(Obstacle::Absent(Some(_))) if searched => {}
            Some(Obstacle::Unreachable) if searched => {
                unreachable.get_or_insert(path);
            }
            // It can be run, and the kernel said no: a rule of a security module, or it is gone again.
            None => return Refusal::CannotRun(path, Obstacle::Kernel(Errno::EACCES)),
            Some(obstacle) => return Refusal::CannotRun(path, obstacle),
        }
    }
    missing::not_found(image, unreachable)
}
