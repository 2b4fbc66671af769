//! What opens a sealed file: slots, listed, added and taken away.
//!
//! The key of the file stays the same, for the slots that stay are wrapped round it: who had a slot
//! may have kept that key. That is said wherever one is taken away.

use std::path::{Path, PathBuf};

use super::credentials::{Given, Source};
use super::{Credentials, Fault, Note, ask_new, open_new, unlock};
use crate::failure::{Explain, Failure};
use crate::files::{self, Accept};
use crate::format::envelope::{Envelope, Kind, MOST_TEXT, Slot};
use crate::format::fernet;
use crate::secret::Secret;

/// Where a further password or key comes from.
pub enum Addition {
    /// A person types it twice.
    AskedPassword,
    /// A file holds the password.
    PasswordFile(PathBuf),
    /// A file holds the key.
    KeyFile(PathBuf),
}

/// What became of the slots.
pub struct Rekeyed {
    /// What to warn of.
    pub notes: Vec<Note>,
    /// Everything that opens the file now.
    pub opens: Vec<Kind>,
    /// What was added.
    pub added: Vec<Kind>,
    /// What no longer opens it.
    pub removed: Vec<Kind>,
}

/// Why slots are not changed.
enum Refusal {
    Old,
    Changed,
    NoSuchSlot(String, usize),
    SeveralPasswords(usize),
    TakesAll,
    Twice(Kind),
    Known(&'static str),
}

impl Explain for Refusal {
    fn what(&self) -> String {
        match self {
            Refusal::Old => "is of the old format, which has one password and no slots".to_owned(),
            Refusal::Changed => {
                "was changed by somebody else meanwhile; nothing is written".to_owned()
            }
            Refusal::NoSuchSlot(name, _) => format!("nothing that opens it is called `{name}`"),
            Refusal::SeveralPasswords(count) => {
                format!("{count} passwords open it, and `password` does not say which")
            }
            Refusal::TakesAll => "nothing would be left that opens it".to_owned(),
            Refusal::Twice(kind) => format!("{kind} opens it already"),
            Refusal::Known(kind) => format!("the {kind} that is to be added opens it already"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Refusal::Old => {
                "convert it: umask 077; envshim open > .vault && envshim seal --remove-plain"
                    .to_owned()
            }
            Refusal::Changed => "try again".to_owned(),
            Refusal::NoSuchSlot(_, count) => format!(
                "envshim rekey lists them; a number from 1 to {count}, the name of a key, or `password`"
            ),
            Refusal::SeveralPasswords(_) => "envshim rekey lists them; write the number".to_owned(),
            Refusal::TakesAll => {
                "add another in the same command: --add-password or --add-key FILE".to_owned()
            }
            Refusal::Twice(_) | Refusal::Known(_) => "leave it out".to_owned(),
        })
    }
}

/// What opens the file at `path`, whose bytes these are. Nothing has to be known for that.
pub fn list(path: &Path, bytes: &Secret) -> Result<Vec<Kind>, Failure> {
    let bytes = bytes.expose();
    let place = path.display().to_string();
    if fernet::is_fernet(bytes) {
        return Err(Failure::from(Refusal::Old).at(&place));
    }
    let envelope = Envelope::parse(bytes).map_err(|fault| Fault::Envelope(fault).at(&place))?;
    Ok(envelope.slots().iter().map(Slot::kind).collect())
}

/// Adds and takes away. `credentials` open the file; `remove` holds names of keys, numbers of the
/// list, or `password`.
pub fn rekey(
    path: &Path,
    there: &Secret,
    credentials: &Credentials,
    additions: &[Addition],
    remove: &[String],
) -> Result<Rekeyed, Failure> {
    let place = path.display().to_string();
    let refused = |refusal: Refusal| Failure::from(refusal).at(&place);
    let kinds = list(path, there)?;
    let bytes = there.expose();
    let gone = named(&kinds, remove).map_err(refused)?;
    let at = |fault: Fault| fault.at(&place);
    let opened = open_new(&place, bytes, credentials).map_err(at)?;
    let mut notes = opened.notes;
    let Some(lock) = opened.lock else {
        return Err(refused(Refusal::Old));
    };
    let envelope = Envelope::parse(bytes).map_err(|fault| at(Fault::Envelope(fault)))?;
    let mut fresh: Vec<Given> = Vec::new();
    for addition in additions {
        let given = given(addition, &place, credentials, &mut notes).map_err(at)?;
        // The stretching is worth it: two slots for one password are one too many to forget.
        let stays = |slot: usize| !gone.contains(&slot);
        if let Ok(found) = unlock(&envelope, &given.offer)
            && stays(found.slot)
        {
            return Err(refused(match kinds.get(found.slot) {
                Some(kind @ Kind::Key(_)) => Refusal::Twice(*kind),
                _ => Refusal::Known("password"),
            }));
        }
        fresh.push(given);
    }
    let (folder_lock, now) = current(path).map_err(at)?;
    let Some((plain, lock)) = now.and_then(|now| lock.open_again(now.expose())) else {
        return Err(refused(Refusal::Changed));
    };
    if lock.slots != envelope.slots() {
        return Err(refused(Refusal::Changed));
    }
    let mut lock = lock;
    let mut at_slot = 0;
    lock.slots.retain(|_| {
        at_slot += 1;
        !gone.contains(&(at_slot - 1))
    });
    let kept = lock.slots.len();
    for given in &fresh {
        lock.add(&given.offer).map_err(at)?;
    }
    if lock.slots.is_empty() {
        return Err(refused(Refusal::TakesAll));
    }
    lock.write(path, &plain, &fresh).map_err(at)?;
    drop(folder_lock);
    let opens: Vec<Kind> = lock.slots.iter().map(Slot::kind).collect();
    Ok(Rekeyed {
        notes,
        added: opens.get(kept..).unwrap_or_default().to_vec(),
        opens,
        removed: gone
            .iter()
            .filter_map(|at| kinds.get(*at).copied())
            .collect(),
    })
}

/// Our turn in the folder, and what stands at `path` then.
fn current(path: &Path) -> Result<(files::Lock, Option<Secret>), Fault> {
    let turn = files::lock(files::folder(path)).map_err(Fault::File)?;
    let now = files::read(path, MOST_TEXT, Accept::Regular).map_err(Fault::File)?;
    Ok((turn, now.map(|now| now.bytes)))
}

/// The places of the slots that these words mean.
fn named(kinds: &[Kind], words: &[String]) -> Result<Vec<usize>, Refusal> {
    let mut gone: Vec<usize> = Vec::new();
    for word in words {
        let stranger = || Refusal::NoSuchSlot(word.clone(), kinds.len());
        let key = kinds
            .iter()
            .position(|kind| matches!(kind, Kind::Key(id) if id.to_string() == *word));
        let passwords: Vec<usize> = (0..kinds.len())
            .filter(|at| matches!(kinds.get(*at), Some(Kind::Password { .. })))
            .collect();
        let at = match (key, word.as_str(), passwords.as_slice()) {
            (Some(at), ..) => at,
            (None, "password", [only]) => *only,
            (None, "password", [_, _, ..]) => {
                return Err(Refusal::SeveralPasswords(passwords.len()));
            }
            (None, number, _) => number
                .parse::<usize>()
                .ok()
                .and_then(|number| number.checked_sub(1))
                .filter(|at| *at < kinds.len())
                .ok_or_else(stranger)?,
        };
        if !gone.contains(&at) {
            gone.push(at);
        }
    }
    Ok(gone)
}

fn given(
    addition: &Addition,
    place: &str,
    credentials: &Credentials,
    notes: &mut Vec<Note>,
) -> Result<Given, Fault> {
    let source = match addition {
        Addition::AskedPassword => return ask_new(place, credentials),
        Addition::PasswordFile(path) => Source::PasswordFile(path.clone()),
        Addition::KeyFile(path) => Source::KeyFile(path.clone()),
    };
    let (Addition::PasswordFile(path) | Addition::KeyFile(path)) = addition else {
        return ask_new(place, credentials);
    };
    let contents = files::read(path, 64 << 10, Accept::Pipe).map_err(Fault::File)?;
    let contents = contents.ok_or_else(|| Fault::NoFile(path.clone(), source.want()))?;
    if contents.exposed {
        notes.push(Note::Exposed(path.clone()));
    }
    Given::new(source, contents.bytes)
}
