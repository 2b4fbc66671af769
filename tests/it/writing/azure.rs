//! `set` and `push` on Key Vault; Microsoft's own library says what is there in the contract.

use crate::azure::oracles::{left_out, named, real, sdk};
use crate::house::azure::{Azure, refusal};
use crate::house::server::Seen;
use crate::house::{Answer, Shim};

use super::set;

#[track_caller]
fn refused(shim: Shim, words: &str, value: &[u8]) -> Answer {
    let answer = shim.args("set").args(words).stdin(value).run().exits(125);
    answer.says("envshim: hint: ")
}

#[test]
fn what_a_vault_keeps() {
    let azure = Azure::new();
    let log = || azure.shim().env("ENVSHIM_LOG", "info");
    set(log(), "azure:Site_App", "1").says("`azure:Site_App` is created: version 0");
    set(log(), "azure:site-app", "2").says("`azure:site-app` is set: version 0");
    assert_eq!(azure.history("Site-App"), ["1", "2"]);
    let other = format!("azure:site-app?vault={}", azure.url("other"));
    set(log(), &other, "3").says("is created");
    // Fields of one secret, one of them a number; content type and tags stay.
    azure.secret_with(
        "app",
        "fields",
        r#"{"port":5432}"#,
        "\"enabled\":true,\"exp\":4070908800",
        ",\"contentType\":\"application/json\",\"tags\":{\"a\":\"b\"}",
    );
    set(azure.shim(), "azure:fields#user", "u\"1").quiet();
    assert_eq!(azure.history("fields")[1], r#"{"port":5432,"user":"u\"1"}"#);
    let seen = azure.server.seen();
    let put = seen.iter().rfind(|seen| seen.line.starts_with("PUT "));
    let body = String::from_utf8(put.expect("a write").body.clone()).expect("text");
    assert!(
        body.starts_with(r#"{"contentType":"application/json","tags":{"a":"b"},"value":"#),
        "{body}"
    );
    // More versions than a list has on a page.
    for n in 0..30 {
        azure.secret("many", &n.to_string());
    }
    set(azure.shim(), "azure:many", "x").quiet();
    assert_eq!(azure.history("many").len(), 31);
    refused(azure.shim(), "azure:big", &[b'x'; 25_601]).says("longer than the 25600 bytes");
    refused(azure.shim(), "azure:none --from-file /dev/null", b"")
        .says("the store keeps no empty value");
    refused(azure.shim(), "azure:bytes", b"\xff").says("the store keeps text");
    refused(azure.shim(), "azure:a/b", b"x").says("has the letter `/` in its name");
    refused(azure.shim(), "azure:x*", b"x").says("`*` names several secrets");
    refused(azure.shim(), "azure:x?version=1", b"x").says("?version= names a version");
    let old = format!("azure:{}/secrets/site-app/1", azure.url("app"));
    refused(azure.shim(), &old, b"x").says("names a version, and what is written");
    assert_eq!(azure.history("Site-App").len(), 2);
    azure.secret_with("app", "tls", "k", "\"enabled\":true", ",\"managed\":true");
    refused(azure.shim(), "azure:tls", b"x").says("is the key of a certificate");
}

#[test]
fn the_library_reads_the_longest_value() {
    if left_out() {
        return;
    }
    let (azure, proxy) = named();
    let value = "\u{e9}\n\"xy\" ".repeat(3_200);
    assert_eq!(value.len(), 25_600);
    set(azure.shim(), "azure:long", &value).quiet();
    let there = sdk(&azure, &real(azure.shim(), &proxy), &["secret", "long"]);
    assert_eq!(crate::house::openbao::text(&there, "long"), value);
}

#[test]
fn variables_with_a_secret_each() {
    let azure = Azure::new();
    let shim = || azure.shim().file(".env", "HOST=h\nDB_NAME=n\n");
    for (base, again) in [("azure:site", false), ("azure:site/", true)] {
        let table = shim().args("push .env --each").arg(base).run().ok().quiet();
        let word = if again { "there already" } else { "created" };
        assert!(
            table.out.contains(&format!("azure:site-DB_NAME  {word}")),
            "{}",
            table.out
        );
    }
    assert_eq!(azure.history("site-DB-NAME"), ["n"]);
    assert_eq!(azure.history("site-HOST"), ["h"]);
}

#[test]
fn what_others_write_at_the_same_time() {
    let azure = Azure::new();
    azure.secret("app", r#"{"kept":"1","theirs":"1"}"#);
    azure.meanwhile("app", r#"{"kept":"1","theirs":"2","new":"n"}"#);
    set(azure.shim(), "azure:app#ours", "o").quiet();
    let history = azure.history("app");
    assert_eq!(
        history.last().map(String::as_str),
        Some(r#"{"kept":"1","theirs":"2","ours":"o","new":"n"}"#)
    );
    // Of a whole value it is told.
    azure.secret("whole", "1");
    azure.meanwhile("whole", "theirs");
    set(azure.shim(), "azure:whole", "ours")
        .says("warning: azure:whole: somebody else wrote version 0");
    assert_eq!(azure.history("whole"), ["1", "theirs", "ours"]);
    // The same value is nobody else's.
    azure.meanwhile("whole", "same");
    set(azure.shim(), "azure:whole", "same").quiet();
    azure.meanwhile("first", "theirs");
    set(azure.shim(), "azure:first", "ours").says("at the same time; it is in the history");
    // Somebody who writes a whole value over fields is no matter of fields.
    azure.secret("mixed", "{}");
    azure.meanwhile("mixed", "text");
    set(azure.shim(), "azure:mixed#ours", "o").says("at the same time; it is in the history");
    // Who may not list does not know.
    azure.before(|seen: &Seen| {
        let denied = || refusal(403, "Forbidden", "", "ForbiddenByRbac");
        seen.path().contains("/versions?").then(denied)
    });
    set(azure.shim(), "azure:whole", "2")
        .says("it is not known whether somebody else wrote at the same time: access is denied");
    assert_eq!(azure.history("whole").last().map(String::as_str), Some("2"));
}

#[test]
fn refusals_name_what_to_grant() {
    const RBAC: &str = "Caller is not authorized to perform action on resource.\r\nCaller: appid=aa-1;oid=bb-2;iss=x\r\nAction: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'\r\nResource: '/subscriptions/s/resourcegroups/r/providers/microsoft.keyvault/vaults/app/secrets/app'\r\n";
    let azure = Azure::new();
    let cases = [
        (
            403,
            "Forbidden",
            "ForbiddenByRbac",
            RBAC,
            "writing is denied to the secret `new` of the vault `app` for bb-2\n",
            "hint: az role assignment create --role \"Key Vault Secrets Officer\" --assignee bb-2 --scope /subscriptions/s/resourcegroups/r/providers/microsoft.keyvault/vaults/app\n",
        ),
        (
            403,
            "Forbidden",
            "AccessDenied",
            "The user 'appid=aa-1;oid=bb-2;iss=x' does not have secrets set permission",
            "writing is denied to the secret `new`",
            "hint: az keyvault set-policy --name app --object-id bb-2 --secret-permissions get list set\n",
        ),
        (
            409,
            "Conflict",
            "ObjectIsDeletedButRecoverable",
            "Secret new is currently in a deleted but recoverable state",
            "the secret `new` of the vault `app` was deleted, and keeps its name\n",
            "hint: az keyvault secret recover --vault-name app --name new",
        ),
    ];
    for (status, code, inner, message, said, hint) in cases {
        azure.before(move |seen: &Seen| {
            let put = seen.line.starts_with("PUT ");
            put.then(|| refusal(status, code, message, inner))
        });
        refused(azure.shim(), "azure:new", b"c4n4ry")
            .says(said)
            .says(hint)
            .hides("c4n4ry");
    }
    assert!(azure.history("new").is_empty());
}

#[test]
fn tags_are_what_the_library_reads() {
    if left_out() {
        return;
    }
    let (azure, proxy) = named();
    let tags = |name: &str| {
        let name = format!("{name}#tags");
        let there = sdk(&azure, &real(azure.shim(), &proxy), &["secret", &name]);
        let tags = there.get(&name).expect("tags").compact();
        String::from_utf8(tags.expose().to_vec()).expect("text")
    };
    let old = ",\"contentType\":\"text/plain\",\"tags\":{\"a.b\":\"old\",\"kept\":\"k\"}";
    azure.secret_with("app", "app", "1", "\"enabled\":true", old);
    let shim = || {
        azure
            .shim()
            .args("--meta a.b=new --meta")
            .arg("owner=Team \u{e9}")
    };
    set(shim(), "azure:app", "2").quiet();
    assert_eq!(
        tags("app"),
        "{\"a.b\":\"new\",\"kept\":\"k\",\"owner\":\"Team \u{e9}\"}"
    );
    // The same value with other tags is another version.
    set(azure.shim().args("--meta kept="), "azure:app", "2").quiet();
    assert_eq!(azure.history("app"), ["1", "2", "2"]);
    assert!(tags("app").contains("\"kept\":\"\""));
    // What is worked together with others has them too.
    azure.secret("fields", "{}");
    azure.meanwhile("fields", r#"{"theirs":"1"}"#);
    set(shim(), "azure:fields#ours", "2").quiet();
    let both = azure.history("fields");
    assert_eq!(
        both.last().map(String::as_str),
        Some(r#"{"ours":"2","theirs":"1"}"#)
    );
    assert!(tags("fields").contains("a.b"));
    let pushed = shim().file(".env", "A=1\nB=2\n");
    pushed.args("push .env azure:site").run().ok().quiet();
    assert_eq!(tags("site"), "{\"a.b\":\"new\",\"owner\":\"Team \u{e9}\"}");

    let many = (0..13).fold(azure.shim(), |shim, n| shim.args(&format!("--meta t{n}=1")));
    refused(many, "azure:app", b"3")
        .says("azure:app: with what is there it is more metadata than the store keeps");
    let long = azure
        .shim()
        .arg("--meta")
        .arg(format!("{}=c4n4ry", "x".repeat(257)));
    refused(long, "azure:app", b"3")
        .says("Azure Key Vault does not keep the metadata `xxx")
        .says("hint: it keeps 15 tags at most")
        .hides("c4n4ry");
    let many = (0..16).fold(azure.shim(), |shim, n| shim.args(&format!("--meta t{n}=1")));
    refused(many, "azure:new", b"3").says("hint: it keeps 15 tags at most");
    assert_eq!(azure.history("app").len(), 3);
    assert!(azure.history("new").is_empty());
}
