//! What a look costs a store: where it can say without values whether anything has changed, it is asked that.

use super::super::house::google::Google;
use super::super::house::openbao::OpenBao;
use super::super::house::wait_until;
use super::Running;

const PROGRAM: &str = "echo \"start $A $B $F\"; trap 'exit 3' TERM; while :; do sleep 0.1; done";

/// A program that is started with two secrets of Vault and a file, and may do this with what is in `secret/`.
fn watched(bao: &OpenBao, rule: &str) -> Running {
    bao.put("app", r#"{"a": "one", "other": "x"}"#);
    bao.put("deep/er", r#"{"b": "1"}"#);
    bao.policy("app", rule, "read");
    let shim = bao
        .shim()
        .env("VAULT_TOKEN", bao.token(r#"{"policies": ["app"]}"#))
        .file("secret", "f\n")
        .file(
            ".vault",
            "SECRET_MANAGER_PATH=.\nA=vault:app#a\nB=vault:/secret/deep/er#b\nF=file:secret\n",
        )
        .args("--watch 1s -- sh -c")
        .arg(PROGRAM);
    let it = Running::start(shim);
    it.wait_for("start one 1 f");
    it
}

fn count(bao: &OpenBao, what: &str) -> usize {
    bao.asked().iter().filter(|asked| *asked == what).count()
}

/// Waits for more looks.
#[track_caller]
fn looks(bao: &OpenBao, what: &str, more: usize) {
    let all = count(bao, what) + more;
    wait_until("more looks", || count(bao, what) >= all);
}

#[test]
fn vault_says_without_values_whether_anything_has_changed() {
    let Some(bao) = OpenBao::start() else {
        return;
    };
    let (values, versions) = ("read secret/data/app", "read secret/metadata/app");
    let mut it = watched(&bao, "secret/*");
    looks(&bao, versions, 4);
    // The load, and the first look.
    assert_eq!(count(&bao, values), 2);
    assert_eq!(count(&bao, "read secret/data/deep/er"), 2);

    // What is new and the same is looked at, once, and changes nothing.
    bao.put("app", r#"{"a": "one", "other": "y"}"#);
    looks(&bao, versions, 2);
    let read = count(&bao, values);
    // A field that nobody wants: nothing has changed for the load either.
    assert_eq!(read, 3);
    looks(&bao, versions, 2);
    assert_eq!(count(&bao, values), read);

    // What else the load is made of is looked at as ever.
    it.replace("secret", "g\n");
    it.wait_for("start one 1 g");
    bao.put("app", r#"{"a": "two"}"#);
    it.wait_for("start two 1 g");

    // The number of the version is the same again.
    let path = r#"{"path": "deep/er"}"#;
    looks(&bao, versions, 2);
    bao.call("secrets.kv.v2.delete_metadata_and_all_versions", path);
    bao.put("deep/er", r#"{"b": "2"}"#);
    it.wait_for("start two 2 g");
    assert_eq!(it.out().lines().count(), 4, "{}", it.out());
    it.stops(3);
}

#[test]
fn who_may_read_values_alone_reads_them() {
    let Some(bao) = OpenBao::start() else {
        return;
    };
    let mut it = watched(&bao, "secret/data/*");
    looks(&bao, "read secret/data/app", 3);
    let asked = bao.asked();
    let denied = asked.iter().filter(|asked| asked.contains("/metadata/"));
    assert_eq!(denied.collect::<Vec<_>>(), ["read secret/metadata/app"]);
    bao.put("deep/er", r#"{"b": "2"}"#);
    it.wait_for("start one 2 f");
    it.stops(3);
}

/// Waits until so much has been asked, and gives it all.
fn asked_by(google: &Google, what: &str, least: usize) -> Vec<String> {
    let mut asked = Vec::new();
    wait_until("looks", || {
        asked.extend(google.asked());
        asked.iter().filter(|asked| asked.ends_with(what)).count() >= least
    });
    asked
}

#[test]
fn google_says_so_for_nothing() {
    let Some(google) = Google::start() else {
        return;
    };
    google.put("a", "one");
    google.put("b", "1");
    let shim = || {
        google
            .shim()
            .file("secret", "f\n")
            .file(
                ".vault",
                "SECRET_MANAGER_PATH=.\nA=gcp:a\nB=gcp:b\nF=file:secret\n",
            )
            .args("--watch 1s -- sh -c")
            .arg(PROGRAM)
    };
    let count =
        |asked: &[String], what: &str| asked.iter().filter(|asked| asked.ends_with(what)).count();
    let (value, version) = ("/a/versions/latest:access", "/a/versions/latest");
    let mut it = Running::start(shim());
    it.wait_for("start one 1 f");
    let asked = asked_by(&google, version, 4);
    // The load, and the first look.
    assert_eq!(count(&asked, value), 2);
    assert_eq!(count(&asked, "/b/versions/latest:access"), 2);
    // The same value anew.
    google.put("a", "one");
    let asked = asked_by(&google, version, 4);
    assert_eq!(count(&asked, value), 1);
    // A secret that begins anew.
    google.call("forget", "{}");
    google.put("b", "2");
    google.put("a", "one");
    it.wait_for("start one 2 f");
    it.stops(3);
    assert_eq!(it.out().lines().count(), 2, "{}", it.out());

    google.call("configure", r#"{"unseen": true}"#);
    google.asked();
    let mut it = Running::start(shim());
    it.wait_for("start one 2 f");
    let asked = asked_by(&google, value, 3);
    assert_eq!(
        count(&asked, version) + count(&asked, "/b/versions/latest"),
        1
    );
    google.put("b", "3");
    it.wait_for("start one 3 f");
    it.stops(3);
}
