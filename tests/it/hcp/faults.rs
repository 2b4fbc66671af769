//! Everything that can go wrong, and what a person reads.

use std::process::{Command, Stdio};

use super::{ALL, as_the_sdk, settings, start};
use crate::house::hcp::{App, CANARY, CLIENT_SECRET, Hcp, Kind};
use crate::house::openbao::OpenBao;
use crate::house::server::{Server, answer};
use crate::house::{Answer, Folder, Shim, envshim, namespace};

#[test]
fn mistakes_in_writing_are_told_before_anything_is_asked() {
    let hcp = Hcp::new(App::new(ALL));
    let answer = as_the_sdk(&hcp)
        .file(
            ".vault",
            "A=hcp:web/LAST\nB=hcp:LAST?version=latest\nC=hcp:LAST?app=x\nD=hcp:1st\n",
        )
        .env("ENVSHIM_IMPORT", "hcp:*?version=2")
        .refused();
    for said in [
        "import hcp:*: all secrets together have no version",
        ".vault:1: A: hcp:web/LAST: `web/LAST` is no name of HCP Vault Secrets",
        ".vault:2: B: hcp:LAST: the version is not a number",
        ".vault:3: C: hcp:LAST: there is no parameter `app`",
        ".vault:4: D: hcp:1st: `1st` is no name of HCP Vault Secrets",
    ] {
        assert!(answer.err.contains(said), "{said}\n{}", answer.err);
    }
    assert!(hcp.server.seen().is_empty());
}

#[test]
fn settings_that_lack_or_are_wrong() {
    let lone = |name: &str, value: &str| {
        Shim::new()
            .file(".vault", "A=hcp:B\n")
            .env("HCP_PROJECT_ID", "p")
            .env("HCP_CLIENT_ID", "i")
            .env("HCP_CLIENT_SECRET", "s")
            .env(name, value)
            .refused()
    };
    lone("X", "").says(
        "envshim: error: .vault:1: A: hcp:B: it is not said which app is meant: \
         HCP_ORGANIZATION_ID and HCP_APP are unset\nenvshim: hint: set HCP_SECRETS_URL, or \
         HCP_ORGANIZATION_ID, HCP_PROJECT_ID and HCP_APP\n",
    );
    lone("HCP_SECRETS_URL", "web")
        .says("HCP_SECRETS_URL: is not an address: `https://` is missing");
    for (name, value, says) in [
        (
            "HCP_GEOGRAPHY",
            "mars",
            "HCP_GEOGRAPHY: is neither `us` nor `eu`",
        ),
        (
            "HCP_API_ADDRESS",
            "a b",
            "HCP_API_ADDRESS: has no usable host name",
        ),
        ("HCP_AUTH_URL", "idp", "HCP_AUTH_URL: is not an address"),
        (
            "HCP_API_TOKEN_URL",
            "ftp://x",
            "HCP_API_TOKEN_URL: is neither an https://",
        ),
    ] {
        Shim::new()
            .file(
                ".vault",
                "A=hcp:B\nHCP_ORGANIZATION_ID=o\nHCP_PROJECT_ID=p\nHCP_APP=a\n",
            )
            .env(name, value)
            .refused()
            .says(says);
    }
}

#[test]
fn missing_secrets_apps_and_versions() {
    let hcp = Hcp::new(App::new(ALL));
    let answer = as_the_sdk(&hcp)
        .file(
            ".vault",
            "A=hcp:NOT_THERE\nB=hcp:LAST?version=9\nC=hcp:TWILIO#api_kee\nD=hcp:LAST\n",
        )
        .refused()
        .hides(CANARY);
    for said in [
        "error: .vault:1: A: hcp:NOT_THERE: the app `web` has no secret `NOT_THERE`\nenvshim: hint: check the name",
        "error: .vault:2: B: hcp:LAST: the secret `LAST` has no version 9\n",
        "error: .vault:3: C: hcp:TWILIO#api_kee: the secret has no field `api_kee`\nenvshim: hint: did you mean `api_key`? it has `api_key`, `api_secret`\n",
    ] {
        assert!(answer.err.contains(said), "{said}\n{}", answer.err);
    }
    as_the_sdk(&hcp)
        .env("HCP_APP", "other")
        .env("ENVSHIM_IMPORT", "hcp:*")
        .refused()
        .says("import hcp:*: there is no such app: the app `other`")
        .says("check organisation, project and app");
    // All names are known there, so that a near one can be told.
    start(&hcp, &format!("{}A=hcp:LASST\n", settings(&hcp, "secrets:open")))
        .refused()
        .says(".vault:5: A: hcp:LASST: the app `web` has no secret `LASST`\nenvshim: hint: did you mean `LAST`?");
    let empty = Hcp::new(App::new(&[]));
    start(&empty, &settings(&empty, "secrets:open"))
        .refused()
        .says("import hcp:*: holds nothing to import");
}

