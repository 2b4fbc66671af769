//! `set` on Secret Manager, against the strict double; the contract has Google's own client read.

use base64ct::{Base64, Encoding};
use envshim::format::json::Json;

use super::set;
use crate::house::google::{EMAIL, Google};
use crate::house::{Answer, Shim};

/// How a secret was made, and its values.
fn secret(google: &Google, name: &str, more: &str) -> (String, Vec<Vec<u8>>) {
    let answer = google.call("secret", &format!("{{\"name\": \"{name}\"{more}}}"));
    let answer = answer.get("answer").expect("a secret");
    let made = answer.get("replication").expect("a replication");
    let made = String::from_utf8(made.compact().expose().to_vec()).expect("text");
    let versions = answer.get("versions").and_then(Json::list).expect("a list");
    let decoded = |value: &Json| Base64::decode_vec(value.as_str().expect("text")).expect("base64");
    (made, versions.iter().map(decoded).collect())
}

fn newest(google: &Google, name: &str) -> Vec<u8> {
    secret(google, name, "").1.pop().expect("a version")
}

fn loud(shim: Shim) -> Shim {
    shim.env("ENVSHIM_LOG", "info")
}

#[track_caller]
fn refused(shim: Shim, words: &str, value: impl AsRef<[u8]>) -> Answer {
    let answer = shim.args("set").args(words).stdin(value).run().exits(125);
    answer.says("envshim: hint: ").hides("c4n4ry")
}

const SEVERAL: &str =
    r#"{"userManaged":{"replicas":[{"location":"europe-west3"},{"location":"europe-west4"}]}}"#;

