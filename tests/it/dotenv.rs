//! dotenv files, ours against theirs: python-dotenv over generated files and over our dumps, and
//! `sh` over our dumps.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use envshim::format::dotenv::{Kind, Other, is_literal, read, write};
use envshim::format::template::{Piece, split};
use envshim::secret::Secret;

use crate::house;

const FILES: usize = 24_000;
const DUMPS: usize = 200;
const VALUES: usize = 100;

/// In the environment of the oracle and of our expansion.
const INHERITED: (&str, &str) = ("H", "inherited ${A}");

type Variable = (String, Option<Vec<u8>>);

/// Where envshim means to differ from python-dotenv. Nothing else may.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Intended {
    /// python-dotenv warns, skips the line and starts the program without the variable; a start
    /// with part of the secrets is worse than none, so envshim reports the line.
    BrokenLine,
    /// python-dotenv takes a NUL into a value, which then cannot be put into an environment.
    Nul,
    /// python-dotenv ends with a traceback that names no line; envshim names line and column.
    NotUtf8,
    /// python-dotenv takes UTF-16 without a mark for UTF-8 full of NULs; envshim names it.
    Utf16,
}

#[test]
fn generated_files_are_read_as_python_dotenv_reads_them() {
    let mut random = Random(0x5eed);
    let files: Vec<Vec<u8>> = (0..FILES).map(|_| file(&mut random)).collect();
    let mut answer = ask(&[], &files);
    let mut differences: BTreeMap<Intended, usize> = BTreeMap::new();
    let (mut agreements, mut bindings, mut expansions) = (0, 0, 0);
    for file in &files {
        let shown = file.escape_ascii();
        let theirs = answer.file();
        let expected = match &theirs {
            _ if is_utf16(file) => Some(Intended::Utf16),
            None => Some(Intended::NotUtf8),
            _ if file.contains(&0) => Some(Intended::Nul),
            Some(theirs) if theirs.errors > 0 => Some(Intended::BrokenLine),
            Some(_) => None,
        };
        match (read(file), expected, theirs) {
            (Err(faults), Some(intended), theirs) => {
                *differences.entry(intended).or_default() += 1;
                let kinds: Vec<&Kind> = faults.iter().map(|fault| &fault.kind).collect();
                let told = match intended {
                    Intended::Utf16 => kinds == [&Kind::Utf16],
                    Intended::NotUtf8 => kinds.contains(&&Kind::NotUtf8),
                    Intended::Nul => kinds.contains(&&Kind::Nul),
                    // After an open quote its rest is not told line by line.
                    Intended::BrokenLine => theirs.is_some_and(|theirs| {
                        let open = kinds.contains(&&Kind::OpenQuote);
                        kinds.len() == theirs.errors || (open && kinds.len() < theirs.errors)
                    }),
                };
                assert!(told, "{intended:?}: {faults:?}\n{shown}");
            }
            (Ok(ours), None, Some(theirs)) => {
                let ours: Vec<Variable> = (ours.into_iter())
                    .map(|b| (b.name, b.value.map(|value| value.expose().to_vec())))
                    .collect();
                assert_eq!(ours, theirs.bindings, "\n{shown}");
                let expanded = expand(&ours);
                assert_eq!(expanded, theirs.expanded, "\n{shown}");
                agreements += 1;
                bindings += ours.len();
                let last = |(name, value)| !ours.contains(&(name, value));
                expansions += expanded.into_iter().filter(|v| last(v.clone())).count();
            }
            (Ok(_), Some(intended), _) => panic!("taken in spite of {intended:?}\n{shown}"),
            (Err(faults), None, _) => panic!("refused: {faults:?}\n{shown}"),
            (Ok(_), None, None) => unreachable!("an undecodable file is expected to differ"),
        }
    }
    println!("{agreements} agree ({bindings} bindings, {expansions} expanded), {differences:?}");
    assert!(agreements > FILES / 2 && bindings > FILES && expansions > FILES / 10);
    let all = [
        Intended::BrokenLine,
        Intended::Nul,
        Intended::NotUtf8,
        Intended::Utf16,
    ];
    for class in all {
        assert!(differences.contains_key(&class), "never seen: {class:?}");
    }
}

