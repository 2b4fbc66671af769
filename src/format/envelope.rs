//! The sealed file: a readable header with one slot per password or key, then the sealed content.
//!
//! Pure: random bytes are arguments. `docs/format.md` describes the format for other programs.
//! Invariants: every byte before the content is authenticated with it; a text has one spelling, so
//! that any changed or cut byte fails; the work that a file may ask for is bounded before any is
//! done; key and slot are bound to each other, so that parts of two files never open together.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::key::{Key, KeyId, hash, same};
use crate::secret::Secret;

mod cipher;

mod fault;

mod lines;

#[cfg(test)]
mod tests;

use cipher::{decrypt, encrypt, stretch};
pub use fault::Fault;
use lines::{Lines, decode, number, unwrap_lines, with_lf};

/// The first line of every sealed file, up to its number.
pub const MAGIC: &str = "envshim sealed file, format ";
/// The longest text that is read.
pub const MOST_TEXT: usize = 16 << 20;
/// The longest content that is sealed; its text stays below [`MOST_TEXT`].
pub const MOST_PLAIN: usize = 8 << 20;
/// The rounds of a new password slot (OWASP's number for PBKDF2-HMAC-SHA-256).
pub const ROUNDS: u32 = 600_000;
const MOST_SLOTS: usize = 16;
const FIRST: &str = "envshim sealed file, format 1\n";
const COMMENT: &str = "# safe to commit; to see what is in it: envshim open FILE\n";
const COLUMNS: usize = 76;
const NONCE: usize = 12;
const TAG: usize = 16;
const KEY: usize = 32;
const WRAPPED: usize = NONCE + KEY + TAG;

/// The work that a file may ask for.
struct Bounds {
    /// Fewer rounds per password slot are refused: the file would be easy to guess.
    least: u32,
    /// More rounds in all password slots together are refused: a start would hang on them.
    total: u32,
}

const BOUNDS: Bounds = Bounds {
    least: 100_000,
    total: 10_000_000,
};

/// The key of the content. It stays the same when a file is sealed again, so that slots can be kept.
pub struct FileKey(Zeroizing<[u8; KEY]>);

impl FileKey {
    /// A file key from random bytes.
    pub fn from_random(bytes: Zeroizing<[u8; KEY]>) -> FileKey {
        FileKey(bytes)
    }

    /// The same key, for another file that it seals.
    pub fn same_again(&self) -> FileKey {
        FileKey(self.0.clone())
    }

    /// What the header says about it: a file has one key, whichever slot gave it.
    fn check(&self) -> [u8; 32] {
        hash(b"envshim file key\n", &self.0)
    }
}

/// What opens a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A password, stretched by PBKDF2-HMAC-SHA-256.
    Password {
        /// How often.
        rounds: u32,
        /// With what.
        salt: [u8; 16],
    },
    /// A key made by `envshim keygen`.
    Key(KeyId),
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Password { .. } => f.write_str("a password"),
            Kind::Key(id) => write!(f, "key {id}"),
        }
    }
}

/// One way to the file key.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    kind: Kind,
    /// Nonce, the sealed file key, tag.
    wrapped: [u8; WRAPPED],
}

/// A sealed file, taken apart but not opened.
pub struct Envelope {
    /// Every byte before the content, line ends as LF.
    header: Vec<u8>,
    slots: Vec<Slot>,
    check: [u8; 32],
    /// Nonce, the sealed content, tag.
    content: Vec<u8>,
}

/// An opened file.
pub struct Opened {
    /// The content.
    pub plain: Secret,
    /// Its key, to seal the file again for the same slots.
    pub file_key: FileKey,
    /// Which of [`Envelope::slots`] gave the key.
    pub slot: usize,
}

