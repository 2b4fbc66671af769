//! The command line: one table of commands, one of options; parsing, help and the list of
//! `ENVSHIM_*` variables all come from them.
//!
//! The words are cut at the first `--` as bytes, before anything is decoded: what follows is the
//! program's and is never looked at. `--name=value` and `--name value` are the same. Every option
//! can also be a variable, `ENVSHIM_NAME`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::failure::{Explain, nearest};
use crate::provider::PROVIDERS;

/// What envshim is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Load, then become the program.
    Run,
    /// Everything but the start.
    Check,
    /// Write `.env.dump`.
    Dump,
    /// `.vault` to `.vault.enc`.
    Seal,
    /// Print what `.vault.enc` holds.
    Open,
    /// Make a key.
    Keygen,
    /// Explain.
    Help,
    /// Name and version.
    Version,
}

/// One row of the table of commands.
pub struct CommandRow {
    /// What it does.
    pub command: Command,
    /// The word.
    pub name: &'static str,
    /// Words it takes, for the help.
    pub words: &'static str,
    /// At most this many words.
    pub most: usize,
    /// One line.
    pub doc: &'static str,
}

/// Every command.
pub static COMMANDS: &[CommandRow] = &[
    row(
        Command::Run,
        "run",
        "-- program ...",
        0,
        "load the secrets and become the program (the word may be left out)",
    ),
    row(
        Command::Check,
        "check",
        "[-- program ...]",
        0,
        "what would be set, from where and why; no values",
    ),
    row(
        Command::Dump,
        "dump",
        "",
        0,
        "write .env.dump, for starts without network",
    ),
    row(
        Command::Seal,
        "seal",
        "[FILE]",
        1,
        "encrypt .vault into .vault.enc",
    ),
    row(
        Command::Open,
        "open",
        "[FILE]",
        1,
        "print what .vault.enc holds",
    ),
    row(
        Command::Keygen,
        "keygen",
        "[FILE]",
        1,
        "make a key for --key-file: print it, or make FILE",
    ),
    row(
        Command::Help,
        "help",
        "[TOPIC]",
        1,
        "a command, options (all of them), or references",
    ),
    row(Command::Version, "version", "", 0, "print the version"),
];

const fn row(
    command: Command,
    name: &'static str,
    words: &'static str,
    most: usize,
    doc: &'static str,
) -> CommandRow {
    CommandRow {
        command,
        name,
        words,
        most,
        doc,
    }
}

/// One row of the table of options.
pub struct Opt {
    /// The name, without dashes.
    pub name: &'static str,
    /// What its value is called in the help; none for a switch.
    pub value: Option<&'static str>,
    /// One line.
    pub doc: &'static str,
    /// The commands that take it.
    pub commands: &'static [Command],
    /// It may stand in `.vault` as `ENVSHIM_NAME`.
    pub in_file: bool,
    /// Shown on the first screen of help.
    pub common: bool,
}

const LOAD: &[Command] = &[Command::Run, Command::Check, Command::Dump];
const START: &[Command] = &[Command::Run, Command::Check];
const OPENERS: &[Command] = &[
    Command::Run,
    Command::Check,
    Command::Dump,
    Command::Seal,
    Command::Open,
];
const ALL: &[Command] = &[
    Command::Run,
    Command::Check,
    Command::Dump,
    Command::Seal,
    Command::Open,
    Command::Keygen,
    Command::Help,
    Command::Version,
];

