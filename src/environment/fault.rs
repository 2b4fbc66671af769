//! What cannot be put into an environment, in words.

use nix::errno::Errno;

use super::limits::STRING;
use crate::failure::Explain;
use crate::files::reason;

/// What the kernel, or we, cannot put into an environment.
pub(super) enum Fault {
    Name(String),
    Nul(String, String),
    TooLong {
        name: String,
        place: String,
        bytes: usize,
    },
    MemoryFile {
        name: String,
        errno: Errno,
    },
    NoProc(String),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Name(place) => format!("{place}: the variable has no valid name"),
            Fault::Nul(name, place) => {
                format!(
                    "{place}: {name}: the value holds a NUL byte, which no environment can carry"
                )
            }
            Fault::TooLong { name, place, bytes } => format!(
                "{place}: {name}: the value has {bytes} bytes; the kernel takes {STRING} for one variable with its name"
            ),
            Fault::MemoryFile { name, errno } => {
                format!("{name}: the memory file cannot be made: {}", reason(*errno))
            }
            Fault::NoProc(name) => {
                format!("{name}: a memory file is named by its path in /proc, which is not mounted")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Name(_) => "a name is not empty and holds neither `=` nor NUL".to_owned(),
            Fault::Nul(..) | Fault::TooLong { .. } => {
                "hand it over as a file: NAME=scheme:...?as=file".to_owned()
            }
            Fault::MemoryFile {
                errno: Errno::EPERM,
                ..
            } => "only root can give it to another user; leave --file-owner out".to_owned(),
            Fault::MemoryFile { .. } => {
                "leave ?as=file out, or mount the secret as a file".to_owned()
            }
            Fault::NoProc(_) => "mount /proc, or leave ?as=file out".to_owned(),
        })
    }
}
