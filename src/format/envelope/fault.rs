//! Why a sealed file does not open. Words only; the place is put in front by the caller.

use super::KeyId;
use crate::failure::Explain;

/// Why a text cannot be read, opened or made.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its first line is not ours.
    NotSealed,
    /// Made by a later version.
    Newer(u32),
    /// git left both sides of a merge in it, from this line on.
    Conflict(usize),
    /// This line is not as envshim writes it.
    Malformed(usize),
    /// It ends too early.
    Cut,
    /// So few rounds that its password is easily guessed.
    Weak(u32),
    /// More rounds than this in all slots together.
    TooMuchWork(u32),
    /// More than sixteen slots.
    TooManySlots,
    /// More bytes than a sealed file may have.
    TooLarge,
    /// No password opens it.
    NoPasswordSlot,
    /// No slot has this key's name.
    NoSuchKey {
        /// The key that was given.
        id: KeyId,
        /// The keys that open it.
        have: Vec<KeyId>,
    },
    /// The password opens no slot, or the content is not what was sealed.
    WrongPassword,
    /// The key does not open its slot, or the content is not what was sealed.
    WrongKey,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotSealed => "this is not a sealed file".to_owned(),
            Fault::Newer(format) => {
                format!("it has format {format}, and this envshim reads format 1")
            }
            Fault::Conflict(line) => format!("line {line}: git left a merge conflict in it"),
            Fault::Malformed(line) => {
                format!("line {line} is not as envshim writes it: the file was changed or cut")
            }
            Fault::Cut => "the file was cut".to_owned(),
            Fault::Weak(rounds) => {
                format!(
                    "its password is stretched by {rounds} rounds only, which is easily guessed"
                )
            }
            Fault::TooMuchWork(most) => format!("opening it takes more than {most} rounds"),
            Fault::TooManySlots => "it has more than 16 slots".to_owned(),
            Fault::TooLarge => "it is too large: 8 MiB can be sealed".to_owned(),
            Fault::NoPasswordSlot => "no password opens it, only keys".to_owned(),
            Fault::NoSuchKey { id, have } if have.is_empty() => {
                format!("key {id} does not open it, only passwords do")
            }
            Fault::NoSuchKey { id, have } => {
                let have: Vec<String> = have.iter().map(ToString::to_string).collect();
                format!("key {id} does not open it (its keys: {})", have.join(", "))
            }
            Fault::WrongPassword => "wrong password, or the file was changed".to_owned(),
            Fault::WrongKey => "wrong key, or the file was changed".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotSealed => "make one from a plain file: envshim seal".to_owned(),
            Fault::Newer(_) => "install the newer envshim here too".to_owned(),
            Fault::Conflict(_) => {
                "take one side whole (git checkout --ours or --theirs), and seal the other side's change again"
                    .to_owned()
            }
            Fault::Malformed(_) | Fault::Cut => {
                "take the file as it was committed: git checkout -- FILE".to_owned()
            }
            Fault::Weak(_) | Fault::TooMuchWork(_) | Fault::TooManySlots => {
                "envshim never writes such a file; find out who did".to_owned()
            }
            Fault::TooLarge | Fault::NoPasswordSlot | Fault::NoSuchKey { .. } => return None,
            Fault::WrongPassword | Fault::WrongKey => {
                "see who changed it: git log -p FILE".to_owned()
            }
        })
    }
}
