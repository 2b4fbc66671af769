//! The text form of a key: one line that says what it is, and tells a typing mistake from a wrong key.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::failure::Explain;
use crate::secret::{Secret, SecretBuffer};

/// What every key starts with, whatever its version.
pub const PREFIX: &[u8] = b"envshim-key-";
const VERSION: &[u8] = b"envshim-key-1:";
const KEY: usize = 32;
const CHECK: usize = 4;
/// 36 bytes are 48 letters, without padding.
const LETTERS: usize = 48;

/// A random 256-bit key that opens sealed files without stretching.
pub struct Key(Zeroizing<[u8; KEY]>);

/// The name of a key in a file: it finds the slot, and tells nothing about the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyId(pub [u8; 8]);

/// Why a text is not a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not start as a key does.
    NotAKey,
    /// A key of a later version.
    Newer,
    /// Letters are missing, added or changed.
    Mistyped,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotAKey => "this is not a key".to_owned(),
            Fault::Newer => "this key was made by a newer envshim".to_owned(),
            Fault::Mistyped => "this key is damaged: letters are missing or changed".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotAKey => {
                "a key is one line that starts with `envshim-key-1:`; make one: envshim keygen"
                    .to_owned()
            }
            Fault::Newer => "install the newer envshim here too".to_owned(),
            Fault::Mistyped => "copy the whole line again".to_owned(),
        })
    }
}

impl Key {
    /// A key from random bytes.
    pub fn from_random(bytes: Zeroizing<[u8; KEY]>) -> Key {
        Key(bytes)
    }

    /// Reads the text form; blanks and line ends around it do not count.
    pub fn parse(text: &[u8]) -> Result<Key, Fault> {
        let text = text.trim_ascii();
        if !text.starts_with(PREFIX) {
            return Err(Fault::NotAKey);
        }
        let Some(letters) = text.strip_prefix(VERSION) else {
            let version = &text[PREFIX.len()..];
            let newer = version.iter().take_while(|b| b.is_ascii_digit()).count() > 0
                && !version.starts_with(b"1");
            return Err(if newer { Fault::Newer } else { Fault::Mistyped });
        };
        let letters = std::str::from_utf8(letters).map_err(|_| Fault::Mistyped)?;
        let mut bytes = Zeroizing::new([0; KEY + CHECK]);
        if letters.len() != LETTERS || Base64UrlUnpadded::decode(letters, &mut bytes[..]).is_err() {
            return Err(Fault::Mistyped);
        }
        let mut key = Key(Zeroizing::new([0; KEY]));
        key.0.copy_from_slice(&bytes[..KEY]);
        if same(&key.check(), &bytes[KEY..]) {
            Ok(key)
        } else {
            Err(Fault::Mistyped)
        }
    }

    /// The text form, with a line end.
    pub fn to_text(&self) -> Secret {
        let mut bytes = Zeroizing::new([0; KEY + CHECK]);
        bytes[..KEY].copy_from_slice(&self.0[..]);
        bytes[KEY..].copy_from_slice(&self.check());
        let letters = Zeroizing::new(Base64UrlUnpadded::encode_string(&bytes[..]));
        let mut text = SecretBuffer::with_capacity(VERSION.len() + LETTERS + 1);
        text.push(VERSION);
        text.push(letters.as_bytes());
        text.push(b"\n");
        text.finish()
    }

    /// Its name in files and messages.
    pub fn id(&self) -> KeyId {
        KeyId(hash(b"envshim key id\n", &self.0))
    }

    /// The bytes, for the cipher.
    pub(super) fn bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    fn check(&self) -> [u8; CHECK] {
        hash(VERSION, &self.0)
    }
}

impl KeyId {
    /// Reads sixteen small hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<KeyId> {
        let id = KeyId(u64::from_str_radix(text, 16).ok()?.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// The first `N` bytes of SHA-256 over a label and a key.
pub(super) fn hash<const N: usize>(label: &[u8], key: &[u8; KEY]) -> [u8; N] {
    let digest = Sha256::new().chain_update(label).chain_update(key);
    let digest = digest.finalize();
    std::array::from_fn(|n| digest[n])
}

/// Compares without telling by its time where the first difference is.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::{Fault, Key, KeyId};
    use zeroize::Zeroizing;

    fn key() -> Key {
        Key::from_random(Zeroizing::new(std::array::from_fn(|n| n as u8)))
    }

    #[test]
    fn text_and_back() {
        let text = key().to_text();
        let line = String::from_utf8(text.expose().to_vec()).unwrap();
        assert!(line.starts_with("envshim-key-1:AAECAwQF") && line.ends_with('\n'));
        assert_eq!(line.len(), 14 + 48 + 1);
        for around in [line.clone(), format!("  {line}\r\n"), line.trim().into()] {
            let back = Key::parse(around.as_bytes()).ok().unwrap();
            assert_eq!(back.bytes(), key().bytes());
            assert_eq!(back.id(), key().id());
        }
        let id = key().id();
        assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        assert_eq!(KeyId::parse("+123456789abcdef"), None);
        assert_eq!(KeyId::parse("0123456789ABCDEF"), None);
    }

    #[test]
    fn any_changed_letter_is_a_typing_mistake() {
        let text = key().to_text();
        let line = text.expose().trim_ascii();
        for at in 14..line.len() {
            for bit in 0..8 {
                let mut changed = line.to_vec();
                changed[at] ^= 1 << bit;
                // A last letter that became a blank is a missing letter.
                assert_eq!(Key::parse(&changed).err(), Some(Fault::Mistyped));
            }
            assert_eq!(Key::parse(&line[..at]).err(), Some(Fault::Mistyped));
        }
        for (text, fault) in [
            ("", Fault::NotAKey),
            ("hunter2", Fault::NotAKey),
            ("envshim-key-2:abc", Fault::Newer),
            ("envshim-key-", Fault::Mistyped),
            ("envshim-key-1", Fault::Mistyped),
        ] {
            assert_eq!(Key::parse(text.as_bytes()).err(), Some(fault), "{text}");
        }
    }
}
