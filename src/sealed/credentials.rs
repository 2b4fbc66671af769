//! Where passwords and keys come from, and in which order.
//!
//! The first source of a fitting kind is the one that counts: if its secret is wrong, that is an
//! error that names it, never a reason to try what lies elsewhere.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Fault, Note};
use crate::files::{self, Accept};
use crate::format::key::{Key, PREFIX};
use crate::secret::Secret;

const MOST: usize = 64 << 10;
const MOST_SALT: usize = 1 << 10;
const RUN_SECRETS: &str = "/run/secrets";

/// What the command line and the environment offer, as settings found it.
#[derive(Default)]
pub struct Credentials {
    /// `--password-file`, `ENVSHIM_PASSWORD_FILE`.
    pub password_file: Option<PathBuf>,
    /// `ENVSHIM_PASSWORD`.
    pub password: Option<Secret>,
    /// `--key-file`, `ENVSHIM_KEY_FILE`.
    pub key_file: Option<PathBuf>,
    /// `ENVSHIM_KEY`.
    pub key: Option<Secret>,
    /// `CREDENTIALS_DIRECTORY`, which systemd sets.
    pub credentials_directory: Option<PathBuf>,
    /// `ENCRYPTION_KEY`, for old Fernet files only, and there before all others: the password of
    /// the new file may stand in `ENVSHIM_PASSWORD` at the same time.
    pub encryption_key: Option<Secret>,
    /// The salt beside an old Fernet file.
    pub salt_file: Option<PathBuf>,
    /// A terminal may be asked.
    pub prompt: bool,
}

/// What a source holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// A password.
    Password,
    /// A key.
    Key,
}

/// Where a secret came from, for messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The named file.
    PasswordFile(PathBuf),
    /// The variable.
    Password,
    /// The named file.
    KeyFile(PathBuf),
    /// The variable.
    Key,
    /// A file in a folder that a platform fills.
    Found(Want, PathBuf),
    /// The old tool's variable.
    EncryptionKey,
    /// A person.
    Terminal,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::PasswordFile(path) | Source::KeyFile(path) | Source::Found(_, path) => {
                write!(f, "`{}`", path.display())
            }
            Source::Password => f.write_str("`ENVSHIM_PASSWORD`"),
            Source::Key => f.write_str("`ENVSHIM_KEY`"),
            Source::EncryptionKey => f.write_str("`ENCRYPTION_KEY`"),
            Source::Terminal => f.write_str("the terminal"),
        }
    }
}

impl Source {
    /// What it holds. A terminal gives either.
    pub fn want(&self) -> Want {
        match self {
            Source::KeyFile(_) | Source::Key | Source::Found(Want::Key, _) => Want::Key,
            _ => Want::Password,
        }
    }
}

/// A password or a key.
pub(super) enum Offer {
    Password(Secret),
    Key(Key),
}

/// An offer and where it came from.
pub(super) struct Given {
    pub(super) source: Source,
    pub(super) offer: Offer,
}

impl Given {
    /// Reads what a source holds.
    pub(super) fn new(source: Source, raw: Secret) -> Result<Given, Fault> {
        let is_key = raw.expose().trim_ascii_start().starts_with(PREFIX);
        let offer = match source.want() {
            Want::Password if source == Source::Terminal && is_key => read_key(&source, &raw)?,
            Want::Password if is_key => return Err(Fault::KeyAsPassword(source)),
            Want::Password => Offer::Password(without_line_end(raw)),
            Want::Key => read_key(&source, &raw)?,
        };
        if let Offer::Password(password) = &offer
            && password.expose().is_empty()
        {
            return Err(Fault::Empty(source));
        }
        Ok(Given { source, offer })
    }
}

impl Credentials {
    /// The first source whose kind `fits`, with the sources before it that were given in vain.
    pub(super) fn first(
        &self,
        fits: impl Fn(Want) -> bool,
        notes: &mut Vec<Note>,
    ) -> Result<Result<Given, Vec<Source>>, Fault> {
        let mut unfit = Vec::new();
        for source in self.sources() {
            if !fits(source.want()) {
                if !matches!(source, Source::Found(..)) {
                    unfit.push(source);
                }
            } else if let Some(raw) = self.read(&source, notes)? {
                return Given::new(source, raw).map(Ok);
            }
        }
        Ok(Err(unfit))
    }

