//! The sealed files of the old Python tool, read only: Fernet tokens in both of its modes.
//!
//! Fernet is version 0x80, a time, an IV, AES-128-CBC with PKCS#7, HMAC-SHA-256 over all of it; 16
//! bytes of key for the MAC, 16 for the cipher. The MAC is checked before anything is decrypted.
//! Nothing is ever written in this format: see [`Weakness`].

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use base64ct::{Base64Url, Encoding};
use pbkdf2::hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::failure::Explain;
use crate::secret::Secret;

const MOST_TEXT: usize = super::envelope::MOST_TEXT;
const ROUNDS: u32 = 480_000;
const BLOCK: usize = 16;
const HEAD: usize = 1 + 8 + BLOCK;
const MAC: usize = 32;

/// Why an old file does not open.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not base64, or too short, or another version.
    Malformed,
    /// More bytes than such a file may have.
    TooLarge,
    /// The MAC does not fit.
    Wrong {
        /// A salt was at hand, so that both modes were tried.
        salted: bool,
    },
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Malformed => {
                "the file was cut or changed: it is no whole Fernet token".to_owned()
            }
            Fault::TooLarge => "it is larger than 16 MiB".to_owned(),
            Fault::Wrong { .. } => "wrong password, or the file was changed".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Fault::Malformed => {
                Some("take the file as it was committed: git checkout -- FILE".to_owned())
            }
            Fault::TooLarge => None,
            Fault::Wrong { salted: true } => {
                Some("the salt file must be the one that was written beside it".to_owned())
            }
            Fault::Wrong { salted: false } => {
                Some("if it was made with a salt, name that file too: --salt-file salt".to_owned())
            }
        }
    }
}

/// Why a file of this kind does not protect what is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weakness {
    /// The cipher's key is sixteen spaces.
    NoKey,
    /// Only this many bytes of the password protect the content, without stretching.
    Short(usize),
    /// Stretched, but AES-128 under a format that is not written any more.
    Old,
}

impl Explain for Weakness {
    fn what(&self) -> String {
        match self {
            Weakness::NoKey => {
                "old format: anybody can read it without the password, because only what follows a password's 16th letter encrypts".to_owned()
            }
            Weakness::Short(bytes) => format!(
                "old format: {bytes} bytes of the password protect it, and they can be guessed at full speed"
            ),
            Weakness::Old => "old format, kept for reading only".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        let first = match self {
            Weakness::NoKey => "the secrets in it must count as known, so change them; ",
            Weakness::Short(_) | Weakness::Old => "",
        };
        Some(format!(
            "{first}write the new format: umask 077; envshim open > .vault && envshim seal --remove-plain"
        ))
    }
}

/// An opened token.
pub struct Opened {
    /// The content.
    pub plain: Secret,
    /// What to warn of.
    pub weakness: Weakness,
}

/// A text that can only be a Fernet token: version 0x80 and a time before the year 4147.
pub fn is_fernet(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"gAAAAA")
}

/// Opens a token. Without a salt the password is the key; with one, both modes are tried, because
/// nothing in the file says which it is.
pub fn open(text: &[u8], password: &Secret, salt: Option<&[u8]>) -> Result<Opened, Fault> {
    let token = decode(text)?;
    let key = padded(password.expose());
    if let Some(plain) = open_with(&token, &key) {
        let weakness = weakness(&key);
        return Ok(Opened { plain, weakness });
    }
    let Some(salt) = salt else {
        return Err(Fault::Wrong { salted: false });
    };
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.expose(), salt, ROUNDS, &mut key[..]);
    let plain = open_with(&token, &key).ok_or(Fault::Wrong { salted: true })?;
    let weakness = Weakness::Old;
    Ok(Opened { plain, weakness })
}

/// The old tool's key: the password, filled up with spaces or cut to 32 bytes.
fn padded(password: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([b' '; 32]);
    for (to, from) in key.iter_mut().zip(password) {
        *to = *from;
    }
    key
}

fn weakness(key: &[u8; 32]) -> Weakness {
    match key[16..].trim_ascii_end().len() {
        0 => Weakness::NoKey,
        bytes => Weakness::Short(bytes),
    }
}

/// base64 to bytes; blanks and line ends anywhere do not count, as for the Python reader.
fn decode(text: &[u8]) -> Result<Vec<u8>, Fault> {
    if text.len() > MOST_TEXT {
        return Err(Fault::TooLarge);
    }
    let letters: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    let letters = std::str::from_utf8(&letters).map_err(|_| Fault::Malformed)?;
    let token = Base64Url::decode_vec(letters).map_err(|_| Fault::Malformed)?;
    let sealed = token
        .len()
        .checked_sub(HEAD + MAC)
        .ok_or(Fault::Malformed)?;
    if token[0] != 0x80 || sealed == 0 || sealed % BLOCK != 0 {
        return Err(Fault::Malformed);
    }
    Ok(token)
}

