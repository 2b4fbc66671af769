//! What holds for every store that takes values. A store implements [`Client`] with its official
//! client and calls [`keeps_what_it_is_given`]; a row with `write` and no client fails.

use envshim::provider::writable;

use super::{set, set_at_once, texts};
use crate::azure::oracles::{left_out, named, real, sdk};
use crate::house::Shim;
use crate::house::aws::{Aws, text as boto};
use crate::house::azure::Azure;
use crate::house::google::Drongo;
use crate::house::openbao::{OpenBao, text};

/// A store, and how its own client reads it.
pub trait Client {
    /// A shim that reaches it and may do everything.
    fn shim(&self) -> Shim;

    /// How a secret is referred to.
    fn reference(&self, name: &str) -> String;

    /// The value of a secret, as the official client has it.
    fn read(&self, name: &str) -> Vec<u8>;

    /// Whether a secret can have this value.
    fn holds(&self, value: &[u8]) -> bool;
}

/// The schemes that have a client below.
const CLIENTS: &[&str] = &["aws", "azure", "file", "gcp", "ssm", "vault"];

#[test]
fn every_store_that_takes_values_has_a_client_here() {
    let mut known = writable();
    known.sort_unstable();
    assert_eq!(known, CLIENTS);
}

/// All promises of a store that takes values.
pub fn keeps_what_it_is_given(client: &dyn Client) {
    bytes(client);
    fields(client);
    at_once(client);
    untold(client);
}

fn bytes(client: &dyn Client) {
    let all: Vec<u8> = (0..=255).collect();
    let one = client.reference("bytes");
    for value in texts()
        .into_iter()
        .chain([all.clone()])
        .filter(|value| client.holds(value))
    {
        set(client.shim(), &one, &value);
        assert!(
            client.read("bytes") == value,
            "{one}: {}",
            value.escape_ascii()
        );
    }
    // What it cannot hold goes by way of base64, and comes back as it was.
    let coded = format!("{}?decode=base64", client.reference("coded"));
    set(client.shim(), &coded, &all).quiet();
    let shim = client.shim().file(".vault", format!("A={coded}&as=file\n"));
    let read = shim.args("-- sh -c").arg("cat \"$A\"").run().ok();
    assert_eq!(read.bytes, all);
    // The same again is told, and is no new version.
    let again = client.shim().env("ENVSHIM_LOG", "info");
    set(again, &coded, &all).says("has this value already");
    let nothing = client.shim().args("set").arg(&one).run().exits(125);
    nothing.says("stdin gives no value");
    for version in ["0", "never"] {
        let shim = client.shim().args("--if-version").arg(version);
        let answer = shim.args("set").arg(&one).stdin("other").run().exits(125);
        answer.says("was expected");
    }
}

/// Neither a value that was written nor one that was refused comes out anywhere.
fn untold(client: &dyn Client) {
    let canary = "c4n4ry/+s3cr3t=&x";
    let shim = || client.shim().env("ENVSHIM_LOG", "debug");
    let reference = client.reference("canary");
    set(shim(), &reference, canary)
        .hides("c4n4ry")
        .hides("s3cr3t");
    set(shim(), &reference, canary)
        .hides("c4n4ry")
        .hides("s3cr3t");
    for words in ["set --if-version never", "set --if-version 0"] {
        let answer = shim().args(words).arg(&reference).stdin("c4n4ry").run();
        answer.exits(125).hides("c4n4ry");
    }
    let answer = shim()
        .args("set")
        .arg(format!("{reference}#field"))
        .stdin("s3cr3t")
        .run();
    answer.hides("c4n4ry").hides("s3cr3t");
    let pushed = shim().file(".env", format!("A={canary}\nB=\"{canary}\"\n"));
    let answer = pushed
        .args("push .env")
        .arg(client.reference("pushed"))
        .run()
        .ok();
    answer.hides("c4n4ry").hides("s3cr3t");
}

fn fields(client: &dyn Client) {
    let reference = client.reference("fields");
    for (field, value) in [("a", "1"), ("b", "two \"2\""), ("a", "3")] {
        set(client.shim(), &format!("{reference}#{field}"), value).quiet();
    }
    let vault = format!("A={reference}#a\nB={reference}#b\n");
    let answer = client.shim().file(".vault", vault).environment();
    answer.has("A", "3").has("B", "two \"2\"");
    let file = client.shim().file(".env", "a=4\nC=${a}5\n");
    let table = file.args("push .env").arg(&reference).run().ok().quiet();
    assert!(
        table.out.contains("changed") && table.out.contains("created"),
        "{}",
        table.out
    );
    let vault = format!("A={reference}#a\nB={reference}#b\nC={reference}#C\n");
    let answer = client.shim().file(".vault", vault).environment();
    answer.has("A", "4").has("B", "two \"2\"").has("C", "45");
}

