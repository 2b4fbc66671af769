//! The only voice. Diagnostics go to stderr, one line each, prefixed with our name; the text that
//! a command was asked to print goes to stdout. Nothing here is given a secret, except
//! [`Report::product`], whose whole purpose is to print what the user asked for.
//!
//! A closed or full stderr is no reason to fail: the program matters more than our words.

use std::io::{IsTerminal, Write};
use std::time::SystemTime;

use crate::clock;
use crate::failure::{Exit, Explain, Failure, Failures, one_line};
use crate::format::json::quote;

/// How much is said. Errors are always printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Only errors.
    Error,
    /// Also what a person should look at.
    Warn,
    /// Also what was loaded from where.
    Info,
    /// Also decisions and timings.
    Debug,
}

impl Level {
    /// Reads `ENVSHIM_LOG`.
    pub fn parse(text: &str) -> Option<Level> {
        match text.to_ascii_lowercase().as_str() {
            "error" | "quiet" | "off" => Some(Level::Error),
            "warn" | "warning" => Some(Level::Warn),
            "info" => Some(Level::Info),
            "debug" | "trace" => Some(Level::Debug),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// The text of a command could not be written to stdout.
struct StdoutClosed(std::io::ErrorKind);

impl Explain for StdoutClosed {
    fn what(&self) -> String {
        format!("stdout: cannot write: {}", self.0)
    }
    fn exit(&self) -> Exit {
        Exit::Ours
    }
}

/// Where diagnostics go and how much of them.
#[derive(Clone, Copy)]
pub struct Report {
    level: Level,
    json: bool,
}

impl Report {
    /// `level`: what was asked for, else `info` on a terminal and `warn` elsewhere.
    pub fn new(level: Option<Level>, json: bool) -> Self {
        let level = level.unwrap_or_else(|| {
            if std::io::stderr().is_terminal() {
                Level::Info
            } else {
                Level::Warn
            }
        });
        Report { level, json }
    }

    /// The same voice, which says at least this much.
    pub fn at_least(self, level: Level) -> Report {
        let level = self.level.max(level);
        Report { level, ..self }
    }

    /// Prints each failure with its hint, and returns the exit status.
    pub fn failures(&self, failures: &Failures) -> Exit {
        for Failure { what, hint, .. } in &failures.0 {
            self.line(Level::Error, what, hint.as_deref());
        }
        failures.exit()
    }

    /// Something that a person should look at, and what to do about it.
    pub fn warn(&self, what: &str, hint: Option<&str>) {
        self.line(Level::Warn, what, hint);
    }

    /// What was done.
    pub fn info(&self, what: &str) {
        self.line(Level::Info, what, None);
    }

    /// How it was decided, how long it took. The text is made only when somebody reads it.
    pub fn debug(&self, what: impl FnOnce() -> String) {
        if self.level >= Level::Debug {
            self.line(Level::Debug, &what(), None);
        }
    }

    /// A person watches: stderr is a terminal, and more than warnings is wanted there.
    pub fn watched(&self) -> bool {
        self.level >= Level::Info && !self.json && std::io::stderr().is_terminal()
    }

    /// A line on a terminal that the next one replaces; `None` takes it away.
    pub fn passing(&self, what: Option<&str>) {
        let text = what.map_or(String::new(), |what| format!("envshim: {}", plain(what)));
        drop(std::io::stderr().write_all(format!("\r{text}\x1b[K").as_bytes()));
    }

    /// Prints what the command was asked to produce. May be a secret; the caller means it.
    pub fn product(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)
            .and_then(|()| out.flush())
            .map_err(|error| StdoutClosed(error.kind()).into())
    }

    fn line(&self, level: Level, what: &str, hint: Option<&str>) {
        if level > self.level {
            return;
        }
        // Names from files and stores are printed; control characters in them must neither drive a
        // terminal nor begin a line of their own.
        let text = if self.json {
            let time = clock::timestamp(SystemTime::now());
            let hint = hint.map_or(String::new(), |h| format!(",\"hint\":{}", quote(h)));
            format!(
                "{{\"time\":\"{time}\",\"level\":\"{}\",\"message\":{}{hint}}}\n",
                level.name(),
                quote(what)
            )
        } else {
            let word = match level {
                Level::Info => String::new(),
                level => format!("{}: ", level.name()),
            };
            let hint = hint.map_or(String::new(), |h| {
                format!("envshim: hint: {}\n", one_line(h))
            });
            format!("envshim: {word}{}\n{hint}", one_line(what))
        };
        // One write, so that lines of several processes do not mix; nobody to tell if it fails.
        drop(std::io::stderr().write_all(text.as_bytes()));
    }
}

/// Text for a terminal of whole lines; control characters in it must not drive the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\rc"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
