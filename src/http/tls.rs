//! TLS settings: whose certificates are believed, which one we show, what library codes mean.
//!
//! Nothing is read before the first https request. An authority that was named replaces the
//! system's roots, as the official Vault client does; without any file the built-in roots of
//! Mozilla stand in, so that an empty root file system works.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::files::{self, Accept};
use crate::secret::Secret;

use super::fault::SettingFault;

/// PEM text from a setting; the name of the variable goes into messages.
pub enum Pem {
    /// In a file.
    File(&'static str, PathBuf),
    /// In the setting itself.
    Text(&'static str, Secret),
}

/// Whose signatures count.
pub enum Authority {
    /// `SSL_CERT_FILE` and the folders of `SSL_CERT_DIR` where they are set; else the system's
    /// bundle; else the built-in roots of Mozilla.
    System {
        /// `SSL_CERT_FILE`.
        file: Option<PathBuf>,
        /// `SSL_CERT_DIR`, split at the colons.
        folders: Vec<PathBuf>,
    },
    /// Only these (`VAULT_CACERT`, `VAULT_CACERT_BYTES`, `AWS_CA_BUNDLE`).
    Only(Pem),
    /// Only those in the files of a folder (`VAULT_CAPATH`).
    OnlyFolder(&'static str, PathBuf),
}

/// A certificate of our own, with its chain, and its key.
pub struct Identity {
    /// The certificate, then its intermediates.
    pub certificate: Pem,
    /// The private key: PKCS#8, RSA (PKCS#1) or EC (SEC 1), without a password.
    pub key: Pem,
}

/// The TLS settings of one store.
pub struct Tls {
    /// Whose signatures count.
    pub authority: Authority,
    /// What we show.
    pub identity: Option<Identity>,
    /// Another name than the address has (`VAULT_TLS_SERVER_NAME`), and its variable.
    pub server_name: Option<(&'static str, String)>,
    /// `false` only where the user's own setting says so; the caller warns.
    pub verify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            authority: Authority::System {
                file: None,
                folders: Vec::new(),
            },
            identity: None,
            server_name: None,
            verify: true,
        }
    }
}

/// What the settings came to.
pub(super) struct Ready {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: Option<ServerName<'static>>,
    /// Where the roots came from, for messages.
    pub(super) roots: String,
    /// We have a certificate to show.
    pub(super) identity: bool,
}

/// A bundle of a whole distribution is 220 KiB.
const MOST: usize = 4 << 20;

/// Where distributions keep their bundle: Debian and Alpine, Fedora, SUSE, older Alpine.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Tls {
    /// Reads the files and makes the configuration.
    pub(super) fn prepare(&self) -> Result<Ready, SettingFault> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (store, roots) = if self.verify {
            self.authority.read()?
        } else {
            (RootCertStore::empty(), String::new())
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            // Cannot happen: ring has cipher suites for both versions.
            .map_err(|_| SettingFault::NoCertificates("rustls"))?;
        let builder = if self.verify {
            builder.with_root_certificates(store)
        } else {
            let any = Arc::new(AnyCertificate(provider));
            builder.dangerous().with_custom_certificate_verifier(any)
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.read()?;
                let variable = identity.key.variable();
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| match error {
                        rustls::Error::InconsistentKeys(_) => SettingFault::KeyMismatch(variable),
                        _ => SettingFault::KeyKind(variable),
                    })?
            }
        };
        let server_name = match &self.server_name {
            None => None,
            Some((variable, name)) => Some(
                ServerName::try_from(name.clone())
                    .map_err(|_| SettingFault::ServerName(variable))?,
            ),
        };
        Ok(Ready {
            config: Arc::new(config),
            server_name,
            roots,
            identity: self.identity.is_some(),
        })
    }
}

