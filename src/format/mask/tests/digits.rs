//! Base64 and hexadecimal digits, wherever a secret begins in them, in one line and in several.

use base64ct::{Base64, Base64Url, Encoding};

use super::super::Filter;
use super::{mask, seen};

#[test]
fn base64_wherever_it_begins_and_ends() {
    let value = "s3cr3t??>>~~password";
    for before in ["", "a", "ab", "abc"] {
        for after in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{value}{after}");
            for encoded in [
                Base64::encode_string(text.as_bytes()),
                Base64Url::encode_string(text.as_bytes()),
            ] {
                let out = seen(&[value], &format!("Basic {encoded}\n"));
                let (front, back) = out.split_once("***").expect("masked");
                // At most the letters that hold bits of the neighbours.
                assert!(front.len() <= "Basic ".len() + 4, "{out}");
                assert!(back.trim_end_matches("=\n").len() <= 5, "{out}");
            }
        }
    }
}

/// As base64(1), xxd and mail break them, wherever the secret begins in a line.
#[test]
fn digits_in_lines() {
    let long = "0123456789 the quick brown fox jumps over the lazy dog, and again 0123456789";
    for value in [long, "s3cr3t??>>~~", "hunter22!"] {
        for before in 0..76 {
            let text = format!("{}{value}", "#".repeat(before));
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            for (digits, from) in [
                (
                    Base64::encode_string(text.as_bytes()),
                    (before * 8).div_ceil(6),
                ),
                (hex, before * 2),
            ] {
                for end in ["\n", "\r\n"] {
                    for width in [8, 60, 76] {
                        let lines: Vec<&str> = digits
                            .as_bytes()
                            .chunks(width)
                            .map(|line| std::str::from_utf8(line).expect("digits"))
                            .collect();
                        let out = seen(&[value], &lines.join(end));
                        let plain: String = out.split(end).collect();
                        // Three digits before the first line end could be of anything.
                        let found = width - from % width > 3;
                        let want = format!("{}***", &digits[..from]);
                        assert_eq!(plain == want, found, "{before} {width} {lines:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_end_of_a_line_is_not_held_back() {
    let values: Vec<String> = (0..200)
        .map(|n| format!("secret number {n:03} {n:x}"))
        .collect();
    let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    let mask = mask(&values);
    for letter in b'!'..=b'~' {
        let mut filter = Filter::default();
        let mut out = Vec::new();
        filter.push(&mask, &[b' ', letter, letter, letter, b'\n'], &mut out);
        assert_eq!(filter.held(), 0, "{}", letter.escape_ascii());
    }
}