#[test]
fn python_dotenv_reads_our_dumps() {
    let mut random = Random(0xd0_75);
    let folder = house::Folder::new();
    let (mut paths, mut dumps) = (Vec::new(), Vec::new());
    for n in 0..DUMPS {
        let variables = variables(&mut random, VALUES);
        let (text, differences) = write(variables.iter().map(|(name, value)| (&**name, value)));
        assert!(is_literal(text.expose()));
        let path = folder.write(&format!("{n}.env"), text.expose());
        paths.push(path.into_os_string().into_encoded_bytes());
        dumps.push((variables, differences));
    }
    let mut answer = ask(&["paths"], &paths);
    let (mut exact, mut listed) = (0, 0);
    for (variables, differences) in dumps {
        let mut seen: BTreeMap<String, Option<Vec<u8>>> = answer.variables().into_iter().collect();
        if seen.get("return") == Some(&None) {
            seen.remove("return");
        }
        for (name, value) in &variables {
            let found = seen.remove(name);
            let difference = differences.iter().find(|d| d.name == *name);
            if difference.is_some_and(|d| d.of(Other::Python).is_some()) {
                assert_eq!(found, None, "{name:?} was listed and is read all the same");
                listed += 1;
            } else {
                assert_eq!(found, Some(Some(value.expose().to_vec())), "{name:?}");
                exact += 1;
            }
        }
        assert!(seen.is_empty(), "names of nobody: {:?}", seen.keys());
    }
    println!("{exact} exact, {listed} listed as different");
    assert_eq!(exact + listed, DUMPS * VALUES);
    assert!(listed > 0 && listed < exact / 5);
}

#[test]
fn sh_reads_our_dumps() {
    let mut random = Random(0x5_11);
    let (mut exact, mut listed) = (0, 0);
    for _ in 0..20 {
        let variables = variables(&mut random, 40);
        let (text, differences) = write(variables.iter().map(|(name, value)| (&**name, value)));
        let folder = house::Folder::new();
        let seen = source(&folder.write(".env.dump", text.expose()));
        for (name, value) in &variables {
            let found = seen.get(name.as_bytes());
            let difference = differences.iter().find(|d| d.name == *name);
            if difference.is_some_and(|d| d.of(Other::Sh).is_some()) {
                assert_eq!(found, None, "{name:?} was listed and is read all the same");
                listed += 1;
            } else {
                let shown = value.expose().escape_ascii();
                assert_eq!(
                    found.map(Vec::as_slice),
                    Some(value.expose()),
                    "{name:?}: {shown}"
                );
                exact += 1;
            }
        }
    }
    println!("{exact} exact, {listed} listed as different");
    assert!(exact > 300 && listed > 0);
}

/// What no reader of a dump may do: run what stands in it.
#[test]
fn sh_runs_nothing_in_a_dump() {
    let folder = house::Folder::new();
    let trap = folder.join("trap");
    let run = format!("touch {}", trap.display());
    let variables = [
        format!("$({run})"),
        format!("it's $({run})"),
        format!("it's `{run}`"),
        format!("\r\\`{run}`"),
        format!("'; {run}; '"),
        format!("\"; {run}; \""),
        format!("\\\n{run}\n"),
    ];
    let mut variables: Vec<(String, Secret)> = (variables.into_iter().enumerate())
        .map(|(n, value)| (format!("V{n}"), Secret::new(value.into_bytes())))
        .collect();
    for name in [
        format!("`{run}`"),
        format!("a\n{run}\nb"),
        format!("$({run})"),
    ] {
        variables.push((name, Secret::new(b"1".to_vec())));
    }
    let (text, _) = write(variables.iter().map(|(name, value)| (&**name, value)));
    source(&folder.write(".env.dump", text.expose()));
    assert!(!trap.exists(), "a dump ran a command");
}

