//! How it ends: the status, the deadlines, and what is left.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "signals without a name are sent by raw system calls"
)]

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::house::{Shim, wait_until};
use super::{Run, lives, ways};

#[test]
fn every_exit_status_is_passed_on() {
    for first in ways() {
        for code in [0, 1, 2, 7, 42, 125, 126, 127, 128, 130, 143, 254, 255] {
            let mut run = Run::init(first, "", "sh", &["-c", &format!("exit {code}")]);
            assert_eq!(run.end().code(), Some(code));
            assert_eq!(run.err(), "");
        }
    }
}

/// A death by signal is one for the parent too; as PID 1, which no signal can kill, it is a number.
#[test]
fn every_death_by_signal_is_passed_on() {
    // Those whose default is not to end.
    let harmless = [17, 18, 19, 20, 21, 22, 23, 28];
    for number in (1..=64).filter(|n| !harmless.contains(n)) {
        // The C libraries keep two for themselves; a shell cannot send them.
        if [32, 33].contains(&number) {
            continue;
        }
        let script = format!("kill -{number} $$");
        for first in ways() {
            let mut run = Run::init(first, "", "sh", &["-c", &script]);
            let status = run.end();
            match first {
                true => assert_eq!(status.code(), Some(128 + number), "{number}"),
                false => assert_eq!(status.signal(), Some(number), "{number}"),
            }
            assert!(!status.core_dumped());
        }
        let mut run = Run::init(false, "--exit-code-style 128", "sh", &["-c", &script]);
        assert_eq!(run.end().code(), Some(128 + number), "{number}");
    }
}

#[test]
fn some_statuses_are_success() {
    for first in ways() {
        for (script, code) in [
            ("exit 7", 0),
            ("exit 8", 8),
            ("exit 0", 0),
            ("kill -TERM $$", 0),
            ("exit 143", 0),
        ] {
            let mut run = Run::init(first, "--ok-status 143,7", "sh", &["-c", script]);
            assert_eq!(run.end().code(), Some(code), "{script}");
        }
        // Nothing was started, and that is no success.
        let mut run = Run::init(first, "--ok-status 127", "nonesuch", &[]);
        assert_eq!(run.end().code(), Some(127));
    }
}

/// The same statuses, and the same words, as without a supervisor.
#[test]
fn what_cannot_be_started_is_told_once() {
    for first in ways() {
        for (program, code) in [("nonesuch", 127), ("/etc", 126), ("/etc/passwd", 126)] {
            let mut run = Run::init(first, "", program, &[]);
            assert_eq!(run.end().code(), Some(code));
            assert_eq!(run.err().matches("error").count(), 1, "{}", run.err());
            assert!(run.err().contains(program));
            assert_eq!(run.out(), "");
        }

        // A script without a first line is run by the shell.
        let run = Run::init(first, "", "true", &[]);
        let path = run.start.folder.write("script", "exit 9\n");
        super::super::house::set_mode(&path, 0o755);
        let mut run = Run::init(first, "", path.to_str().expect("text"), &[]);
        assert_eq!(run.end().code(), Some(9));
    }
}

#[test]
fn a_load_that_fails_is_our_failure() {
    let shim = Shim::new().args("--supervise --ok-status 125");
    let answer = shim.args("-- touch started").run().exits(125);
    assert!(!answer.folder.join("started").exists());
    assert_eq!(
        answer.says("no secrets found").err.matches("error").count(),
        1
    );
}

/// A program that ignores TERM is killed with everything it has started, and not before its time.
#[test]
fn what_does_not_stop_is_killed() {
    // In a session of its own, so that no group reaches it.
    let script = "trap '' TERM; setsid sh -c 'echo $$ > escaped; exec sleep 600' & \
                  while :; do sleep 0.05; done";
    for first in ways() {
        let mut run = Run::init(first, "--stop-timeout 400ms", "bash", &["-c", script]);
        wait_until("both", || run.start.folder.join("escaped").exists());
        let escaped = super::below(run.program().as_raw());
        let begin = Instant::now();
        run.send(Signal::SIGTERM);
        let status = run.end();
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(400), "{took:?}");
        match first {
            true => assert_eq!(status.code(), Some(137)),
            false => assert_eq!(status.signal(), Some(9)),
        }
        for pid in escaped {
            wait_until("all are gone", || !lives(Pid::from_raw(pid)));
        }
    }
}

