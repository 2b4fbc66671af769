//! `set` on OpenBao; hvac says what is there.

use envshim::format::json::{self, Json};

use super::{set, set_at_once, texts};
use crate::house::openbao::{OpenBao, text};
use crate::house::{Answer, Shim};

fn shim(bao: &OpenBao) -> Shim {
    bao.shim().env("VAULT_TOKEN", &bao.root)
}

/// What hvac reads at a path of KV v2.
fn read(bao: &OpenBao, path: &str) -> Json {
    let arguments = format!(
        "{{\"path\": {}, \"raise_on_deleted_version\": false}}",
        json::quote(path)
    );
    bao.call("secrets.kv.v2.read_secret_version", &arguments)
}

#[track_caller]
fn refused(shim: Shim, words: &str, value: &[u8]) -> Answer {
    let answer = shim.args("set").args(words).stdin(value).run().exits(125);
    answer.says("envshim: hint: ")
}

#[test]
fn hvac_reads_what_was_set_byte_for_byte() {
    let Some(bao) = OpenBao::start() else { return };
    for (n, value) in texts().into_iter().enumerate() {
        let answer = set(
            shim(&bao).env("ENVSHIM_LOG", "info"),
            "vault:site/app#key",
            &value,
        );
        let done = if n == 0 { "created" } else { "set" };
        let version = n + 1;
        let answer = answer.says(&format!(
            "envshim: `vault:site/app#key` is {done}: version {version}\n"
        ));
        let there = text(&read(&bao, "site/app"), "data.data.key");
        assert_eq!(there.as_bytes(), value);
        let answer = shim(&bao)
            .file(".vault", "A=vault:site/app#key")
            .environment()
            .has("A", &value)
            .hides_nothing(answer);
        drop(answer);
    }
    // The same again is no new version.
    let last = texts().pop().expect("a text");
    set(
        shim(&bao).env("ENVSHIM_LOG", "info"),
        "vault:site/app#key",
        &last,
    )
    .says("has this value already: version 12");
}

impl Answer {
    /// Keeps another answer's folder until here.
    fn hides_nothing(self, _other: Answer) -> Answer {
        self
    }
}

#[test]
fn other_fields_stay_as_they_are() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put(
        "app",
        r#"{"port": 5432, "on": true, "none": null, "deep": {"er": [1, {"x": "y"}]}, "f": 1.10}"#,
    );
    set(shim(&bao), "vault:app#new", "v").quiet();
    set(shim(&bao), "vault:app#deep.er.1.x", "z").quiet();
    set(shim(&bao), "vault:secret/data/app#none", "n").quiet();
    let data = read(&bao, "app");
    let data = data.pointer("data.data").expect("data").compact();
    let shown = String::from_utf8_lossy(data.expose()).into_owned();
    for part in [
        r#""port":5432"#,
        r#""on":true"#,
        r#""none":"n""#,
        r#""deep":{"er":[1,{"x":"z"}]}"#,
        r#""f":1.1"#,
        r#""new":"v""#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // A secret that is one value.
    set(shim(&bao), "vault:one", "v1").quiet();
    set(shim(&bao), "vault:one", "v2").quiet();
    assert_eq!(text(&read(&bao, "one"), "data.data.value"), "v2");
    refused(shim(&bao), "vault:app", b"x").says("vault:app: what is there has fields");
    refused(shim(&bao), "vault:app/", b"x").says("names a folder");
}

#[test]
fn ten_at_once_lose_nothing() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put("app", r#"{"kept": "1"}"#);
    let shims: Vec<Shim> = (0..10).map(|_| shim(&bao)).collect();
    for output in set_at_once(&shims, |n| format!("vault:app#f{n}")) {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let there = read(&bao, "app");
    for n in 0..10 {
        assert_eq!(
            text(&there, &format!("data.data.f{n}")),
            format!("value {n}")
        );
    }
    assert_eq!(text(&there, "data.data.kept"), "1");
    let version = there.pointer("data.metadata.version").and_then(Json::whole);
    assert_eq!(version, Some(11));
}

#[test]
fn of_ten_that_set_one_field_the_last_to_succeed_is_there() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put("app", r#"{"kept": "1"}"#);
    let shims: Vec<Shim> = (0..10).map(|_| shim(&bao)).collect();
    let outputs = set_at_once(&shims, |_| "vault:app#one".to_owned());
    let mut done = Vec::new();
    for (n, output) in outputs.into_iter().enumerate() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            done.push(format!("value {n}"));
        } else {
            assert!(
                said.contains("vault:app#one: somebody else has changed it meanwhile"),
                "{said}"
            );
        }
    }
    let there = read(&bao, "app");
    assert!(done.contains(&text(&there, "data.data.one")), "{done:?}");
    // Every version is somebody's who was told so.
    let version = there.pointer("data.metadata.version").and_then(Json::whole);
    assert_eq!(version, Some(1 + done.len() as u64));
}

