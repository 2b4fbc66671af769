//! Our JSON against Python's: thousands of documents, sound and broken, read and written back.

use std::io::Write;
use std::process::{Command, Stdio};

use envshim::format::json::parse;

use crate::house::{python, repository};

/// A small generator with a fixed seed: the same documents on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}

const BLANKS: &[&str] = &["", "", "", " ", "\n", "\r\n", "\t", "  "];
const NAMES: &[&str] = &[
    "a", "b", "password", "DB_URL", "\u{e9}", "", "a.b", "\\u0061", "x y",
];
const PIECES: &[&str] = &[
    "a",
    "Zz9",
    " ",
    "\u{e9}",
    "\u{20ac}",
    "\u{1f600}",
    "\u{7f}",
    "\u{2028}",
    "\u{feff}",
    "/",
    "'",
    "$",
    "{",
    "]",
    ":",
    ",",
    "\\\"",
    "\\\\",
    "\\/",
    "\\b",
    "\\f",
    "\\n",
    "\\r",
    "\\t",
    "\\u0000",
    "\\u001f",
    "\\u00E9",
    "\\u20ac",
    "\\uFFFF",
    "\\ud83d\\ude00",
    "\\uDBFF\\uDFFF",
];
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-17",
    "1.10",
    "0.000",
    "1e5",
    "1E+5",
    "12.5e-300",
    "1e9999",
    "123456789012345678901234567890",
];
/// What breaks documents, or nearly does.
const POISON: &[&[u8]] = &[
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nul",
    b"True",
    b"'",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"-",
    b"1e",
    b"0x1",
    b"//",
    b"/**/",
    b",",
    b",,",
    b":",
    b"\"",
    b"\\",
    b"\\x",
    b"\\u12",
    b"\\u+123",
    b"\\ud83d",
    b"\\ude00",
    b"\\ud83d\\u0041",
    b"\n",
    b"\0",
    b"\x1f",
    b"\x0b",
    b"\x0c",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\xbd",
    b"\xc0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    b"\xc2\xa0",
    b"\xe2\x80\xa8",
    b"[",
    b"]",
    b"{",
    b"}",
    b"{}",
    b"\"a\":1",
];

fn text(dice: &mut Dice, out: &mut String) {
    out.push('"');
    for _ in 0..dice.roll(6) {
        out.push_str(dice.pick(PIECES));
    }
    out.push('"');
}

fn value(dice: &mut Dice, depth: usize, out: &mut String) {
    out.push_str(dice.pick(BLANKS));
    match dice.roll(if depth < 5 { 10 } else { 6 }) {
        0 => out.push_str(dice.pick(&["true", "false", "null"])),
        1 | 2 => out.push_str(dice.pick(NUMBERS)),
        3..=5 => text(dice, out),
        6 | 7 => {
            out.push('[');
            out.push_str(dice.pick(BLANKS));
            for n in 0..dice.roll(4) {
                out.push_str(if n == 0 { "" } else { "," });
                value(dice, depth + 1, out);
            }
            out.push(']');
        }
        _ => {
            out.push('{');
            out.push_str(dice.pick(BLANKS));
            for n in 0..dice.roll(5) {
                out.push_str(if n == 0 { "" } else { "," });
                out.push_str(dice.pick(BLANKS));
                if dice.roll(3) == 0 {
                    text(dice, out);
                } else {
                    out.push_str(&format!("\"{}\"", dice.pick(NAMES)));
                }
                out.push_str(dice.pick(BLANKS));
                out.push(':');
                value(dice, depth + 1, out);
            }
            out.push('}');
        }
    }
    out.push_str(dice.pick(BLANKS));
}

fn sound(dice: &mut Dice) -> Vec<u8> {
    let mut out = String::from(if dice.roll(20) == 0 { "\u{feff}" } else { "" });
    if dice.roll(40) == 0 {
        let levels = 60 + dice.roll(8);
        let inner = dice.pick(&["", "[]", "{\"[\":\"]\"}", "1"]);
        return [&"[".repeat(levels), inner, &"]".repeat(levels)]
            .concat()
            .into_bytes();
    }
    value(dice, 0, &mut out);
    out.into_bytes()
}

fn broken(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = sound(dice);
    for _ in 0..=dice.roll(2) {
        let at = dice.roll(bytes.len() + 1);
        let to = (at + dice.roll(3)).min(bytes.len());
        match dice.roll(5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 => drop(bytes.splice(at..to, [dice.roll(256) as u8])),
            _ => drop(bytes.splice(at..to, dice.pick(POISON).iter().copied())),
        }
    }
    bytes
}

#[test]
fn reads_and_writes_what_python_does() {
    let mut dice = Dice(8259);
    let mut records = Vec::new();
    for n in 0..16_000 {
        let document = if n % 2 == 0 {
            sound(&mut dice)
        } else {
            broken(&mut dice)
        };
        let json = parse(&document).ok();
        let written = json.as_ref().map(|json| json.compact());
        let written = written.as_ref().map_or(&b""[..], |secret| secret.expose());
        records.push(if json.is_some() { b'+' } else { b'-' });
        records.extend((document.len() as u32).to_be_bytes());
        records.extend((written.len() as u32).to_be_bytes());
        records.extend(&document);
        records.extend(written);
    }
    let mut oracle = Command::new(python())
        .arg(repository().join("tests/it/oracle/json_documents.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = oracle.stdin.take().expect("stdin");
    let feed = std::thread::spawn(move || stdin.write_all(&records));
    let answer = oracle.wait_with_output().expect("an end");
    assert!(
        answer.status.success(),
        "the oracle stopped: {}",
        answer.status
    );
    feed.join().expect("fed").expect("all of it is read");
    let said = String::from_utf8(answer.stdout).expect("ASCII");
    let (disagreements, counts) = said
        .trim_end()
        .rsplit_once('\n')
        .unwrap_or(("", said.trim_end()));
    assert_eq!(disagreements, "", "Python disagrees");
    let words: Vec<&str> = counts.split(' ').collect();
    let ["read", read, "refused", refused] = words[..] else {
        panic!("no counts: {counts}")
    };
    // Neither side may shrink unnoticed.
    let (read, refused): (u32, u32) = (
        read.parse().expect("a count"),
        refused.parse().expect("a count"),
    );
    assert_eq!(read + refused, 16_000);
    assert!(read > 8_000 && refused > 4_000, "{counts}");
}
