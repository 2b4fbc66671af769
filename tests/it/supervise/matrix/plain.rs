//! The cases without a terminal.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a signal with a value is sent by a raw system call"
)]

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getpgid, mkfifo, setpgid};

use super::super::super::house::probe::Start;
use super::super::super::house::set_mode;
use super::super::{Run, below, lives, status_line};
use super::Case;

/// This as a word of the page: what is right, or else.
fn word(is: bool, right: &str, wrong: &str) -> String {
    if is { right } else { wrong }.to_owned()
}

/// The end of a program that says it in a status.
fn ends(case: &Case, words: &[&str]) -> String {
    case.end(&mut case.run(words))
}

pub(super) fn an_exit(case: &Case) -> String {
    ends(case, &["sh", "-c", "exit 7"])
}

pub(super) fn a_death(case: &Case) -> String {
    ends(case, &["sh", "-c", "kill -TERM $$"])
}

pub(super) fn a_missing_program(case: &Case) -> String {
    ends(case, &["nonesuch"])
}

pub(super) fn no_program(case: &Case) -> String {
    let (folder, file) = (ends(case, &["/etc"]), ends(case, &["/etc/passwd"]));
    match folder == file {
        true => folder,
        false => format!("{folder}, {file}"),
    }
}

pub(super) fn a_script(case: &Case) -> String {
    let start = Start::new(|| {});
    let path = start.folder.write("script", "exit 9\n");
    set_mode(&path, 0o755);
    let mut run = case.run_with(start, &[], None, &[path.to_str().expect("text")]);
    let end = case.end(&mut run);
    word(end == "9", "runs", &end)
}

/// What stands in front of the tool ignores it.
pub(super) fn ignored_children(case: &Case) -> String {
    let before = ["/bin/bash", "-c", "trap '' CHLD; exec \"$@\"", "-"];
    let words = ["sh", "-c", "exit 7"];
    case.end(&mut case.run_with(Start::new(|| {}), &before, None, &words))
}

const ENV: &str = "/usr/bin/env";

/// Whatever the tests were started with.
const ALL_DEFAULT: &str = "--default-signal";

/// The bits of `SigIgn` or `SigBlk` of the program, behind this before the tool.
fn bits(case: &Case, before: &[&str], field: &str) -> Option<u64> {
    let words = ["grep", field, "/proc/self/status"];
    let mut run = case.run_with(Start::new(|| {}), before, None, &words);
    case.end(&mut run);
    let bits = u64::from_str_radix(run.out().trim().rsplit('\t').next()?, 16);
    // The C library's own: whoever uses `posix_spawn` leaves them ignored.
    bits.ok().map(|bits| bits & !(0b11 << 31))
}

const fn bit(signal: Signal) -> u64 {
    1 << (signal as u64 - 1)
}

/// What became of these, which were set on entry.
fn kept(is: Option<u64>, right: u64) -> String {
    let words = match is {
        Some(is) if is == right => "stay so",
        Some(is) if is & right == right => "stay so, and others with them",
        Some(_) => "are lost",
        None => "cannot be seen",
    };
    words.to_owned()
}

pub(super) fn ignored_signals(case: &Case) -> String {
    let before = [ENV, ALL_DEFAULT, "--ignore-signal=HUP,USR1"];
    let right = bit(Signal::SIGHUP) | bit(Signal::SIGUSR1);
    kept(bits(case, &before, "SigIgn"), right)
}

pub(super) fn blocked_signals(case: &Case) -> String {
    let before = [ENV, "--block-signal=HUP,USR2"];
    let right = bit(Signal::SIGHUP) | bit(Signal::SIGUSR2);
    kept(bits(case, &before, "SigBlk"), right)
}

pub(super) fn no_signals(case: &Case) -> String {
    let none = |field| bits(case, &[ENV, ALL_DEFAULT], field) == Some(0);
    match (none("SigIgn"), none("SigBlk")) {
        (true, true) => "stays so",
        (false, true) => "some are ignored",
        (_, false) => "some are blocked",
    }
    .to_owned()
}

pub(super) fn listen_pid(case: &Case) -> String {
    let mut start = Start::new(|| {});
    let own = if case.first { "1" } else { "@PID@" };
    start
        .environment
        .push(format!("LISTEN_PID={own}").into_bytes());
    let words = ["sh", "-c", "test $LISTEN_PID = $$"];
    let end = case.end(&mut case.run_with(start, &[], None, &words));
    word(end == "0", "the program", "the init")
}

/// Only what stands in the place of the tool has the other end.
pub(super) fn a_pipe(case: &Case) -> String {
    let start = Start::new(|| {});
    let path = start.folder.join("pipe");
    mkfifo(&path, Mode::S_IRWXU).expect("a pipe");
    let mut options = OpenOptions::new();
    let mut reader = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .expect("a reader");
    let before = ["/bin/sh", "-c", "exec 9>pipe; exec \"$@\"", "-"];
    let words = ["sh", "-c", "exec 9>&-; echo up; exec sleep 600"];
    let run = case.run_with(start, &before, None, &words);
    if !case.says(&run, "up\n") {
        return "does not start".to_owned();
    }
    let end = case.comes(|| matches!(reader.read(&mut [0]), Ok(0)));
    word(end, "end of file", "the init holds it")
}

/// A program that sleeps, when all is calm.
fn asleep(case: &Case, start: Start) -> Run {
    let run = case.run_with(start, &[], None, &["sleep", "600"]);
    case.child(&run);
    run
}

