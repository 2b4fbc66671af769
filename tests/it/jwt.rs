//! Tokens that we sign, verified by OpenSSL and by Python's cryptography.

use std::process::Command;

use base64ct::{Base64UrlUnpadded, Encoding};
use envshim::credential::jwt::{Claim, Fault, RsaKey, sign_ps256, sign_rs256};

use crate::house::{Folder, python};

fn openssl(folder: &Folder, words: &str) {
    let output = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(folder.path())
        .output()
        .expect("openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {words}\n{said}");
}

fn keys() -> Folder {
    let folder = Folder::new();
    openssl(&folder, "genrsa -out pkcs8.pem 2048");
    openssl(&folder, "rsa -in pkcs8.pem -traditional -out pkcs1.pem");
    openssl(&folder, "rsa -in pkcs8.pem -pubout -out public.pem");
    folder
}

#[test]
fn others_verify_them() {
    let folder = keys();
    let claims = [
        ("iss", Claim::Text("who \"quoted\" \u{e9}\n")),
        ("exp", Claim::Number(1_800_000_000)),
    ];
    for file in ["pkcs8.pem", "pkcs1.pem"] {
        let key = RsaKey::from_pem(&folder.read(file)).unwrap();
        for (name, token) in [
            ("RS256", sign_rs256(&[("kid", "7")], &claims, &key)),
            (
                "PS256",
                sign_ps256(&[("kid", Claim::Text("7"))], &claims, &key),
            ),
        ] {
            let token = String::from_utf8(token.unwrap().expose().to_vec()).unwrap();
            let parts: Vec<&str> = token.split('.').collect();
            let [header, body, signature] = parts[..] else {
                panic!("{token}")
            };
            let text = |part| String::from_utf8(Base64UrlUnpadded::decode_vec(part).unwrap());
            assert_eq!(
                text(header).unwrap(),
                format!("{{\"alg\":\"{name}\",\"typ\":\"JWT\",\"kid\":\"7\"}}")
            );
            assert_eq!(
                text(body).unwrap(),
                "{\"iss\":\"who \\\"quoted\\\" \u{e9}\\n\",\"exp\":1800000000}"
            );
            folder.write("text", format!("{header}.{body}"));
            folder.write(
                "signature",
                Base64UrlUnpadded::decode_vec(signature).unwrap(),
            );
            let padding = match name {
                "PS256" => "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32",
                _ => "-sigopt rsa_padding_mode:pkcs1",
            };
            openssl(
                &folder,
                &format!("dgst -sha256 {padding} -verify public.pem -signature signature text"),
            );
            let verify = "import sys,base64
from cryptography.hazmat.primitives import hashes,serialization
from cryptography.hazmat.primitives.asymmetric import padding
h,b,s=sys.argv[2].split('.')
k=serialization.load_pem_public_key(open('public.pem','rb').read())
p=padding.PSS(padding.MGF1(hashes.SHA256()),32) if sys.argv[1]=='PS256' else padding.PKCS1v15()
k.verify(base64.urlsafe_b64decode(s+'=='),(h+'.'+b).encode(),p,hashes.SHA256())";
            let output = Command::new(python())
                .args(["-c", verify, name, &token])
                .current_dir(folder.path())
                .output()
                .expect("python");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn other_keys_are_told_apart() {
    let folder = keys();
    openssl(
        &folder,
        "pkcs8 -topk8 -in pkcs8.pem -passout pass:x -out encrypted.pem",
    );
    openssl(
        &folder,
        "rsa -in pkcs8.pem -traditional -aes128 -passout pass:x -out older.pem",
    );
    openssl(&folder, "genrsa -out small.pem 1024");
    openssl(
        &folder,
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem",
    );
    openssl(&folder, "ec -in ec.pem -out sec1.pem");
    let cut = folder.read("pkcs8.pem").to_ascii_lowercase();
    let cut = String::from_utf8(cut).unwrap();
    let edge = |word| format!("-----{word} PRIVATE KEY-----");
    let cut = cut.replace(&edge("begin").to_lowercase(), &edge("BEGIN"));
    folder.write(
        "changed.pem",
        cut.replace(&edge("end").to_lowercase(), &edge("END")),
    );
    for (file, want) in [
        ("encrypted.pem", Fault::Encrypted),
        ("older.pem", Fault::Encrypted),
        ("small.pem", Fault::Unfit),
        ("changed.pem", Fault::Unfit),
        ("ec.pem", Fault::Kind),
        ("sec1.pem", Fault::Kind),
        ("public.pem", Fault::NoKey),
    ] {
        let fault = RsaKey::from_pem(&folder.read(file)).err();
        assert_eq!(fault, Some(want), "{file}");
    }
}
