//! No form of a secret comes out, however the stream is cut; everything else does.

use base64ct::{Base64, Base64Url, Encoding};
use proptest::prelude::*;

use super::{Filter, LEAST, Mask};
use crate::secret::Secret;

mod digits;

fn mask(values: &[&[u8]]) -> Mask {
    let secrets: Vec<Secret> = values.iter().map(|v| Secret::new(v.to_vec())).collect();
    Mask::new(&secrets.iter().collect::<Vec<_>>()).0
}

impl Filter {
    fn push(&mut self, mask: &Mask, more: &[u8], out: &mut Vec<u8>) {
        self.room(more.len()).copy_from_slice(more);
        self.take(mask, more.len(), out);
    }
}

/// The text, in pieces of these lengths over and over.
fn cut(mask: &Mask, text: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut filter = Filter::default();
    let mut out = Vec::new();
    let mut rest = text;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at((*length).min(rest.len()));
        filter.push(mask, piece, &mut out);
        rest = more;
    }
    filter.finish(mask, &mut out);
    assert_eq!(filter.held(), 0);
    out
}

fn seen(values: &[&str], text: &str) -> String {
    let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    let mask = mask(&values);
    let whole = cut(&mask, text.as_bytes(), &[usize::MAX]);
    for length in 1..8 {
        assert_eq!(
            cut(&mask, text.as_bytes(), &[length]),
            whole,
            "pieces of {length}: {text}"
        );
    }
    String::from_utf8(whole).expect("text")
}

#[test]
fn every_form_that_people_meet() {
    let value = "pa/ss \"wörd\"+%1\\\u{1f600}\nend";
    let forms = [
        value.to_owned(),
        value.replace('\n', "\r\n"),
        // JSON.stringify, PHP's json_encode, Python's json.dumps and repr, Ruby's inspect.
        "pa/ss \\\"wörd\\\"+%1\\\\\u{1f600}\\nend".to_owned(),
        "pa\\/ss \\\"w\\u00f6rd\\\"+%1\\\\\\ud83d\\ude00\\nend".to_owned(),
        "pa/ss \\\"w\\u00F6rd\\\"+%1\\\\\\uD83D\\uDE00\\u000aend".to_owned(),
        "pa/ss \"w\\xc3\\xb6rd\"+%1\\\\\\xf0\\x9f\\x98\\x80\\nend".to_owned(),
        "pa/ss \"wörd\"+%1\\\\\\U0001f600\\nend".to_owned(),
        // encodeURIComponent, encodeURI, Python's quote and quote_plus, curl's.
        "pa%2Fss%20%22w%C3%B6rd%22%2B%251%5C%F0%9F%98%80%0Aend".to_owned(),
        "pa/ss%20%22w%C3%B6rd%22+%251%5C%F0%9F%98%80%0Aend".to_owned(),
        "pa%2fss+%22w%c3%b6rd%22%2b%251%5c%f0%9f%98%80%0aend".to_owned(),
        "%70%61%2F%73%73%20%22%77%C3%B6%72%64%22%2B%25%31%5C%F0%9F%98%80%0A%65%6E%64".to_owned(),
    ];
    for form in &forms {
        assert_eq!(seen(&[value], &format!("a={form};")), "a=***;", "{form}");
        assert_eq!(seen(&[value], &format!("{form}{form}")), "******", "{form}");
    }
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(seen(&[value], &format!("<{hex}>")), "<***>");
    assert_eq!(
        seen(&[value], &format!("<{}>", hex.to_uppercase())),
        "<***>"
    );
}

#[test]
fn overlapping_and_nested_values_leave_nothing() {
    assert_eq!(
        seen(
            &["password", "password-long"],
            "password-long password-lost"
        ),
        "*** ***-lost"
    );
    assert_eq!(seen(&["abcdefgh", "efghijkl"], "-abcdefghijkl-"), "-***-");
    assert_eq!(seen(&["aaaaaa"], "aaaaaaaaaaa b aaaaa"), "*** b aaaaa");
    assert_eq!(seen(&["abcabc"], "abcabcabc"), "***");
    // White space round a value belongs to the text.
    assert_eq!(seen(&[" padded \n"], "[padded]"), "[***]");
    // A mask never completes another secret.
    assert_eq!(seen(&["secret", "12***34"], "12secret34"), "12###34");
}