/// Every option. `settings` reads them by these names.
pub static OPTIONS: &[Opt] = &[
    opt(
        "dir",
        Some("DIR"),
        "where the files are (default: `.`, else `config`)",
        OPENERS,
        false,
        true,
    ),
    opt(
        "password-file",
        Some("FILE"),
        "the password of .vault.enc",
        OPENERS,
        false,
        true,
    ),
    opt(
        "key-file",
        Some("FILE"),
        "a key made by keygen, instead of a password",
        OPENERS,
        false,
        true,
    ),
    opt(
        "max-age",
        Some("AGE"),
        "pass over a .env.dump older than this (30m, 1h, 2d)",
        LOAD,
        false,
        true,
    ),
    opt(
        "optional",
        None,
        "start the program even if there is no source at all",
        LOAD,
        false,
        true,
    ),
    opt(
        "override",
        None,
        "loaded values win over variables that are already set",
        START,
        true,
        true,
    ),
    opt(
        "pass",
        Some("NAMES"),
        "hand these on, though they are envshim's own",
        START,
        true,
        true,
    ),
    opt(
        "scrub",
        Some("NAMES"),
        "keep these from the program",
        START,
        true,
        false,
    ),
    opt(
        "pristine",
        None,
        "drop every inherited variable but the usual few (and --pass)",
        START,
        true,
        false,
    ),
    opt(
        "reload",
        None,
        "load even if secrets_loaded=1 says that it was done",
        LOAD,
        false,
        false,
    ),
    opt(
        "dump",
        None,
        "also write .env.dump after loading",
        &[Command::Run],
        true,
        false,
    ),
    opt(
        "import",
        Some("REFS"),
        "secrets whose every field becomes a variable",
        LOAD,
        true,
        false,
    ),
    opt(
        "names",
        Some("RULE"),
        "names of imported variables: upper or keep",
        LOAD,
        true,
        false,
    ),
    opt(
        "prefix",
        Some("TEXT"),
        "put before the names of imported variables",
        LOAD,
        true,
        false,
    ),
    opt(
        "resolve-env",
        None,
        "also resolve references in inherited variables",
        START,
        false,
        false,
    ),
    opt(
        "file-env",
        Some("NAMES"),
        "set NAME from the file that NAME_FILE names, as Docker's images do",
        START,
        false,
        false,
    ),
    opt(
        "file-owner",
        Some("UID[:GID]"),
        "owner of ?as=file memory files, for programs that drop root",
        START,
        true,
        false,
    ),
    opt(
        "arg0",
        Some("NAME"),
        "the name the program sees as its own",
        &[Command::Run],
        false,
        false,
    ),
    opt(
        "timeout",
        Some("TIME"),
        "limit for the whole load (default 30s)",
        LOAD,
        false,
        true,
    ),
    opt(
        "strict",
        None,
        "warnings about readable files are errors",
        OPENERS,
        false,
        false,
    ),
    opt(
        "salt-file",
        Some("FILE"),
        "the salt beside an old Fernet .vault.enc",
        OPENERS,
        false,
        false,
    ),
    opt(
        "json",
        None,
        "the table of check as JSON",
        &[Command::Check],
        false,
        false,
    ),
    opt(
        "fresh",
        None,
        "seal anew: the old passwords and keys no longer open the file",
        &[Command::Seal],
        false,
        false,
    ),
    opt(
        "remove-plain",
        None,
        "delete .vault once .vault.enc is proved to open",
        &[Command::Seal],
        false,
        false,
    ),
    opt(
        "log",
        Some("LEVEL"),
        "error, warn, info, debug (info on a terminal, else warn)",
        ALL,
        false,
        true,
    ),
    opt(
        "log-format",
        Some("FORMAT"),
        "text or json",
        ALL,
        false,
        false,
    ),
    opt(
        "help",
        None,
        "this help; with a command, that command's",
        ALL,
        false,
        false,
    ),
    opt("version", None, "print the version", ALL, false, false),
];

const fn opt(
    name: &'static str,
    value: Option<&'static str>,
    doc: &'static str,
    commands: &'static [Command],
    in_file: bool,
    common: bool,
) -> Opt {
    Opt {
        name,
        value,
        doc,
        commands,
        in_file,
        common,
    }
}

impl Opt {
    /// `ENVSHIM_NAME`.
    pub fn variable(&self) -> String {
        format!(
            "ENVSHIM_{}",
            self.name.to_ascii_uppercase().replace('-', "_")
        )
    }
}