impl Slot {
    /// A slot for a password. `rounds` is [`ROUNDS`] outside of tests.
    pub fn for_password(
        password: &Secret,
        file_key: &FileKey,
        rounds: u32,
        salt: [u8; 16],
        nonce: [u8; NONCE],
    ) -> Result<Slot, Fault> {
        let kind = Kind::Password { rounds, salt };
        Slot::wrap(kind, &stretch(password, rounds, &salt), file_key, nonce)
    }

    /// A slot for a key.
    pub fn for_key(key: &Key, file_key: &FileKey, nonce: [u8; NONCE]) -> Result<Slot, Fault> {
        Slot::wrap(Kind::Key(key.id()), key.bytes(), file_key, nonce)
    }

    /// What opens it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn wrap(
        kind: Kind,
        key: &[u8; KEY],
        file_key: &FileKey,
        nonce: [u8; NONCE],
    ) -> Result<Slot, Fault> {
        let sealed = encrypt(key, &nonce, wrap_label(kind).as_bytes(), &file_key.0[..]);
        let wrapped = sealed.and_then(|bytes| bytes.try_into().ok());
        let wrapped = wrapped.ok_or(Fault::TooLarge)?;
        Ok(Slot { kind, wrapped })
    }

    fn unwrap_with(&self, key: &[u8; KEY]) -> Option<FileKey> {
        let plain = decrypt(key, wrap_label(self.kind).as_bytes(), &self.wrapped)?;
        let mut file_key = Zeroizing::new([0; KEY]);
        file_key.copy_from_slice(plain.get(..KEY)?);
        Some(FileKey(file_key))
    }

    /// Reads the words of a line after `slot`.
    fn parse(words: &[&str], bounds: &Bounds) -> Result<Option<Slot>, Fault> {
        let (kind, wrapped) = match words {
            ["password", "pbkdf2-sha256", rounds, salt, wrapped] => {
                let (Some(rounds), Some(salt)) = (number(rounds), decode(salt)) else {
                    return Ok(None);
                };
                if rounds < bounds.least {
                    return Err(Fault::Weak(rounds));
                }
                (Kind::Password { rounds, salt }, wrapped)
            }
            ["key", id, wrapped] => match KeyId::parse(id) {
                Some(id) => (Kind::Key(id), wrapped),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(decode(wrapped).map(|wrapped| Slot { kind, wrapped }))
    }
}

impl Envelope {
    /// Takes a text apart. The texts of git's `core.autocrlf` (every line ends in CRLF) are read as if they had LF.
    pub fn parse(text: &[u8]) -> Result<Envelope, Fault> {
        Envelope::parse_within(text, &BOUNDS)
    }

    fn parse_within(text: &[u8], bounds: &Bounds) -> Result<Envelope, Fault> {
        if text.len() > MOST_TEXT {
            return Err(Fault::TooLarge);
        }
        let text = with_lf(text)?;
        let mut lines = Lines::new(&text);
        let first = lines.next_line()?;
        if let Some(format) = first.strip_prefix(MAGIC).filter(|format| *format != "1") {
            let newer = number(format).filter(|format| *format > 1);
            return Err(newer.map_or(Fault::Malformed(1), Fault::Newer));
        }
        let mut slots = Vec::new();
        let mut work = 0u32;
        let check = loop {
            let line = lines.next_line()?;
            let malformed = Fault::Malformed(lines.number);
            if line.starts_with('#') && slots.is_empty() {
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["slot", rest @ ..] => {
                    let slot = Slot::parse(rest, bounds)?.ok_or(malformed)?;
                    if let Kind::Password { rounds, .. } = slot.kind {
                        work = work.saturating_add(rounds);
                    }
                    slots.push(slot);
                    if slots.len() > MOST_SLOTS {
                        return Err(Fault::TooManySlots);
                    }
                    if work > bounds.total {
                        return Err(Fault::TooMuchWork(bounds.total));
                    }
                }
                ["content", "aes-256-gcm-siv", check] if !slots.is_empty() => {
                    break decode(check).ok_or(malformed)?;
                }
                _ => return Err(malformed),
            }
        };
        let header = text[..lines.at].to_vec();
        let content = unwrap_lines(&mut lines)?;
        Ok(Envelope {
            header,
            slots,
            check,
            content,
        })
    }

    /// The ways to open it.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Opens it with a password, tried on every password slot.
    pub fn open_with_password(&self, password: &Secret) -> Result<Opened, Fault> {
        let mut asked = false;
        for (slot, way) in self.slots.iter().enumerate() {
            if let Kind::Password { rounds, salt } = way.kind {
                asked = true;
                if let Some(key) = way.unwrap_with(&stretch(password, rounds, &salt)) {
                    let plain = self.open_with_file_key(&key).ok_or(Fault::WrongPassword)?;
                    return Ok(Opened {
                        plain,
                        file_key: key,
                        slot,
                    });
                }
            }
        }
        Err(if asked {
            Fault::WrongPassword
        } else {
            Fault::NoPasswordSlot
        })
    }

    /// Opens it with a key; its name finds the slot.
    pub fn open_with_key(&self, key: &Key) -> Result<Opened, Fault> {
        let id = key.id();
        let mut have = Vec::new();
        for (slot, way) in self.slots.iter().enumerate() {
            match way.kind {
                Kind::Key(other) if other == id => {
                    let file_key = way.unwrap_with(key.bytes()).ok_or(Fault::WrongKey)?;
                    let plain = self.open_with_file_key(&file_key).ok_or(Fault::WrongKey)?;
                    return Ok(Opened {
                        plain,
                        file_key,
                        slot,
                    });
                }
                Kind::Key(other) => have.push(other),
                Kind::Password { .. } => {}
            }
        }
        Err(Fault::NoSuchKey { id, have })
    }

    /// The content, for who has the file key already.
    pub fn open_with_file_key(&self, key: &FileKey) -> Option<Secret> {
        if !same(&key.check(), &self.check) {
            return None;
        }
        let mut plain = decrypt(&key.0, &self.header, &self.content)?;
        Some(Secret::new(std::mem::take(&mut *plain)))
    }
}

/// The text of a sealed file. Slots come from [`Slot::for_password`], [`Slot::for_key`] with the
/// same file key, or from the file that is sealed again.
pub fn seal(
    plain: &Secret,
    file_key: &FileKey,
    slots: &[Slot],
    nonce: [u8; NONCE],
) -> Result<Vec<u8>, Fault> {
    if slots.len() > MOST_SLOTS {
        return Err(Fault::TooManySlots);
    }
    if plain.expose().len() > MOST_PLAIN {
        return Err(Fault::TooLarge);
    }
    let mut text = format!("{FIRST}{COMMENT}");
    for slot in slots {
        let wrapped = Base64::encode_string(&slot.wrapped);
        text.push_str(&format!("{} {wrapped}\n", lead(slot.kind)));
    }
    let check = Base64::encode_string(&file_key.check());
    text.push_str(&format!("content aes-256-gcm-siv {check}\n"));
    let content = encrypt(&file_key.0, &nonce, text.as_bytes(), plain.expose());
    let mut text = text.into_bytes();
    for line in content.ok_or(Fault::TooLarge)?.chunks(COLUMNS / 4 * 3) {
        text.extend_from_slice(Base64::encode_string(line).as_bytes());
        text.push(b'\n');
    }
    Ok(text)
}

/// A slot's line up to the wrapped key.
fn lead(kind: Kind) -> String {
    match kind {
        Kind::Password { rounds, salt } => format!(
            "slot password pbkdf2-sha256 {rounds} {}",
            Base64::encode_string(&salt)
        ),
        Kind::Key(id) => format!("slot key {id}"),
    }
}

/// What a wrapped key is bound to: this format, this kind, these rounds, this salt.
fn wrap_label(kind: Kind) -> String {
    format!("{FIRST}{}", lead(kind))
}