#[test]
fn what_no_form_begins_with_is_not_held_back() {
    let mask = mask(&[b"correct horse battery"]);
    let mut filter = Filter::default();
    let mut out = Vec::new();
    filter.push(&mask, b"Password? ", &mut out);
    assert_eq!((out.as_slice(), filter.held()), (&b"Password? "[..], 0));
    filter.push(&mask, b"[corr", &mut out);
    assert_eq!((out.as_slice(), filter.held()), (&b"Password? ["[..], 4));
    filter.push(&mask, b"ection\n", &mut out);
    assert_eq!(
        (out.as_slice(), filter.held()),
        (&b"Password? [correction\n"[..], 0)
    );
    filter.push(&mask, b"correct horse", &mut out);
    filter.finish(&mask, &mut out);
    assert!(out.ends_with(b"correct horse"));
}

#[test]
fn short_values_are_told_and_not_masked() {
    let values: Vec<Secret> = ["true", "longer", "  12345 ", ""]
        .iter()
        .map(|v| Secret::new(v.as_bytes().to_vec()))
        .collect();
    let (mask, short) = Mask::new(&values.iter().collect::<Vec<_>>());
    assert_eq!(short, [0, 2, 3]);
    assert_eq!(cut(&mask, b"true longer 12345", &[3]), b"true *** 12345");
    let (nothing, _) = Mask::new(&[]);
    assert!(nothing.is_empty());
    assert_eq!(cut(&nothing, b"as % it \\ is", &[5]), b"as % it \\ is");
}

/// A spelling of the value: how each byte is written is drawn.
fn spell(value: &[u8], how: u8, draws: &[u8]) -> Vec<u8> {
    let draw = |at: usize| draws.get(at % draws.len().max(1)).copied().unwrap_or(0) % 3;
    let mut out = Vec::new();
    match how {
        0 => out.extend_from_slice(value),
        1 => {
            for (at, byte) in value.iter().enumerate() {
                match (byte, draw(at)) {
                    (b' ', 0) => out.push(b'+'),
                    (b'%', _) | (_, 1) => out.extend(format!("%{byte:02X}").bytes()),
                    (_, 2) if !byte.is_ascii_alphanumeric() => {
                        out.extend(format!("%{byte:02x}").bytes())
                    }
                    _ => out.push(*byte),
                }
            }
        }
        2 => match std::str::from_utf8(value) {
            Ok(text) => {
                for (at, c) in text.chars().enumerate() {
                    let mut units = [0; 2];
                    match (c, draw(at)) {
                        ('\n', 0) => out.extend(b"\\n"),
                        ('"' | '/' | '\\', 0) => out.extend([b'\\', c as u8]),
                        ('\\', _) | (_, 1) => {
                            for unit in c.encode_utf16(&mut units) {
                                out.extend(format!("\\u{unit:04x}").bytes());
                            }
                        }
                        _ => out.extend(c.to_string().bytes()),
                    }
                }
            }
            Err(_) => out.extend(
                value
                    .iter()
                    .flat_map(|byte| format!("\\x{byte:02x}").into_bytes()),
            ),
        },
        3 => out.extend(
            value
                .iter()
                .flat_map(|byte| format!("{byte:02x}").into_bytes()),
        ),
        4 => out.extend(
            value
                .iter()
                .flat_map(|byte| format!("{byte:02X}").into_bytes()),
        ),
        5 => {
            for byte in value {
                out.extend((*byte == b'\n').then_some(b'\r'));
                out.push(*byte);
            }
        }
        6 => out.extend(Base64::encode_string(value).bytes()),
        // In lines of a width that is drawn, as are the bytes before it.
        8 | 9 => {
            let text = [draws, value].concat();
            let digits = match how {
                8 => Base64::encode_string(&text),
                _ => text.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            let width =
                1 + usize::from(draws.iter().fold(0, |all: u8, one| all.wrapping_add(*one))) % 80;
            for line in digits.as_bytes().chunks(width) {
                out.extend_from_slice(line);
                out.extend_from_slice(if draw(1) == 0 { b"\r\n" } else { b"\n" });
            }
        }
        _ => out.extend(Base64Url::encode_string(value).bytes()),
    }
    out
}

/// A few letters, so that values overlap, are prefixes of each other, and nearly match; escapes among them.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ab%\\\\ +\"/é\n*]{6,14}".prop_map(String::into_bytes),
        2 => "[a-zA-Z0-9/+_-]{6,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 6..20),
        1 => "(\u{1f600}|é|x){4,8}".prop_map(String::into_bytes),
    ]
}