#[test]
fn refusals_are_no_reason_for_a_default() {
    for (status, says, hint) in [
        (
            401,
            "the access token is not accepted (status 401)",
            "HCP_API_TOKEN_URL",
        ),
        (
            403,
            "the app `web` may not be read with these credentials (status 403)",
            "the role `Vault Secrets App Secret Reader`",
        ),
        (
            404,
            "nothing of HCP Vault Secrets is at this address (status 404)",
            "secrets:open",
        ),
        (400, "answers with status 400", ""),
        (501, "answers with status 501", ""),
    ] {
        let hcp = Hcp::new(App {
            broken: vec![("LAST:open", status), ("secrets:open", status)],
            ..App::new(ALL)
        });
        as_the_sdk(&hcp)
            .file(".vault", "A=hcp:LAST?default=d\nB=hcp:DB_PASSWORD\n")
            .refused()
            .says(".vault:1: A: hcp:LAST: ")
            .says(says)
            .says(hint)
            .hides(CANARY)
            .hides("hcp-access-token");
        start(&hcp, &settings(&hcp, "secrets:open"))
            .refused()
            .says("import hcp:*: ")
            .says(says);
        let times = hcp
            .asked()
            .iter()
            .filter(|l| l.contains("LAST:open"))
            .count();
        assert_eq!(times, 1, "{status} is not asked for again");
    }
}

#[test]
fn what_passes_is_asked_for_again() {
    let hcp = Hcp::new(App {
        busy: 3,
        ..App::new(ALL)
    });
    as_the_sdk(&hcp)
        .file(".vault", "A=hcp:LAST\n")
        .environment()
        .has("A", "z")
        .quiet();
    assert_eq!(hcp.server.seen().len(), 5);
    let hcp = Hcp::new(App {
        busy: 99,
        ..App::new(ALL)
    });
    as_the_sdk(&hcp)
        .file(".vault", "A=hcp:LAST\n")
        .refused()
        .says("envshim: error: .vault:1: A: hcp:LAST: https://localhost:")
        .hides(CANARY);
}

