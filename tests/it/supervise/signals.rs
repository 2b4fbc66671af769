//! Signals on their way through.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "signals without a name, and with a value, are sent by raw system calls"
)]

use nix::libc;
use nix::sys::signal::Signal;

use super::super::house::probe::{Start, listener};
use super::super::house::{namespace, wait_until};
use super::{Run, catchable, lives, name, ways};

fn send(run: &Run, number: i32) {
    // SAFETY: numbers only.
    assert_eq!(unsafe { libc::kill(run.shim.as_raw(), number) }, 0);
}

fn queue(run: &Run, number: i32, value: usize) {
    let value = libc::sigval {
        sival_ptr: std::ptr::without_provenance_mut(value),
    };
    // SAFETY: numbers only; nobody follows the pointer.
    let sent = unsafe { libc::sigqueue(run.shim.as_raw(), number, value) };
    assert_eq!(sent, 0);
}

fn count(run: &Run, line: &str) -> usize {
    run.out().lines().filter(|got| *got == line).count()
}

#[test]
fn every_signal_reaches_the_program_once() {
    for first in ways() {
        let run = Run::listener(first, "");
        for number in catchable() {
            send(&run, number);
            wait_until("a signal", || count(&run, &format!("got {number}")) == 1);
            queue(&run, number, 4242);
            let line = format!("got {number} with 4242");
            wait_until("a value", || count(&run, &line) == 1);
        }
        let lines = run.out().lines().count();
        assert_eq!(lines, 1 + 2 * catchable().len(), "{}", run.out());
    }
}

/// Real-time signals queue: none is lost, none is doubled, and their order is that of the sender.
#[test]
fn a_burst_of_real_time_signals_keeps_its_order() {
    for first in ways() {
        let run = Run::listener(first, "");
        for value in 0..300 {
            queue(&run, 40, value);
        }
        wait_until("all", || run.out().lines().count() == 301);
        let values: Vec<String> = run.out().lines().skip(1).map(str::to_owned).collect();
        let expected: Vec<String> = (0..300)
            .map(|value| format!("got 40 with {value}"))
            .collect();
        assert_eq!(values, expected);
    }
}

#[test]
fn signals_become_others() {
    for first in ways() {
        let run = Run::listener(first, "--map TERM:QUIT,HUP:none,RTMIN+3:USR2,10:RTMAX");
        for (number, to) in [(15, 3), (37, 12), (10, 64)] {
            send(&run, 1);
            send(&run, number);
            wait_until("its translation", || count(&run, &format!("got {to}")) == 1);
        }
        assert_eq!(run.out().lines().count(), 4, "{}", run.out());

        let run = Run::listener(first, "--stop-signal INT");
        send(&run, 15);
        run.wait_for("got 2\n");
    }
}

/// By default the program alone is meant, as when it is started without a supervisor.
#[test]
fn a_signal_goes_to_the_program_or_to_its_group() {
    let program = listener().to_str().expect("text").to_owned();
    let script = format!("trap : TERM; {program} 15 & while :; do wait; done");
    for first in ways() {
        let run = Run::init(first, "", "sh", &["-c", &script]);
        run.wait_for("listening");
        send(&run, 15);
        send(&run, 12);
        // USR2 ends the shell; only then has TERM had its chance.
        let mut run = run;
        run.end();
        assert!(!run.out().contains("got 15 with"), "{}", run.out());
        // What is left in the group when the program has ended is told to stop, and that once.
        if !first {
            run.wait_for("got 15\n");
        }

        let run = Run::init(first, "--signal-group", "sh", &["-c", &script]);
        run.wait_for("listening");
        send(&run, 15);
        run.wait_for("got 15\n");
        assert!(lives(run.program()));
    }
}

/// A signal that the program's start-up is too early for waits for the program.
#[test]
fn what_comes_during_a_load_waits_for_the_program() {
    for first in ways() {
        // Blocked, because a program that has just been started takes the default action.
        let start = Start::new(|| {
            // SAFETY: a set on the stack, filled before it is used.
            unsafe {
                let mut set = std::mem::zeroed();
                libc::sigemptyset(&mut set);
                for number in [10, 12, 34, 14, 50] {
                    libc::sigaddset(&mut set, number);
                }
                libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            }
        });
        let fifo = start.folder.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let vault = format!("SLOW=exec:cat {}\n", fifo.display());
        start.folder.write(".vault", vault);
        let program = listener().to_str().expect("text");
        let run = Run::with(start, first, "--supervise", program, &[]);
        let loader = || namespace::first_child(run.shim.as_raw().cast_unsigned());
        let helper = || namespace::first_child(loader()?.cast_unsigned());
        wait_until("the load", || {
            helper().is_some_and(|pid| name(pid) == "cat")
        });
        for number in [10, 12, 34, 14] {
            send(&run, number);
        }
        queue(&run, 50, 7);
        std::fs::write(&fifo, "value").expect("the value");
        for number in [10, 12, 34, 14] {
            run.wait_for(&format!("got {number}\n"));
        }
        run.wait_for("got 50 with 7\n");
        assert_eq!(run.err(), "");
    }
}

