//! What stays in memory after a request: nothing of the token, nothing of the answer.

use std::io::{Read, Seek, SeekFrom};
use std::process::Command;

use envshim::http::{Authority, Client, Options, Pem, Request, Tls, Value};
use envshim::secret::Secret;

use super::{address, once};
use crate::house::authority::{self, NOW};
use crate::house::server::{Server, answer};

/// Upside down, so that the pattern itself is no find.
fn hidden(text: &str) -> Vec<u8> {
    text.bytes().map(|b| !b).collect()
}

fn shown(hidden: &[u8]) -> Vec<u8> {
    hidden.iter().map(|b| !b).collect()
}

/// How often each pattern stands in the writable memory of this process.
fn finds(patterns: &[Vec<u8>]) -> Vec<usize> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let mut memory = std::fs::File::open("/proc/self/mem").expect("memory");
    let mut counts = vec![0; patterns.len()];
    let mut window = vec![0; 1 << 20];
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (range, mode) = (
            words.next().expect("a range"),
            words.next().expect("a mode"),
        );
        if !mode.starts_with("rw") || line.contains("[v") {
            continue;
        }
        let (from, to) = range.split_once('-').expect("a range");
        let number = |hex| u64::from_str_radix(hex, 16).expect("a number");
        let (mut at, end) = (number(from), number(to));
        while at < end {
            let count = usize::try_from(end - at).expect("a size").min(window.len());
            memory.seek(SeekFrom::Start(at)).expect("a place");
            if memory.read_exact(&mut window[..count]).is_err() {
                break;
            }
            // The window holds what it read: invert it in place and compare with the inverse.
            window[..count].iter_mut().for_each(|b| *b = !*b);
            for (n, pattern) in patterns.iter().enumerate() {
                counts[n] += window[..count]
                    .windows(pattern.len())
                    .filter(|w| w == pattern)
                    .count();
            }
            at += count as u64;
        }
    }
    counts
}

#[test]
fn nothing_stays() {
    let (token, body) = ("t0ken-Zq8vRk2mXw7", "b0dy-Lp4nTs9cHy3");
    if let Some(url) = std::env::var_os("ENVSHIM_TEST_URL") {
        return inner(url.to_str().expect("a URL"));
    }
    let authority = authority::Authority::new();
    authority.sign("store", "DNS:localhost", NOW);
    let reply = move |seen: &crate::house::server::Seen| {
        assert_eq!(seen.header("x-vault-token"), Some(token));
        answer(200, "", body)
    };
    let plain = Server::http(reply);
    let sealed = Server::https(authority.server("store").config(), reply);
    // Inside rustls a record passes through a block that it frees without wiping.
    for (url, left) in [
        (plain.url(), ["[0, 0]", "[0, 0]"]),
        (sealed.tls_url(), ["[0, 0]", "[0, 1]"]),
    ] {
        let alone = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "http::memory::nothing_stays", "--nocapture"])
            .env("ENVSHIM_TEST_URL", &url)
            .env("ENVSHIM_TEST_ROOT", authority.root())
            .output()
            .expect("this program");
        let out = String::from_utf8_lossy(&alone.stdout);
        assert!(
            alone.status.success(),
            "{url}\n{out}\n{}",
            String::from_utf8_lossy(&alone.stderr)
        );
        let finds = out
            .lines()
            .find_map(|line| Some(line.split_once("FINDS ")?.1));
        assert!(left.contains(&finds.expect("a count")), "{url} {out}");
    }
}

/// Alone in its process: asks, forgets, and looks for what it knew.
fn inner(url: &str) {
    let patterns = [hidden("t0ken-Zq8vRk2mXw7"), hidden("b0dy-Lp4nTs9cHy3")];
    let root = std::env::var_os("ENVSHIM_TEST_ROOT").expect("a root");
    let pem = Pem::File("VAULT_CACERT", root.into());
    let tls = Tls {
        authority: Authority::Only(pem),
        ..Tls::default()
    };
    let client = Client::new(Options { tls, ..once() });
    let request = Request::get(address(url)).header(
        "X-Vault-Token",
        Value::Secret(Secret::new(shown(&patterns[0]))),
    );
    let got = client.send(&request).expect("an answer");
    // The premise: while it lives, it is found.
    let alive = finds(&patterns);
    assert!(alive.iter().all(|count| *count > 0), "{alive:?}");
    drop((got, request, client));
    println!("FINDS {:?}", finds(&patterns));
}
