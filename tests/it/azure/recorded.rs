//! Exchanges with the real Key Vault and Entra, replayed under their real names over TLS.
//!
//! `recorded.json` is data of Microsoft (Copyright (c) Microsoft Corporation, MIT licence): the test
//! recordings of Azure/azure-sdk-for-cpp before commit ef4d41267, tokens removed, without the headers
//! that name single requests. A value that was only written there is given as the answer to a read.

use std::collections::HashMap;
use std::sync::Mutex;

use envshim::format::json::{self, Json};

use crate::house::authority::{Authority, NOW};
use crate::house::azure::{CLIENT, SECRET, TENANT};
use crate::house::server::{Server, answer};
use crate::house::wire::Proxy;
use crate::house::{Shim, repository};

struct Azure {
    authority: Authority,
    server: Server,
    proxy: Proxy,
}

/// The exchanges of one recording.
fn recorded(of: &str) -> Azure {
    let text = std::fs::read(repository().join("tests/it/azure/recorded.json")).expect("a file");
    let all = json::parse(&text).expect("JSON");
    let mut answers: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
    let mut written = Vec::new();
    for exchange in all.list().expect("a list") {
        let part = |name| exchange.get(name).and_then(Json::as_str).expect("text");
        if ![of, "ClientSecret"].contains(&part("of")) {
            continue;
        }
        let status = exchange
            .get("status")
            .and_then(Json::whole)
            .expect("a status");
        let status = u16::try_from(status).expect("a status");
        let bytes = answer(status, part("headers"), part("body"));
        let path = plain(part("path"));
        match part("method") {
            "PUT" => written.push((path, bytes)),
            _ => answers.entry(path).or_default().push(bytes),
        }
    }
    for (path, bytes) in written {
        answers.entry(path).or_insert_with(|| vec![bytes]);
    }
    let answers = Mutex::new(answers);
    let authority = Authority::new();
    authority.sign(
        "azure",
        "DNS:*.vault.azure.net,DNS:login.microsoftonline.com",
        NOW,
    );
    let server = Server::https(authority.server("azure").config(), move |seen| {
        let mut answers = answers.lock().expect("answers");
        let path = if seen.line.starts_with("POST ") {
            assert_eq!(seen.header("host"), Some("login.microsoftonline.com"));
            plain("/33333333-3333-3333-3333-333333333333/oauth2/v2.0/token")
        } else {
            assert_eq!(seen.header("authorization"), Some("Bearer TOKEN-REMOVED"));
            plain(seen.path())
        };
        let known = answers
            .get_mut(&path)
            .unwrap_or_else(|| panic!("not recorded: {path}"));
        // In their order; the last one stays.
        if known.len() > 1 {
            known.remove(0)
        } else {
            known[0].clone()
        }
    });
    let proxy = Proxy::new(server.address, |_| None);
    Azure {
        authority,
        server,
        proxy,
    }
}

/// A path without the version of the interface, and without how much of a list is asked for.
fn plain(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let rest: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.starts_with("api-version=") && !pair.starts_with("maxresults="))
        .collect();
    format!("{path}?{}", rest.join("&"))
}

impl Azure {
    fn shim(&self) -> Shim {
        Shim::new()
            .env("AZURE_VAULT_URL", "https://cpp-recordings.vault.azure.net/")
            .env("AZURE_TENANT_ID", TENANT)
            .env("AZURE_CLIENT_ID", CLIENT)
            .env("AZURE_CLIENT_SECRET", SECRET)
            .env("SSL_CERT_FILE", self.authority.root())
            .env("HTTPS_PROXY", self.proxy.server.url())
    }
}

#[test]
fn a_secret_and_its_version() {
    for name in ["FirstCreateTest", "UpdateTest"] {
        let azure = recorded(name);
        let shim = azure.shim().file(".vault", format!("A=azure:{name}\n"));
        shim.environment().quiet().has("A", "secretValue");
    }
    let azure = recorded("FirstCreateTest");
    let shim = azure.shim().file(".vault", "A=azure:FirstCreateTest\n");
    let table = shim.args("check").run().ok();
    assert!(
        table.out.contains("56aac59e2d59404abf1c2a6bd5e790e1"),
        "{}",
        table.out
    );
}

#[test]
fn a_secret_that_was_deleted() {
    let azure = recorded("Recover");
    // It was deleted, and recovered afterwards; nobody may list.
    let shim = || azure.shim().file(".vault", "A=azure:Recover?optional=1\n");
    shim().environment().quiet().lacks("A");
    shim().environment().quiet().has("A", "secretValue");
}

#[test]
fn fifty_of_a_list_of_several_pages() {
    let azure = recorded("TestGetPropertiesOfSecret");
    let shim = azure
        .shim()
        .env("ENVSHIM_IMPORT", "azure:TestGetPropertiesOfSecret*");
    let answer = shim.args("--prefix N").environment().quiet();
    (0..50).fold(answer, |answer, n| {
        answer.has(&format!("N{n}"), "secretValue")
    });
    let seen = azure.server.seen();
    let lists = seen
        .iter()
        .filter(|seen| seen.path().starts_with("/secrets?"))
        .count();
    assert_eq!((lists, seen.len()), (7, 1 + 7 + 50));
}
