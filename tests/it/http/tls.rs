//! Certificates: whose, for whom, until when.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use envshim::failure::Explain;
use envshim::http::{
    Authority, Cause, CertificateFault, Identity, Options, Pem, Phase, SettingFault, Tls,
};
use envshim::secret::Secret;

use super::{cause, fault, get, once, spoken, text};
use crate::house::authority::{self, FUTURE, NOW, PAST};
use crate::house::server::{Server, answer};

const HERE: &str = "DNS:localhost,IP:127.0.0.1";

fn with(tls: Tls) -> Options {
    Options { tls, ..once() }
}

/// Believes this authority and no other.
fn trusting(authority: &authority::Authority) -> Tls {
    let pem = Pem::File("VAULT_CACERT", authority.root());
    Tls {
        authority: Authority::Only(pem),
        ..Tls::default()
    }
}

/// A server of its own authority, with a certificate for these names.
fn server(names: &str, valid: (&str, &str)) -> (authority::Authority, Server) {
    let authority = authority::Authority::new();
    authority.sign("store", names, valid);
    let config = authority.server("store").config();
    (authority, Server::https(config, |_| answer(200, "", "x")))
}

#[track_caller]
fn certificate(answer: Cause) -> CertificateFault {
    match answer {
        Cause::Certificate(fault) => fault,
        cause => panic!("{cause:?}"),
    }
}

#[test]
fn an_authority_from_everywhere() {
    let (authority, server) = server(HERE, NOW);
    let root = authority.folder.read("ca.pem");
    let folder = authority.folder.join("roots");
    authority.folder.write("roots/ca.crt", &root);
    authority.folder.write("roots/README", "not a certificate");
    std::os::unix::fs::symlink("ca.crt", folder.join("0a1b2c3d.0")).expect("a link");
    let old = b"# a comment\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bundle = authority
        .folder
        .write("bundle.pem", [&old[..], &root].concat());
    let file = |path: &PathBuf| Authority::Only(Pem::File("VAULT_CACERT", path.clone()));
    let text_of = |root: &[u8]| Pem::Text("VAULT_CACERT_BYTES", Secret::new(root.to_vec()));
    for url in [server.tls_url(), format!("https://{}", server.address)] {
        for (name, authority) in [
            ("file", file(&authority.root())),
            ("bundle", file(&bundle)),
            ("text", Authority::Only(text_of(&root))),
            (
                "folder",
                Authority::OnlyFolder("VAULT_CAPATH", folder.clone()),
            ),
            ("SSL_CERT_FILE", system(Some(bundle.clone()), &[])),
            (
                "SSL_CERT_DIR",
                system(None, &[PathBuf::from("/nonexistent"), folder.clone()]),
            ),
        ] {
            let tls = Tls {
                authority,
                ..Tls::default()
            };
            assert_eq!(text(get(with(tls), &url)), "x", "{name} {url}");
        }
    }
}

fn system(file: Option<PathBuf>, folders: &[PathBuf]) -> Authority {
    Authority::System {
        file,
        folders: folders.to_vec(),
    }
}

