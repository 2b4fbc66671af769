//! How a value may be spelled when some of its bytes are escaped. Three ways, and a text follows one of
//! them throughout: percent signs, backslashes, or a terminal's line ends. In each, the text alone decides
//! what comes next, so that there is one way to read it.

/// What stands at a place of the text for what stands at a place of the value.
pub(super) enum Step {
    /// So many bytes of the value are so many of the text.
    Took(usize, usize),
    /// The text ends too early to know.
    Open,
    /// Something else.
    No,
}

type How = fn(&[u8], &[u8]) -> Step;

/// A byte that can stand for another one, or be the first of several that do.
pub(super) fn escapes(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'+' | b'\r')
}

/// How many bytes of `text` spell `value`; else whether it ended too early to know.
pub(super) fn follow(how: How, value: &[u8], text: &[u8]) -> Result<usize, bool> {
    let (mut done, mut at) = (0, 0);
    while done < value.len() {
        if at == text.len() {
            return Err(true);
        }
        match how(&value[done..], &text[at..]) {
            Step::Took(of_value, of_text) => {
                done += of_value;
                at += of_text;
            }
            Step::Open => return Err(true),
            Step::No => return Err(false),
        }
    }
    Ok(at)
}

/// `%41`, and `+` for a blank. Neither slice is empty.
pub(super) fn percent(value: &[u8], text: &[u8]) -> Step {
    match text[0] {
        b'%' => alike(Spelled::new(b"%", byte_of(value), 2).as_bytes(), text, 1),
        b'+' if value[0] == b' ' => Step::Took(1, 1),
        byte if byte == value[0] => Step::Took(1, 1),
        _ => Step::No,
    }
}

/// `\n`, `\"`, `\x41`, `\u0041`. Neither slice is empty.
pub(super) fn backslash(value: &[u8], text: &[u8]) -> Step {
    match text[0] {
        b'\\' => {}
        byte if byte == value[0] => return Step::Took(1, 1),
        _ => return Step::No,
    }
    let Some(kind) = text.get(1) else {
        // Any byte can be written in hexadecimal digits.
        return Step::Open;
    };
    match kind {
        b'x' => alike(Spelled::new(b"\\x", byte_of(value), 2).as_bytes(), text, 1),
        b'u' | b'U' => match character(value) {
            None => Step::No,
            Some(c) => {
                let spelled = if *kind == b'U' {
                    Spelled::new(b"\\U", u32::from(c), 8)
                } else {
                    let mut units = [0; 2];
                    let mut units = c.encode_utf16(&mut units).iter().copied().map(u32::from);
                    let first = Spelled::new(b"\\u", units.next().unwrap_or_default(), 4);
                    match units.next() {
                        Some(second) => first.and(b"\\u", second, 4),
                        None => first,
                    }
                };
                alike(spelled.as_bytes(), text, c.len_utf8())
            }
        },
        kind if short(*kind) == Some(value[0]) => Step::Took(1, 2),
        _ => Step::No,
    }
}

/// CR LF for a line end. Neither slice is empty.
pub(super) fn terminal(value: &[u8], text: &[u8]) -> Step {
    match text[0] {
        byte if byte == value[0] => Step::Took(1, 1),
        b'\r' if value[0] == b'\n' => alike(b"\r\n", text, 1),
        _ => Step::No,
    }
}

/// What the letter after a backslash stands for.
fn short(letter: u8) -> Option<u8> {
    Some(match letter {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'v' => 11,
        b'a' => 7,
        b'e' => 27,
        b'0' => 0,
        b' ' => b' ',
        mark if mark.is_ascii_punctuation() => mark,
        _ => return None,
    })
}

/// An escape sequence: two of `\u` and four digits at the most.
struct Spelled {
    bytes: [u8; 12],
    length: usize,
}

impl Spelled {
    /// `lead` and a number in so many hexadecimal digits.
    fn new(lead: &[u8], number: u32, digits: u32) -> Spelled {
        let spelled = Spelled {
            bytes: [0; 12],
            length: 0,
        };
        spelled.and(lead, number, digits)
    }

    fn and(mut self, lead: &[u8], number: u32, digits: u32) -> Spelled {
        let digits = (0..digits).rev().map(|place| {
            let four = (number >> (place * 4)) & 15;
            char::from_digit(four, 16).map_or(b'0', |digit| digit as u8)
        });
        for byte in lead.iter().copied().chain(digits) {
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        self
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Is `spelled`, whose digits may be of either case, what the text begins with?
fn alike(spelled: &[u8], text: &[u8], of_value: usize) -> Step {
    let length = spelled.len().min(text.len());
    let same = spelled[..length].eq_ignore_ascii_case(&text[..length]);
    match (same, length == spelled.len()) {
        (true, true) => Step::Took(of_value, length),
        (true, false) => Step::Open,
        (false, _) => Step::No,
    }
}

fn byte_of(value: &[u8]) -> u32 {
    u32::from(value[0])
}

/// The character a value begins with.
fn character(value: &[u8]) -> Option<char> {
    let length = match value[0] {
        0..0x80 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    std::str::from_utf8(value.get(..length)?)
        .ok()?
        .chars()
        .next()
}

/// What the escape sequence at the beginning of a text stands for.
pub(super) enum Head {
    /// Bytes, of which this is the first.
    Byte(u8),
    /// The text ends too early to know.
    Open,
    /// Nothing that a value can begin with.
    Nothing,
}

/// Reads what a text begins with, a percent sign or a backslash.
pub(super) fn head(text: &[u8]) -> Head {
    let (lead, digits) = match text {
        [b'%', ..] => (1, 2),
        [_] => return Head::Open,
        [_, b'x', ..] => (2, 2),
        [_, b'u', ..] => (2, 4),
        [_, b'U', ..] => (2, 8),
        [_, letter, ..] => return short(*letter).map_or(Head::Nothing, Head::Byte),
        [] => return Head::Nothing,
    };
    let mut number: u32 = 0;
    for place in lead..lead + digits {
        let Some(byte) = text.get(place) else {
            return Head::Open;
        };
        match char::from(*byte).to_digit(16) {
            Some(digit) => number = number << 4 | digit,
            None => return Head::Nothing,
        }
    }
    if digits == 2 {
        return Head::Byte(number.to_le_bytes()[0]);
    }
    // The first half of a pair tells the first byte of the character.
    let pair = digits == 4 && (0xd800..0xdc00).contains(&number);
    let number = if pair {
        0x1_0000 + ((number - 0xd800) << 10)
    } else {
        number
    };
    char::from_u32(number).map_or(Head::Nothing, |c| {
        let mut bytes = [0; 4];
        c.encode_utf8(&mut bytes);
        Head::Byte(bytes[0])
    })
}
