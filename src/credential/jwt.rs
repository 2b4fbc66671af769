//! JSON Web Tokens that we sign ourselves with an RSA key (RFC 7515, RFC 7519): proof to an identity
//! provider that we hold the key of an account or a certificate.
//!
//! Pure but for the salt of PS256: a key, a header and claims in, the token out.

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use zeroize::Zeroizing;

use crate::credential::pem;
use crate::failure::Explain;
use crate::format::json::quote;
use crate::secret::{Secret, SecretBuffer};

/// The value of a claim.
#[derive(Clone, Copy)]
pub enum Claim<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number: the moments `iat`, `nbf`, `exp`.
    Number(u64),
    /// A list of texts: the chain of certificates `x5c`.
    Texts(&'a [String]),
}

/// Why there is no token. The place of the key (a file, a variable) is the caller's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No private key in it.
    NoKey,
    /// The key is encrypted with a password.
    Encrypted,
    /// A key that is not RSA, or none that can be read.
    Kind,
    /// An RSA key of another size than 2048 to 4096 bits, or whose parts disagree.
    Unfit,
    /// The kernel gives no random bytes.
    Random,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoKey => "there is no private key in it".to_owned(),
            Fault::Encrypted => "its private key is encrypted with a password".to_owned(),
            Fault::Kind => "its private key is not one of RSA".to_owned(),
            Fault::Unfit => "its private key is damaged, or not of 2048 to 4096 bits".to_owned(),
            Fault::Random => "the kernel gives no random bytes".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Fault::NoKey => Some(
                "it begins with `-----BEGIN PRIVATE KEY-----`, in lines of their own".to_owned(),
            ),
            Fault::Encrypted => Some("openssl pkey -in KEY.pem -out PLAIN.pem".to_owned()),
            Fault::Kind | Fault::Unfit | Fault::Random => None,
        }
    }
}

/// An RSA key that signs.
pub struct RsaKey(RsaKeyPair);

impl RsaKey {
    /// The first private key of a PEM text: PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
    pub fn from_pem(text: &[u8]) -> Result<RsaKey, Fault> {
        let blocks = pem::blocks(text);
        let block = blocks
            .iter()
            .find(|block| block.label.ends_with("PRIVATE KEY"));
        let block = block.ok_or(Fault::NoKey)?;
        if block.encrypted || block.label == "ENCRYPTED PRIVATE KEY" {
            return Err(Fault::Encrypted);
        }
        let der = block.der.as_ref().ok_or(Fault::Unfit)?.expose();
        let pair = match block.label {
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(der),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(der),
            _ => return Err(Fault::Kind),
        };
        pair.map(RsaKey).map_err(|refused| {
            // ring's words for a key of another algorithm; everything else is about an RSA key.
            if refused.to_string() == "WrongAlgorithm" {
                Fault::Kind
            } else {
                Fault::Unfit
            }
        })
    }
}

/// A token signed with RS256. `alg` and `typ` are added to the header.
pub fn sign_rs256(
    header: &[(&str, &str)],
    claims: &[(&str, Claim<'_>)],
    key: &RsaKey,
) -> Result<Secret, Fault> {
    let header = header.iter().map(|(name, text)| (*name, Claim::Text(text)));
    sign("RS256", &RSA_PKCS1_SHA256, header.collect(), claims, key)
}

/// A token signed with PS256. `alg` and `typ` are added to the header.
pub fn sign_ps256(
    header: &[(&str, Claim<'_>)],
    claims: &[(&str, Claim<'_>)],
    key: &RsaKey,
) -> Result<Secret, Fault> {
    sign("PS256", &RSA_PSS_SHA256, header.to_vec(), claims, key)
}

fn sign(
    name: &str,
    encoding: &'static dyn RsaEncoding,
    more: Vec<(&str, Claim<'_>)>,
    claims: &[(&str, Claim<'_>)],
    key: &RsaKey,
) -> Result<Secret, Fault> {
    let mut header = vec![("alg", Claim::Text(name)), ("typ", Claim::Text("JWT"))];
    header.extend(more);
    let mut token = SecretBuffer::with_capacity(2048);
    token.push(object(&header).as_bytes());
    token.push(b".");
    token.push(object(claims).as_bytes());
    let mut signature = Zeroizing::new(vec![0; key.0.public().modulus_len()]);
    key.0
        .sign(
            encoding,
            &SystemRandom::new(),
            token.as_bytes(),
            &mut signature,
        )
        .map_err(|_| Fault::Random)?;
    token.push(b".");
    token.push(Base64UrlUnpadded::encode_string(&signature).as_bytes());
    Ok(token.finish())
}

/// A JSON object in base64url. Nothing in it is secret: the signature makes the token one.
fn object(members: &[(&str, Claim<'_>)]) -> String {
    let mut json = String::new();
    for (name, value) in members {
        json.push(if json.is_empty() { '{' } else { ',' });
        json.push_str(&quote(name));
        json.push(':');
        match value {
            Claim::Text(text) => json.push_str(&quote(text)),
            Claim::Number(number) => json.push_str(&number.to_string()),
            Claim::Texts(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| quote(text)).collect();
                json.push_str(&format!("[{}]", texts.join(",")));
            }
        }
    }
    json.push_str(if json.is_empty() { "{}" } else { "}" });
    Base64UrlUnpadded::encode_string(json.as_bytes())
}
