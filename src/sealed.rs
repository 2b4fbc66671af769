//! Sealed files on disk: which password or key is used, and how a file is sealed again without
//! locking anybody out.
//!
//! Invariants: the first fitting source decides ([`Credentials`]); nothing decrypted touches the
//! disk; a file is replaced only by one that was opened again before.

use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::{Explain, Failure};
use crate::files::{self, Accept};
use crate::format::envelope::{self, Envelope, FileKey, MOST_TEXT, ROUNDS, Slot};
use crate::format::fernet;
use crate::format::key::{Key, KeyId};
use crate::prompt;
use crate::secret::Secret;
use crate::sys;

mod credentials;

mod slots;

#[cfg(test)]
mod tests;

mod words;

pub use crate::format::envelope::Kind;
pub use credentials::{Credentials, Source, Want};
use credentials::{Given, Offer, without_line_end};
pub use slots::{Addition, Rekeyed, list, rekey};
pub use words::{Fault, Note};

const TRIES: usize = 3;
/// Meant to be committed and copied into images, where another user reads it; it needs no secrecy.
const MODE: u32 = 0o644;

/// An opened file.
pub struct Opened {
    /// The content.
    pub plain: Secret,
    /// What to warn of.
    pub notes: Vec<Note>,
    /// What opened it, for the log: `key 1a2b3c4d5e6f7081 from ENVSHIM_KEY`.
    pub how: String,
    /// To seal it again without asking again; none for an old file, which has no slots to keep.
    pub lock: Option<Lock>,
}

/// What a sealed file is sealed with: its key, and every way to it.
pub struct Lock {
    file_key: FileKey,
    slots: Vec<Slot>,
}

/// A file that was sealed, written and opened again.
pub struct Sealed {
    /// What to warn of.
    pub notes: Vec<Note>,
    /// Everything that opens it now.
    pub opens: Vec<Kind>,
    /// What did not open it before.
    pub added: Vec<Kind>,
    /// The content and the slots were these already, so that the file stays as it is (and `git
    /// diff` is quiet).
    pub unchanged: bool,
}

/// A new key: its text, one line, and the name that files and messages have for it.
pub fn keygen() -> Result<(Secret, KeyId), Failure> {
    let key = Key::from_random(random()?);
    Ok((key.to_text(), key.id()))
}

/// Opens the bytes of the file at `path`, a sealed file or an old Fernet file.
pub fn open(path: &Path, bytes: &[u8], credentials: &Credentials) -> Result<Opened, Failure> {
    let place = path.display().to_string();
    let opened = if fernet::is_fernet(bytes) {
        open_old(&place, bytes, credentials)
    } else {
        open_new(&place, bytes, credentials)
    };
    opened.map_err(|fault| fault.at(&place))
}

/// Seals `plain` into the file at `path`.
///
/// `existing` is what stands there: its slots are kept, so that the passwords and keys of others
/// keep working, and what is offered must open it. `fresh` (or an old Fernet file) starts anew,
/// with a slot for every password and key that is offered.
pub fn seal(
    path: &Path,
    plain: &Secret,
    existing: Option<&[u8]>,
    credentials: &Credentials,
    fresh: bool,
) -> Result<Sealed, Failure> {
    let place = path.display().to_string();
    let existing = existing.filter(|bytes| !fresh && !fernet::is_fernet(bytes));
    seal_file(path, &place, plain, existing, credentials).map_err(|fault| fault.at(&place))
}

/// Seals `plain` for the slots that [`open`] found.
pub fn reseal(path: &Path, plain: &Secret, lock: &Lock) -> Result<(), Failure> {
    let place = path.display().to_string();
    lock.write(path, plain, &[])
        .map_err(|fault| fault.at(&place))
}

impl Lock {
    /// Opens what stands at `path` by now; without asking again, for the key is known. None where it
    /// was sealed anew meanwhile.
    pub fn open_again(&self, bytes: &[u8]) -> Option<(Secret, Lock)> {
        let envelope = Envelope::parse(bytes).ok()?;
        let plain = envelope.open_with_file_key(&self.file_key)?;
        let lock = Lock {
            file_key: self.file_key.same_again(),
            slots: envelope.slots().to_vec(),
        };
        Some((plain, lock))
    }
}