/// A command line, taken apart.
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// The options in their order; a switch has no value.
    pub options: Vec<(&'static Opt, Option<OsString>)>,
    /// Words that are not options.
    pub words: Vec<OsString>,
    /// What follows `--`, byte for byte.
    pub program: Vec<OsString>,
}

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The first word is no command; the words as given.
    UnknownCommand(Vec<String>),
    /// No such option.
    UnknownOption(String),
    /// The option belongs to other commands.
    ForeignOption(&'static str, &'static str),
    /// An option without its value.
    NoValue(&'static str, &'static str),
    /// More words than the command takes.
    ExtraWord(&'static str),
    /// A command that starts no program was given one.
    ForeignProgram(&'static str),
    /// Nothing after `--`.
    NoProgram,
    /// Nothing at all.
    Nothing,
}

impl Explain for Misuse {
    fn what(&self) -> String {
        match self {
            Misuse::UnknownCommand(words) => {
                let word = words.first().map_or("", String::as_str);
                match word.split_once(|c: char| !is_plain(c)) {
                    None => format!("`{word}` is not a command of envshim"),
                    Some((name, _)) => format!("`{name}...` is not a command of envshim"),
                }
            }
            Misuse::UnknownOption(name) => format!("there is no option `{name}`"),
            Misuse::ForeignOption(option, command) => {
                format!("`{command}` does not take --{option}")
            }
            Misuse::NoValue(option, value) => format!("--{option} lacks its {value}"),
            Misuse::ExtraWord(command) => format!("there is a word too many for `{command}`"),
            Misuse::ForeignProgram(command) => format!("`{command}` does not start a program"),
            Misuse::NoProgram => "there is no program after `--`".to_owned(),
            Misuse::Nothing => "nothing to do".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Misuse::UnknownCommand(words) => {
                let word = words.first().map_or("", String::as_str);
                match nearest(word, COMMANDS.iter().map(|row| row.name)) {
                    Some(near) => format!(
                        "did you mean `envshim {near}`? To start a program: envshim -- {}",
                        sample(words)
                    ),
                    None => format!("to start a program, write: envshim -- {}", sample(words)),
                }
            }
            Misuse::UnknownOption(name) => {
                let bare = name.trim_start_matches('-');
                match nearest(bare, OPTIONS.iter().map(|o| o.name)) {
                    Some(near) => format!("did you mean --{near}?"),
                    None => {
                        "envshim help options lists them; the program's own options go behind `--`"
                            .to_owned()
                    }
                }
            }
            Misuse::ForeignOption(option, _) => {
                let takers: Vec<_> = COMMANDS
                    .iter()
                    .filter(|row| {
                        OPTIONS
                            .iter()
                            .any(|o| o.name == *option && o.commands.contains(&row.command))
                    })
                    .map(|row| format!("`{}`", row.name))
                    .collect();
                format!("it belongs to {}", takers.join(", "))
            }
            Misuse::NoValue(option, value) => format!("write --{option} {value}"),
            Misuse::ExtraWord(command) => format!("envshim help {command} shows what it takes"),
            Misuse::ForeignProgram(_) => "to start a program, write: envshim -- program".to_owned(),
            Misuse::NoProgram => "write: envshim -- python manage.py runserver".to_owned(),
            Misuse::Nothing => "write: envshim -- program, or envshim --help".to_owned(),
        })
    }
}

/// What names and paths are made of.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-')
}

/// The words of a mistaken start, as far as they are plain: options, addresses and assignments may
/// hold what logs must not.
fn sample(words: &[String]) -> String {
    let plain = |word: &&str| !word.starts_with('-') && word.chars().all(is_plain);
    let shown: Vec<&str> = words.iter().map(String::as_str).take_while(plain).collect();
    match (shown.len(), words.len()) {
        (0, _) => "program ...".to_owned(),
        (all, given) if all == given => shown.join(" "),
        _ => format!("{} ...", shown.join(" ")),
    }
}

/// Takes the words (without our own name) apart.
pub fn read(words: Vec<OsString>) -> Result<Invocation, Misuse> {
    let cut = words.iter().position(|word| word == "--");
    let (ours, program) = match cut {
        Some(at) => (&words[..at], words[at + 1..].to_vec()),
        None => (&words[..], Vec::new()),
    };
    let mut options: Vec<(&'static Opt, Option<OsString>)> = Vec::new();
    let mut plain: Vec<OsString> = Vec::new();
    let mut rest = ours.iter();
    while let Some(word) = rest.next() {
        let bytes = word.as_bytes();
        if !bytes.starts_with(b"-") || bytes == b"-" {
            plain.push(word.clone());
            // An unknown command is a program somebody forgot the `--` for: its words are not ours.
            if plain.len() == 1 && command_row(word).is_none() {
                let all = std::iter::once(word).chain(rest);
                return Err(Misuse::UnknownCommand(
                    all.map(|w| w.to_string_lossy().into_owned()).collect(),
                ));
            }
            continue;
        }
        options.push(option(word, &mut rest)?);
    }
    let named = plain.first().and_then(|word| command_row(word));
    let asks = |name: &str| options.iter().any(|(o, _)| o.name == name);
    let command = match named {
        _ if asks("version") => Command::Version,
        Some(row) if asks("help") => {
            plain = vec![row.name.into(), row.name.into()];
            Command::Help
        }
        Some(row) => row.command,
        None if asks("help") => Command::Help,
        None if cut.is_none() && options.is_empty() => return Err(Misuse::Nothing),
        None => Command::Run,
    };
    if named.is_some() {
        plain.remove(0);
    }
    let invocation = Invocation {
        command,
        options,
        words: plain,
        program,
    };
    invocation.checked(cut.is_some())
}

impl Invocation {
    fn checked(self, cut: bool) -> Result<Invocation, Misuse> {
        let Some(row) = COMMANDS.iter().find(|row| row.command == self.command) else {
            return Ok(self);
        };
        if self.command == Command::Help || self.command == Command::Version {
            return Ok(self);
        }
        for (option, _) in &self.options {
            if !option.commands.contains(&self.command) {
                return Err(Misuse::ForeignOption(option.name, row.name));
            }
        }
        if self.words.len() > row.most {
            return Err(Misuse::ExtraWord(row.name));
        }
        match self.command {
            Command::Run if self.program.is_empty() => Err(Misuse::NoProgram),
            Command::Run | Command::Check => Ok(self),
            _ if cut => Err(Misuse::ForeignProgram(row.name)),
            _ => Ok(self),
        }
    }
}

fn command_row(word: &OsStr) -> Option<&'static CommandRow> {
    COMMANDS.iter().find(|row| word == row.name)
}

