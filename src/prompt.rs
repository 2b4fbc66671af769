//! Asks for a secret on the terminal.
//!
//! Invariant: the echo comes back, whatever ends the question. An answer, an end of input and an
//! error restore it by leaving [`Quiet`]; a terminating signal by the handler that calls
//! [`sys::restore_terminal`]; ^Z before the process stops, and it goes off again after `fg`.
//! Nobody polls: one wait ends with input or with a signal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{isatty, read, write};
use zeroize::Zeroizing;

use crate::failure::Explain;
use crate::files::reason;
use crate::report::plain;
use crate::secret::{Secret, SecretBuffer};
use crate::sys::{self, Awaited, JobControl};

/// The kernel keeps 4095 bytes of a line and drops the rest without a word.
const LONGEST: usize = 4094;
const TRIES: usize = 3;

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The kernel said no.
    Terminal(Errno),
    /// The input ended instead (^D, or the terminal went away).
    NoAnswer,
    /// Longer than a terminal's line can be.
    TooLong,
    /// The second answer was never the first one.
    Differ,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Terminal(errno) => format!("the terminal cannot be asked: {}", reason(*errno)),
            Fault::NoAnswer => "no answer on the terminal".to_owned(),
            Fault::TooLong => format!("the answer is longer than {LONGEST} bytes"),
            Fault::Differ => "the two answers differ".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Fault::TooLong => Some("give it in a file: --password-file FILE".to_owned()),
            _ => None,
        }
    }
}

/// One answer, without its line end; `None` where there is no terminal.
pub fn ask(question: &str) -> Result<Option<Secret>, Fault> {
    let Some(terminal) = Terminal::find() else {
        return Ok(None);
    };
    Ok(terminal.answers(&[question])?.pop())
}

/// An answer that was typed twice alike; `None` where there is no terminal.
pub fn ask_twice(question: &str, again: &str) -> Result<Option<Secret>, Fault> {
    let Some(terminal) = Terminal::find() else {
        return Ok(None);
    };
    for _ in 0..TRIES {
        let mut answers = terminal.answers(&[question, again])?;
        let (second, first) = (answers.pop(), answers.pop());
        // An empty answer is nothing to type again; the caller refuses it.
        match (first, second) {
            (Some(first), Some(second)) if first.expose() == second.expose() => {
                return Ok(Some(first));
            }
            (None, Some(empty)) => return Ok(Some(empty)),
            _ => terminal.say("they differ\n")?,
        }
    }
    Err(Fault::Differ)
}

