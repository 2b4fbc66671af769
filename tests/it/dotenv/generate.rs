//! Generated dotenv files and variables, the same on every machine.

use envshim::secret::Secret;

/// SplitMix64: the same files on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// What may stand inside any value without ending it.
const INSIDE: [&str; 44] = [
    "a",
    "b c",
    "é",
    "\u{1f511}",
    "=",
    "$",
    "$A",
    "$$",
    "{",
    "}",
    ":",
    "-",
    ":-",
    "${A}",
    "${B}",
    "${H}",
    "${U}",
    "${a.b}",
    "${U:-d e}",
    "${H:-}",
    "${}",
    "${U:-${A}}",
    "${a:b}",
    "${x${A}",
    "${",
    "${A",
    "${v:a/${A}#k}",
    "\\\\",
    "\\'",
    "\\\"",
    "\\n",
    "\\r",
    "\\t",
    "\\a",
    "\\b",
    "\\f",
    "\\v",
    "\\x",
    "\\$",
    "\\u0041",
    "`",
    "\\101",
    "!",
    "~",
];
/// White space within a line, to Python and to others.
const BLANKS: [&str; 12] = [
    " ", "  ", "\t", "\u{b}", "\u{c}", "\u{1c}", "\u{1f}", "\u{85}", "\u{a0}", "\u{2003}",
    "\u{2028}", "\u{3000}",
];
const ENDS: [&str; 8] = ["\n", "\n", "\n", "\r\n", "\r", "\n\n", "\r\r\n", "\n\t\r"];
/// Characters that only look like white space.
const NOT_BLANKS: [&str; 5] = ["\u{200b}", "\u{feff}", "\u{180e}", "\u{2060}", "\u{7f}"];

/// A dotenv file in which everything that means something is frequent.
pub fn file(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    if random.one_in(20) {
        text.push_str(random.of(&["\u{feff}", "\u{feff}", "\u{feff}\u{feff}", " \u{feff}"]));
    }
    let lines = 1 + random.below(5);
    for n in 0..lines {
        line(random, &mut text);
        if n + 1 < lines || !random.one_in(4) {
            text.push_str(random.of(&ENDS));
        }
    }
    let mut bytes = text.into_bytes();
    if random.one_in(40) {
        let at = random.below(bytes.len() + 1);
        bytes.insert(at, [0, 0, 0x80, 0xff, 0xc3, 0xe2][random.below(6)]);
    }
    if random.one_in(2_000) {
        bytes.splice(..0, *b"\xff\xfe");
    }
    bytes
}

fn blanks(random: &mut Random, text: &mut String) {
    if random.one_in(4) {
        text.push_str(random.of(&BLANKS));
    }
}

fn line(random: &mut Random, text: &mut String) {
    blanks(random, text);
    match random.below(40) {
        0 => return,
        1 | 2 => {
            text.push_str(random.of(&["#", "# ", "#A=", "export #"]));
            inside(random, text, &["'", "\"", "#", " "]);
            return;
        }
        3 => {
            text.push_str(random.of(&[
                "=1", "A b", "A: b", "''=1", "export ", "export =", "'A", "A'", "'A'B=1",
            ]));
            return;
        }
        _ => {}
    }
    if random.one_in(6) {
        text.push_str("export");
        text.push_str(random.of(&BLANKS));
    }
    text.push_str(random.of(&[
        "A",
        "A",
        "B",
        "B",
        "H",
        "a.b",
        "A-B",
        "1Z",
        "é",
        "export",
        "\"A\"",
        "A'",
        "a\u{200b}b",
        "'A'",
        "'a b'",
        "'a=#b'",
        "'n\nl'",
        "'c\rr'",
        "'\u{a0}'",
        "A\\",
        "${A}",
    ]));
    blanks(random, text);
    if random.one_in(15) {
        return;
    }
    text.push('=');
    blanks(random, text);
    match random.below(12) {
        0 => {}
        1..4 => {
            unquoted(random, text);
            return;
        }
        kind => {
            let quote = if kind % 2 == 0 { "'" } else { "\"" };
            text.push_str(quote);
            let other = if quote == "'" { "\"" } else { "'" };
            inside(
                random,
                text,
                &[
                    "\n", "\r", "\r\n", "#", " #", " ", other, other, "\\\n", "\\\r\n",
                ],
            );
            if random.one_in(40) {
                text.push_str(random.of(&["'", "\"", "\\"]));
            }
            if !random.one_in(60) {
                text.push_str(quote);
            }
        }
    }
    blanks(random, text);
    if random.one_in(5) {
        text.push('#');
        inside(random, text, &["'", "\"", " "]);
    } else if random.one_in(60) {
        text.push('x');
    }
}

fn unquoted(random: &mut Random, text: &mut String) {
    if random.one_in(4) {
        text.push_str(random.of(&["#", "'", "\"", "\\", "x#y"]));
        if text.ends_with(['\'', '"']) && !random.one_in(8) {
            text.pop();
        }
    }
    text.push_str(random.of(&["u", "1", "é", "$", "-"]));
    inside(
        random,
        text,
        &[
            "'",
            "\"",
            "#",
            " #",
            " ",
            "\t#",
            "\u{a0}",
            "\u{3000}#",
            "\u{1c}",
        ],
    );
}

fn inside(random: &mut Random, text: &mut String, also: &[&str]) {
    for _ in 0..random.below(6) {
        let part = match random.below(10) {
            0..3 => random.of(also),
            3 => random.of(&NOT_BLANKS),
            4 => random.of(&BLANKS),
            _ => random.of(&INSIDE),
        };
        text.push_str(part);
    }
}

/// Variables for a dump: mostly plain names, values of everything that means something somewhere.
pub fn variables(random: &mut Random, count: usize) -> Vec<(String, Secret)> {
    (0..count)
        .map(|n| {
            let odd = random.of(&[
                "a.b", "A-", "1", "é", "#", " ", "'", "\"", "a b", "' ", "\n", "\r", "`id`",
                "\u{a0}", "\\", "${A}", "export ", "return",
            ]);
            let name = match random.below(20) {
                0 => format!("{odd}x{n}"),
                1 => format!("N{odd}x{n}"),
                _ => format!("N{n}"),
            };
            let mut value = Vec::new();
            for _ in 0..random.below(8) {
                let part = match random.below(12) {
                    0 => random.of(&ENDS),
                    1 => random.of(&[
                        "'",
                        "\"",
                        "\\",
                        "#",
                        " #",
                        "\r",
                        "${ENVSHIM_UNSET:-$}",
                        "${ENVSHIM_UNSET:-}",
                        "$(id)",
                    ]),
                    2 => random.of(&BLANKS),
                    3 => random.of(&NOT_BLANKS),
                    _ => random.of(&INSIDE),
                };
                value.extend_from_slice(part.as_bytes());
            }
            if random.one_in(25) {
                value.push([0, 1, 7, 0x1b, 0x7f, 0x80, 0xff][random.below(7)]);
            }
            (name, Secret::new(value))
        })
        .collect()
}