#[test]
fn versions_and_metadata() {
    let Some(bao) = OpenBao::start() else { return };
    let only = |version: &str| shim(&bao).args("--if-version").arg(version);
    let words = "vault:app#key";
    set(only("0"), words, "1").quiet();
    refused(only("0"), words, b"2")
        .says("vault:app#key: version 0 was expected, and version 1 is there");
    refused(only("7"), words, b"2").says("version 7 was expected, and version 1 is there");
    refused(only("1"), "vault:other#key", b"2")
        .says("version 1 was expected, and there is nothing");
    set(only("1"), words, "2").quiet();
    // What is kept beside it stays, but for what is named.
    bao.call(
        "secrets.kv.v2.update_metadata",
        r#"{"path": "app", "custom_metadata": {"owner": "team", "rotated": "no"}}"#,
    );
    let described = shim(&bao)
        .args("--meta rotated=yes --meta")
        .arg("by=envshim set");
    set(described, words, "3").quiet();
    let metadata = bao.call("secrets.kv.v2.read_secret_metadata", r#"{"path": "app"}"#);
    for (name, value) in [("owner", "team"), ("rotated", "yes"), ("by", "envshim set")] {
        assert_eq!(
            text(&metadata, &format!("data.custom_metadata.{name}")),
            value
        );
    }
    // What the server would refuse is refused before anything is written, and nothing else is.
    let long = |length: usize| "x".repeat(length);
    for (name, value, fits) in [
        (long(128), long(512), true),
        ("\u{e9} {}".to_owned(), "\u{e9}\u{1f511}".to_owned(), true),
        (long(129), "1".to_owned(), false),
        ("\u{e9}".repeat(65), "1".to_owned(), false),
        ("a".to_owned(), long(513), false),
        ("a".to_owned(), String::new(), false),
        ("a".to_owned(), "1\n2".to_owned(), false),
        ("a\tb".to_owned(), "1".to_owned(), false),
    ] {
        let pair = format!("{{{}: {}}}", json::quote(&name), json::quote(&value));
        let asked = format!("{{\"path\": \"limits\", \"custom_metadata\": {pair}}}");
        let took = bao.attempt("secrets.kv.v2.update_metadata", &asked);
        assert_eq!(took.get("error").is_none(), fits, "{name}={value}");
        let words = shim(&bao).arg("--meta").arg(format!("{name}={value}"));
        if fits {
            set(words, "vault:limits#key", "v").quiet();
        } else {
            refused(words, "vault:app#key", b"4").says("does not keep the metadata");
        }
    }
    // A deleted version is gone on from.
    bao.call(
        "secrets.kv.v2.delete_latest_version_of_secret",
        r#"{"path": "app"}"#,
    );
    set(shim(&bao).env("ENVSHIM_LOG", "info"), words, "4").says("is created: version 4\n");
    assert_eq!(text(&read(&bao, "app"), "data.data.key"), "4");
}

#[test]
fn engines_and_whole_paths() {
    let Some(bao) = OpenBao::start() else { return };
    bao.mount("old", 1);
    bao.mount("team/kv", 2);
    set(shim(&bao), "vault:/old/app#key", "v").quiet();
    set(shim(&bao), "vault:/old/app#other", "w").quiet();
    let there = bao.call(
        "secrets.kv.v1.read_secret",
        r#"{"path": "app", "mount_point": "old"}"#,
    );
    assert_eq!(text(&there, "data.key"), "v");
    assert_eq!(text(&there, "data.other"), "w");
    refused(shim(&bao).args("--meta a=b"), "vault:/old/app#key", b"x").says("keeps no metadata");
    set(shim(&bao), "vault:/team/kv/a/b#key", "v").quiet();
    set(shim(&bao), "vault:/team/kv/data/a/b#two", "w").quiet();
    set(
        shim(&bao).env("VAULT_MOUNT_POINT", "team/kv"),
        "vault:a/b#three",
        "x",
    )
    .quiet();
    let there = bao.call(
        "secrets.kv.v2.read_secret_version",
        r#"{"path": "a/b", "mount_point": "team/kv", "raise_on_deleted_version": false}"#,
    );
    for (name, value) in [("key", "v"), ("two", "w"), ("three", "x")] {
        assert_eq!(text(&there, &format!("data.data.{name}")), value);
    }
    bao.call(
        "sys.enable_secrets_engine",
        r#"{"backend_type": "transit"}"#,
    );
    refused(shim(&bao), "vault:/transit/keys/x#y", b"x").says("is not in a KV engine");
    let answer = refused(shim(&bao), "vault:/nowhere/x#y", b"x");
    assert!(answer.err.contains("nowhere"), "{}", answer.err);
    // Text only; anything by way of base64.
    refused(shim(&bao), "vault:app#bin", b"\xff\x00").says("the store keeps text");
    let coded = "vault:app#bin?decode=base64";
    set(shim(&bao), coded, b"\xff\x00").quiet();
    assert_eq!(text(&read(&bao, "app"), "data.data.bin"), "/wA=");
    let start = shim(&bao).file(".vault", format!("A={coded}&as=file\n"));
    let start = start.args("-- sh -c").arg("od -An -tx1 $A").run().ok();
    assert_eq!(start.out.trim(), "ff 00");
}

#[test]
fn what_policies_allow() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put("app", r#"{"key": "1"}"#);
    bao.policy("reads", "secret/data/app", "read");
    let token = bao.token(r#"{"policies": ["reads"]}"#);
    let reader = || bao.shim().env("VAULT_TOKEN", &token);
    refused(reader(), "vault:app#key", b"2")
        .says("vault:app#key: no policy of this login allows writing `secret/data/app`")
        .says("capabilities = [\"create\", \"read\", \"update\"]");
    let rule = r#"path "secret/data/app" { capabilities = ["create", "read", "update"] }"#;
    let arguments = format!(
        "{{\"name\": \"writes\", \"policy\": {}}}",
        json::quote(rule)
    );
    bao.call("sys.create_or_update_policy", &arguments);
    let token = bao.token(r#"{"policies": ["writes"]}"#);
    let writer = || bao.shim().env("VAULT_TOKEN", &token);
    set(writer(), "vault:app#key", "2").quiet();
    // The value is there, and what is not is told.
    let answer = set(writer().args("--meta a=b"), "vault:app#key", "3");
    answer.says("the metadata is not written: no policy of this login allows `patch` on `secret/metadata/app`");
    assert_eq!(text(&read(&bao, "app"), "data.data.key"), "3");
    // One login for looking and writing: a secret_id that is good for one.
    let (role, secret) = bao.approle(r#"{"token_policies": ["writes"], "secret_id_num_uses": 1}"#);
    let once = bao
        .shim()
        .env("VAULT_ROLE_ID", role)
        .env("VAULT_SECRET_ID", secret);
    let (answer, asked) = bao.asked_by(|| set(once, "vault:app#key", "4"));
    drop(answer.quiet());
    assert_eq!(
        asked,
        [
            "update auth/approle/login",
            "read secret/data/app",
            "read secret/data/app",
            "update secret/data/app"
        ]
    );
}

/// The address of the store may stand in the sealed file.
#[test]
fn settings_come_from_the_source_as_for_a_start() {
    let Some(bao) = OpenBao::start() else { return };
    let vault = format!(
        "VAULT_ADDR={}\nVAULT_CACERT={}\nVAULT_TOKEN={}\nA=vault:app#key\n",
        bao.url(),
        bao.authority.root().display(),
        bao.root
    );
    let answer = set(Shim::new().sealed(&vault), "vault:app#key", "v").quiet();
    let mut shim = Shim::new().env("ENVSHIM_KEY_FILE", "vault.key");
    shim.folder = answer.folder;
    shim.environment().has("A", "v");
}