/// The variables of a shell that has sourced `path`; it must not have complained.
fn source(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let output = Command::new("sh")
        .args(["-c", "set -aeu; . \"$1\"; exec env -0", "sh"])
        .arg(path)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("sh");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}"
    );
    (output.stdout.split(|&byte| byte == 0))
        .filter_map(|entry| {
            let equals = entry.iter().position(|&byte| byte == b'=')?;
            Some((entry[..equals].to_vec(), entry[equals + 1..].to_vec()))
        })
        .collect()
}

/// python-dotenv's expansion over our pieces: what the file has set so far, then the environment.
fn expand(bindings: &[Variable]) -> Vec<Variable> {
    let mut expanded: Vec<Variable> = Vec::new();
    for (name, value) in bindings {
        let value = value.as_ref().map(|value| {
            let mut text = Vec::new();
            for piece in split(value) {
                match piece {
                    Piece::Text(range) => text.extend_from_slice(&value[range]),
                    Piece::Braced(range) => {
                        text.extend_from_slice(&value[range.start - 2..range.end + 1]);
                    }
                    Piece::Variable { name, default } => {
                        let wanted = &value[name];
                        let set = expanded.iter().find(|(name, _)| name.as_bytes() == wanted);
                        match set {
                            Some((_, found)) => text.extend(found.iter().flatten()),
                            None if wanted == INHERITED.0.as_bytes() => {
                                text.extend_from_slice(INHERITED.1.as_bytes());
                            }
                            None => text.extend_from_slice(&value[default.unwrap_or(0..0)]),
                        }
                    }
                }
            }
            text
        });
        match expanded.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => expanded.push((name.clone(), value)),
        }
    }
    expanded
}

fn is_utf16(file: &[u8]) -> bool {
    file.starts_with(b"\xff\xfe")
        || file.starts_with(b"\xfe\xff")
        || (file.len() > 1 && file[..2].contains(&0))
}

/// What python-dotenv says of one file.
struct Theirs {
    errors: usize,
    bindings: Vec<Variable>,
    expanded: Vec<Variable>,
}

struct Answers {
    bytes: Vec<u8>,
    at: usize,
}

/// One Python for all questions.
fn ask(arguments: &[&str], questions: &[Vec<u8>]) -> Answers {
    // Isolated: the script bears the name of the package that it imports.
    let mut oracle = Command::new(house::python())
        .arg("-I")
        .arg(house::repository().join("tests/it/oracle/dotenv.py"))
        .args(arguments)
        .env_clear()
        .env(INHERITED.0, INHERITED.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut framed = Vec::new();
    for question in questions {
        let length = u32::try_from(question.len()).expect("a small file");
        framed.extend_from_slice(&length.to_le_bytes());
        framed.extend_from_slice(question);
    }
    // It reads everything before it answers.
    let mut stdin = oracle.stdin.take().expect("stdin");
    stdin.write_all(&framed).expect("questions");
    drop(stdin);
    let output = oracle.wait_with_output().expect("answers");
    assert!(output.status.success(), "the oracle failed");
    Answers {
        bytes: output.stdout,
        at: 0,
    }
}

impl Answers {
    fn take(&mut self, length: usize) -> Vec<u8> {
        self.at += length;
        self.bytes[self.at - length..self.at].to_vec()
    }

    fn number(&mut self) -> usize {
        let bytes = self.take(4).try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    }

    fn block(&mut self) -> Vec<u8> {
        let length = self.number();
        self.take(length)
    }

    fn variables(&mut self) -> Vec<Variable> {
        (0..self.number())
            .map(|_| {
                let name = String::from_utf8(self.block()).expect("a name in UTF-8");
                let value = (self.number() == 1).then(|| self.block());
                (name, value)
            })
            .collect()
    }

    /// `None` where python-dotenv could not decode the file.
    fn file(&mut self) -> Option<Theirs> {
        let errors = self.number();
        (errors != u32::MAX as usize).then(|| Theirs {
            errors,
            bindings: self.variables(),
            expanded: self.variables(),
        })
    }
}

/// SplitMix64: the same files on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
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

fn file(random: &mut Random) -> Vec<u8> {
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
fn variables(random: &mut Random, count: usize) -> Vec<(String, Secret)> {
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
                        "${ENVSHIM_DOLLAR:-$}",
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