/// One option, with its value from the same word or the next one.
fn option<'a>(
    word: &OsStr,
    rest: &mut impl Iterator<Item = &'a OsString>,
) -> Result<(&'static Opt, Option<OsString>), Misuse> {
    let bytes = word.as_bytes();
    let (name, joined) = match bytes.iter().position(|b| *b == b'=') {
        Some(at) => (
            &bytes[..at],
            Some(OsString::from_vec(bytes[at + 1..].to_vec())),
        ),
        None => (bytes, None),
    };
    // Only the name: the value behind `=`, or glued to a letter (`-pSECRET`), may be anything.
    let long = name.starts_with(b"--");
    let shown = if long {
        name
    } else {
        name.get(..2).unwrap_or(name)
    };
    let unknown = || Misuse::UnknownOption(String::from_utf8_lossy(shown).into_owned());
    let bare = match name {
        b"-h" => b"help".as_slice(),
        b"-V" => b"version",
        long => long.strip_prefix(b"--").ok_or_else(unknown)?,
    };
    let found = OPTIONS
        .iter()
        .find(|o| o.name.as_bytes() == bare)
        .ok_or_else(unknown)?;
    match (found.value, joined) {
        (None, joined) => Ok((found, joined)),
        (Some(_), Some(value)) => Ok((found, Some(value))),
        (Some(value), None) => match rest.next() {
            Some(next) => Ok((found, Some(next.clone()))),
            None => Err(Misuse::NoValue(found.name, value)),
        },
    }
}

/// The columns of a terminal.
const COLUMNS: usize = 80;

/// The first screen of help, the page of a command, the list of all options, or the providers.
pub fn help(topic: Option<&str>) -> Option<String> {
    match topic {
        None => Some(first_screen()),
        Some("options") => {
            let mut text = String::from(
                "Every option is also a variable; those marked * may stand in .vault too.\n\n",
            );
            for o in OPTIONS
                .iter()
                .filter(|o| !["help", "version"].contains(&o.name))
            {
                let mark = if o.in_file { "*" } else { " " };
                text.push_str(&format!("{:<27}{mark} {}\n", usage(o), o.variable()));
                row_of_help(&mut text, "", 4, o.doc);
            }
            text.push_str("\nENVSHIM_PASSWORD and ENVSHIM_KEY hold the secret itself; there is no option for\nthem, because every user of a machine can see its command lines.\n");
            Some(text)
        }
        Some("references") => Some(references()),
        Some(topic) => {
            let row = COMMANDS.iter().find(|row| row.name == topic)?;
            let usage_line = format!("envshim {} [options] {}", row.name, row.words);
            let mut text = format!("{}\n\n{}\n\n", usage_line.trim_end(), sentence(row.doc));
            for o in OPTIONS.iter().filter(|o| o.commands.contains(&row.command)) {
                row_of_help(&mut text, &format!("  {}", usage(o)), 27, o.doc);
            }
            Some(text)
        }
    }
}

fn first_screen() -> String {
    let mut text = String::from(
        "envshim loads secrets into the environment and becomes your program.\n\n\
         envshim [options] -- program ...\n",
    );
    for row in COMMANDS
        .iter()
        .filter(|row| row.command != Command::Run && row.command != Command::Version)
    {
        row_of_help(
            &mut text,
            &format!("envshim {} {}", row.name, row.words),
            31,
            row.doc,
        );
    }
    text.push_str(
        "\nThe first one found in the folder decides: .env.dump, .vault, .vault.enc.\n\n",
    );
    for o in OPTIONS.iter().filter(|o| o.common) {
        row_of_help(&mut text, &format!("  {}", usage(o)), 24, o.doc);
    }
    text
}

