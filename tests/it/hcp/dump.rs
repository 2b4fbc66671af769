//! A fetch that writes a dump, and the starts after it.

use std::process::Child;

use super::{ALL, settings, start};
use crate::house::hcp::{App, Hcp, Kind};
use crate::house::{Answer, Shim};

/// Goes on in the folder of an earlier answer, without any way to the store.
fn offline(answer: Answer) -> Shim {
    let mut shim = Shim::new();
    shim.folder = answer.folder;
    shim
}

#[test]
fn the_next_start_asks_nobody() {
    let hcp = Hcp::new(App::new(ALL));
    let answer = start(&hcp, &settings(&hcp, "secrets:open"))
        .args("--dump")
        .environment()
        .has("DB_PASSWORD", "pa$$ #w'ord\n\"2\"");
    let asked = hcp.server.seen().len();
    let dump = answer.folder.read(".env.dump");
    assert!(!String::from_utf8_lossy(&dump).contains("HCP_"));
    let answer = offline(answer)
        .environment()
        .has("DB_PASSWORD", "pa$$ #w'ord\n\"2\"")
        .has("TWILIO_api_key", "rot-key")
        .has("AWS_CREDS_access_key", "dyn-a-0")
        .has("secrets_loaded", "1")
        .lacks("hcp_loaded")
        .quiet();
    assert_eq!(hcp.server.seen().len(), asked);
    // One that is too old is no longer enough, and the store is asked again.
    let mut shim = offline(answer);
    shim.folder.write(".vault", settings(&hcp, "secrets:open"));
    shim = shim
        .env("SSL_CERT_FILE", hcp.authority.root())
        .args("--max-age 0s --dump");
    shim.environment().has("hcp_loaded", "1");
    assert!(hcp.server.seen().len() > asked);
}

#[test]
fn a_fetch_that_fails_leaves_the_dump_as_it_was() {
    let hcp = Hcp::new(App {
        broken: vec![("secrets:open", 403)],
        ..App::new(ALL)
    });
    let answer = start(&hcp, &settings(&hcp, "secrets:open"))
        .file(".env.dump", "A=old\n")
        .args("dump")
        .run()
        .exits(125)
        .says("may not be read");
    assert_eq!(answer.folder.read(".env.dump"), b"A=old\n");
}

/// Twelve starts at once, and again: whoever finds a dump finds a whole one.
#[test]
fn several_starts_at_once_never_see_half_a_file() {
    // Large enough that writing takes several system calls in any careless implementation.
    let big: &'static str = Box::leak("0123456789abcde\n".repeat(4_000).into_boxed_str());
    let secrets: Vec<(&'static str, u32, Kind)> = ["A", "B", "C", "D", "E", "F", "G", "H"]
        .into_iter()
        .map(|name| (name, 1, Kind::Static(big)))
        .collect();
    let hcp = Hcp::new(App::new(&secrets));
    let sums =
        "for n in A B C D E F G H; do eval \"printf %s \\\"\\$$n\\\"\" | cksum; done | sort -u";
    let shim = start(&hcp, &settings(&hcp, "secrets:open"))
        .args("--dump --timeout 60s -- sh -c")
        .arg(sums);
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..3 {
        if round == 2 {
            std::fs::remove_file(shim.folder.join(".env.dump")).unwrap();
        }
        let children: Vec<Child> = (0..12).map(|_| shim.spawn()).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{err}");
            assert_eq!(err, "");
            seen.insert(String::from_utf8(output.stdout).unwrap());
        }
    }
    // One sum: every variable of every start had the same whole value.
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen.first().unwrap().lines().count(), 1);
    let left: Vec<_> = std::fs::read_dir(shim.folder.path())
        .unwrap()
        .map(|item| item.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
