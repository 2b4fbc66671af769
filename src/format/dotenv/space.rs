//! White space as Python's `\s` knows it: Unicode's, and the four separators U+001C to U+001F.

/// The length in bytes of the white-space character at the beginning of `text`; 0 if there is none.
pub(super) fn leading(text: &[u8]) -> usize {
    match text {
        [0x09..=0x0d | 0x1c..=0x20, ..] => 1,
        [0xc2, 0x85 | 0xa0, ..] => 2,
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

/// The same at the end of `text`.
pub(super) fn trailing(text: &[u8]) -> usize {
    // No white-space character ends like another one of a different length.
    (1..=text.len().min(3))
        .find(|&length| leading(&text[text.len() - length..]) == length)
        .unwrap_or(0)
}

/// Whether a name holds any.
pub(super) fn within(text: &[u8]) -> bool {
    (0..text.len()).any(|at| leading(&text[at..]) > 0)
}

#[cfg(test)]
mod tests {
    use super::{leading, trailing};

    #[test]
    fn every_character_is_classed_as_python_does() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let mut bytes = [0; 4];
            let text = c.encode_utf8(&mut bytes).as_bytes();
            let space = c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
            let want = if space { text.len() } else { 0 };
            assert_eq!((leading(text), trailing(text)), (want, want), "{c:?}");
        }
    }
}