fn stuff() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "[ab%\\\\ +\"/é\n*ux0-9]{0,30}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..60),
        1 => "[ -~\n]{0,200}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_in_any_form_for_any_split(
        values in proptest::collection::vec(value(), 1..6),
        pieces in proptest::collection::vec((stuff(), any::<prop::sample::Index>(), 0u8..10, proptest::collection::vec(any::<u8>(), 1..8), 0usize..12), 1..6),
        lengths in proptest::collection::vec(1usize..40, 1..6),
    ) {
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let mask = mask(&slices);
        let mut text = Vec::new();
        for (stuff, which, how, draws, less) in &pieces {
            text.extend_from_slice(stuff);
            let value: &Vec<u8> = which.get(&values);
            let mut spelled = spell(value, *how, draws);
            if *less < 6 {
                // Not quite a secret.
                spelled.truncate(spelled.len().saturating_sub(*less));
            }
            text.extend_from_slice(&spelled);
        }
        let whole = cut(&mask, &text, &[usize::MAX]);
        prop_assert_eq!(&cut(&mask, &text, &lengths), &whole);
        for value in &slices {
            let value = value.trim_ascii();
            if value.len() < LEAST {
                continue;
            }
            for how in 0..8 {
                for draws in [&[0u8][..], &[1], &[2]] {
                    let form = spell(value, how, draws);
                    let there = whole.windows(form.len()).any(|window| window == form);
                    prop_assert!(!there, "{:?} is left in {:?}", String::from_utf8_lossy(&form), String::from_utf8_lossy(&whole));
                }
            }
        }
    }

    #[test]
    fn what_holds_no_secret_passes_unchanged(
        text in proptest::collection::vec(any::<u8>(), 0..4000),
        lengths in proptest::collection::vec(1usize..700, 1..4),
    ) {
        let mask = mask(&[b"correct horse battery staple", b"another one that is not there"]);
        prop_assert_eq!(cut(&mask, &text, &lengths), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Long enough for walks side by side; byte for byte every place is tried.
    #[test]
    fn walks_find_what_looking_everywhere_finds(
        values in proptest::collection::vec(value(), 1..6),
        mut text in "[a-z \n=]{2000,8000}".prop_map(String::into_bytes),
        pieces in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..10, any::<[u8; 3]>(), 0usize..3), 0..20),
    ) {
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let mask = mask(&slices);
        for (at, which, how, draws, less) in &pieces {
            let value: &Vec<u8> = which.get(&values);
            let spelled = spell(value, *how, draws);
            let at = at.index(text.len());
            text.splice(at..at, spelled[..spelled.len() - less].iter().copied());
        }
        let whole = cut(&mask, &text, &[usize::MAX]);
        prop_assert_eq!(&cut(&mask, &text, &[1]), &whole);
        prop_assert_eq!(&cut(&mask, &text, &[1500, 3000, 700]), &whole);
    }
}

/// What a clock lets out of a mask is never more than the first three bytes of what it masks.
#[test]
fn what_is_released_early_is_little() {
    let mask = mask(&[b"s3cr3t-1", b"cr3t-1-and-more", b"hunter22"]);
    for (text, want) in [
        ("ls s3c s3cr3t hunters", "ls s3c s3cr3t hunters"),
        ("s3cr3t-1", "s3c***"),
        ("as3cr3t-1b", "as3c***b"),
        ("s3cr3t-1-and-more.", "s3c***."),
        ("cr3t-1-and-mor", "cr3t-1-and-mor"),
        ("hunhunter22", "hunhun***"),
        ("6875 68756e7465723232;", "6875 687***;"),
    ] {
        for length in 1..4 {
            let mut filter = Filter::default();
            let (mut out, mut before) = (Vec::new(), 0);
            for piece in text.as_bytes().chunks(length) {
                filter.push(&mask, piece, &mut out);
                before += piece.len();
                if filter.waits() {
                    filter.release(&mut out);
                }
                assert!(!filter.waits());
                assert!(out.len() <= before);
            }
            filter.finish(&mask, &mut out);
            if length == 1 {
                assert_eq!(String::from_utf8_lossy(&out), want);
            }
            let plain = seen(&["s3cr3t-1", "cr3t-1-and-more", "hunter22"], text);
            assert_eq!(plain == text, out == text.as_bytes(), "{text}");
        }
    }
}
