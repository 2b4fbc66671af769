//! The ciphers of the sealed file, as few calls: AES-256-GCM-SIV and PBKDF2-HMAC-SHA-256.

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{KEY, NONCE, TAG};
use crate::secret::Secret;

/// The key of a password slot.
pub(super) fn stretch(password: &Secret, rounds: u32, salt: &[u8]) -> Zeroizing<[u8; KEY]> {
    let mut key = Zeroizing::new([0; KEY]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.expose(), salt, rounds, &mut key[..]);
    key
}

/// Nonce, sealed bytes, tag; `None` beyond the cipher's limits.
pub(super) fn encrypt(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    label: &[u8],
    plain: &[u8],
) -> Option<Vec<u8>> {
    // Allocated once: growth would leave a copy of the plain text behind.
    let mut out = Zeroizing::new(Vec::with_capacity(NONCE + plain.len() + TAG));
    out.extend_from_slice(nonce);
    out.extend_from_slice(plain);
    let cipher = Aes256GcmSiv::new(key.into());
    let tag = cipher
        .encrypt_inout_detached(&Nonce::from(*nonce), label, (&mut out[NONCE..]).into())
        .ok()?;
    out.extend_from_slice(&tag);
    Some(std::mem::take(&mut *out))
}

/// The plain bytes, where key, label and every byte are as they were.
pub(super) fn decrypt(key: &[u8; KEY], label: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
    let (sealed, tag) = rest.split_last_chunk::<TAG>()?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    let cipher = Aes256GcmSiv::new(key.into());
    cipher
        .decrypt_inout_detached(
            &Nonce::from(*nonce),
            label,
            plain.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .ok()?;
    Some(plain)
}
