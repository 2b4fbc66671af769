//! The masking engine alone: stdin to stdout, with the lines of a file as secrets.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the house list is for the program"
)]

use std::io::{Read, Write};

use envshim::format::mask::{Filter, Mask};
use envshim::secret::Secret;

fn main() {
    let list = std::fs::read(std::env::args_os().nth(1).unwrap()).unwrap();
    let secrets: Vec<Secret> = list
        .split(|byte| *byte == b'\n')
        .map(|line| Secret::new(line.to_vec()))
        .collect();
    let (mask, _) = Mask::new(&secrets.iter().collect::<Vec<_>>());
    let (mut filter, mut out) = (Filter::default(), Vec::new());
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = std::io::stdin().read(&mut chunk).unwrap();
        if count == 0 {
            break;
        }
        filter.push(&mask, &chunk[..count], &mut out);
        std::io::stdout().write_all(&out).unwrap();
        out.clear();
    }
    filter.finish(&mask, &mut out);
    std::io::stdout().write_all(&out).unwrap();
}
