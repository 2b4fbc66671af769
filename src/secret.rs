//! A value nobody can print.
//!
//! Invariants: the bytes are wiped when the value is dropped; there is no `Debug`, `Display`,
//! `Clone`, `PartialEq` or serialisation, so that no derive on an outer type can leak them; the one
//! door is [`Secret::expose`].

use zeroize::{Zeroize, Zeroizing};

/// Bytes of a secret, wiped on drop. Environment values are bytes, so this is not a string.
///
/// ```
/// let secret = envshim::secret::Secret::new(b"s3cr3t".to_vec());
/// assert_eq!(secret.expose(), b"s3cr3t");
/// ```
///
/// It cannot be printed:
///
/// ```compile_fail
/// let secret = envshim::secret::Secret::new(b"s3cr3t".to_vec());
/// println!("{secret:?}");
/// ```
///
/// nor cloned in passing:
///
/// ```compile_fail
/// let secret = envshim::secret::Secret::new(b"s3cr3t".to_vec());
/// let copy = secret.clone();
/// ```
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; no copy stays behind.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes. Every call outside the rooms that must see them is a review question
    /// (`tests/house_rules.rs` prints the list).
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// A second copy, asked for by name: one secret that goes to two variables.
    pub fn duplicate(&self) -> Secret {
        Secret::new(self.0.to_vec())
    }

    /// There are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same bytes as another one: a question that is asked by name.
    pub fn is(&self, other: &Secret) -> bool {
        *self.0 == *other.0
    }

    /// Gives the bytes up, for a buffer that wipes itself.
    pub fn into_bytes(mut self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(std::mem::take(&mut *self.0))
    }
}

/// A growing buffer for a secret whose length is not known before: old blocks are wiped when it
/// moves, which `Vec` does not do.
#[derive(Default)]
pub struct SecretBuffer(Zeroizing<Vec<u8>>);

impl SecretBuffer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        SecretBuffer(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// Appends, moving to a larger block (and wiping the old one) where needed.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            let mut larger = Vec::with_capacity((self.0.len() + bytes.len()).max(64) * 2);
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            *self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// What was written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The finished secret.
    pub fn finish(mut self) -> Secret {
        Secret(Zeroizing::new(std::mem::take(&mut *self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::SecretBuffer;

    #[test]
    fn buffer_keeps_every_byte_across_moves() {
        let mut buffer = SecretBuffer::default();
        let mut want = Vec::new();
        for n in 0..1000u32 {
            buffer.push(&n.to_le_bytes());
            want.extend_from_slice(&n.to_le_bytes());
        }
        assert_eq!(buffer.as_bytes(), want);
        assert_eq!(buffer.finish().expose(), want);
    }
}
