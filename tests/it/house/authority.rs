//! A certificate authority of a test's own, by the openssl command.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Folder;

pub struct Authority {
    pub folder: Folder,
}

/// From when to when a certificate is valid, as openssl writes it.
pub const NOW: (&str, &str) = ("20200101000000Z", "20990101000000Z");
pub const PAST: (&str, &str) = ("20200101000000Z", "20200201000000Z");
pub const FUTURE: (&str, &str) = ("20980101000000Z", "20990101000000Z");

impl Authority {
    pub fn new() -> Authority {
        let folder = Folder::new();
        folder.write(
            "ca.cnf",
            "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\n\
             default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n\
             [req]\ndistinguished_name=dn\n[dn]\n[root]\nbasicConstraints=critical,CA:true\n\
             keyUsage=critical,keyCertSign,cRLSign\n",
        );
        folder.write("index", "");
        let authority = Authority { folder };
        authority.openssl(
            "req -x509 -config ca.cnf -extensions root -newkey ec -pkeyopt \
             ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=Test -days 3",
        );
        authority
    }

    /// The authority's own certificate.
    pub fn root(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate `name.pem` with its key `name.key` (PKCS#8), for these `DNS:` and `IP:` names.
    pub fn sign(&self, name: &str, names: &str, valid: (&str, &str)) -> (PathBuf, PathBuf) {
        self.openssl(&format!(
            "req -new -config ca.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.sign_request(name, names, valid);
        let path = |suffix: &str| self.folder.join(&format!("{name}.{suffix}"));
        (path("pem"), path("key"))
    }

    /// Signs `name.csr`.
    pub fn sign_request(&self, name: &str, names: &str, (from, to): (&str, &str)) {
        let extensions = format!("subjectAltName={names}\nbasicConstraints=CA:false\n");
        self.folder.write(&format!("{name}.ext"), extensions);
        self.openssl(&format!(
            "ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -in {name}.csr -out {name}.pem \
             -notext -extfile {name}.ext -startdate {from} -enddate {to}"
        ));
    }

    pub fn openssl(&self, words: &str) {
        let output = Command::new("openssl")
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("openssl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {words}\n{said}");
    }

    /// The settings of a server that shows this certificate.
    pub fn server(&self, name: &str) -> Server {
        let read = |suffix: &str| self.folder.read(&format!("{name}.{suffix}"));
        Server::new(read("pem"), read("key"))
    }
}

/// How a TLS server behaves.
pub struct Server {
    pem: Vec<u8>,
    key: Vec<u8>,
    clients: Option<Vec<u8>>,
    tls12: bool,
}

impl Server {
    pub fn new(pem: Vec<u8>, key: Vec<u8>) -> Server {
        Server {
            pem,
            key,
            clients: None,
            tls12: false,
        }
    }

    /// It wants client certificates of this authority.
    pub fn asks_clients(mut self, authority: &Authority) -> Server {
        self.clients = Some(authority.folder.read("ca.pem"));
        self
    }

    pub fn tls12(mut self) -> Server {
        self.tls12 = true;
        self
    }

    pub fn config(self) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let both: &[&rustls::SupportedProtocolVersion] =
            &[&rustls::version::TLS12, &rustls::version::TLS13];
        let versions = if self.tls12 { &both[..1] } else { both };
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("versions");
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add_parsable_certificates(certificates(&pem));
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    provider,
                );
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).expect("a key");
        let config = builder.with_single_cert(certificates(&self.pem), key);
        Arc::new(config.expect("a certificate"))
    }
}

fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .map(|one| one.expect("PEM"))
        .collect()
}