fn open_new(place: &str, bytes: &[u8], credentials: &Credentials) -> Result<Opened, Fault> {
    let envelope = Envelope::parse(bytes).map_err(Fault::Envelope)?;
    let mut notes = Vec::new();
    let (source, opened) = match credentials.first(|want| has(&envelope, want), &mut notes)? {
        Ok(given) => attempt(&envelope, given)?,
        Err(unfit) => ask_for(&envelope, place, credentials)?.ok_or(Fault::NoCredentials(unfit))?,
    };
    Ok(Opened {
        how: format!("{} from {source}", envelope.slots()[opened.slot].kind()),
        plain: opened.plain,
        notes,
        lock: Some(Lock {
            file_key: opened.file_key,
            slots: envelope.slots().to_vec(),
        }),
    })
}

fn open_old(place: &str, bytes: &[u8], credentials: &Credentials) -> Result<Opened, Fault> {
    let mut notes = Vec::new();
    let salt = credentials.salt()?;
    let salt = salt.as_ref().map(Secret::expose);
    let attempt = |source: Source, raw: Secret| {
        // The old tool cut the line end off what was typed, and off nothing else.
        let whole = raw.duplicate();
        let mut opened = fernet::open(bytes, &without_line_end(raw), salt);
        if opened.is_err() && whole.expose().ends_with(b"\n") {
            opened = fernet::open(bytes, &whole, salt);
        }
        match opened {
            Ok(opened) => Ok((source, opened)),
            Err(fault) => Err(Fault::RefusedOld(source, fault)),
        }
    };
    let (source, opened) = match credentials.first_old(&mut notes)? {
        Some((source, raw)) => attempt(source, raw)?,
        None => {
            let question = format!("password for {place}: ");
            let answer = ask(&question, credentials, |raw| attempt(Source::Terminal, raw))?;
            answer.ok_or(Fault::NoCredentials(Vec::new()))?
        }
    };
    notes.push(Note::Old(opened.weakness));
    Ok(Opened {
        plain: opened.plain,
        notes,
        how: format!("a password of the old format from {source}"),
        lock: None,
    })
}

fn seal_file(
    path: &Path,
    place: &str,
    plain: &Secret,
    existing: Option<&[u8]>,
    credentials: &Credentials,
) -> Result<Sealed, Fault> {
    let mut notes = Vec::new();
    let given = credentials.all(&mut notes)?;
    let (mut lock, fresh, unchanged) = match existing {
        None => {
            let lock = Lock {
                file_key: FileKey::from_random(random()?),
                slots: Vec::new(),
            };
            let given = if given.is_empty() {
                vec![ask_new(place, credentials)?]
            } else {
                given
            };
            (lock, given, false)
        }
        Some(bytes) => {
            let (before, lock, strangers) = reopen(place, bytes, given, credentials)?;
            let unchanged = strangers.is_empty() && before.expose() == plain.expose();
            (lock, strangers, unchanged)
        }
    };
    let kept = lock.slots.len();
    for given in &fresh {
        lock.add(&given.offer)?;
    }
    if !unchanged {
        lock.write(path, plain, &fresh)?;
    }
    let opens: Vec<Kind> = lock.slots.iter().map(Slot::kind).collect();
    Ok(Sealed {
        notes,
        added: opens[kept..].to_vec(),
        opens,
        unchanged,
    })
}

/// Opens the file that is to be sealed again. What was given and is of no slot's kind comes back, to become one.
fn reopen(
    place: &str,
    bytes: &[u8],
    given: Vec<Given>,
    credentials: &Credentials,
) -> Result<(Secret, Lock, Vec<Given>), Fault> {
    let stale = |fault| Fault::Stale(Box::new(fault));
    let envelope = Envelope::parse(bytes).map_err(|fault| stale(Fault::Envelope(fault)))?;
    let mut opened = None;
    let (mut refused, mut unfit) = (None, None);
    let mut strangers = Vec::new();
    let nothing_given = given.is_empty();
    for given in given {
        match unlock(&envelope, &given.offer) {
            Ok(found) => opened = opened.or(Some((given.source, found))),
            Err(fault @ (envelope::Fault::NoPasswordSlot | envelope::Fault::NoSuchKey { .. })) => {
                unfit = unfit.or(Some((given.source.clone(), fault)));
                strangers.push(given);
            }
            Err(fault) => refused = refused.or(Some((given.source, fault))),
        }
    }
    if nothing_given {
        opened = ask_for(&envelope, place, credentials).map_err(stale)?;
    }
    let opened = match (opened, refused) {
        (Some((_, opened)), None) => opened,
        (Some(_), Some((source, _))) => return Err(Fault::Stranger(source)),
        (None, refused) => {
            return Err(stale(match refused.or(unfit) {
                Some((source, fault)) => Fault::Refused(source, fault),
                None => Fault::NoCredentials(Vec::new()),
            }));
        }
    };
    let lock = Lock {
        file_key: opened.file_key,
        slots: envelope.slots().to_vec(),
    };
    Ok((opened.plain, lock, strangers))
}

