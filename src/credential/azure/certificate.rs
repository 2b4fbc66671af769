//! A certificate of a service principal: a statement signed with its key.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::credential::jwt::{Claim, RsaKey, sign_ps256};
use crate::credential::pem;
use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::secret::Secret;
use crate::sys;

use super::fault::Fault;

const VARIABLE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

/// More than a chain of certificates and a key have.
const MOST: usize = 256 << 10;

/// How long a statement holds, in seconds. It is used at once.
const LIFE: u64 = 600;

/// A clock that is slow by less than this is no problem.
const SKEW: u64 = 60;

/// The statement of `client` for `audience`, with the key in the file; with all certificates of the
/// file where `chain`.
pub(super) fn assertion(
    path: &str,
    client: &str,
    audience: &str,
    chain: bool,
) -> Result<Secret, Failure> {
    let path = PathBuf::from(path);
    let file = files::read(&path, MOST, Accept::Pipe)?;
    let Some(file) = file else {
        return Err(Fault::NoFile(VARIABLE, path).into());
    };
    signed(file.bytes.expose(), &path, client, audience, chain)
}

fn signed(
    text: &[u8],
    path: &Path,
    client: &str,
    audience: &str,
    chain: bool,
) -> Result<Secret, Failure> {
    // Both forms of PKCS#12 begin like any other sequence in DER.
    if text.first() == Some(&0x30) {
        return Err(Fault::Pfx(path.to_owned()).into());
    }
    let place = || format!("{VARIABLE}: {}", path.display());
    let key = RsaKey::from_pem(text).map_err(|fault| Failure::from(fault).at(&place()))?;
    let blocks = pem::blocks(text);
    let certificates: Vec<&[u8]> = blocks
        .iter()
        .filter(|block| block.label == "CERTIFICATE")
        .filter_map(|block| block.der.as_ref().map(Secret::expose))
        .collect();
    let Some(own) = certificates.first() else {
        return Err(Fault::NoCertificate(path.to_owned()).into());
    };
    let thumbprint = Base64UrlUnpadded::encode_string(&Sha256::digest(own));
    let all: Vec<String> = certificates
        .iter()
        .map(|der| Base64::encode_string(der))
        .collect();
    let mut header = vec![("x5t#S256", Claim::Text(&thumbprint))];
    if chain {
        header.push(("x5c", Claim::Texts(&all)));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let mut random = [0u8; 16];
    sys::random(&mut random).map_err(|_| Failure::from(crate::credential::jwt::Fault::Random))?;
    let claims = [
        ("aud", Claim::Text(audience)),
        ("iss", Claim::Text(client)),
        ("sub", Claim::Text(client)),
        (
            "jti",
            Claim::Text(&Base64UrlUnpadded::encode_string(&random)),
        ),
        ("nbf", Claim::Number(now.saturating_sub(SKEW))),
        ("exp", Claim::Number(now + LIFE)),
    ];
    sign_ps256(&header, &claims, &key).map_err(|fault| Failure::from(fault).at(&place()))
}
