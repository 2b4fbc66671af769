//! `set` on Secrets Manager and Parameter Store; boto3 says what is there.

use std::io::Write;

use envshim::format::json::{self, Json};

use super::{set, texts};
use crate::house::aws::{Aws, text};
use crate::house::{Answer, Shim};

fn secret(aws: &Aws, name: &str) -> Json {
    aws.call(
        "secretsmanager",
        "get_secret_value",
        &format!("{{\"SecretId\": {}}}", json::quote(name)),
    )
}

fn parameter(aws: &Aws, name: &str) -> Json {
    let arguments = format!(
        "{{\"Name\": {}, \"WithDecryption\": true}}",
        json::quote(name)
    );
    aws.call("ssm", "get_parameter", &arguments)
}

#[track_caller]
fn refused(shim: Shim, words: &str, value: &[u8]) -> Answer {
    let answer = shim.args("set").args(words).stdin(value).run().exits(125);
    answer.says("envshim: hint: ")
}

fn on(aws: &Aws) -> Shim {
    aws.shim()
}

fn reads_what_was_set(aws: &Aws) {
    for (n, value) in texts().into_iter().enumerate() {
        let answer = set(on(aws).env("ENVSHIM_LOG", "info"), "aws:site/app", &value);
        let done = if n == 0 { "created" } else { "set" };
        let there = secret(aws, "site/app");
        let version = text(&there, "VersionId");
        answer.says(&format!(
            "envshim: `aws:site/app` is {done}: version {version}\n"
        ));
        assert_eq!(text(&there, "SecretString").as_bytes(), value);
    }
    set(on(aws), "aws:site/bytes", b"\x00\x01\xff").quiet();
    assert_eq!(
        text(&secret(aws, "site/bytes"), "SecretBinary"),
        "b'\\x00\\x01\\xff'"
    );
    let shim = on(aws).file(".vault", "A=aws:site/bytes?as=file\n");
    let read = shim.args("-- sh -c").arg("od -An -tx1 $A").run().ok();
    assert_eq!(read.out.trim(), "00 01 ff");
    // Fields of one secret, one of them numbers.
    aws.secret("fields", br#"{"port":5432,"deep":{"er":"x"}}"#);
    set(on(aws), "aws:fields#user", "u\"1").quiet();
    set(on(aws), "aws:fields#deep.er", "y").quiet();
    assert_eq!(
        text(&secret(aws, "fields"), "SecretString"),
        r#"{"port":5432,"deep":{"er":"y"},"user":"u\"1"}"#
    );
    set(on(aws), "aws:new#first", "1").quiet();
    assert_eq!(
        text(&secret(aws, "new"), "SecretString"),
        r#"{"first":"1"}"#
    );
    refused(on(aws), "aws:site/app#field", b"x").says("it is not JSON");
    refused(on(aws), "aws:big", &[b'x'; 70_000]).says("longer than the 65536 bytes");
    refused(on(aws), "aws:none --from-file /dev/null", b"").says("the store keeps no empty value");
    refused(on(aws), "aws:x/*", b"x");
    refused(on(aws), "aws:x?stage=AWSPREVIOUS", b"x").says("?stage= names a version");
    for value in texts().into_iter().filter(|value| value.len() < 4096) {
        set(on(aws), "ssm:/site/app", &value);
        assert_eq!(
            text(&parameter(aws, "/site/app"), "Parameter.Value").as_bytes(),
            value
        );
    }
    assert_eq!(
        text(&parameter(aws, "/site/app"), "Parameter.Type"),
        "SecureString"
    );
    aws.parameter("/site/plain", "String", "1");
    set(on(aws).env("ENVSHIM_LOG", "info"), "ssm:/site/plain", "2").says("is set: version 2\n");
    assert_eq!(
        text(&parameter(aws, "/site/plain"), "Parameter.Type"),
        "String"
    );
    set(on(aws), "ssm:/site/json#a", "1").quiet();
    set(on(aws), "ssm:/site/json#b", "2").quiet();
    assert_eq!(
        text(&parameter(aws, "/site/json"), "Parameter.Value"),
        r#"{"a":"1","b":"2"}"#
    );
    refused(on(aws), "ssm:/site/big", &[b'x'; 9000]).says("longer than the 8192 bytes");
    refused(on(aws), "ssm:/site/bytes", b"\xff").says("the store keeps text");
    refused(on(aws), "ssm:/site/app:3", b"x");
}

#[test]
fn boto3_reads_what_was_set_from_ministack() {
    let Some(aws) = Aws::ministack() else { return };
    reads_what_was_set(&aws);
}

#[test]
fn boto3_reads_what_was_set_from_moto() {
    let Some(aws) = Aws::moto() else { return };
    reads_what_was_set(&aws);
}

/// Starts one `set` for each key, with the key as its value.
fn at_once(aws: &Aws, keys: &[String]) -> Vec<(bool, String)> {
    let shims: Vec<Shim> = keys.iter().map(|_| on(aws)).collect();
    let mut children = Vec::new();
    for (n, (shim, key)) in shims.iter().zip(keys).enumerate() {
        let mut command = shim.command();
        command.args(["set", key]);
        let mut child = command.spawn().expect("envshim");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin
            .write_all(format!("value {n}").as_bytes())
            .expect("a value");
        children.push(child);
    }
    let ends = children.into_iter().map(|child| {
        let output = child.wait_with_output().expect("an end");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    });
    ends.collect()
}

#[test]
fn eight_fields_at_once_lose_nothing() {
    // ministack takes a request token twice, which AWS does not.
    let Some(aws) = Aws::moto() else { return };
    aws.secret("app", br#"{"kept":"1"}"#);
    let keys: Vec<String> = (0..8).map(|n| format!("aws:app#f{n}")).collect();
    for (done, said) in at_once(&aws, &keys) {
        assert!(done, "{said}");
    }
    let there = text(&secret(&aws, "app"), "SecretString");
    for n in 0..8 {
        assert!(
            there.contains(&format!("\"f{n}\":\"value {n}\"")),
            "{there}"
        );
    }
    assert!(there.contains("\"kept\":\"1\""), "{there}");
}

#[test]
fn eight_parameter_fields_at_once_lose_nothing() {
    let Some(aws) = Aws::ministack() else { return };
    aws.parameter("/app", "SecureString", "{}");
    let keys: Vec<String> = (0..8).map(|n| format!("ssm:/app#f{n}")).collect();
    for (done, said) in at_once(&aws, &keys) {
        assert!(done, "{said}");
    }
    let there = text(&parameter(&aws, "/app"), "Parameter.Value");
    for n in 0..8 {
        assert!(
            there.contains(&format!("\"f{n}\":\"value {n}\"")),
            "{there}"
        );
    }
}

#[test]
fn what_policies_allow() {
    let Some(aws) = Aws::ministack() else { return };
    aws.secret("app", b"1");
    let reads =
        r#""Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter*"], "Resource": "*""#;
    let reader = aws.user("reader", reads);
    let shim = || aws.shim_of(&reader);
    refused(shim(), "aws:app", b"2")
        .says("aws:app: secretsmanager:PutSecretValue is denied on `app`")
        .says("hint: allow secretsmanager:PutSecretValue");
    refused(shim(), "aws:new", b"2").says("secretsmanager:CreateSecret is denied on `new`");
    refused(shim(), "ssm:/new", b"2").says("ssm:PutParameter is denied on `/new`");
    aws.call("secretsmanager", "delete_secret", r#"{"SecretId": "app"}"#);
    refused(on(&aws), "aws:app", b"2").says("is marked for deletion");
}

/// The tags that boto3 reads: `a=b c=d`, in the order of their names.
fn tags(aws: &Aws, store: &str, name: &str) -> String {
    let name = json::quote(name);
    let (there, list) = match store {
        "aws" => {
            let asked = format!("{{\"SecretId\": {name}}}");
            (
                aws.call("secretsmanager", "describe_secret", &asked),
                "Tags",
            )
        }
        _ => {
            let asked = format!("{{\"ResourceType\": \"Parameter\", \"ResourceId\": {name}}}");
            (aws.call("ssm", "list_tags_for_resource", &asked), "TagList")
        }
    };
    let tags = there.get(list).and_then(Json::list).unwrap_or_default();
    let mut tags: Vec<String> = tags
        .iter()
        .map(|tag| format!("{}={}", text(tag, "Key"), text(tag, "Value")))
        .collect();
    tags.sort();
    tags.join(" ")
}

fn keeps_tags(aws: &Aws) {
    let shim = |meta: &[&str]| {
        meta.iter()
            .fold(on(aws), |shim, meta| shim.arg("--meta").arg(meta))
    };
    for (store, name) in [("aws", "site/tagged"), ("ssm", "/site/tagged")] {
        let key = format!("{store}:{name}");
        set(shim(&["Owner=the team@x", "stage=\u{e9}"]), &key, "1").quiet();
        assert_eq!(tags(aws, store, name), "Owner=the team@x stage=\u{e9}");
        set(shim(&["stage=prod", "by=me"]), &key, "2").quiet();
        assert_eq!(tags(aws, store, name), "Owner=the team@x by=me stage=prod");
        set(on(aws), &key, "3").quiet();
        assert_eq!(tags(aws, store, name), "Owner=the team@x by=me stage=prod");
        for meta in [
            "aws:x=1",
            "a=AWS:1",
            "a;b=1",
            &format!("{}=1", "x".repeat(129)),
        ] {
            refused(shim(&[meta]), &key, b"4")
                .says("does not keep the metadata `")
                .says("hint: it keeps 50 tags at most");
        }
        let pushed = shim(&["by=push"]).file(".env", "A=1\nB=2\n");
        let place = format!("{store}:{}", name.replace("tagged", "pushed"));
        pushed
            .args("push .env --each")
            .arg(&place)
            .run()
            .ok()
            .quiet();
        let below = place.split_once(':').expect("a name").1;
        assert_eq!(tags(aws, store, &format!("{below}/B")), "by=push");
    }
    assert_eq!(text(&secret(aws, "site/tagged"), "SecretString"), "3");
}

#[test]
fn boto3_reads_tags_from_moto() {
    let Some(aws) = Aws::moto() else { return };
    keeps_tags(&aws);
}

#[test]
fn boto3_reads_tags_from_ministack() {
    let Some(aws) = Aws::ministack() else { return };
    keeps_tags(&aws);
}
