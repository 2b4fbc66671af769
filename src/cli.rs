//! The command line: one table of commands, one of options; parsing, help and the list of
//! `ENVSHIM_*` variables all come from them.
//!
//! The words are cut at the first `--` as bytes, before anything is decoded: what follows is the
//! program's and is never looked at. `--name=value` and `--name value` are the same. Every option
//! can also be a variable, `ENVSHIM_NAME`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::failure::{Explain, nearest};

mod completions;

mod help;

mod man;

mod table;

#[cfg(test)]
mod tests;

pub use completions::completions;
pub use help::help;
pub use man::man;
pub use table::{COMMANDS, Command, CommandRow, OPTIONS, Opt};

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
    /// Fewer words than the command needs, and these.
    MissingWord(&'static str, &'static str),
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
            Misuse::MissingWord(command, words) => format!("`{command}` lacks its {words}"),
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
            Misuse::ExtraWord("set") => "the value comes from stdin, from a question or with --from-file: every user of a machine can see its command lines".to_owned(),
            Misuse::ExtraWord(command) => format!("envshim help {command} shows what it takes"),
            Misuse::MissingWord(command, words) => format!("write: envshim {command} {words}"),
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
        if self.words.len() < row.least() && !cut {
            return Err(Misuse::MissingWord(row.name, row.words));
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