pub(super) fn the_folder(case: &Case) -> String {
    let run = asleep(case, Start::new(|| {}));
    let folder = format!("/proc/{}/cwd", run.shim);
    let gone = case.comes(|| std::fs::read_link(&folder).is_ok_and(|at| at.as_os_str() == "/"));
    word(gone, "is let go", "stays busy")
}

pub(super) fn the_environment(case: &Case) -> String {
    let mut start = Start::new(|| {});
    start.environment.push(b"TOKEN=c4n4ry".to_vec());
    let run = asleep(case, start);
    let path = format!("/proc/{}/environ", run.shim);
    let wiped = case.comes(|| {
        let bytes = std::fs::read(&path).expect("an environment");
        !bytes.windows(6).any(|window| window == b"c4n4ry")
    });
    word(wiped, "is wiped", "can be read in `/proc`")
}

pub(super) fn a_value(case: &Case) -> String {
    let Some(run) = case.listen(Start::new(|| {}), None) else {
        return "does not start".to_owned();
    };
    let value = libc::sigval {
        sival_ptr: std::ptr::without_provenance_mut(4242),
    };
    // SAFETY: numbers only; nobody follows the pointer.
    assert_eq!(unsafe { libc::sigqueue(run.shim.as_raw(), 37, value) }, 0);
    if !case.says(&run, "got 37") {
        return "is lost".to_owned();
    }
    // It is said in one line.
    word(
        run.out().contains("with 4242"),
        "both arrive",
        "the value is lost",
    )
}

/// How often a signal was told, when one that was sent later has been.
fn times(case: &Case, run: &Run, number: i32) -> String {
    kill(run.shim, Signal::SIGUSR1).expect("sent");
    if !case.says(run, "got 10\n") {
        return "never".to_owned();
    }
    let line = format!("got {number}");
    let out = run.out();
    match out.lines().filter(|l| l.starts_with(&line)).count() {
        0 => "never",
        1 => "once",
        _ => "twice",
    }
    .to_owned()
}

/// A runner that reaches everybody; five tries, because two that are pending are one.
pub(super) fn a_group(case: &Case) -> String {
    let mut seen = Vec::new();
    for _ in 0..5 {
        let start = Start::new(|| setpgid(Pid::from_raw(0), Pid::from_raw(0)).expect("a group"));
        let Some(run) = case.listen(start, None) else {
            return "does not start".to_owned();
        };
        let group = getpgid(Some(run.shim)).expect("a group");
        kill(Pid::from_raw(-group.as_raw()), Signal::SIGINT).expect("sent");
        case.says(&run, "got 2\n");
        seen.push(times(case, &run, 2));
    }
    worst(&seen)
}

/// What was not always so.
pub(super) fn worst(seen: &[String]) -> String {
    let other = seen.iter().find(|seen| *seen != "once");
    other.map_or("once", |other| other).to_owned()
}

pub(super) fn to_the_group(case: &Case) -> String {
    let program = Case::program();
    let script = format!("trap : TERM; {program} 15 & while :; do wait; done");
    let words = ["sh", "-c", script.as_str()];
    let run = case.run_with(Start::new(|| {}), &[], case.tool.to_group, &words);
    if !case.says(&run, "listening") {
        return "does not start".to_owned();
    }
    kill(run.shim, Signal::SIGTERM).expect("sent");
    word(
        case.says(&run, "got 15\n"),
        "reaches all",
        "reaches the program alone",
    )
}

pub(super) fn a_term(case: &Case) -> String {
    let mut run = asleep(case, Start::new(|| {}));
    kill(run.shim, Signal::SIGTERM).expect("sent");
    let end = case.end(&mut run);
    word(!end.contains("hangs"), "ends it", "is lost")
}

/// The parent of one whose own parent has ended.
pub(super) fn an_orphan(case: &Case) -> String {
    let script = "sh -c 'sleep 601 & exit 0'; echo up; exec sleep 600";
    let run = case.run(&["sh", "-c", script]);
    if !case.says(&run, "up\n") {
        return "does not start".to_owned();
    }
    // The tool, the program, and the orphan.
    let adopted = case.comes(|| below(run.shim.as_raw()).len() == 3);
    if !adopted {
        kill_here(&run);
    }
    word(adopted, "is adopted", "is left to others")
}

/// All that live in the folder of the test, which they share with nobody.
fn here(run: &Run) -> Vec<Pid> {
    let folder = run.start.folder.path();
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(Pid::from_raw)
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at == folder))
        .filter(|pid| lives(*pid))
        .collect()
}

fn kill_here(run: &Run) {
    for pid in here(run) {
        kill(pid, Signal::SIGKILL).ok();
    }
}

/// Whether nobody is left in it; whoever is, is killed then.
fn gone(case: &Case, run: &Run) -> String {
    let gone = case.comes(|| here(run).is_empty());
    kill_here(run);
    word(gone, "ends", "lives on")
}

pub(super) fn the_rest(case: &Case) -> String {
    let mut run = case.run(&["sh", "-c", "sleep 600 & exit 3"]);
    case.end(&mut run);
    gone(case, &run)
}

pub(super) fn a_kill(case: &Case) -> String {
    let mut run = asleep(case, Start::new(|| {}));
    kill(run.shim, Signal::SIGKILL).expect("sent");
    case.end(&mut run);
    gone(case, &run)
}

pub(super) fn idleness(case: &Case) -> String {
    let run = asleep(case, Start::new(|| {}));
    let switches = || status_line(run.shim, "voluntary_ctxt_switches");
    // The start takes a while, and what it needed is given back a second later.
    let calm = (0..3).any(|_| {
        let before = switches();
        std::thread::sleep(Duration::from_secs(3));
        switches() == before
    });
    word(calm, "sleeps", "wakes up")
}