    /// Everything that is offered for sealing: all that was named, else what the first platform
    /// folder with something in it has.
    pub(super) fn all(&self, notes: &mut Vec<Note>) -> Result<Vec<Given>, Fault> {
        let places = std::iter::once(self.explicit()).chain(
            self.folders()
                .into_iter()
                .map(|folder| found_in(&folder).into()),
        );
        for sources in places {
            let mut all = Vec::new();
            for source in sources {
                if let Some(raw) = self.read(&source, notes)? {
                    all.push(Given::new(source, raw)?);
                }
            }
            if !all.is_empty() {
                return Ok(all);
            }
        }
        Ok(Vec::new())
    }

    /// The first password for an old file, as it lies there. The old tool took an empty variable for none.
    pub(super) fn first_old(
        &self,
        notes: &mut Vec<Note>,
    ) -> Result<Option<(Source, Secret)>, Fault> {
        if let Some(old) = &self.encryption_key
            && !old.expose().is_empty()
        {
            return Ok(Some((Source::EncryptionKey, old.duplicate())));
        }
        for source in self.sources() {
            if source.want() == Want::Password
                && let Some(raw) = self.read(&source, notes)?
            {
                return Ok(Some((source, raw)));
            }
        }
        Ok(None)
    }

    /// The salt of an old file.
    pub(super) fn salt(&self) -> Result<Option<Secret>, Fault> {
        let Some(path) = &self.salt_file else {
            return Ok(None);
        };
        let salt = files::read(path, MOST_SALT, Accept::Regular).map_err(Fault::File)?;
        match salt {
            Some(salt) if !salt.bytes.expose().is_empty() => Ok(Some(salt.bytes)),
            _ => Err(Fault::NoSalt(path.clone())),
        }
    }

    /// Every place to look at, in order.
    fn sources(&self) -> Vec<Source> {
        let mut sources = self.explicit();
        let folders = self.folders();
        sources.extend(folders.iter().flat_map(|folder| found_in(folder)));
        sources
    }

    fn explicit(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        sources.extend(self.password_file.clone().map(Source::PasswordFile));
        sources.extend(self.password.as_ref().map(|_| Source::Password));
        sources.extend(self.key_file.clone().map(Source::KeyFile));
        sources.extend(self.key.as_ref().map(|_| Source::Key));
        sources
    }

    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![PathBuf::from(RUN_SECRETS)];
        folders.extend(self.credentials_directory.clone());
        folders
    }

    /// What stands there; `None` where a platform's folder has no such file.
    fn read(&self, source: &Source, notes: &mut Vec<Note>) -> Result<Option<Secret>, Fault> {
        match source {
            Source::Password => Ok(self.password.as_ref().map(Secret::duplicate)),
            Source::Key => Ok(self.key.as_ref().map(Secret::duplicate)),
            Source::EncryptionKey => Ok(self.encryption_key.as_ref().map(Secret::duplicate)),
            Source::Terminal => Ok(None),
            Source::PasswordFile(path) | Source::KeyFile(path) => {
                let contents = files::read(path, MOST, Accept::Pipe).map_err(Fault::File)?;
                let contents =
                    contents.ok_or_else(|| Fault::NoFile(path.clone(), source.want()))?;
                if contents.exposed {
                    notes.push(Note::Exposed(path.clone()));
                }
                Ok(Some(contents.bytes))
            }
            // Whoever runs the platform decides who reads this folder.
            Source::Found(_, path) => {
                let contents = files::read(path, MOST, Accept::Regular).map_err(Fault::File)?;
                Ok(contents.map(|contents| contents.bytes))
            }
        }
    }
}

fn found_in(folder: &Path) -> [Source; 2] {
    [
        Source::Found(Want::Password, folder.join("envshim_password")),
        Source::Found(Want::Key, folder.join("envshim_key")),
    ]
}

fn read_key(source: &Source, raw: &Secret) -> Result<Offer, Fault> {
    Key::parse(raw.expose())
        .map(Offer::Key)
        .map_err(|fault| Fault::BadKey(source.clone(), fault))
}

/// Editors and `echo` end a file with a line end; a password never does.
pub(super) fn without_line_end(raw: Secret) -> Secret {
    let mut bytes = raw.into_bytes();
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    Secret::new(std::mem::take(&mut *bytes))
}