/// Yes or no; `None` where there is no terminal. What is typed is shown, and anything but a yes is a
/// no.
pub fn confirm(question: &str) -> Result<Option<bool>, Fault> {
    let Some(terminal) = Terminal::find() else {
        return Ok(None);
    };
    terminal.say(&format!("{question} [y/N] "))?;
    let mut answer = Vec::new();
    let mut byte = [0u8];
    loop {
        match read(&terminal.input, &mut byte) {
            Ok(1) if byte != *b"\n" => answer.extend_from_slice(&byte),
            Ok(1) => break,
            // The end of the input: whatever is said next begins on a line of its own.
            Ok(_) | Err(Errno::EIO) => {
                terminal.say("\n")?;
                break;
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(Fault::Terminal(errno)),
        }
    }
    let answer = answer.trim_ascii().to_ascii_lowercase();
    Ok(Some(answer == b"y" || answer == b"yes"))
}

/// A person is there to be asked before something is overwritten.
pub fn attended() -> bool {
    isatty(std::io::stdin()).unwrap_or(false) || isatty(std::io::stderr()).unwrap_or(false)
}

/// Says something to who is being asked; nobody hears it where there is no terminal.
pub fn tell(text: &str) -> Result<(), Fault> {
    Terminal::find().map_or(Ok(()), |terminal| terminal.say(text))
}

struct Terminal {
    input: OwnedFd,
    output: OwnedFd,
}

enum Line {
    Answer(Secret),
    StopAsked,
    Continued,
}

impl Terminal {
    /// The controlling terminal; else stdin and stderr, if both are one.
    fn find() -> Option<Terminal> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        let (input, output) = match open("/dev/tty", flags, Mode::empty()) {
            Ok(terminal) => (terminal.try_clone().ok()?, terminal),
            Err(_) => {
                let (input, output) = (std::io::stdin(), std::io::stderr());
                if !isatty(&input).unwrap_or(false) || !isatty(&output).unwrap_or(false) {
                    return None;
                }
                let copy = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().ok();
                (copy(input.as_fd())?, copy(output.as_fd())?)
            }
        };
        Some(Terminal { input, output })
    }

    /// The answers to several questions, in one stretch of silence, so that what is typed ahead is
    /// neither shown nor lost. An empty answer ends it.
    fn answers(&self, questions: &[&str]) -> Result<Vec<Secret>, Fault> {
        let jobs = JobControl::watch().map_err(Fault::Terminal)?;
        let mut quiet = Some(self.hush(&jobs)?);
        let mut answers = Vec::new();
        for question in questions {
            let answer = loop {
                // Whatever is said next begins on a line of its own.
                let line = self.line(question, &jobs);
                match line.inspect_err(|_| drop(self.say("\n")))? {
                    Line::Answer(answer) => break answer,
                    line => {
                        drop(quiet.take());
                        if let Line::StopAsked = line {
                            self.say("\n")?;
                            jobs.stop().map_err(Fault::Terminal)?;
                        }
                        quiet = Some(self.hush(&jobs)?);
                    }
                }
            };
            self.say("\n")?;
            let last = answer.expose().is_empty();
            answers.push(answer);
            if last {
                break;
            }
        }
        Ok(answers)
    }

    /// A process in the background is stopped here until it is its turn: being continued then is no news.
    fn hush(&self, jobs: &JobControl) -> Result<Quiet<'_>, Fault> {
        let quiet = Quiet::start(&self.input)?;
        jobs.settle().map_err(Fault::Terminal)?;
        Ok(quiet)
    }

    fn line(&self, question: &str, jobs: &JobControl) -> Result<Line, Fault> {
        self.say(question)?;
        let mut answer = SecretBuffer::with_capacity(4096);
        let mut chunk = Zeroizing::new([0u8; 4096]);
        loop {
            match jobs.wait(self.input.as_fd()).map_err(Fault::Terminal)? {
                Awaited::StopAsked => return Ok(Line::StopAsked),
                Awaited::Continued => return Ok(Line::Continued),
                Awaited::Readable => {}
            }
            let count = match read(&self.input, &mut chunk[..]) {
                Ok(count) => count,
                Err(Errno::EINTR | Errno::EAGAIN) => continue,
                // The terminal was hung up.
                Err(Errno::EIO) => 0,
                Err(errno) => return Err(Fault::Terminal(errno)),
            };
            let (bytes, ended) = match &chunk[..count] {
                [] if answer.as_bytes().is_empty() => return Err(Fault::NoAnswer),
                [] => (&[][..], true),
                [bytes @ .., b'\n'] => (bytes, true),
                bytes => (bytes, false),
            };
            answer.push(bytes);
            if answer.as_bytes().len() > LONGEST {
                return Err(Fault::TooLong);
            }
            if ended {
                return Ok(Line::Answer(answer.finish()));
            }
        }
    }

    /// Names of files are part of what is said; control characters in them must not drive the terminal.
    fn say(&self, text: &str) -> Result<(), Fault> {
        let text = plain(text);
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match write(&self.output, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Fault::Terminal(errno)),
            }
        }
        Ok(())
    }
}

/// While it lives, what is typed is not shown.
struct Quiet<'a> {
    terminal: &'a OwnedFd,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn start(terminal: &'a OwnedFd) -> Result<Quiet<'a>, Fault> {
        let before = tcgetattr(terminal).map_err(Fault::Terminal)?;
        let mut hushed = before.clone();
        hushed
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ECHONL);
        // Also where a program before us left the terminal raw: lines, and ^C that is a signal.
        hushed
            .local_flags
            .insert(LocalFlags::ICANON | LocalFlags::ISIG);
        hushed.input_flags.insert(InputFlags::ICRNL);
        // First remembered, then changed: a signal in between restores what has not changed.
        let quiet = Quiet { terminal, before };
        sys::terminal_to_restore(terminal.as_fd(), &quiet.before);
        set(terminal, SetArg::TCSAFLUSH, &hushed).map_err(Fault::Terminal)?;
        Ok(quiet)
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // What was typed ahead belongs to the program that comes after us: nothing is flushed.
        set(self.terminal, SetArg::TCSANOW, &self.before).ok();
        sys::forget_terminal();
    }
}

fn set(terminal: &OwnedFd, when: SetArg, modes: &Termios) -> nix::Result<()> {
    loop {
        match tcsetattr(terminal, when, modes) {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}
