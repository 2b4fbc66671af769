//! Every message, word for word: `tests/messages/*.txt` hold one command each with what it says, so
//! that a review of wording is a review of that folder.
//!
//! A block is made of `file NAME content` and `env NAME=value` lines (with `\n`, `\t` and `\xHH`), one
//! `$ envshim ...` line, and then stderr and the exit code as they come out. A new block needs its
//! first part only: `ENVSHIM_UPDATE=1` writes the rest.

use std::path::Path;

use super::house::{Shim, repository};

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        match (c, (c == '\\').then(|| letters.clone().next()).flatten()) {
            ('\\', Some('n')) => bytes.push(b'\n'),
            ('\\', Some('t')) => bytes.push(b'\t'),
            ('\\', Some('x')) => {
                let digits: String = letters.clone().skip(1).take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two digits"));
                letters.nth(1);
            }
            _ => {
                let mut buffer = [0; 4];
                bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                continue;
            }
        }
        letters.next();
    }
    bytes
}

/// Words between blanks; `'...'` keeps blanks.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (n, part) in line.split('\'').enumerate() {
        if n % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The block with what the command really says.
fn actual(block: &str) -> String {
    let mut text = String::new();
    let mut shim = Shim::new();
    for line in block.lines() {
        text.push_str(line);
        text.push('\n');
        if let Some(rest) = line.strip_prefix("file ") {
            let (name, content) = rest.split_once(' ').unwrap_or((rest, ""));
            shim = shim.file(name, unescaped(content));
        } else if let Some(rest) = line.strip_prefix("env ") {
            let (name, value) = rest.split_once('=').expect("NAME=value");
            shim = shim.env(name, value);
        } else if let Some(line) = line.strip_prefix("$ envshim") {
            let shim = words(line).iter().fold(shim, |shim, word| shim.arg(word));
            let answer = shim.run();
            let code = answer
                .code
                .map_or("none".to_owned(), |code| code.to_string());
            return format!("{text}{}exit {code}\n", answer.err);
        } else {
            assert!(line.starts_with('#'), "what is this line? {line}");
        }
    }
    text
}

fn check(path: &Path) {
    let want = std::fs::read_to_string(path).expect("text");
    let blocks: Vec<String> = want.trim_end().split("\n\n").map(actual).collect();
    let found = blocks.join("\n");
    if std::env::var_os("ENVSHIM_UPDATE").is_some() {
        std::fs::write(path, found).expect("a file");
        return;
    }
    for (want, found) in want.split("\n\n").zip(found.split("\n\n")) {
        assert_eq!(found.trim_end(), want.trim_end(), "{}", path.display());
    }
    assert_eq!(found, want, "{}", path.display());
}

#[test]
fn every_message_is_as_it_was_reviewed() {
    let folder = repository().join("tests/messages");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        check(&entry.path());
        count += 1;
    }
    assert!(count >= 6);
}

/// The voice: what any message must have.
#[test]
fn every_message_has_our_voice() {
    let folder = repository().join("tests/messages");
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("text");
        for block in text.split("\n\n") {
            let said: Vec<&str> = block
                .lines()
                .filter(|line| line.starts_with("envshim: "))
                .collect();
            for (n, line) in said.iter().enumerate() {
                assert!(!line.ends_with('.') || line.ends_with("..."), "{line}");
                for word in [
                    "please",
                    "failed to",
                    "Error",
                    "unable",
                    "invalid",
                    "panicked",
                ] {
                    assert!(!line.contains(word), "{word}: {line}");
                }
                let error = line.starts_with("envshim: error: ");
                let hint = said
                    .get(n + 1)
                    .is_some_and(|next| next.starts_with("envshim: hint: "));
                assert!(!error || hint, "an error without a hint: {line}");
            }
        }
    }
}
