//! Microsoft's own libraries, asked the same: they judge the double, and their requests ours.

use std::process::Command;

use base64ct::{Base64UrlUnpadded, Encoding};
use envshim::format::json::{self, Json};

use crate::house::aws::program;
use crate::house::azure::{Azure, CLIENT, FEDERATED, TENANT, parameter};
use crate::house::server::{Seen, Server, answer};
use crate::house::wire::Proxy;
use crate::house::{Shim, repository, without};

/// What the libraries read in the environment of this shim.
#[track_caller]
pub fn sdk(azure: &Azure, shim: &Shim, words: &[&str]) -> Json {
    let mut command: Command = program("azure", "python");
    let set = shim.command();
    let set = set
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    command
        .envs(set)
        .env("PATH", "/usr/bin:/bin")
        .env("REQUESTS_CA_BUNDLE", azure.authority.root())
        .arg(repository().join("tests/it/oracle/key_vault.py"))
        .args(words);
    let output = command.output().expect("python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    json::parse(&output.stdout).expect("JSON")
}

/// The double, and a proxy by which the real names lead to it: the libraries insist on those.
pub fn named() -> (Azure, Proxy) {
    let azure = Azure::new();
    let proxy = Proxy::new(azure.server.address, |_| None);
    (azure, proxy)
}

pub fn real(shim: Shim, proxy: &Proxy) -> Shim {
    shim.env("AZURE_VAULT_URL", "https://app.vault.azure.net")
        .env("AZURE_AUTHORITY_HOST", "login.microsoftonline.com")
        .env("HTTPS_PROXY", proxy.server.url())
}

pub fn left_out() -> bool {
    without("azure")
}

#[test]
fn the_libraries_are_content_with_the_double_and_read_the_same() {
    if left_out() {
        return;
    }
    let (azure, proxy) = named();
    for n in 0..30 {
        azure.secret(&format!("s-{n}"), &format!("v\u{e9} {n}\n"));
    }
    azure.secret_with("app", "off", "x", "\"enabled\":false", "");
    let shim = || real(azure.shim(), &proxy);
    let theirs = sdk(&azure, &shim(), &["secret"]);
    let ours = shim().env("ENVSHIM_IMPORT", "azure:*").environment();
    let ours = (0..30).fold(ours, |ours, n| {
        let value = theirs
            .get(&format!("s-{n}"))
            .and_then(Json::as_str)
            .expect("a value");
        assert_eq!(value, format!("v\u{e9} {n}\n"));
        ours.has(&format!("S_{n}"), value)
    });
    ours.lacks("OFF");
    assert!(theirs.get("off").is_none());
}

/// The forms that Entra was sent.
fn forms(azure: &Azure) -> Vec<String> {
    let seen = azure.server.seen();
    let posts = seen.iter().filter(|seen| seen.line.starts_with("POST "));
    posts
        .map(|seen| String::from_utf8(seen.body.clone()).expect("a form"))
        .collect()
}

#[test]
fn logins_are_those_of_the_libraries() {
    if left_out() {
        return;
    }
    let (azure, proxy) = named();
    azure.secret("app", "v");
    let folder = &azure.authority.folder;
    azure.authority.openssl("req -x509 -config ca.cnf -newkey rsa:2048 -nodes -keyout own.key -out own.crt -subj /CN=own -days 3");
    let both = [folder.read("own.crt"), folder.read("own.key")].concat();
    let certificate = folder.write("own.pem", both);
    let token = folder.write("token", FEDERATED);
    let shims: [(&str, Shim); 3] = [
        ("secret", azure.shim()),
        (
            "certificate",
            azure
                .application()
                .env("AZURE_CLIENT_CERTIFICATE_PATH", &certificate)
                .env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true"),
        ),
        (
            "workload",
            azure
                .application()
                .env("AZURE_FEDERATED_TOKEN_FILE", &token),
        ),
    ];
    for (kind, shim) in shims {
        let shim = real(shim, &proxy);
        let before = forms(&azure).len();
        sdk(&azure, &shim, &[kind, "app"]);
        shim.file(".vault", "A=azure:app\n")
            .environment()
            .has("A", "v");
        let forms = forms(&azure).split_off(before);
        let [theirs, ours] = &forms[..] else {
            panic!("{kind}: {forms:?}")
        };
        let names = [
            "grant_type",
            "client_id",
            "client_secret",
            "scope",
            "client_assertion_type",
        ];
        for name in names {
            assert_eq!(
                parameter(ours, name),
                parameter(theirs, name),
                "{kind}: {name}"
            );
        }
        let assertions = [theirs, ours].map(|form| parameter(form, "client_assertion"));
        match (kind, assertions) {
            ("certificate", [Some(theirs), Some(ours)]) => same_statement(&azure, &theirs, &ours),
            (_, [theirs, ours]) => assert_eq!(ours, theirs, "{kind}"),
        }
    }
}

/// A signed statement as its header and claims.
fn opened(token: &str) -> [Json; 2] {
    let parts: Vec<&str> = token.split('.').collect();
    [0, 1].map(|at| {
        let bytes = Base64UrlUnpadded::decode_vec(parts[at]).expect("base64url");
        json::parse(&bytes).expect("JSON")
    })
}

/// Their older form is of another algorithm and fingerprint, and says the same.
fn same_statement(azure: &Azure, theirs: &str, ours: &str) {
    let ([their_header, their_claims], [header, claims]) = (opened(theirs), opened(ours));
    let chain = |header: &Json| {
        header
            .get("x5c")
            .map(|chain| chain.compact().expose().to_vec())
    };
    assert_eq!(chain(&header), chain(&their_header));
    for name in ["aud", "iss", "sub"] {
        let value = claims.get(name).and_then(Json::as_str);
        assert_eq!(
            value,
            their_claims.get(name).and_then(Json::as_str),
            "{name}"
        );
    }
    // The library under Microsoft's verifies ours.
    let verify = "import base64,sys,jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
certificate=x509.load_pem_x509_certificate(open(sys.argv[1],'rb').read())
claims=jwt.decode(sys.argv[3],certificate.public_key(),algorithms=['PS256'],audience=sys.argv[2],options={'require':['exp','nbf','jti','iss','sub']})
assert 0 < claims['exp']-claims['nbf'] <= 1200, claims
header=jwt.get_unverified_header(sys.argv[3])
fingerprint=base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b'=').decode()
assert header['x5t#S256']==fingerprint and header['typ']=='JWT', header";
    let audience = claims
        .get("aud")
        .and_then(Json::as_str)
        .expect("an audience");
    assert!(
        audience.ends_with(&format!("/{TENANT}/oauth2/v2.0/token")),
        "{audience}"
    );
    let output = program("azure", "python")
        .args(["-c", verify])
        .arg(azure.authority.folder.join("own.crt"))
        .args([audience, ours])
        .output()
        .expect("python");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn questions_to_this_machine_are_those_of_the_libraries() {
    if left_out() {
        return;
    }
    let (azure, proxy) = named();
    azure.secret("app", "v");
    let token = azure.token("https://vault.azure.net");
    let service = Server::http(move |_| {
        let body = format!(
            "{{\"access_token\":\"{token}\",\"expires_in\":\"3600\",\"expires_on\":\"4070908800\",\"resource\":\"x\",\"token_type\":\"Bearer\"}}"
        );
        answer(200, "Content-Type: application/json\r\n", body)
    });
    let app = || {
        azure
            .stranger()
            .env("IDENTITY_ENDPOINT", format!("{}/msi/token", service.url()))
            .env("IDENTITY_HEADER", "header")
    };
    let machine = || {
        azure
            .stranger()
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", service.url())
    };
    for shim in [
        app(),
        app().env("AZURE_CLIENT_ID", CLIENT),
        machine(),
        machine().env("AZURE_CLIENT_ID", CLIENT),
    ] {
        let shim = real(shim, &proxy);
        let before = service.seen().len();
        sdk(&azure, &shim, &["managed", "app"]);
        shim.file(".vault", "A=azure:app\n")
            .environment()
            .has("A", "v");
        let seen = service.seen().split_off(before);
        let asked = |seen: &Seen| {
            let (path, query) = seen.path().split_once('?').expect("a query");
            let mut pairs: Vec<&str> = query.split('&').collect();
            pairs.sort_unstable();
            let pairs: Vec<String> = pairs
                .iter()
                .map(|pair| pair.replace("%3A", ":").replace("%2F", "/"))
                .collect();
            let names = ["x-identity-header", "metadata"];
            let header = names.into_iter().find_map(|name| seen.header(name));
            (path.to_owned(), pairs, header.map(str::to_owned))
        };
        let (theirs, ours) = (seen.first().expect("theirs"), seen.last().expect("ours"));
        assert_eq!(seen.len(), 2);
        assert_eq!(asked(ours), asked(theirs));
    }
}