impl Pem {
    fn variable(&self) -> &'static str {
        match self {
            Pem::File(variable, _) | Pem::Text(variable, _) => variable,
        }
    }

    /// The text; a secret, because it may be a key.
    fn read(&self) -> Result<Secret, SettingFault> {
        match self {
            Pem::Text(_, text) => Ok(text.duplicate()),
            Pem::File(variable, path) => match files::read(path, MOST, Accept::Pipe) {
                Ok(Some(contents)) => Ok(contents.bytes),
                Ok(None) => Err(SettingFault::Missing(variable, path.clone())),
                Err(fault) => Err(SettingFault::File(variable, fault)),
            },
        }
    }
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), SettingFault> {
        let pem = self.certificate.read()?;
        let chain: Vec<_> = certificates(pem.expose()).collect();
        if chain.is_empty() {
            return Err(SettingFault::NoCertificates(self.certificate.variable()));
        }
        let pem = self.key.read()?;
        let key = PrivateKeyDer::from_pem_slice(pem.expose())
            .map_err(|_| SettingFault::NoKey(self.key.variable()))?;
        Ok((chain, key))
    }
}

impl Authority {
    fn read(&self) -> Result<(RootCertStore, String), SettingFault> {
        let mut store = RootCertStore::empty();
        match self {
            Authority::Only(pem) => {
                add(&mut store, pem.read()?.expose());
                some(store, pem.variable())
            }
            Authority::OnlyFolder(variable, path) => {
                add_folder(&mut store, variable, path)?;
                some(store, variable)
            }
            Authority::System {
                file: None,
                folders,
            } if folders.is_empty() => Ok(system()),
            Authority::System { file, folders } => {
                let mut variables = Vec::new();
                if let Some(path) = file {
                    let pem = Pem::File("SSL_CERT_FILE", path.clone());
                    add(&mut store, pem.read()?.expose());
                    variables.push("SSL_CERT_FILE");
                }
                for folder in folders {
                    // OpenSSL passes over folders that are not there; the default list has some.
                    if folder.is_dir() {
                        add_folder(&mut store, "SSL_CERT_DIR", folder)?;
                    }
                    variables.push("SSL_CERT_DIR");
                }
                variables.dedup();
                some(
                    store,
                    if file.is_some() {
                        "SSL_CERT_FILE"
                    } else {
                        "SSL_CERT_DIR"
                    },
                )
                .map(|(store, _)| (store, format!("roots: {}", variables.join(", "))))
            }
        }
    }
}

fn some(
    store: RootCertStore,
    variable: &'static str,
) -> Result<(RootCertStore, String), SettingFault> {
    if store.is_empty() {
        return Err(SettingFault::NoCertificates(variable));
    }
    Ok((store, format!("roots: {variable}")))
}

/// The system's bundle, or the built-in roots where there is none that can be used.
fn system() -> (RootCertStore, String) {
    for path in BUNDLES {
        if let Ok(Some(contents)) = files::read(Path::new(path), MOST, Accept::Regular) {
            let mut store = RootCertStore::empty();
            add(&mut store, contents.bytes.expose());
            if !store.is_empty() {
                return (store, format!("roots: {path}"));
            }
        }
    }
    let store = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    (store, "roots: Mozilla's, built in".to_owned())
}

/// Every file of a folder; what is no certificate in it is passed over, and the hashed links that
/// `c_rehash` makes are read once.
fn add_folder(
    store: &mut RootCertStore,
    variable: &'static str,
    folder: &Path,
) -> Result<(), SettingFault> {
    let failed = |error: std::io::Error| {
        let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0));
        SettingFault::File(variable, files::Fault::Read(folder.to_owned(), errno))
    };
    let mut seen = HashSet::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        if !metadata.is_file() || !seen.insert((metadata.dev(), metadata.ino())) {
            continue;
        }
        if let Ok(Some(contents)) = files::read(&path, MOST, Accept::Regular) {
            add(store, contents.bytes.expose());
        }
    }
    Ok(())
}

/// Old roots in a bundle that webpki does not read are no reason to believe none.
fn add(store: &mut RootCertStore, pem: &[u8]) {
    store.add_parsable_certificates(certificates(pem));
}

fn certificates(pem: &[u8]) -> impl Iterator<Item = CertificateDer<'static>> + '_ {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok)
}

/// The user said so: any certificate is believed. The handshake's signature is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
