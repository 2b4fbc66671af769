//! Programs that print a secret: started without a shell, given no input, ended when we end or when
//! their time is over.
//!
//! Words are split at blanks, `'...'`, `"..."` and `\` keep them together, nothing is expanded in
//! them. A helper gets our environment without what opens sealed files, and our stderr, so that what
//! it complains of is seen.

pub mod editor;

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::{Deadline, spoken};
use crate::failure::Explain;
use crate::files::reason;
use crate::secret::{Secret, SecretBuffer};
use crate::sys;

/// More than any variable can hold, and enough for any memory file.
const MOST: usize = 16 << 20;

/// Never handed to a helper: they open the sealed file.
const KEPT: &[&str] = &["ENVSHIM_PASSWORD", "ENVSHIM_KEY"];

/// What went wrong with a helper.
#[derive(Debug)]
pub enum Fault {
    /// A quote is not closed.
    OpenQuote,
    /// It cannot be started.
    NotStarted(String, nix::errno::Errno),
    /// It says that it failed.
    Failed(String, ExitStatus),
    /// It takes too long.
    TooSlow(String, Duration),
    /// It prints too much.
    TooMuch(String),
    /// Its output cannot be read.
    Lost(String),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::OpenQuote => "a quote is not closed".to_owned(),
            Fault::NotStarted(program, nix::errno::Errno::ENOENT) => {
                format!("`{program}` is not found in PATH")
            }
            Fault::NotStarted(program, errno) => {
                format!("`{program}` cannot be started: {}", reason(*errno))
            }
            Fault::Failed(program, status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("`{program}` ended with status {code}"),
                (None, signal) => format!(
                    "`{program}` was ended by signal {}",
                    signal.unwrap_or_default()
                ),
            },
            Fault::TooSlow(program, limit) => {
                format!("`{program}` did not end within {}", spoken(*limit))
            }
            Fault::TooMuch(program) => format!("`{program}` printed more than {} MiB", MOST >> 20),
            Fault::Lost(program) => format!("the output of `{program}` cannot be read"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::OpenQuote => "close it; words with blanks stand in '...' or \"...\"".to_owned(),
            Fault::NotStarted(program, nix::errno::Errno::EACCES) => format!("chmod +x {program}"),
            Fault::NotStarted(..) => "install it, or write its full path".to_owned(),
            Fault::Failed(..) => "run the command by hand; its own message stands above".to_owned(),
            Fault::TooSlow(..) => {
                "is it waiting for an answer? It gets no input; --timeout gives it more time"
                    .to_owned()
            }
            Fault::TooMuch(_) | Fault::Lost(_) => "run the command by hand".to_owned(),
        })
    }
}

/// The words of a command.
pub fn words(command: &str) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = command.chars();
    while let Some(c) = letters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => word
                .get_or_insert_default()
                .push(letters.next().ok_or(Fault::OpenQuote)?),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(Fault::OpenQuote);
    }
    words.extend(word);
    Ok(words)
}

/// A program that runs.
pub struct Helper {
    program: String,
    child: Child,
    pipe: ChildStdout,
    deadline: Deadline,
}

impl Helper {
    /// Starts a program.
    pub fn start(command: &str, deadline: Deadline) -> Result<Helper, Fault> {
        Helper::told(command, &[], &[], deadline)
    }

