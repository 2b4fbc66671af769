//! What can go wrong with sealed files, what a person should look at, in words.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::credentials::{Source, Want};
use crate::failure::{Explain, Failure};
use crate::files;
use crate::format::key::Key;
use crate::format::{envelope, fernet, key};
use crate::prompt;

/// Every way to give a password or a key.
const WAYS: &str = "give the password or key: `--password-file` or `ENVSHIM_PASSWORD_FILE`, `ENVSHIM_PASSWORD`, \
    `--key-file` or `ENVSHIM_KEY_FILE`, `ENVSHIM_KEY`, `/run/secrets/envshim_password` or `envshim_key`, \
    `$CREDENTIALS_DIRECTORY/` the same, or a terminal to be asked on";

/// Why a file is not opened or sealed.
#[derive(Debug)]
pub enum Fault {
    /// Nothing fits; these were given, but are not of a kind that opens it.
    NoCredentials(Vec<Source>),
    /// A named file is not there.
    NoFile(PathBuf, Want),
    /// The named salt file is not there, or empty.
    NoSalt(PathBuf),
    /// An empty password.
    Empty(Source),
    /// A key where a password belongs.
    KeyAsPassword(Source),
    /// Not a key where one belongs.
    BadKey(Source, key::Fault),
    /// The text is not one that can be opened or made.
    Envelope(envelope::Fault),
    /// What the source gave does not open it.
    Refused(Source, envelope::Fault),
    /// What the source gave does not open the old file.
    RefusedOld(Source, fernet::Fault),
    /// The file that is to be sealed again does not open.
    Stale(Box<Fault>),
    /// A key opened the file that is to be sealed again; this password did not.
    Stranger(Source),
    /// A file, in its own words.
    File(files::Fault),
    /// The terminal, in its own words.
    Prompt(prompt::Fault),
    /// No random bytes.
    Random(Errno),
    /// The sealed text does not open again.
    NotReopened,
    /// The disk gives other bytes than were written.
    NotAsWritten,
}

impl Fault {
    /// As a failure of the file at `place`; some name a place of their own.
    pub(super) fn at(self, place: &str) -> Failure {
        let own = matches!(self, Fault::File(_) | Fault::NoFile(..) | Fault::NoSalt(_));
        let failure = Failure::from(self);
        if own { failure } else { failure.at(place) }
    }
}

/// People give the password or the key itself where its file is asked for; that is not repeated.
fn shows(path: &Path, want: Want) -> bool {
    let text = path.as_os_str().as_bytes();
    match want {
        Want::Password => text.contains(&b'/') && !text.contains(&b' '),
        Want::Key => Key::parse(text).is_err(),
    }
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoCredentials(unfit) if unfit.is_empty() => {
                "it is sealed, and there is no password or key for it".to_owned()
            }
            Fault::NoCredentials(unfit) => {
                let unfit: Vec<String> = unfit.iter().map(ToString::to_string).collect();
                let kind = match unfit.len() {
                    1 => "is not of the kind",
                    _ => "are not of the kind",
                };
                format!(
                    "there is no password or key for it: {} {kind} that opens it",
                    unfit.join(", ")
                )
            }
            Fault::NoFile(path, want) => match shows(path, *want) {
                true => format!("{}: no such {} file", path.display(), want.word()),
                false => format!(
                    "there is no {} file of the name that was given",
                    want.word()
                ),
            },
            Fault::NoSalt(path) => format!("{}: no salt there", path.display()),
            Fault::Empty(source) => format!("the password from {source} is empty"),
            Fault::KeyAsPassword(source) => format!("{source} holds a key, not a password"),
            Fault::BadKey(source, fault) => format!("{source}: {}", fault.what()),
            Fault::Envelope(fault) => fault.what(),
            Fault::Refused(source, fault) => format!("{} (from {source})", fault.what()),
            Fault::RefusedOld(source, fault) => format!("{} (from {source})", fault.what()),
            Fault::Stale(fault) => {
                format!("the file that is there does not open: {}", fault.what())
            }
            Fault::Stranger(source) => {
                format!("the password from {source} is none of those that open it")
            }
            Fault::File(fault) => fault.what(),
            Fault::Prompt(fault) => fault.what(),
            Fault::Random(errno) => {
                format!(
                    "the kernel gives no random bytes: {}",
                    files::reason(*errno)
                )
            }
            Fault::NotReopened => {
                "what was sealed does not open again; nothing was written".to_owned()
            }
            Fault::NotAsWritten => "the disk gives other bytes than were written".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Fault::NoCredentials(_) => Some(WAYS.to_owned()),
            Fault::NoFile(path, want) => Some(match (shows(path, *want), want) {
                (true, _) => "name the file that holds it".to_owned(),
                (false, Want::Password) => {
                    "a file of this folder is `./name`; a password itself goes into `ENVSHIM_PASSWORD`"
                        .to_owned()
                }
                (false, Want::Key) => {
                    "name the file that holds it; a key itself goes into `ENVSHIM_KEY`".to_owned()
                }
            }),
            Fault::NoSalt(_) => {
                Some("name the file of 16 bytes that the old tool wrote, usually `salt`".to_owned())
            }
            Fault::Empty(_) => Some("set it to a password, or unset it".to_owned()),
            Fault::KeyAsPassword(_) => {
                Some("give it as `--key-file`, `ENVSHIM_KEY_FILE` or `ENVSHIM_KEY`".to_owned())
            }
            Fault::BadKey(_, fault) => fault.hint(),
            Fault::Envelope(fault) | Fault::Refused(_, fault) => fault.hint(),
            Fault::RefusedOld(_, fault) => fault.hint(),
            Fault::Stale(_) => Some(
                "give a password or key that opens it, and its slots are kept; \
                 or seal anew, and what opened it until now no longer does: envshim seal --fresh"
                    .to_owned(),
            ),
            Fault::Stranger(_) => Some(
                "give one that opens it, or unset it; to seal for this password too, seal anew with all of them: \
                 envshim seal --fresh"
                    .to_owned(),
            ),
            Fault::File(fault) => fault.hint(),
            Fault::Prompt(fault) => fault.hint(),
            Fault::Random(_) | Fault::NotReopened => None,
            Fault::NotAsWritten => Some("check the disk: dmesg".to_owned()),
        }
    }
}

impl Want {
    fn word(self) -> &'static str {
        match self {
            Want::Password => "password",
            Want::Key => "key",
        }
    }
}

/// Something that a person should look at; an error under `--strict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Everybody on the machine may read this password or key file.
    Exposed(PathBuf),
    /// The file has the old format.
    Old(fernet::Weakness),
}

impl Explain for Note {
    fn what(&self) -> String {
        match self {
            Note::Exposed(path) => {
                format!("{}: everybody on this machine can read it", path.display())
            }
            Note::Old(weakness) => weakness.what(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Note::Exposed(path) => Some(format!("chmod 600 {}", path.display())),
            Note::Old(weakness) => weakness.hint(),
        }
    }
}