/// The clock starts with the first signal, and is nothing to one who obeys.
#[test]
fn a_second_signal_does_not_move_the_deadline() {
    for first in ways() {
        let mut run = Run::listener(first, "--stop-timeout 600ms");
        // No end is meant by these.
        for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGWINCH] {
            run.send(signal);
        }
        let begin = Instant::now();
        for _ in 0..5 {
            run.send(Signal::SIGTERM);
            std::thread::sleep(Duration::from_millis(50));
        }
        run.end();
        let took = begin.elapsed();
        let limits = Duration::from_millis(600)..Duration::from_millis(5000);
        assert!(limits.contains(&took), "{took:?}");

        let mut run = Run::init(first, "--stop-timeout 1h", "sleep", &["600"]);
        run.program();
        run.send(Signal::SIGTERM);
        run.end();
    }
}

/// What the program leaves behind is told to stop, has its time, and is killed.
#[test]
fn what_is_left_behind_is_drained() {
    let obeys = "(trap 'sleep 0.3; echo saved > saved; exit' TERM; echo > ready; while :; do sleep 0.02; done) & \
                 while [ ! -e ready ]; do sleep 0.01; done; exit 3";
    let stubborn = "setsid sh -c 'trap \"\" TERM; echo > ready; while :; do sleep 0.05; done' & \
                    while [ ! -e ready ]; do sleep 0.01; done; exit 3";
    for first in ways() {
        let mut run = Run::init(first, "--drain 30s", "sh", &["-c", obeys]);
        let begin = Instant::now();
        assert_eq!(run.end().code(), Some(3));
        assert!(
            begin.elapsed() < Duration::from_secs(8),
            "it has waited for nobody"
        );
        assert!(run.start.folder.join("saved").exists());

        let mut run = Run::init(first, "--drain 300ms", "sh", &["-c", stubborn]);
        let mut all = Vec::new();
        wait_until("the rest", || {
            all.extend(super::below(run.shim.as_raw()).into_iter().skip(1));
            run.start.folder.join("ready").exists()
        });
        assert_eq!(run.end().code(), Some(3));
        for pid in all {
            wait_until("all are gone", || !lives(Pid::from_raw(pid)));
        }
    }
}

/// Without `--drain` the group of the program is told to stop, as dumb-init does, and not waited for.
#[test]
fn the_group_that_is_left_behind_is_told_to_stop() {
    let script = "sh -c 'echo $$ > pid.part; mv pid.part pid; exec sleep 600' & \
                  while [ ! -e pid ]; do sleep 0.01; done; exit 3";
    let mut run = Run::init(false, "", "sh", &["-c", script]);
    assert_eq!(run.end().code(), Some(3));
    let pid = String::from_utf8(run.start.folder.read("pid")).expect("text");
    let left = Pid::from_raw(pid.trim().parse().expect("a pid"));
    wait_until("it has obeyed", || !lives(left));
}

/// A supervisor that is killed takes the program with it, as it was told to.
#[test]
fn the_death_of_the_parent_reaches_the_program() {
    let run = Run::listener(false, "");
    let program = run.program();
    run.send(Signal::SIGKILL);
    run.wait_for("got 15\n");
    kill(program, Signal::SIGKILL).expect("sent");

    let run = Run::listener(false, "--parent-death USR1");
    let program = run.program();
    run.send(Signal::SIGKILL);
    run.wait_for("got 10\n");
    kill(program, Signal::SIGKILL).expect("sent");

    let run = Run::init(false, "--parent-death KILL", "sleep", &["600"]);
    let program = run.program();
    run.send(Signal::SIGKILL);
    wait_until("its end", || !lives(program));

    let run = Run::listener(false, "--parent-death none");
    let program = run.program();
    run.send(Signal::SIGKILL);
    wait_until("the supervisor's end", || !lives(run.shim));
    kill(program, Signal::SIGUSR2).expect("sent");
    run.wait_for("got 12\n");
    assert_eq!(run.out().lines().count(), 2, "{}", run.out());
    kill(program, Signal::SIGKILL).expect("sent");
}

/// TERM at any moment of the start ends it, and is never lost.
#[test]
fn term_at_any_moment_of_the_start_ends_it() {
    for first in ways() {
        for round in 0..60u32 {
            let mut run = Run::init(first, "", "sleep", &["600"]);
            // Before its first instruction, the kernel drops what is sent to PID 1.
            let hears = || super::status_line(run.shim, "SigCgt") != "0000000000000000";
            let blocks = || super::status_line(run.shim, "SigBlk") != "0000000000000000";
            if first {
                wait_until("it hears", || hears() || blocks());
            }
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(u64::from(round) * 60) {
                std::hint::spin_loop();
            }
            run.send(Signal::SIGTERM);
            let status = run.end();
            match first {
                true => assert_eq!(status.code(), Some(143), "round {round}"),
                false => assert_eq!(status.signal(), Some(15), "round {round}"),
            }
        }
    }
}