impl Lock {
    fn add(&mut self, offer: &Offer) -> Result<(), Fault> {
        let nonce = *random::<12>()?;
        let slot = match offer {
            Offer::Password(password) => {
                Slot::for_password(password, &self.file_key, ROUNDS, *random()?, nonce)
            }
            Offer::Key(key) => Slot::for_key(key, &self.file_key, nonce),
        };
        self.slots.push(slot.map_err(Fault::Envelope)?);
        Ok(())
    }

    /// Seals, opens the result with everything that is new, and only then replaces the file; what
    /// the disk has afterwards are the very bytes that were opened.
    fn write(&self, path: &Path, plain: &Secret, fresh: &[Given]) -> Result<(), Fault> {
        let text = envelope::seal(plain, &self.file_key, &self.slots, *random()?);
        let text = text.map_err(Fault::Envelope)?;
        let envelope = Envelope::parse(&text).map_err(Fault::Envelope)?;
        let same =
            |opened: Option<Secret>| opened.is_some_and(|opened| opened.expose() == plain.expose());
        let reopened = same(envelope.open_with_file_key(&self.file_key))
            && fresh.iter().all(|given| {
                same(
                    unlock(&envelope, &given.offer)
                        .ok()
                        .map(|opened| opened.plain),
                )
            });
        if !reopened || envelope.slots() != self.slots {
            return Err(Fault::NotReopened);
        }
        files::replace(path, &text, MODE).map_err(Fault::File)?;
        match files::read(path, MOST_TEXT, Accept::Regular).map_err(Fault::File)? {
            Some(written) if written.bytes.expose() == text => Ok(()),
            _ => Err(Fault::NotAsWritten),
        }
    }
}

fn has(envelope: &Envelope, want: Want) -> bool {
    let kinds = envelope.slots().iter().map(Slot::kind);
    kinds
        .map(|kind| matches!(kind, Kind::Key(_)))
        .any(|key| key == (want == Want::Key))
}

fn unlock(envelope: &Envelope, offer: &Offer) -> Result<envelope::Opened, envelope::Fault> {
    match offer {
        Offer::Password(password) => envelope.open_with_password(password),
        Offer::Key(key) => envelope.open_with_key(key),
    }
}

fn attempt(envelope: &Envelope, given: Given) -> Result<(Source, envelope::Opened), Fault> {
    match unlock(envelope, &given.offer) {
        Ok(opened) => Ok((given.source, opened)),
        Err(fault) => Err(Fault::Refused(given.source, fault)),
    }
}

/// Asks for what opens the file.
fn ask_for(
    envelope: &Envelope,
    place: &str,
    credentials: &Credentials,
) -> Result<Option<(Source, envelope::Opened)>, Fault> {
    let kind = if has(envelope, Want::Password) {
        "password"
    } else {
        "key"
    };
    ask(&format!("{kind} for {place}: "), credentials, |raw| {
        attempt(envelope, Given::new(Source::Terminal, raw)?)
    })
}

/// Asks three times; `None` where nobody can be asked.
fn ask<T>(
    question: &str,
    credentials: &Credentials,
    attempt: impl Fn(Secret) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if !credentials.prompt {
        return Ok(None);
    }
    for tries in 1..=TRIES {
        let Some(answer) = prompt::ask(question).map_err(Fault::Prompt)? else {
            break;
        };
        match attempt(answer) {
            Ok(opened) => return Ok(Some(opened)),
            Err(fault) if tries == TRIES => return Err(fault),
            Err(fault) => {
                prompt::tell(&format!("envshim: {}\n", fault.what())).map_err(Fault::Prompt)?;
            }
        }
    }
    Ok(None)
}

/// Asks for the password of a new file.
fn ask_new(place: &str, credentials: &Credentials) -> Result<Given, Fault> {
    let answer = match credentials.prompt {
        true => prompt::ask_twice(&format!("new password for {place}: "), "the same again: "),
        false => Ok(None),
    };
    match answer.map_err(Fault::Prompt)? {
        Some(answer) => Given::new(Source::Terminal, answer),
        None => Err(Fault::NoCredentials(Vec::new())),
    }
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Fault> {
    let mut bytes = Zeroizing::new([0; N]);
    sys::random(&mut bytes[..]).map_err(Fault::Random)?;
    Ok(bytes)
}