/// Eight that write different fields of one secret at the same time.
fn at_once(client: &dyn Client) {
    let reference = client.reference("race");
    set(client.shim(), &format!("{reference}#kept"), "1").quiet();
    let shims: Vec<Shim> = (0..8).map(|_| client.shim()).collect();
    for output in set_at_once(&shims, |n| format!("{reference}#f{n}")) {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let mut vault = format!("KEPT={reference}#kept\n");
    for n in 0..8 {
        vault += &format!("F{n}={reference}#f{n}\n");
    }
    let mut answer = client
        .shim()
        .file(".vault", vault)
        .environment()
        .has("KEPT", "1");
    for n in 0..8 {
        answer = answer.has(&format!("F{n}"), format!("value {n}"));
    }
}

struct Vault(OpenBao);

impl Client for Vault {
    fn shim(&self) -> Shim {
        self.0.shim().env("VAULT_TOKEN", &self.0.root)
    }

    fn reference(&self, name: &str) -> String {
        format!("vault:contract/{name}")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let arguments =
            format!("{{\"path\": \"contract/{name}\", \"raise_on_deleted_version\": true}}");
        let there = self.0.call("secrets.kv.v2.read_secret_version", &arguments);
        text(&there, "data.data.value").into_bytes()
    }

    fn holds(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok()
    }
}

#[test]
fn vault_keeps_what_it_is_given() {
    let Some(bao) = OpenBao::start() else { return };
    keeps_what_it_is_given(&Vault(bao));
}

struct Secrets<'a>(&'a Aws);

impl Client for Secrets<'_> {
    fn shim(&self) -> Shim {
        self.0.shim()
    }

    fn reference(&self, name: &str) -> String {
        format!("aws:contract/{name}")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let arguments = format!("{{\"SecretId\": \"contract/{name}\"}}");
        let there = self
            .0
            .call("secretsmanager", "get_secret_value", &arguments);
        boto(&there, "SecretString").into_bytes()
    }

    fn holds(&self, value: &[u8]) -> bool {
        // Bytes are a matter of the chapter of AWS: the seeder prints them as Python does.
        std::str::from_utf8(value).is_ok()
    }
}

struct Parameters<'a>(&'a Aws);

impl Client for Parameters<'_> {
    fn shim(&self) -> Shim {
        self.0.shim()
    }

    fn reference(&self, name: &str) -> String {
        format!("ssm:/contract/{name}")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let arguments = format!("{{\"Name\": \"/contract/{name}\", \"WithDecryption\": true}}");
        let there = self.0.call("ssm", "get_parameter", &arguments);
        boto(&there, "Parameter.Value").into_bytes()
    }

    fn holds(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok() && value.len() <= 4096
    }
}

/// moto takes a request token once, as AWS does.
#[test]
fn aws_keeps_what_it_is_given() {
    let Some(aws) = Aws::moto() else { return };
    keeps_what_it_is_given(&Secrets(&aws));
    keeps_what_it_is_given(&Parameters(&aws));
}

struct Google(Drongo);

impl Client for Google {
    fn shim(&self) -> Shim {
        self.0.shim()
    }

    fn reference(&self, name: &str) -> String {
        format!("gcp:contract-{name}")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let read = format!(
            "name = f'{{parent}}/secrets/contract-{name}/versions/latest'\n\
             there = client.access_secret_version(name=name)\n\
             print(there.payload.data.hex())\n"
        );
        let digits = self.0.client(&read);
        let pairs = digits.trim().as_bytes().chunks(2);
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(pair, 16).expect("digits")
        };
        pairs.map(byte).collect()
    }

    fn holds(&self, _: &[u8]) -> bool {
        true
    }
}

#[test]
fn google_keeps_what_it_is_given() {
    let Some(drongo) = Drongo::start() else {
        return;
    };
    keeps_what_it_is_given(&Google(drongo));
}

struct KeyVault {
    azure: Azure,
    proxy: crate::house::wire::Proxy,
}

impl Client for KeyVault {
    fn shim(&self) -> Shim {
        self.azure.shim()
    }

    fn reference(&self, name: &str) -> String {
        format!("azure:contract-{name}")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let name = format!("contract-{name}");
        let shim = real(self.azure.shim(), &self.proxy);
        let there = sdk(&self.azure, &shim, &["secret", &name]);
        text(&there, &name).into_bytes()
    }

    fn holds(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok() && value.len() <= 25_000
    }
}

#[test]
fn key_vault_keeps_what_it_is_given() {
    if left_out() {
        return;
    }
    let (azure, proxy) = named();
    keeps_what_it_is_given(&KeyVault { azure, proxy });
}

struct Files(crate::house::Folder);

impl Client for Files {
    fn shim(&self) -> Shim {
        Shim::new().env("SECRET_MANAGER_PATH", self.0.path())
    }

    fn reference(&self, name: &str) -> String {
        format!("file:{name}")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        self.0.read(name)
    }

    fn holds(&self, _: &[u8]) -> bool {
        true
    }
}

#[test]
fn files_keep_what_they_are_given() {
    keeps_what_it_is_given(&Files(crate::house::Folder::new()));
}
