//! Signals while secrets are loaded: a terminating one ends envshim at once, as PID 1 too, and the
//! program is never started afterwards.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "odd states are made with raw system calls"
)]

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, signal, sigprocmask};
use nix::unistd::Pid;

use super::house::probe::{self, Start};
use super::house::{namespace, wait_until};

const TERMINATING: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// A load that lasts: envshim waits for a helper.
struct Loading {
    start: Start,
    child: Child,
    shim: Pid,
    helper: Pid,
}

impl Loading {
    fn new(first: bool, setup: impl Fn() + Send + Sync + 'static) -> Loading {
        let mut start = Start::new(setup);
        start.folder.write(".vault", "SLOW=exec:sleep 600\n");
        start.first = first;
        let child = start.spawn(true, Path::new("touch"), &[b"started".to_vec()]);
        let mut pids = (0, 0);
        wait_until("envshim loads", || {
            let shim = match first {
                true => namespace::first_child(child.id()),
                false => i32::try_from(child.id()).ok(),
            };
            let Some(shim) = shim else { return false };
            let found = children(shim).into_iter().find(|pid| name(*pid) == "sleep");
            pids = (shim, found.unwrap_or(0));
            found.is_some()
        });
        Loading {
            start,
            child,
            shim: Pid::from_raw(pids.0),
            helper: Pid::from_raw(pids.1),
        }
    }

    fn send(&self, signal: Signal) {
        kill(self.shim, signal).expect("sent");
    }

    /// The end, and how long it took to come. Nothing is left, and nothing was started.
    #[track_caller]
    fn end(mut self) -> (ExitStatus, Duration) {
        let begin = Instant::now();
        let mut status = None;
        wait_until("envshim ends", || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        });
        let time = begin.elapsed();
        wait_until("the helper is gone", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.helper));
            stat.is_err() || stat.is_ok_and(|text| text.contains(") Z "))
        });
        assert!(
            !self.start.folder.join("started").exists(),
            "the program was started"
        );
        let said = self.start.folder.read("stderr");
        assert_eq!(String::from_utf8_lossy(&said), "");
        (status.expect("a status"), time)
    }
}

/// The children of all threads of a process.
fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<i32> = lists
        .flat_map(|list| {
            list.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter_map(|pid| pid.parse().ok())
        .collect();
    pids
}

fn name(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}

fn core_dumps_allowed() {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: a limit on the stack. Not everybody may raise it; then there is no core either way.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
}

#[test]
fn a_terminating_signal_ends_a_load_as_a_signal_death() {
    for signal in TERMINATING {
        let loading = Loading::new(false, core_dumps_allowed);
        loading.send(signal);
        let (status, _) = loading.end();
        assert_eq!(status.signal(), Some(signal as i32));
        assert!(!status.core_dumped(), "secrets would be in the core");
    }
}

#[test]
fn a_terminating_signal_ends_a_load_as_pid_1() {
    if !namespace::available() {
        return;
    }
    for signal in TERMINATING {
        let loading = Loading::new(true, || {});
        loading.send(signal);
        let (status, _) = loading.end();
        assert_eq!(status.code(), Some(128 + signal as i32));
    }
}

/// A busy machine may need another try, a shim that waits for something never makes it.
#[test]
fn the_end_comes_within_a_tenth_of_a_second() {
    let times: Vec<Duration> = (0..5)
        .map(|_| {
            let loading = Loading::new(false, || {});
            loading.send(Signal::SIGTERM);
            loading.end().1
        })
        .collect();
    let best = times.iter().min().expect("five");
    assert!(*best < Duration::from_millis(100), "{times:?}");
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    for ignored in TERMINATING {
        let loading = Loading::new(false, move || {
            // SAFETY: no handler runs.
            unsafe { signal(ignored, SigHandler::SigIgn) }.expect("ignored");
        });
        loading.send(ignored);
        let other = if ignored == Signal::SIGTERM {
            Signal::SIGINT
        } else {
            Signal::SIGTERM
        };
        loading.send(other);
        let (status, _) = loading.end();
        assert_eq!(status.signal(), Some(other as i32));
    }
}

/// A resized terminal, `fg`, urgent data: no reason to end, nor to stop.
#[test]
fn signals_that_do_nothing_by_default_do_nothing() {
    for first in [false, true] {
        if first && !namespace::available() {
            continue;
        }
        let loading = Loading::new(first, || {});
        for harmless in [
            Signal::SIGWINCH,
            Signal::SIGCONT,
            Signal::SIGURG,
            Signal::SIGCHLD,
        ] {
            loading.send(harmless);
        }
        loading.send(Signal::SIGTERM);
        let (status, _) = loading.end();
        let end = if first {
            (Some(143), None)
        } else {
            (None, Some(15))
        };
        assert_eq!((status.code(), status.signal()), end);
    }
}

/// Who blocks a signal wants it to wait for the program, and that is who finds it.
#[test]
fn a_blocked_signal_waits_for_the_program() {
    let start = Start::new(|| {
        let set: SigSet = [Signal::SIGTERM].into_iter().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).expect("blocked");
    });
    let fifo = start.folder.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a named pipe");
    start
        .folder
        .write(".vault", format!("SLOW=exec:cat {}\n", fifo.display()));
    let path = start.folder.join("report");
    let mut child = start.spawn(
        true,
        probe::program(),
        &[path.as_os_str().as_bytes().to_vec()],
    );
    // Opening waits for the helper to read, so the load has begun.
    let writer = std::fs::OpenOptions::new()
        .write(true)
        .open(&fifo)
        .expect("a reader");
    kill(
        Pid::from_raw(i32::try_from(child.id()).expect("a pid")),
        Signal::SIGTERM,
    )
    .expect("sent");
    (&writer).write_all(b"value").expect("written");
    drop(writer);
    assert_eq!(child.wait().expect("an end").code(), Some(42));
    let report = std::fs::read_to_string(path).expect("a report");
    assert!(report.contains("\nShdPnd:\t0000000000004000\n"), "{report}");
}

/// Up to the exec itself, and after it: there is no moment in which TERM is lost or does harm.
#[test]
fn term_at_any_moment_of_the_start_is_a_signal_death() {
    for round in 0..100u32 {
        let mut start = Start::new(|| {});
        start.environment.push(b"secrets_loaded=1".to_vec());
        let mut child = start.spawn(true, Path::new("sleep"), &[b"600".to_vec()]);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(u64::from(round) * 40) {
            std::hint::spin_loop();
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("sent");
        let status = child.wait().expect("an end");
        assert_eq!(status.signal(), Some(15), "round {round}: {status}");
    }
}

/// The handlers are installed without a moment in which an ignored signal would kill.
#[test]
fn an_ignored_signal_is_ignored_at_any_moment_of_the_start() {
    for _ in 0..50 {
        let mut start = Start::new(|| {
            // SAFETY: no handler runs.
            unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }.expect("ignored");
        });
        start.environment.push(b"secrets_loaded=1".to_vec());
        let mut child = start.spawn(true, Path::new("true"), &[]);
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        let status = loop {
            if let Some(status) = child.try_wait().expect("a status") {
                break status;
            }
            kill(pid, Signal::SIGHUP).expect("sent");
        };
        assert_eq!(status.code(), Some(0), "{status}");
    }
}