/// Where secrets can come from, and what tells envshim where that is.
fn references() -> String {
    let mut text = String::from("In .vault, as a whole value or inside ${...}:\n\n");
    for row in PROVIDERS {
        row_of_help(&mut text, &format!("  NAME={}", row.example), 46, row.title);
    }
    row_of_help(
        &mut text,
        "  NAME=text:file:x",
        46,
        "the text `file:x` itself",
    );
    text.push_str(
        "\nNAME=scheme:where#field picks a field of a JSON object. Every reference takes\n",
    );
    text.push_str(
        "?default=text and ?optional=1 (for a secret that is missing), ?decode=base64,\n",
    );
    text.push_str("and ?as=file (the variable holds the path of a file in memory).\n");
    text.push_str("\nVariables that configure the stores, in the environment or in .vault:\n\n");
    for setting in PROVIDERS.iter().flat_map(|row| row.settings) {
        row_of_help(&mut text, &format!("  {}", setting.name), 26, setting.doc);
    }
    text
}

/// A term and its explanation from `column` on, in lines that a terminal does not have to cut.
fn row_of_help(text: &mut String, term: &str, column: usize, doc: &str) {
    let margin = format!("\n{:column$}", "");
    text.push_str(&format!("{term:<column$}"));
    if term.chars().count() > column {
        text.push_str(&margin);
    }
    let mut at = column;
    for (n, word) in doc.split(' ').enumerate() {
        let length = word.chars().count();
        if n > 0 && at + 1 + length > COLUMNS {
            text.push_str(&margin);
            at = column;
        } else if n > 0 {
            text.push(' ');
            at += 1;
        }
        text.push_str(word);
        at += length;
    }
    text.push('\n');
}

fn usage(o: &Opt) -> String {
    match o.value {
        Some(value) => format!("--{} {value}", o.name),
        None => format!("--{}", o.name),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, Command, Misuse, OPTIONS, help, read};
    use crate::failure::Explain;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn cut_at_the_first_double_dash_as_bytes() {
        let odd = OsString::from_vec(vec![0xff, 0xfe]);
        let mut all = words("--dir=a --override -- prog -- --dir b");
        all.push(odd.clone());
        let got = read(all).unwrap();
        assert_eq!(got.command, Command::Run);
        assert_eq!(got.program.len(), 5);
        assert_eq!(got.program[4], odd);
        assert_eq!(got.options.len(), 2);
    }

    #[test]
    fn commands_and_their_words() {
        for (line, command) in [
            ("run -- x", Command::Run),
            ("check", Command::Check),
            ("--dir x check --json", Command::Check),
            ("check -- prog", Command::Check),
            ("seal a", Command::Seal),
            ("--help", Command::Help),
            ("seal --help", Command::Help),
            ("-V", Command::Version),
        ] {
            assert_eq!(
                read(words(line)).map(|i| i.command).ok(),
                Some(command),
                "{line}"
            );
        }
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (line, what, hint) in [
            (
                "python x.py",
                "`python` is not a command of envshim",
                "to start a program, write: envshim -- python x.py",
            ),
            (
                "python --token s3cr3t",
                "`python` is not a command of envshim",
                "to start a program, write: envshim -- python ...",
            ),
            (
                "chekc",
                "`chekc` is not a command of envshim",
                "did you mean `envshim check`? To start a program: envshim -- chekc",
            ),
            (
                "--drr x -- p",
                "there is no option `--drr`",
                "did you mean --dir?",
            ),
            (
                "--passwordd=s3cr3t -- p",
                "there is no option `--passwordd`",
                "envshim help options lists them; the program's own options go behind `--`",
            ),
            ("--dir", "--dir lacks its DIR", "write --dir DIR"),
            (
                "keygen --json",
                "`keygen` does not take --json",
                "it belongs to `check`",
            ),
            (
                "check extra",
                "there is a word too many for `check`",
                "envshim help check shows what it takes",
            ),
            (
                "keygen -- x",
                "`keygen` does not start a program",
                "to start a program, write: envshim -- program",
            ),
            (
                "--",
                "there is no program after `--`",
                "write: envshim -- python manage.py runserver",
            ),
            (
                "",
                "nothing to do",
                "write: envshim -- program, or envshim --help",
            ),
        ] {
            let misuse = read(words(line)).err().unwrap_or_else(|| panic!("{line}"));
            assert_eq!(
                (misuse.what().as_str(), misuse.hint().as_deref()),
                (what, Some(hint))
            );
        }
    }

    #[test]
    fn the_tables_are_sound() {
        for row in COMMANDS {
            assert!(help(Some(row.name)).is_some());
        }
        let mut names: Vec<_> = OPTIONS.iter().map(|o| o.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OPTIONS.len());
        assert_eq!(read(vec![]).err(), Some(Misuse::Nothing));
    }
}
