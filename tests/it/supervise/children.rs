//! Children: orphans, zombies, and those that nobody told us of.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "odd states are made with raw system calls"
)]

use nix::sys::signal::{SigHandler, Signal, signal};

use super::super::house::probe::Start;
use super::super::house::pty::Pty;
use super::super::house::wait_until;
use super::{Run, below, ways};
use super::{lives, name};

/// Orphans become ours, whether we are PID 1 or not, and no zombie is left.
#[test]
fn orphans_are_reaped() {
    let script = "for n in 1 2 3 4 5 6 7 8 9 10; do sh -c 'sleep 0.1 & setsid sleep 0.2 & exit 0'; done; \
                  echo up; exec sleep 600";
    for first in ways() {
        let run = Run::init(first, "", "sh", &["-c", script]);
        run.wait_for("up");
        wait_until("all are reaped", || below(run.shim.as_raw()).len() == 2);
        assert_eq!(run.err(), "");
    }
}

/// Many ends make one signal.
#[test]
fn many_ends_at_once_are_all_seen() {
    let script =
        "for n in $(seq 100); do (sleep 0.3 & exit 0) & done; wait; echo up; exec sleep 0.5";
    for first in ways() {
        let mut run = Run::init(first, "", "bash", &["-c", script]);
        run.wait_for("up");
        assert_eq!(run.end().code(), Some(0));
    }
}

/// The program's end among the ends of a hundred others, all in one moment.
#[test]
fn the_program_is_not_missed_among_others() {
    let script = "for n in $(seq 50); do (sh -c 'kill -STOP $$' & exit 0); done; kill -CONT -- -1 2>/dev/null; exit 6";
    for first in ways() {
        // `kill -1` only where it can reach nobody else.
        if first {
            let mut run = Run::init(first, "", "bash", &["-c", script]);
            assert_eq!(run.end().code(), Some(6));
        }
    }
}

#[test]
fn the_reaping_can_be_watched() {
    for first in ways() {
        let script = "sh -c '(sleep 0.1; exit 3) & exit 0'; sleep 0.4; exit 5";
        let mut run = Run::init(first, "--reap-log", "sh", &["-c", script]);
        assert_eq!(run.end().code(), Some(5));
        let said = run.err();
        assert!(said.contains("(sh): status 3\n"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("envshim: reaped "), "{said}");
    }
}

/// An inherited SIGCHLD that is ignored makes tini and catatonit wait for ever.
#[test]
fn an_ignored_sigchld_does_not_hang() {
    let start = Start::new(|| {
        // SAFETY: no handler runs.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.expect("ignored");
    });
    let mut run = Run::with(start, false, "--init", "sh", &["-c", "exit 7"]);
    assert_eq!(run.end().code(), Some(7));

    // Inside of the namespace it is ignored by what stands before envshim there.
    for first in ways() {
        let shim = super::super::house::envshim().to_str().expect("text");
        let script = format!("trap '' CHLD; exec {shim} --init -- grep SigIgn /proc/self/status");
        let mut run = Run::init(first, "", "bash", &["-c", &script]);
        assert_eq!(run.end().code(), Some(0));
        let bits = run.out();
        let bits = u64::from_str_radix(bits.trim_start_matches("SigIgn:").trim(), 16);
        assert_eq!(
            bits.expect("bits") & 1 << 16,
            1 << 16,
            "the program has it as it was"
        );
    }
}

/// The program is alone in a group of its own, and can stop its own children.
#[test]
fn a_group_of_its_own() {
    for first in ways() {
        let run = Run::init(first, "", "sleep", &["600"]);
        let program = run.program();
        let group = nix::unistd::getpgid(Some(program)).expect("a group");
        assert_eq!(group, program);
        assert_ne!(
            nix::unistd::getpgid(Some(run.shim)).expect("a group"),
            program
        );
        wait_until("we sleep", || Pty::state_of(run.shim) == Some('S'));
    }
}

/// With `--new-session` it leads a session too, and no terminal of ours is its own.
#[test]
fn a_session_of_its_own() {
    for first in ways() {
        for (options, leads) in [("", false), ("--new-session", true)] {
            let run = Run::init(first, options, "sleep", &["600"]);
            let program = run.program();
            wait_until("the program", || name(program.as_raw()) == "sleep");
            let session = nix::unistd::getsid(Some(program)).expect("a session");
            assert_eq!(session == program, leads);
            assert_eq!(nix::unistd::getpgid(Some(program)), Ok(program));
            // It is reached as before.
            run.send(Signal::SIGTERM);
            wait_until("the end", || !lives(program));
        }
    }
}