#[test]
fn a_missing_secret_is_made_and_others_get_a_version() {
    let Some(google) = Google::start() else {
        return;
    };
    set(loud(google.shim()), "gcp:new", "1").says("envshim: `gcp:new` is created: version 1\n");
    let host = "secretmanager.googleapis.com";
    let begin = format!("{host} POST /v1/projects/imip/secrets");
    let asked: Vec<String> = google.asked();
    let posts: Vec<&String> = asked.iter().filter(|line| line.contains("POST")).collect();
    let add = format!("{begin}/new:addVersion");
    assert_eq!(posts, [&add, &format!("{begin}?secretId=new"), &add]);
    set(loud(google.shim()), "gcp:new", b"\x00\xff").says("`gcp:new` is set: version 2\n");
    let posts = google.asked();
    let posts: Vec<&String> = posts.iter().filter(|line| line.contains("POST")).collect();
    assert_eq!(posts, [&add]);
    let (made, values) = secret(&google, "new", "");
    assert_eq!(made, r#"{"automatic":{}}"#);
    assert_eq!(values, [b"1".to_vec(), b"\x00\xff".to_vec()]);

    // One that is there and has no version.
    google.call("put", r#"{"name": "bare", "value": null}"#);
    set(google.shim(), "gcp:bare", "1").quiet();
    assert_eq!(newest(&google, "bare"), b"1");
    // Elsewhere, and where the settings say.
    set(google.shim(), "gcp:far?location=europe-west3", "1").quiet();
    let far = secret(&google, "far", ", \"location\": \"europe-west3\"");
    assert_eq!(far, ("null".to_owned(), vec![b"1".to_vec()]));
    set(google.shim(), "gcp:projects/other/secrets/full#a", "1").quiet();
    let full = secret(&google, "full", ", \"project\": \"other\"");
    assert_eq!(full.1, [br#"{"a":"1"}"#.to_vec()]);
    google.call(
        "configure",
        r#"{"allowed": ["europe-west3", "europe-west4"]}"#,
    );
    refused(google.shim(), "gcp:bound", "1")
        .says("gcp:bound: Google does not make projects/imip/secrets/bound: FAILED_PRECONDITION")
        .says("CLOUDSDK_SECRETS_LOCATIONS=");
    let shim = google.shim();
    let shim = shim.env("CLOUDSDK_SECRETS_LOCATIONS", "europe-west3, europe-west4");
    set(shim, "gcp:bound", "1").quiet();
    assert_eq!(secret(&google, "bound", "").0, SEVERAL);
    // It takes a moment until Google knows a secret that was made.
    google.call("configure", r#"{"allowed": null, "late": 2}"#);
    set(google.shim(), "gcp:late", "1").quiet();
    assert_eq!(newest(&google, "late"), b"1");
}

#[test]
fn what_cannot_be_written() {
    let Some(google) = Google::start() else {
        return;
    };
    let shim = || google.shim();
    let long = vec![b'x'; 65_537];
    refused(shim(), "gcp:app", &long).says("longer than the 65536 bytes");
    set(shim(), "gcp:app", &long[1..]).quiet();
    assert_eq!(newest(&google, "app"), &long[1..]);
    refused(shim(), "gcp:app#a", "1").says("it is not JSON");
    refused(shim(), "gcp:none --from-file /dev/null", "").says("the store keeps no empty value");
    refused(shim(), "gcp:app*", "1");
    refused(shim(), "gcp:app?version=2", "1").says("?version= names a version");
    refused(shim(), "gcp:projects/imip/secrets/app/versions/1", "1").says("it names a version");
    google.put("off", "1");
    let state = |state: &str| {
        let arguments = format!("{{\"name\": \"off\", \"version\": 1, \"state\": \"{state}\"}}");
        google.call("state", &arguments)
    };
    state("DISABLED");
    refused(shim(), "gcp:off", "2").says("the version `1` of the secret `off`");
    set(loud(shim()).args("--yes"), "gcp:off", "2").says("is set: version 2");
    google.put("gone", "1");
    google.call(
        "state",
        r#"{"name": "gone", "version": 1, "state": "DESTROYED"}"#,
    );
    set(loud(shim()), "gcp:gone", "2").says("is created: version 2\n");
}

#[test]
fn denials_name_the_role() {
    let Some(google) = Google::start() else {
        return;
    };
    google.put("app", "1");
    let member = format!("--member=serviceAccount:{EMAIL}");
    google.call(
        "configure",
        &format!("{{\"unadded\": [\"app\"], \"uncreated\": [\"{EMAIL}\"]}}"),
    );
    refused(google.shim(), "gcp:app", "2")
        .says("gcp:app: secretmanager.versions.add is denied on projects/imip/secrets/app for ")
        .says(&format!(
            "hint: gcloud secrets add-iam-policy-binding app --project=imip --role=roles/secretmanager.secretVersionAdder {member}\n"
        ));
    refused(google.shim(), "gcp:new", "2")
        .says("gcp:new: there is no secret `new` in the project imip, and secretmanager.secrets.create is denied there for ")
        .says(&format!(
            "gcloud projects add-iam-policy-binding imip --role=roles/secretmanager.admin {member}\n"
        ));
    // Who may add and not read.
    google.call("configure", r#"{"unadded": [], "denied": ["app"]}"#);
    refused(google.shim(), "gcp:app", "2").says("secretmanager.versions.access is denied");
    refused(google.shim(), "--yes gcp:app#a", "2").says("secretmanager.versions.access is denied");
    set(loud(google.shim()).args("--yes"), "gcp:app", "2").says("`gcp:app` is set: version 2\n");
    assert_eq!(newest(&google, "app"), b"2");
}

#[test]
fn what_comes_in_between_is_kept_or_told() {
    let Some(google) = Google::start() else {
        return;
    };
    let between = |value: &str| {
        let value = envshim::format::json::quote(value);
        let arguments = format!("{{\"between\": {{\"app\": {value}}}}}");
        google.call("configure", &arguments);
    };
    let told = ": somebody else wrote version 2 at the same time; it is in the history";
    google.put("app", "1");
    between("theirs");
    set(loud(google.shim()), "gcp:app", "2")
        .says("`gcp:app` is set: version 3\n")
        .says(told);
    assert_eq!(newest(&google, "app"), b"2");
    // The same value of another is nothing to tell.
    between("3");
    set(google.shim(), "gcp:app", "3").quiet();
    // Fields of both.
    google.call("forget", "{}");
    google.put("app", r#"{"a":"1","b":{"c":2},"kept":null}"#);
    between(r#"{"a":"theirs","b":{"c":3},"kept":null,"d":"new"}"#);
    set(loud(google.shim()), "gcp:app#a", "mine").says("`gcp:app#a` is set: version 4\n");
    assert_eq!(
        newest(&google, "app"),
        br#"{"a":"mine","b":{"c":3},"kept":null,"d":"new"}"#
    );
    // A whole value cannot be worked together with a field.
    google.call("forget", "{}");
    google.put("app", "{}");
    between("theirs");
    set(google.shim(), "gcp:app#a", "1").says(told);
    assert_eq!(newest(&google, "app"), br#"{"a":"1"}"#);
    // Somebody else is the first.
    google.call("forget", "{}");
    google.call("put", r#"{"name": "app", "value": null}"#);
    between(r#"{"b":"2"}"#);
    set(google.shim(), "gcp:app#a", "1").quiet();
    assert_eq!(newest(&google, "app"), br#"{"a":"1","b":"2"}"#);
}

#[test]
fn annotations_are_what_googles_client_reads() {
    let Some(google) = Google::start() else {
        return;
    };
    let annotations = |name: &str| {
        google.client(&format!(
            "found = client.get_secret(name=f'{{parent}}/secrets/{name}')\n\
             print(sorted(found.annotations.items()), dict(found.labels))\n"
        ))
    };
    let labelled = r#", "labels": {"app": "imip"}"#;
    google.put_at("app", "1", labelled);
    let shim = || {
        google
            .shim()
            .args("--meta Owner=Team@x --meta rotated=\u{e9}")
    };
    set(shim(), "gcp:app", "2").quiet();
    let both = "[('Owner', 'Team@x'), ('rotated', '\u{e9}')]";
    assert_eq!(annotations("app"), format!("{both} {{'app': 'imip'}}\n"));
    // What is there stays, also what somebody else adds at the same time.
    google.call("configure", r#"{"annotates": {"theirs": "t"}}"#);
    set(google.shim().args("--meta rotated=yes"), "gcp:app", "3").quiet();
    let all = "[('Owner', 'Team@x'), ('rotated', 'yes'), ('theirs', 't')]";
    assert_eq!(annotations("app"), format!("{all} {{'app': 'imip'}}\n"));
    assert_eq!(newest(&google, "app"), b"3");
    // A new one, which Google does not know at once.
    google.call("configure", r#"{"late": 1}"#);
    set(shim(), "gcp:new", "1").quiet();
    assert_eq!(annotations("new"), format!("{both} {{}}\n"));
    let pushed = shim().file(".env", "A=1\nB=2\n");
    pushed.args("push .env gcp:site --each").run().ok().quiet();
    for name in ["site-A", "site-B"] {
        assert_eq!(annotations(name), format!("{both} {{}}\n"));
    }
    // Without --meta nothing but the value is asked about.
    google.asked();
    set(google.shim(), "gcp:app", "4").quiet();
    let asked = google.asked();
    let value = |line: &String| line.contains("/versions/") || line.ends_with(":addVersion");
    assert!(asked.iter().all(value), "{asked:?}");
}

#[test]
fn annotations_that_cannot_be_kept() {
    let Some(google) = Google::start() else {
        return;
    };
    google.put("app", "1");
    let meta = |meta: &str| google.shim().arg("--meta").arg(meta);
    for name in ["a b", "-a", "a/b", &"x".repeat(64)] {
        refused(meta(&format!("{name}=c4n4ry")), "gcp:app", "2")
            .says(&format!(
                "Google Secret Manager does not keep the metadata `{name}`\n"
            ))
            .says("hint: it keeps names of 1 to 63 letters");
    }
    set(meta(&format!("a={}", "x".repeat(10_000))), "gcp:app", "2").quiet();
    refused(meta(&format!("b={}", "x".repeat(7_000))), "gcp:app", "3")
        .says("with what is there it is more metadata than the store keeps");
    google.call("configure", &format!("{{\"unannotated\": [\"{EMAIL}\"]}}"));
    refused(meta("b=1"), "gcp:app", "3")
        .says("secretmanager.secrets.get or secretmanager.secrets.update, for --meta, is denied on projects/imip/secrets/app for ")
        .says("--role=roles/secretmanager.admin");
    assert_eq!(newest(&google, "app"), b"2");
}