fn open_with(token: &[u8], key: &[u8; 32]) -> Option<Secret> {
    let (signed, mac) = token.split_at_checked(token.len().checked_sub(MAC)?)?;
    let mut check = Hmac::<Sha256>::new_from_slice(&key[..16]).ok()?;
    check.update(signed);
    check.verify_slice(mac).ok()?;

    let cipher = Aes128::new_from_slice(&key[16..]).ok()?;
    let (mut before, sealed) = signed.get(9..)?.split_first_chunk::<BLOCK>()?;
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    for block in sealed.as_chunks::<BLOCK>().0 {
        let mut open = Zeroizing::new(*block);
        cipher.decrypt_block((&mut *open).into());
        plain.extend(open.iter().zip(before).map(|(a, b)| a ^ b));
        before = block;
    }
    // The MAC fits, so these bytes are the writer's own; padding that is not PKCS#7 is its mistake.
    let padding = usize::from(*plain.last()?);
    let length = plain.len().checked_sub(padding)?;
    let regular = plain[length..]
        .iter()
        .all(|byte| usize::from(*byte) == padding);
    if !(1..=BLOCK).contains(&padding) || !regular {
        return None;
    }
    plain.truncate(length);
    Some(Secret::new(std::mem::take(&mut *plain)))
}

#[cfg(test)]
mod tests {
    use super::{Fault, Weakness, is_fernet, open};
    use crate::secret::Secret;

    const SALT: [u8; 16] = *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";
    const SHORT: &str = "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bdgWliK7KH-Sje9YETPTLSNpWnohPKf52NYjQD5rQtOeQ==";

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn the_six_vectors_open() {
        let forty = "x".repeat(40);
        let vectors: [(&str, Option<&[u8]>, Weakness, &str); 6] = [
            ("pw", None, Weakness::NoKey, SHORT),
            (
                "0123456789abcdef",
                None,
                Weakness::NoKey,
                "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bc1O7tnG6X7eXb8dtWGmbfZokG15ix_K8FwEAX8pX5QBA==",
            ),
            (
                "пароль-ключ",
                None,
                Weakness::Short(5),
                "gAAAAABnc8PAAAECAwQFBgcICQoLDA0OD4IPjxNmm9HwGFaYUQxeER_AXXWtRaK6M-eJKFQXM5WxdGtFzslqRmgeEeG0sewTBw==",
            ),
            (
                &forty,
                None,
                Weakness::Short(16),
                "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODxd673l0uVLi3ThxLp7rsEI9hqzonwX9WNggAawnkE6RbVzBBatWp2FUEiCXWdp8CQ==",
            ),
            (
                "",
                None,
                Weakness::NoKey,
                "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bdZWJXQjaCksXKoM9lBTvWH38cakDgeFlFz00Yl5cFb7Q==",
            ),
            (
                "correct horse",
                Some(&SALT),
                Weakness::Old,
                "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODzoLy5aJEhPbe8W_b-LS6qXt-2jLW00zYFUtjosjLuulLBO6l4dnYlZktQxZoY5xPg==",
            ),
        ];
        for (password, salt, weakness, token) in vectors {
            assert!(is_fernet(token.as_bytes()));
            let opened = open(token.as_bytes(), &secret(password), salt)
                .unwrap_or_else(|_| panic!("{password}"));
            assert_eq!(opened.plain.expose(), b"A=1\n");
            assert_eq!(opened.weakness, weakness, "{password}");
        }
    }

    #[test]
    fn blanks_do_not_count_and_a_salt_at_hand_is_no_obstacle() {
        let wrapped = format!("\n{}\r\n{} \n", &SHORT[..50], &SHORT[50..]);
        assert!(is_fernet(wrapped.as_bytes()));
        let opened = open(wrapped.as_bytes(), &secret("pw"), Some(&SALT))
            .ok()
            .unwrap();
        assert_eq!(opened.weakness, Weakness::NoKey);
    }

    #[test]
    fn every_changed_bit_and_every_cut_fails() {
        let password = secret("pw");
        for at in 0..SHORT.len() {
            assert!(
                open(&SHORT.as_bytes()[..at], &password, None).is_err(),
                "cut at {at}"
            );
            for bit in 0..8 {
                let mut changed = SHORT.as_bytes().to_vec();
                changed[at] ^= 1 << bit;
                assert!(
                    open(&changed, &password, None).is_err(),
                    "bit {bit} of {at}"
                );
            }
        }
        for (wrong, salted) in [("px", false), ("pw\n", false), ("PW", true)] {
            let salt = salted.then_some(&SALT[..]);
            let fault = open(SHORT.as_bytes(), &secret(wrong), salt).err();
            assert_eq!(fault, Some(Fault::Wrong { salted }));
        }
    }
}