/// A terminating signal ends the load, and nothing is started.
#[test]
fn a_terminating_signal_ends_a_load() {
    use std::os::unix::process::ExitStatusExt;
    for first in ways() {
        for signal in [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
            Signal::SIGQUIT,
        ] {
            let start = Start::new(|| {});
            start.folder.write(".vault", "SLOW=exec:sleep 600\n");
            let mut run = Run::with(
                start,
                first,
                "--supervise --map TERM:none",
                "touch",
                &["started"],
            );
            let loader = || namespace::first_child(run.shim.as_raw().cast_unsigned());
            let helper = || namespace::first_child(loader()?.cast_unsigned());
            wait_until("the load", || {
                helper().is_some_and(|pid| name(pid) == "sleep")
            });
            run.send(signal);
            let status = run.end();
            match first {
                true => assert_eq!(status.code(), Some(128 + signal as i32)),
                false => assert_eq!(status.signal(), Some(signal as i32)),
            }
            assert!(!run.start.folder.join("started").exists());
            assert_eq!(run.err(), "");
        }
    }
}

/// `--dedupe`: a signal that everybody got is not told twice to a program that obeys it.
#[test]
fn a_doubled_signal_is_dropped_when_the_program_has_ended() {
    for first in ways() {
        let mut run = Run::init(
            first,
            "--dedupe",
            "sh",
            &[
                "-c",
                "echo up; trap 'exit 5' TERM; while :; do sleep 0.01; done",
            ],
        );
        run.wait_for("up");
        let program = run.program();
        run.send(Signal::SIGTERM);
        nix::sys::signal::kill(program, Signal::SIGTERM).expect("sent");
        assert_eq!(run.end().code(), Some(5));

        // Where nobody else sent it, it arrives.
        let run = Run::listener(first, "--dedupe");
        run.send(Signal::SIGTERM);
        run.wait_for("got 15\n");
    }
}

/// A stop that was asked for through us is one of us both.
#[test]
fn stops_and_continuations_are_those_of_both() {
    use super::super::house::pty::Pty;
    let run = Run::init(false, "", "sleep", &["600"]);
    let program = run.program();
    for signal in [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU] {
        run.send(signal);
        for pid in [program, run.shim] {
            wait_until("a stop", || Pty::state_of(pid) == Some('T'));
        }
        run.send(Signal::SIGCONT);
        for pid in [program, run.shim] {
            wait_until("it goes on", || Pty::state_of(pid) == Some('S'));
        }
    }
    // Stopped by somebody else, it is not our affair: we go on to listen.
    nix::sys::signal::kill(program, Signal::SIGSTOP).expect("sent");
    wait_until("a stop", || Pty::state_of(program) == Some('T'));
    run.send(Signal::SIGCONT);
    wait_until("it goes on", || Pty::state_of(program) == Some('S'));
    // PID 1 is never stopped, but the program is.
    if namespace::available() {
        let run = Run::init(true, "", "sleep", &["600"]);
        let program = run.program();
        run.send(Signal::SIGTSTP);
        wait_until("a stop", || Pty::state_of(program) == Some('T'));
        run.send(Signal::SIGCONT);
        wait_until("it goes on", || Pty::state_of(program) == Some('S'));
    }
}

/// A thousand signals and a hundred orphans in no order, and the end is heard all the same.
#[test]
fn a_storm_does_not_drown_the_end() {
    let script = "trap '' HUP INT QUIT USR1 USR2 ALRM WINCH IO; echo up; \
                  for n in $(seq 100); do (sleep 0.0$((n % 10)) & exit 0); done; \
                  while :; do sleep 0.01; done";
    for first in ways() {
        let mut run = Run::init(first, "--ok-status 143", "bash", &["-c", script]);
        run.wait_for("up");
        let mut dice = 12345u32;
        for _ in 0..1000 {
            dice = dice.wrapping_mul(1_103_515_245).wrapping_add(12345);
            let signals = [1, 2, 3, 10, 12, 14, 28, 29, 18];
            send(&run, signals[(dice >> 16) as usize % signals.len()]);
        }
        send(&run, 15);
        assert_eq!(run.end().code(), Some(0));
        assert_eq!(run.err(), "");
    }
}
