//! Writing: what is put is what the store's own client reads, byte for byte; nothing is lost to
//! another writer, and nothing of it stands on a command line or a disk.

mod aws;
mod azure;
mod contract;
mod docs;
mod edit;
mod google;
mod lines;
mod push;
mod rekey;
mod vault;

use std::io::Write;
use std::process::{Child, Output};

use super::house::{Answer, Shim};

/// Texts that get lost easily.
pub fn texts() -> Vec<Vec<u8>> {
    let long = "0123456789abcdef".repeat(3750);
    [
        "plain",
        " blanks \t around ",
        "two\nlines\n\nand an end\n",
        "cr\r\nlf\r",
        "it's \"quoted\" \\ `back`",
        "$HOME ${HOME} ${A:-b} $(id) %41",
        "vault:not/a#reference",
        "text:x",
        "#hash =equals= {\"json\": [1]}",
        "gr\u{fc}\u{df}e \u{1f511} \u{202e}",
        "\u{1}\u{7f}\u{1b}[31m",
        &long,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// Runs `words` with a value on stdin, in the folder of `shim` (which lives on in the answer).
#[track_caller]
pub fn set(shim: Shim, key: &str, value: impl AsRef<[u8]>) -> Answer {
    shim.args("set").arg(key).stdin(value).run().ok()
}

/// Sets `value 0`, `value 1` and so on at the same time, one by each of these; what each said.
pub fn set_at_once(shims: &[Shim], key: impl Fn(usize) -> String) -> Vec<Output> {
    let start = |(n, shim): (usize, &Shim)| {
        let mut child = shim.command();
        let mut child = child.args(["set", &key(n)]).spawn().expect("envshim");
        let mut stdin = child.stdin.take().expect("stdin");
        let value = format!("value {n}");
        stdin.write_all(value.as_bytes()).expect("a value");
        child
    };
    let children: Vec<Child> = shims.iter().enumerate().map(start).collect();
    let end = |child: Child| child.wait_with_output().expect("an end");
    children.into_iter().map(end).collect()
}