    /// Starts a program with more variables than our own, and without these of ours.
    pub fn told(
        command: &str,
        variables: &[(&str, &str)],
        without: &[&str],
        deadline: Deadline,
    ) -> Result<Helper, Fault> {
        let words = words(command)?;
        let Some((program, arguments)) = words.split_first() else {
            return Err(Fault::OpenQuote);
        };
        #[allow(
            clippy::disallowed_methods,
            reason = "the one room that starts helpers"
        )]
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        for name in KEPT.iter().chain(without) {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        sys::dies_with_us(&mut command);
        let lost = || Fault::Lost(program.clone());
        let mut child = command.spawn().map_err(|error| {
            let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0));
            Fault::NotStarted(program.clone(), errno)
        })?;
        let pipe = child.stdout.take().ok_or_else(lost)?;
        Ok(Helper {
            program: program.clone(),
            child,
            pipe,
            deadline,
        })
    }

    /// What it prints until it ends, without the final newline.
    pub fn output(mut self) -> Result<Secret, Fault> {
        let read = self.drain();
        if read.is_err() {
            self.end();
        }
        let output = read?;
        let status = self.ended()?;
        if !status.success() {
            return Err(Fault::Failed(self.program, status));
        }
        Ok(match output.expose().strip_suffix(b"\n") {
            Some(text) => Secret::new(text.strip_suffix(b"\r").unwrap_or(text).to_vec()),
            None => output,
        })
    }

    fn drain(&mut self) -> Result<Secret, Fault> {
        let mut bytes = SecretBuffer::with_capacity(4096);
        let mut chunk = zeroize::Zeroizing::new([0u8; 4096]);
        loop {
            let mut ready = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, timeout(self.deadline.left())) {
                Ok(0) => return Err(self.too_slow()),
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(_) => return Err(Fault::Lost(self.program.clone())),
            }
            match self.pipe.read(&mut chunk[..]) {
                Ok(0) => return Ok(bytes.finish()),
                Ok(count) => bytes.push(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Fault::Lost(self.program.clone())),
            }
            if bytes.as_bytes().len() > MOST {
                return Err(Fault::TooMuch(self.program.clone()));
            }
        }
    }

    /// Its status. A program may close its output and go on; it has until the deadline.
    fn ended(&mut self) -> Result<ExitStatus, Fault> {
        let lost = |_| Fault::Lost(self.program.clone());
        loop {
            if let Some(status) = self.child.try_wait().map_err(lost)? {
                return Ok(status);
            }
            if self.deadline.left().is_zero() {
                self.end();
                return Err(self.too_slow());
            }
            // There is nothing to wait on but the clock; most programs have ended by now.
            poll(
                &mut [],
                timeout(self.deadline.left().min(Duration::from_millis(2))),
            )
            .ok();
        }
    }

    /// Ends it by force, with everything that it has started: what is left would go on for hours,
    /// and hold our stderr open for whoever reads it to its end.
    fn end(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            end_with_children(Pid::from_raw(pid));
        }
        // Ignored: it may have ended by itself meanwhile.
        self.child.wait().ok();
    }

    fn too_slow(&self) -> Fault {
        Fault::TooSlow(self.program.clone(), self.deadline.whole())
    }
}

/// Stopped first, so that nothing new is started meanwhile. Where there is no `/proc` of our own namespace, this
/// is a container, and what was started ends with its first process.
fn end_with_children(pid: Pid) {
    kill(pid, Signal::SIGSTOP).ok();
    let tasks = sys::proc_is_ours().then(|| std::fs::read_dir(format!("/proc/{pid}/task")));
    let tasks = tasks.into_iter().flatten().flatten();
    for task in tasks.flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|child| child.parse().ok());
        children.map(Pid::from_raw).for_each(end_with_children);
    }
    kill(pid, Signal::SIGKILL).ok();
}

/// Rounded up, so that the last millisecond is not spent spinning.
fn timeout(left: Duration) -> PollTimeout {
    let milliseconds = left.as_micros().div_ceil(1000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_split_without_a_shell() {
        for (command, want) in [
            ("op read op://a/b", vec!["op", "read", "op://a/b"]),
            ("a 'b c' \"d e\" f\\ g", vec!["a", "b c", "d e", "f g"]),
            ("a '' $HOME;x|y", vec!["a", "", "$HOME;x|y"]),
            ("  a\t b ", vec!["a", "b"]),
            (r#"a "b\"c" 'd\e'"#, vec!["a", "b\"c", r"d\e"]),
        ] {
            assert_eq!(words(command).ok().unwrap(), want, "{command}");
        }
        for bad in ["a 'b", "a \"b", "a\\"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}