#[test]
fn an_unknown_authority() {
    let (_authority, server) = server(HERE, NOW);
    let other = authority::Authority::new();
    let got = fault(get(with(trusting(&other)), &server.tls_url()));
    assert_eq!(
        spoken(&got),
        format!(
            "{}: the server's certificate is signed by an authority that is not known here (roots: \
             VAULT_CACERT) | name the file with its authority: VAULT_CACERT, AWS_CA_BUNDLE or \
             SSL_CERT_FILE",
            server.tls_url()
        )
    );
    assert!(!got.unreachable());
    assert_eq!(got.tries, 1);
    // The system's roots, or the built-in ones, do not know it either.
    let got = certificate(cause(get(once(), &server.tls_url())));
    assert!(matches!(got, CertificateFault::UnknownAuthority(_)));
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn times() {
    let (authority, past) = server(HERE, PAST);
    let got = fault(get(with(trusting(&authority)), &past.tls_url()));
    assert!(
        got.what().contains("the server's certificate expired "),
        "{}",
        got.what()
    );
    assert!(matches!(
        got.cause,
        Cause::Certificate(CertificateFault::Expired(Some(_)))
    ));
    let (authority, future) = server(HERE, FUTURE);
    let got = certificate(cause(get(with(trusting(&authority)), &future.tls_url())));
    assert_eq!(got, CertificateFault::NotYet);
}

#[test]
fn names() {
    let (authority, server) = server("DNS:a.example,DNS:*.b.example,IP:10.0.0.1", NOW);
    let got = fault(get(with(trusting(&authority)), &server.tls_url()));
    assert!(
        got.what()
            .ends_with("the server's certificate is for a.example, *.b.example, 10.0.0.1"),
        "{}",
        got.what()
    );
    let named = |name: &str| Tls {
        server_name: Some(("VAULT_TLS_SERVER_NAME", name.to_owned())),
        ..trusting(&authority)
    };
    assert_eq!(text(get(with(named("a.example")), &server.tls_url())), "x");
    assert_eq!(
        text(get(with(named("c.b.example")), &server.tls_url())),
        "x"
    );
    assert!(get(with(named("c.example")), &server.tls_url()).is_err());
    let got = cause(get(with(named("not a name")), &server.tls_url()));
    assert!(matches!(
        got,
        Cause::Setting(SettingFault::ServerName("VAULT_TLS_SERVER_NAME"))
    ));
}

#[test]
fn without_checking_because_the_user_said_so() {
    let (_, server) = server("DNS:a.example", PAST);
    let tls = Tls {
        verify: false,
        ..Tls::default()
    };
    assert_eq!(text(get(with(tls), &server.tls_url())), "x");
}

#[test]
fn client_certificates() {
    let authority = authority::Authority::new();
    authority.sign("store", HERE, NOW);
    for tls12 in [false, true] {
        let config = authority.server("store").asks_clients(&authority);
        let config = if tls12 { config.tls12() } else { config };
        let server = Server::https(config.config(), |_| answer(200, "", "x"));
        let got = cause(get(with(trusting(&authority)), &server.tls_url()));
        assert!(
            matches!(got, Cause::ClientCertificate { sent: false }),
            "{tls12} {got:?}"
        );
        // EC and RSA, in the three forms that keys come in.
        authority.openssl("ecparam -genkey -name prime256v1 -noout -out sec1.key");
        authority.openssl("genrsa -traditional -out pkcs1.key 2048");
        authority.openssl("pkey -in sec1.key -out pkcs8.key");
        for (name, begins) in [
            ("sec1", "-----BEGIN EC PRIVATE KEY"),
            ("pkcs1", "-----BEGIN RSA PRIVATE KEY"),
            ("pkcs8", "-----BEGIN PRIVATE KEY"),
        ] {
            let key = authority.folder.read(&format!("{name}.key"));
            assert!(key.starts_with(begins.as_bytes()), "{name}");
            let request =
                format!("req -new -config ca.cnf -key {name}.key -out {name}.csr -subj /CN={name}");
            authority.openssl(&request);
            authority.sign_request(name, "DNS:client.example", NOW);
            let tls = Tls {
                identity: Some(identity(&authority, name, name)),
                ..trusting(&authority)
            };
            assert_eq!(text(get(with(tls), &server.tls_url())), "x", "{name}");
        }
        let stranger = authority::Authority::new();
        stranger.sign("stranger", "DNS:client.example", NOW);
        let identity = identity(&stranger, "stranger", "stranger");
        let tls = Tls {
            identity: Some(identity),
            ..trusting(&authority)
        };
        let got = cause(get(with(tls), &server.tls_url()));
        assert!(
            matches!(got, Cause::ClientCertificate { sent: true }),
            "{tls12} {got:?}"
        );
    }
}

fn identity(authority: &authority::Authority, certificate: &str, key: &str) -> Identity {
    let path = |name: &str| authority.folder.join(name);
    Identity {
        certificate: Pem::File("VAULT_CLIENT_CERT", path(&format!("{certificate}.pem"))),
        key: Pem::File("VAULT_CLIENT_KEY", path(&format!("{key}.key"))),
    }
}

#[test]
fn settings_that_cannot_be_used_name_their_variable() {
    let authority = authority::Authority::new();
    authority.sign("a", HERE, NOW);
    authority.sign("b", HERE, NOW);
    authority.folder.write("empty.pem", "nothing");
    authority.folder.write("empty.key", "nothing");
    authority.openssl("pkey -in a.key -aes256 -passout pass:x -out locked.key");
    let only = |name: &str| {
        let pem = Pem::File("VAULT_CACERT", authority.folder.join(name));
        Tls {
            authority: Authority::Only(pem),
            ..Tls::default()
        }
    };
    let shows = |certificate: &str, key: &str| Tls {
        identity: Some(identity(&authority, certificate, key)),
        ..trusting(&authority)
    };
    let folder = |name: &str| Tls {
        authority: Authority::OnlyFolder("VAULT_CAPATH", authority.folder.join(name)),
        ..Tls::default()
    };
    for (tls, says) in [
        (only("missing.pem"), "VAULT_CACERT: there is no "),
        (
            only("empty.pem"),
            "VAULT_CACERT: there is no certificate (PEM) in it",
        ),
        (only("."), "VAULT_CACERT: "),
        (folder("missing"), "VAULT_CAPATH: "),
        (
            shows("empty", "a"),
            "VAULT_CLIENT_CERT: there is no certificate (PEM) in it",
        ),
        (
            shows("a", "empty"),
            "VAULT_CLIENT_KEY: there is no private key without a password",
        ),
        (
            shows("a", "locked"),
            "VAULT_CLIENT_KEY: there is no private key without a password",
        ),
        (
            shows("a", "b"),
            "VAULT_CLIENT_KEY: the key does not belong to the certificate",
        ),
    ] {
        // Nothing is asked before the settings are good: nobody listens there.
        let got = fault(get(with(tls), "https://127.0.0.1:9"));
        assert!(matches!(got.cause, Cause::Setting(_)), "{got:?}");
        assert!(got.what().contains(says), "{} / {says}", got.what());
    }
}

#[test]
fn the_wrong_protocol() {
    let (authority, secure) = server(HERE, NOW);
    let got = fault(get(once(), &format!("http://localhost:{}", secure.port())));
    assert!(matches!(got.cause, Cause::SpeaksTls), "{got:?}");
    let want = format!("| write {}", secure.tls_url());
    assert!(spoken(&got).ends_with(&want), "{}", spoken(&got));
    // Go's servers answer in HTTP.
    let text = "Client sent an HTTP request to an HTTPS server.\n";
    let polite = Server::http(move |_| answer(400, "", text));
    assert!(matches!(
        cause(get(once(), &polite.url())),
        Cause::SpeaksTls
    ));
    let plain = Server::raw(|mut stream, _| {
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    });
    let got = cause(get(with(trusting(&authority)), &plain.tls_url()));
    assert!(matches!(got, Cause::NoTls), "{got:?}");
}

#[test]
fn silence_and_hanging_up_in_the_handshake() {
    let (authority, _) = server(HERE, NOW);
    let silent =
        Server::raw(|mut stream, _| drop(std::io::copy(&mut stream, &mut std::io::sink())));
    let got = cause(get(
        Options {
            attempt: super::hasty().attempt,
            ..with(trusting(&authority))
        },
        &silent.tls_url(),
    ));
    assert!(matches!(got, Cause::Slow(Phase::Handshake, _)), "{got:?}");
    let closing = Server::raw(|_, _| ());
    let got = cause(get(with(trusting(&authority)), &closing.tls_url()));
    assert!(matches!(got, Cause::Closed(Phase::Handshake)), "{got:?}");
}

#[test]
fn an_answer_that_is_cut_in_tls() {
    let authority = authority::Authority::new();
    authority.sign("store", HERE, NOW);
    let config = authority.server("store").config();
    // No length and no goodbye: the end of the connection must not pass for the end of the body.
    let server = Server::raw(move |stream, _| {
        let tls = rustls::ServerConnection::new(config.clone()).expect("TLS");
        let mut stream = rustls::StreamOwned::new(tls, stream);
        crate::house::server::read_request(&mut stream).expect("a request");
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nhalf a sec")
            .expect("a client");
        std::io::Write::flush(&mut stream).expect("a client");
    });
    let got = cause(get(with(trusting(&authority)), &server.tls_url()));
    assert!(matches!(got, Cause::Cut { got: 10, of: None }), "{got:?}");
}

#[test]
fn one_connection_is_kept_and_large_answers_come_whole() {
    let authority = authority::Authority::new();
    authority.sign("store", HERE, NOW);
    let config = authority.server("store").config();
    let server = Server::https(config, |_| answer(200, "", vec![b'y'; 1_000_000]));
    let client = envshim::http::Client::new(with(trusting(&authority)));
    for _ in 0..5 {
        let request = envshim::http::Request::get(super::address(&server.tls_url()));
        assert_eq!(text(client.send(&request)).len(), 1_000_000);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn another_implementation_of_tls() {
    let authority = authority::Authority::new();
    authority.sign("store", HERE, NOW);
    for version in ["-tls1_2", "-tls1_3", "-tls1_1"] {
        let mut child = Command::new("openssl")
            .args(["s_server", "-www", "-accept", "127.0.0.1:0", version])
            .args([
                "-cert",
                "store.pem",
                "-key",
                "store.key",
                "-cipher",
                "DEFAULT:@SECLEVEL=0",
            ])
            .current_dir(authority.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = lines
            .find_map(|line| {
                line.expect("a line")
                    .strip_prefix("ACCEPT ")
                    .map(str::to_owned)
            })
            .expect("openssl names its port");
        let port = line.rsplit(':').next().expect("a port").to_owned();
        let got = get(
            with(trusting(&authority)),
            &format!("https://localhost:{port}/"),
        );
        if version == "-tls1_1" {
            let got = cause(got);
            assert!(matches!(got, Cause::Handshake(_)), "{got:?}");
        } else {
            assert!(text(got).contains("s_server"));
        }
        child.kill().expect("openssl ends");
        child.wait().expect("openssl ends");
    }
}
