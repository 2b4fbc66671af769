//! All stores are asked at once, and what is local meanwhile. Nothing is timed: each side waits until
//! the other has begun.

use std::path::PathBuf;

use crate::house::hcp::{App, Hcp};
use crate::house::server::{Seen, Server, answer};
use crate::house::{Folder, Shim, wait_until};

#[test]
fn what_is_local_is_fetched_while_the_store_thinks() {
    let hcp = Hcp::new(App::new(&[]));
    let folder = Folder::new();
    let (asked, ran) = (folder.join("asked"), folder.join("ran"));
    let (mark, wait) = (asked.clone(), ran.clone());
    // Neither side goes on before the other has begun.
    let slow = Server::https(hcp.authority.server("hcp").config(), move |seen| {
        if seen.line.starts_with("POST") {
            std::fs::write(&mark, "").unwrap();
            wait_until("the program", || wait.exists());
            return answer(200, "", r#"{"access_token":"t"}"#);
        }
        answer(
            200,
            "",
            r#"{"secret":{"static_version":{"version":1,"value":"a"}}}"#,
        )
    });
    let shim = Shim::new()
        .env("SSL_CERT_FILE", hcp.authority.root())
        .env("HCP_CLIENT_ID", "i")
        .env("HCP_CLIENT_SECRET", "s")
        .env("HCP_AUTH_URL", slow.tls_url())
        .env("HCP_API_ADDRESS", format!("localhost:{}", slow.port()))
        .env("HCP_ORGANIZATION_ID", "o")
        .env("HCP_PROJECT_ID", "p")
        .env("HCP_APP", "a");
    let meet = format!(
        "touch {}; until [ -e {} ]; do sleep 0.01; done; echo local",
        ran.display(),
        asked.display()
    );
    shim.file(".vault", format!("A=hcp:A\nB='exec:sh -c \"{meet}\"'\n"))
        .environment()
        .has("A", "a")
        .has("B", "local");
}

/// A server of which each answer waits until the other file is there, after it has made its own.
fn meeting(hcp: &Hcp, mine: PathBuf, other: PathBuf, reply: fn(&Seen) -> Vec<u8>) -> Server {
    Server::https(hcp.authority.server("hcp").config(), move |seen| {
        std::fs::write(&mine, "").unwrap();
        wait_until("the other store", || other.exists());
        reply(seen)
    })
}

#[test]
fn stores_are_asked_at_the_same_time_and_fail_in_the_order_of_the_file() {
    for broken in [false, true] {
        let hcp = Hcp::new(App::new(&[]));
        let folder = Folder::new();
        let (one, two) = (folder.join("one"), folder.join("two"));
        let vault = meeting(
            &hcp,
            one.clone(),
            two.clone(),
            if broken {
                |_| answer(403, "", r#"{"errors":["permission denied"]}"#)
            } else {
                |_| {
                    answer(
                        200,
                        "",
                        r#"{"data":{"data":{"k":"v"},"metadata":{"created_time":"2024-01-01T00:00:00Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":1}}}"#,
                    )
                }
            },
        );
        let own = meeting(
            &hcp,
            two,
            one,
            if broken {
                |_| answer(403, "", "{}")
            } else {
                |seen| match seen.line.starts_with("POST") {
                    true => answer(200, "", r#"{"access_token":"t"}"#),
                    false => answer(
                        200,
                        "",
                        r#"{"secret":{"static_version":{"version":1,"value":"h"}}}"#,
                    ),
                }
            },
        );
        let shim = Shim::new()
            .env("SSL_CERT_FILE", hcp.authority.root())
            .env("VAULT_ADDR", vault.tls_url())
            .env("VAULT_TOKEN", "t")
            .env("HCP_CLIENT_ID", "i")
            .env("HCP_CLIENT_SECRET", "s")
            .env("HCP_AUTH_URL", own.tls_url())
            .env("HCP_API_ADDRESS", format!("localhost:{}", own.port()))
            .env("HCP_ORGANIZATION_ID", "o")
            .env("HCP_PROJECT_ID", "p")
            .env("HCP_APP", "a")
            .file(".vault", "A=hcp:A\nB=vault:app#k\nC=file:./none\n");
        if broken {
            let answer = shim.refused();
            let lines = answer.err.lines().filter(|l| l.contains(" error: "));
            let places: Vec<&str> = lines.filter_map(|l| l.split(": ").nth(3)).collect();
            assert_eq!(places, ["A", "B", "C"], "{}", answer.err);
            continue;
        }
        shim.file("none", "f")
            .env("SECRET_MANAGER_PATH", ".")
            .environment()
            .has("A", "h")
            .has("B", "v")
            .has("C", "f")
            .has("hcp_loaded", "1");
    }
}
