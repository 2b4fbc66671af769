//! `--supervise` and `--init`: the behaviour matrix, row by row, and every rule beside it, as PID 1
//! of a namespace and not.

use std::path::Path;
use std::process::{Child, ExitStatus};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::house::probe::{Start, listener};
use super::house::{below, name, namespace, wait_until};

mod cgroup;

mod children;

mod ending;

mod inherited;

mod matrix;

mod signals;

mod terminal;

/// Both ways to be started; the second one only where the machine can.
fn ways() -> Vec<bool> {
    let mut ways = vec![false];
    ways.extend(namespace::available().then_some(true));
    ways
}

/// A program under a supervisor, by its two processes.
struct Run {
    start: Start,
    child: Child,
    /// The supervisor.
    shim: Pid,
}

impl Run {
    /// Starts a program with `--init`.
    #[track_caller]
    fn init(first: bool, options: &str, program: &str, words: &[&str]) -> Run {
        Run::with(
            Start::new(|| {}),
            first,
            &format!("--init {options}"),
            program,
            words,
        )
    }

    /// Starts the listener, and waits until it listens.
    #[track_caller]
    fn listener(first: bool, options: &str) -> Run {
        let program = listener().to_str().expect("text");
        let run = Run::init(first, options, program, &[]);
        run.wait_for("listening");
        run
    }

    #[track_caller]
    fn with(mut start: Start, first: bool, options: &str, program: &str, words: &[&str]) -> Run {
        start.first = first;
        start.options = options.split_whitespace().map(str::to_owned).collect();
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut child = start.spawn(true, Path::new(program), &words);
        let mut shim = i32::try_from(child.id()).expect("a pid");
        if first {
            // The one that unshare has started is unshare itself until it execs; a short program may
            // have ended by now.
            wait_until("the namespace", || {
                let found = namespace::first_child(child.id());
                shim = found.unwrap_or(shim);
                let there = found.is_some_and(|pid| name(pid) == "envshim");
                there || child.try_wait().is_ok_and(|status| status.is_some())
            });
        }
        let shim = Pid::from_raw(shim);
        Run { start, child, shim }
    }

    /// What stands on stdout so far.
    fn out(&self) -> String {
        String::from_utf8_lossy(&self.start.folder.read("stdout")).into_owned()
    }

    fn err(&self) -> String {
        String::from_utf8_lossy(&self.start.folder.read("stderr")).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        wait_until(text, || self.out().contains(text));
    }

    /// The supervisor's child, by its number outside.
    #[track_caller]
    fn program(&self) -> Pid {
        let mut found = None;
        wait_until("the program", || {
            found = namespace::first_child(self.shim.as_raw().cast_unsigned());
            found.is_some_and(|pid| name(pid) != "envshim")
        });
        Pid::from_raw(found.expect("a child"))
    }

    fn send(&self, signal: Signal) {
        kill(self.shim, signal).expect("sent");
    }

    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end", || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        });
        status.expect("a status")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for pid in below(self.shim.as_raw()) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A line of `/proc/PID/status`.
fn status_line(pid: Pid, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap_or(":")
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

/// Is it there, and not only as a zombie?
fn lives(pid: Pid) -> bool {
    let state = super::house::pty::Pty::state_of(pid);
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// Signals that can be sent and taken, but the one that the kernel sends of children.
fn catchable() -> Vec<i32> {
    let fixed = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD];
    (1..=64).filter(|number| !fixed.contains(number)).collect()
}
