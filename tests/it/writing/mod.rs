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