#[test]
fn answers_that_are_none() {
    for (body, says) in [
        ("<html>", "the answer is not JSON (line 1, column 1)"),
        (r#"{"secrets":"x"}"#, "the answer is no list of secrets"),
        (
            r#"{"secrets":[{"name":"A"}]}"#,
            "the answer has no value for the secret `A`",
        ),
        (
            r#"{"secrets":[],"pagination":{"next_page_token":"same"}}"#,
            "the pages of the answer go round in a circle",
        ),
    ] {
        let hcp = Hcp::new(App::new(&[]));
        let odd = Server::https(hcp.authority.server("hcp").config(), move |seen| {
            if seen.line.starts_with("POST") {
                answer(200, "", r#"{"access_token":"t-o-k-e-n"}"#)
            } else {
                answer(200, "", body)
            }
        });
        let url = odd.tls_url();
        start(&hcp, &settings(&hcp, "secrets:open"))
            .env("HCP_API_TOKEN_URL", format!("{url}/oauth2/token"))
            .env("HCP_SECRETS_URL", format!("{url}/apps/web/secrets:open"))
            .refused()
            .says(says)
            .hides("t-o-k-e-n");
    }
    for body in ["", "{}", r#"{"access_token":""}"#, r#"{"access_token":5}"#] {
        let hcp = Hcp::new(App::new(&[]));
        let odd = Server::https(hcp.authority.server("hcp").config(), move |_| {
            answer(200, "", body)
        });
        start(&hcp, &settings(&hcp, "secrets:open"))
            .env("HCP_API_TOKEN_URL", format!("{}/t", odd.tls_url()))
            .refused()
            .says("answers without an access token");
    }
}

#[test]
fn two_secrets_of_one_name() {
    let hcp = Hcp::new(App::new(&[
        ("DB_KEY", 1, Kind::Static("a")),
        ("DB", 1, Kind::Rotating(&[("KEY", "b")])),
    ]));
    start(&hcp, &settings(&hcp, "secrets:open"))
        .refused()
        .says("import hcp:*: hcp:DB_KEY and hcp:DB#KEY would both be the variable `DB_KEY`")
        .says("rename one of them");
    let hcp = Hcp::new(App::new(&[
        ("key", 1, Kind::Static("a")),
        ("KEY", 1, Kind::Static("b")),
    ]));
    start(&hcp, &settings(&hcp, "secrets:open"))
        .environment()
        .has("key", "a")
        .has("KEY", "b");
    start(&hcp, &settings(&hcp, "secrets:open"))
        .env("ENVSHIM_NAMES", "upper")
        .refused()
        .says("`key`")
        .says("`KEY`");
}

#[test]
fn loader_variables_are_refused() {
    let hcp = Hcp::new(App::new(&[("LD_PRELOAD", 1, Kind::Static("/tmp/x.so"))]));
    start(&hcp, &settings(&hcp, "secrets:open"))
        .refused()
        .says("`LD_PRELOAD` makes a program load other code");
}

/// Runs where the hosts of HashiCorp are on this machine.
fn with_hosts_here(hcp: &Hcp, vault: &str) -> Answer {
    let folder = Folder::new();
    folder.write(".vault", vault);
    folder.write(
        "hosts",
        "127.0.0.1 localhost api.cloud.hashicorp.com auth.idp.hashicorp.com\n",
    );
    let script = "mount --bind hosts /etc/hosts && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(envshim())
        .args(["--", "touch", "started"])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("SSL_CERT_FILE", hcp.authority.root())
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let answer = Answer::new(command.output().expect("unshare"), folder).exits(125);
    assert!(!answer.folder.join("started").exists());
    answer
}

#[test]
fn the_end_of_the_service_is_told_with_the_way_out() {
    if !namespace::available() {
        return;
    }
    let hcp = Hcp::new(App::new(ALL));
    hcp.authority.sign(
        "real",
        "DNS:api.cloud.hashicorp.com,DNS:auth.idp.hashicorp.com",
        crate::house::authority::NOW,
    );
    let out = "in place of HCP_*: VAULT_ADDR=https://..., VAULT_NAMESPACE=admin, \
               ENVSHIM_IMPORT=vault:/web/ (or one by one: NAME=vault:/web/NAME#value)";
    // Nobody listens any more.
    let closed = "HCP_CLIENT_ID=i\nHCP_CLIENT_SECRET=s\nHCP_ORGANIZATION_ID=o\nHCP_PROJECT_ID=p\n\
                  HCP_APP=web\nA=hcp:X?default=never\n";
    with_hosts_here(&hcp, closed)
        .says(
            "error: .vault:6: A: hcp:X: auth.idp.hashicorp.com: HCP Vault Secrets has ended on \
             2026-07-01, and does not answer any more\n",
        )
        .says(out);
    for status in [404, 410] {
        let ended = Server::https(hcp.authority.server("real").config(), move |seen| {
            if seen.line.starts_with("POST /oauth2/token ") {
                answer(200, "", r#"{"access_token":"t"}"#)
            } else {
                answer(
                    status,
                    "",
                    format!("{{\"code\":5,\"message\":\"{CANARY}\"}}"),
                )
            }
        });
        let port = ended.port();
        let vault = format!(
            "HCP_CLIENT_ID=i\nHCP_CLIENT_SECRET='{CLIENT_SECRET}'\n\
             HCP_API_TOKEN_URL=https://auth.idp.hashicorp.com:{port}/oauth2/token\n\
             HCP_SECRETS_URL=https://api.cloud.hashicorp.com:{port}/secrets/2023-11-28/organizations/o/projects/p/apps/web/secrets:open\n\
             A=hcp:X?optional=1\n"
        );
        with_hosts_here(&hcp, &vault)
            .says("api.cloud.hashicorp.com: HCP Vault Secrets has ended on 2026-07-01")
            .says(out)
            .hides(CANARY)
            .hides(CLIENT_SECRET);
    }
}

/// What that hint says, done: the layout of the official migration in a real server.
#[test]
fn the_way_out_leads_there() {
    let Some(bao) = OpenBao::start() else {
        return;
    };
    bao.write("sys/namespaces/admin", "{}");
    let engine = r#"{"type": "kv", "options": {"version": "2"}}"#;
    bao.write("admin/sys/mounts/web", engine);
    for (name, value) in [("DB_PASSWORD", "s1"), ("api_key", "s2")] {
        let secret = format!(r#"{{"data": {{"value": "{value}"}}}}"#);
        bao.write(&format!("admin/web/data/{name}"), &secret);
    }
    bao.shim()
        .env("VAULT_TOKEN", &bao.root)
        .file(
            ".vault",
            "VAULT_NAMESPACE=admin\nENVSHIM_IMPORT=vault:/web/\nONE=vault:/web/DB_PASSWORD#value\n",
        )
        .environment()
        .has("DB_PASSWORD", "s1")
        .has("api_key", "s2")
        .has("ONE", "s1")
        .quiet();
}
