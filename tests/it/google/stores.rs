//! References and imports.

use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};

use crate::house::google::{EMAIL, Google};
use crate::house::pty::Pty;
use crate::house::server::{Seen, Server, answer};
use crate::house::wire::Relay;
use crate::house::{Answer, Shim};

fn with(shim: Shim, vault: impl AsRef<[u8]>) -> Shim {
    shim.file(".vault", vault)
}

#[test]
fn references_of_every_form() {
    let Some(google) = Google::start() else {
        return;
    };
    google.put("key", "v1");
    google.put("key", "v2");
    google.put("key", "v3");
    google.call(
        "alias",
        r#"{"name": "key", "alias": "prod", "version": "2"}"#,
    );
    google.put("app", r#"{"user":"u","db":{"pass":"p"},"list":[1,2]}"#);
    google.put("bytes", b"\x00\x01\xff");
    google.put("empty", "");
    google.put_at("key", "other", r#", "project": "other""#);
    google.put_at("local", "near", r#", "location": "europe-west3""#);
    let vault = "A=gcp:key\nB=gcp:key?version=1\nC=gcp:key?version=latest\nD=gcp:key?version=prod\n\
        E=gcp:projects/imip/secrets/key\nF=gcp:projects/1234567890/secrets/key/versions/1\n\
        G=gcp:key?project=other\nH=gcp:projects/other/secrets/key\n\
        I=gcp:local?location=europe-west3\n\
        J=gcp:projects/imip/locations/europe-west3/secrets/local/versions/1\n\
        K=gcp:app#user\nL=gcp:app#db\nM=gcp:app#list.1\nN=gcp:bytes?as=file\nO=gcp:empty\n\
        P=<${gcp:key}|${gcp:app#db.pass}>\n";
    let loaded = with(google.shim(), vault).environment().quiet();
    let loaded = ["v3", "v1", "v3", "v2", "v3", "v1", "other", "other"]
        .iter()
        .zip(["A", "B", "C", "D", "E", "F", "G", "H"])
        .fold(loaded, |loaded, (value, name)| loaded.has(name, value));
    loaded
        .has("I", "near")
        .has("J", "near")
        .has("K", "u")
        .has("L", r#"{"pass":"p"}"#)
        .has("M", "2")
        .has("O", "")
        .has("P", "<v3|p>")
        // The program still has what its own SDK reads.
        .has("NO_GCE_CHECK", "true");
    let check = with(google.shim(), "A=gcp:key\nB=gcp:key?version=prod\n");
    let check = check.args("check --json").run().ok();
    for version in ["\"3\"", "\"2\""] {
        assert!(check.out.contains(version), "{}", check.out);
    }
    let read = with(google.shim(), "N=gcp:bytes?as=file\n").args("-- sh -c");
    let read = read.arg("od -An -tx1 $N").run().ok();
    assert_eq!(read.out.trim(), "00 01 ff");
}

/// The lines of a table of `check`, without the other columns.
fn names(answer: &Answer) -> Vec<&str> {
    let lines = answer.out.lines();
    let lines = lines
        .skip_while(|line| !line.starts_with("VARIABLE"))
        .skip(1);
    lines.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn imports_of_a_project_by_name_label_and_filter() {
    let Some(google) = Google::start() else {
        return;
    };
    let labelled = r#", "labels": {"app": "imip", "tier": "web"}"#;
    google.put_at("imip-django-secret-key", "d", labelled);
    google.put_at(
        "imip-db",
        r#"{"password":"p"}"#,
        r#", "labels": {"app": "imip"}"#,
    );
    google.put("stripe_key", "s");
    google.put("Other", "o");
    google.put_at("local", "l", r#", "location": "europe-west3""#);
    google.put_at("next", "n", r#", "project": "other""#);
    // Made, and not filled yet.
    google.call("put", r#"{"name": "unfilled", "value": null}"#);
    // Every page has two.
    google.call("configure", r#"{"page": 2}"#);
    for (import, want) in [
        ("gcp:*", "IMIP_DB IMIP_DJANGO_SECRET_KEY OTHER STRIPE_KEY"),
        ("gcp:imip-*", "DB DJANGO_SECRET_KEY"),
        ("gcp:*?label=app=imip", "IMIP_DB IMIP_DJANGO_SECRET_KEY"),
        ("gcp:*?label=tier", "IMIP_DJANGO_SECRET_KEY"),
        ("gcp:imip-*?label=tier=web", "DJANGO_SECRET_KEY"),
        ("gcp:*?filter=name:stripe", "STRIPE_KEY"),
        ("gcp:*?location=europe-west3", "LOCAL"),
        ("gcp:*?project=other", "NEXT"),
        ("gcp:projects/other/secrets/n*", "EXT"),
        ("gcp:imip-db", "PASSWORD"),
        ("gcp:stripe_key", "STRIPE_KEY"),
    ] {
        let answer = google.shim().env("ENVSHIM_IMPORT", import);
        let answer = answer.args("check").run().ok();
        let mut got = names(&answer);
        got.sort_unstable();
        assert_eq!(got.join(" "), want, "{import}: {}", answer.out);
    }
    let typed = google.shim().env("SECRET_MANAGER_TYPE", "gcp");
    let typed = typed.environment().quiet();
    typed
        .has("IMIP_DB", r#"{"password":"p"}"#)
        .has("OTHER", "o");
    // That there is a project asks for nothing by itself.
    let alone = google.shim().env("GCP_PROJECT_ID", "imip");
    alone
        .args("-- true")
        .run()
        .exits(125)
        .says("the environment names no store");
    let none = google.shim().env("ENVSHIM_IMPORT", "gcp:none-*").refused();
    none.says("import gcp:none-*: holds nothing to import");
    let odd = google.shim().env("ENVSHIM_IMPORT", "gcp:*?filter=a b");
    odd.refused()
        .says("import gcp:*: Google does not take projects/imip: INVALID_ARGUMENT")
        .says("hint: check the name, the version and the filter");
}

#[test]
fn what_was_switched_off_is_left_out_of_an_import_and_said() {
    let Some(google) = Google::start() else {
        return;
    };
    google.put("a", "1");
    google.put("b", "1");
    google.put("b", "2");
    google.call(
        "state",
        r#"{"name": "b", "version": 2, "state": "DISABLED"}"#,
    );
    let shim = || google.shim().env("ENVSHIM_IMPORT", "gcp:*");
    let answer = shim().environment().has("A", "1").lacks("B");
    answer
        .says("envshim: warning: left out of the import: the version `2` of the secret `b` in the project imip is disabled")
        .says("hint: gcloud secrets versions enable 2 --secret=b --project=imip");
    // One that we may not read is no such case.
    google.call("configure", r#"{"denied": ["a"]}"#);
    shim().refused().says(&format!(
        "import gcp:*: secretmanager.versions.access is denied on projects/imip/secrets/a for serviceAccount:{EMAIL}"
    ));
    google.call("configure", r#"{"denied": [], "unlisted": true}"#);
    shim()
        .refused()
        .says(&format!("import gcp:*: secretmanager.secrets.list is denied on projects/imip for serviceAccount:{EMAIL}"))
        .says(&format!("hint: gcloud projects add-iam-policy-binding imip --role=roles/secretmanager.viewer --member=serviceAccount:{EMAIL}"));
}

#[test]
fn a_damaged_value_is_read_once_more() {
    let Some(google) = Google::start() else {
        return;
    };
    google.put("key", "s3cr3t");
    google.call("configure", r#"{"damaged": 1}"#);
    let vault = "A=gcp:key\n";
    with(google.shim(), vault)
        .environment()
        .quiet()
        .has("A", "s3cr3t");
    google.call("configure", r#"{"damaged": 2}"#);
    google.asked();
    with(google.shim(), "A=gcp:key?default=d\n")
        .refused()
        .says("A: gcp:key: the value of projects/imip/secrets/key was damaged on its way")
        .says("hint: start again")
        .hides("s3cr3t");
    assert_eq!(google.asked().len(), 2);
}

#[test]
fn errors_in_the_words_of_googles_users() {
    let Some(google) = Google::start() else {
        return;
    };
    google.put("openai-key", "1");
    google.put("gone", "1");
    google.put("denied", "1");
    google.call(
        "state",
        r#"{"name": "gone", "version": 1, "state": "DESTROYED"}"#,
    );
    google.call("configure", r#"{"denied": ["denied"]}"#);
    let one = |line: &str| with(google.shim(), line).refused();
    one("A=gcp:opnai-key\n")
        .says(".vault:1: A: gcp:opnai-key: there is no secret `opnai-key` in the project imip")
        .says("hint: did you mean `openai-key`?");
    one("A=gcp:other\n").says("hint: gcloud secrets list --project=imip; ?default=text");
    one("A=gcp:openai-key?version=7\n")
        .says("the secret `openai-key` in the project imip has no version `7`")
        .says("hint: gcloud secrets versions list openai-key --project=imip");
    one("A=gcp:gone\n").says("is destroyed");
    with(google.shim(), "A=gcp:gone?default=d\n")
        .environment()
        .has("A", "d");
    one("A=gcp:denied?default=d\nB=gcp:openai-key\n")
        .says(&format!(
            "A: gcp:denied: secretmanager.versions.access is denied on projects/imip/secrets/denied for serviceAccount:{EMAIL}, or there is no such secret\n"
        ))
        .says(&format!(
            "hint: gcloud secrets add-iam-policy-binding denied --project=imip --role=roles/secretmanager.secretAccessor --member=serviceAccount:{EMAIL}\n"
        ))
        .hides("B: gcp");
    one("A=gcp:x?project=nobodys\n")
        .says("there is no project nobodys, or not for us")
        .says("hint: gcloud projects list");
    let payer = google.shim().env("GOOGLE_CLOUD_QUOTA_PROJECT", "payer");
    with(payer, "A=gcp:openai-key\n")
        .refused()
        .says("the project payer, which would pay for the request, may not be used")
        .says("--role=roles/serviceusage.serviceUsageConsumer");
    let payer = google.shim().env("GOOGLE_CLOUD_QUOTA_PROJECT", "imip");
    with(payer, "A=gcp:openai-key\n")
        .environment()
        .has("A", "1");
    google.call("configure", r#"{"off": true}"#);
    one("A=gcp:openai-key\n")
        .says("the Secret Manager API is not enabled in the project 1234567890")
        .says("hint: gcloud services enable secretmanager.googleapis.com --project=1234567890");
    google.call("configure", r#"{"no_scope": true}"#);
    one("A=gcp:openai-key\n")
        .says("it lacks the scope cloud-platform")
        .says("--scopes=cloud-platform");
}

#[test]
fn mistakes_in_references_are_found_before_anything_is_asked() {
    let vault = "A=gcp:*\nB=gcp:key:3\nC=gcp:key?version=a.b\nD=gcp:p/key\nE=gcp:key?vers=1\n\
        F=gcp:projects/p/secrets/k?project=q\nG=gcp:key?label=a\n";
    let answer = with(Shim::new(), vault).refused();
    answer
        .says(".vault:1: A: gcp:*: `*` names several secrets")
        .says(".vault:2: B: gcp:key:3: no name in Secret Manager has the letter `:`")
        .says("hint: a version is written as ?version=3")
        .says(".vault:3: C: gcp:key: the version is neither a number nor an alias")
        .says(".vault:4: D: gcp:p/key: this is no name in Secret Manager")
        .says("hint: write gcp:key?project=p")
        .says(".vault:5: E: gcp:key: there is no parameter `vers`")
        .says(".vault:6: F: gcp:projects/p/secrets/k: the project stands in the name and")
        .says(".vault:7: G: gcp:key: the parameter `label` picks among several secrets");
}

/// A Secret Manager where every secret has its own name as value.
fn echo() -> Server {
    Server::http(|seen: &Seen| {
        let name = seen.path().split('/').nth(5).expect("a name");
        let data = Base64::encode_string(name.as_bytes());
        let path = seen.path().trim_start_matches("/v1/");
        answer(
            200,
            "",
            format!("{{\"name\":\"{path}\",\"payload\":{{\"data\":\"{data}\"}}}}"),
        )
    })
}

#[test]
fn fifty_secrets_take_about_as_long_as_two() {
    let server = echo();
    let time = |count: usize| {
        let relay = Relay::new(server.address, Duration::from_millis(50));
        let vault: String = (0..count).map(|n| format!("V{n}=gcp:s{n}\n")).collect();
        let shim = Shim::new()
            .env(
                "SECRET_MANAGER_EMULATOR_HOST",
                relay.server.address.to_string(),
            )
            .env("GCP_PROJECT_ID", "imip")
            .file(".vault", vault);
        let begin = Instant::now();
        let answer = shim.environment().quiet();
        let took = begin.elapsed();
        let last = count - 1;
        answer.has(&format!("V{last}"), format!("s{last}"));
        assert_eq!(relay.turns(), count);
        took
    };
    let least = |count| (0..3).map(|_| time(count)).min().expect("a time");
    let (two, fifty) = (least(2), least(50));
    println!("two {two:?}, fifty {fifty:?}");
    // One after the other they would take 25 times as long.
    assert!(fifty < two * 3, "two {two:?}, fifty {fifty:?}");
}

#[test]
fn names_with_versions_and_ages() {
    let Some(google) = Google::start() else {
        return;
    };
    google.put("imip-db", r#"{"user":"c4n4ry"}"#);
    google.put("imip-db", r#"{"user":"c4n4ry"}"#);
    google.put("imip-off", "c4n4ry");
    google.put("imip-gone", "c4n4ry");
    for (name, state) in [("imip-off", "DISABLED"), ("imip-gone", "DESTROYED")] {
        let change = format!(r#"{{"name": "{name}", "version": 1, "state": "{state}"}}"#);
        google.call("state", &change);
    }
    google.call("put", r#"{"name": "imip-unfilled", "value": null}"#);
    google.call("configure", r#"{"page": 2}"#);
    let ls = |words: &str| {
        let answer = google.shim().args("ls").args(words).run().ok().quiet();
        answer.hides("c4n4ry").out
    };
    // Names alone cost nothing but the listing.
    google.asked();
    assert_eq!(ls("gcp:imip-*"), "db\ngone\noff\nunfilled\n");
    assert_eq!(google.asked().len(), 2);
    let json = ls("--json gcp:imip-*");
    let mut asked = google.asked();
    asked.sort();
    assert_eq!(asked.len(), 2 + 4, "{asked:?}");
    assert!(
        !asked.iter().any(|line| line.ends_with(":access")),
        "{asked:?}"
    );
    let changed = |json: &str| {
        let mut parts = json.split("\"changed\":\"20");
        let first = parts.next().unwrap_or_default().to_owned();
        let rest = parts.map(|part| part.get(19..).unwrap_or_default());
        rest.fold(first, |all, part| all + "\"changed\":..." + part)
    };
    assert_eq!(
        changed(&json),
        "[{\"name\":\"db\",\"version\":\"2\",\"changed\":...},\
          {\"name\":\"gone\",\"version\":\"1\",\"changed\":...,\"note\":\"is destroyed\"},\
          {\"name\":\"off\",\"version\":\"1\",\"changed\":...,\"note\":\"is disabled\"},\
          {\"name\":\"unfilled\",\"version\":null,\"changed\":null}]\n"
    );
    assert_eq!(
        changed(&ls("--json gcp:imip-db")),
        "[{\"name\":\"user\",\"version\":\"2\",\"changed\":...}]\n"
    );
    let shim = google.shim();
    let mut command = shim.command();
    command.args(["ls", "gcp:imip-*"]).env("NO_COLOR", "1");
    let shown = Pty::spawn(command).end().exits(0).shown;
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["NAME", "VERSION", "AGE"]);
    assert_eq!(lines[1][..2], ["db", "2"]);
    assert_eq!(lines[3][..2], ["off", "1"]);
    assert_eq!(lines[3][4..], ["is", "disabled"]);
    assert_eq!(lines[4], ["unfilled", "-", "-"]);
    // Who may list need not see the versions.
    google.call("configure", r#"{"unseen": true}"#);
    let json = ls("--json gcp:imip-*");
    assert!(
        json.starts_with("[{\"name\":\"db\",\"version\":null,\"changed\":null},"),
        "{json}"
    );
    assert!(ls("--json gcp:imip-db").contains("\"version\":\"2\",\"changed\":null"));
}

#[test]
fn a_large_project_is_not_asked_for_every_version() {
    let server = Server::http(|seen: &Seen| {
        let names = (0..301).map(|n| format!("{{\"name\":\"projects/1/secrets/s{n}\"}}"));
        let names: Vec<String> = names.collect();
        assert!(seen.path().contains("/secrets?"), "{}", seen.path());
        answer(200, "", format!("{{\"secrets\":[{}]}}", names.join(",")))
    });
    let shim = Shim::new()
        .env("SECRET_MANAGER_EMULATOR_HOST", server.address.to_string())
        .env("GCP_PROJECT_ID", "imip");
    let answer = shim.args("ls --json").run().ok();
    let answer = answer
        .says("envshim: warning: versions and ages are asked for 300 secrets at most, and there are more")
        .says("hint: list a part: gcp:begin-*");
    assert!(answer.out.contains("{\"name\":\"s300\",\"version\":null,"));
}
