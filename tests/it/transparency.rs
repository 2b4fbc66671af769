//! A program behind `envshim --` is given what it is given without: the same probe in the same state,
//! started directly and through envshim, once with nothing to load and once after a load, as PID 1
//! and not.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "odd states are made with raw system calls"
)]

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, raise, signal, sigprocmask};

use super::house::namespace;
use super::house::probe::{Report, Start};

/// Compares the runs through envshim with the runs without.
#[track_caller]
fn same(mut start: Start) -> Vec<Report> {
    start.folder.write(".vault", "LOADED=from the file\n");
    let bare = start.environment.clone();
    let mut reports = Vec::new();
    for first in [false, true] {
        if first && !namespace::available() {
            continue;
        }
        start.first = first;
        start.environment = bare.clone();
        start.environment.push(b"secrets_loaded=1".to_vec());
        let direct = start.report(false);
        let through = start.report(true);
        assert_eq!(
            direct.lines, through.lines,
            "nothing to load, PID 1: {first}"
        );

        start.environment.push(b"LOADED=from the file".to_vec());
        let direct = start.report(false);
        start.environment = bare.clone();
        let loaded = start.report(true);
        // A load may put its variables anywhere.
        let sorted = |report: &Report| {
            let mut lines = report.lines.clone();
            lines.sort();
            lines
        };
        assert_eq!(
            sorted(&direct),
            sorted(&loaded),
            "after a load, PID 1: {first}"
        );
        assert_eq!(loaded.said, "", "silent on success");
        reports.extend([through, loaded]);
    }
    reports
}

fn ignores(report: &Report, signal: Signal) -> bool {
    let bits = u64::from_str_radix(report.all("SigIgn")[0], 16).expect("bits");
    bits & 1 << (signal as u32 - 1) != 0
}

fn ignore(signals: &[Signal]) {
    for number in signals {
        // SAFETY: no handler runs.
        unsafe { signal(*number, SigHandler::SigIgn) }.expect("ignored");
    }
}

fn block(signals: &[Signal]) {
    let set: SigSet = signals.iter().copied().collect();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).expect("blocked");
}

/// All that can be ignored and blocked.
fn catchable() -> Vec<Signal> {
    let fixed = [Signal::SIGKILL, Signal::SIGSTOP];
    Signal::iterator().filter(|s| !fixed.contains(s)).collect()
}

#[test]
fn an_ordinary_start() {
    for report in same(Start::new(|| {})) {
        assert!(!ignores(&report, Signal::SIGPIPE));
        assert_eq!(report.all("SigCgt"), ["0000000000000000"]);
        assert_eq!(report.all("dumpable"), ["1"]);
        assert_eq!(report.all("Threads"), ["1"]);
        assert_eq!(report.all("children"), ["-1"]);
    }
}

#[test]
fn words_pass_byte_for_byte() {
    let mut start = Start::new(|| {});
    let words: [&[u8]; 9] = [
        b"--",
        b"",
        b"-v",
        b"--dir=/x",
        b"\xff\xfe \x80",
        b"a b\nc\t",
        b"$HOME `id` 'x' \"y\"",
        b"--",
        b"",
    ];
    start.words = words.map(<[u8]>::to_vec).to_vec();
    for report in same(start) {
        assert_eq!(report.all("word").len(), 2 + words.len());
    }
}

#[test]
fn variables_pass_byte_for_byte() {
    let mut start = Start::new(|| {});
    let variables: [&[u8]; 9] = [
        b"EMPTY=",
        b"BYTES=\xff\xfe\x01",
        b"\xc3(=not UTF-8",
        b"LINES=a\nb\r\n",
        b"A=b=c",
        b"dots.and-dashes=1",
        b"TZ=:/etc/localtime",
        b"LC_ALL=de_DE.UTF-8",
        b"MALLOC_ARENA_MAX=1",
    ];
    start.environment.extend(variables.map(<[u8]>::to_vec));
    same(start);
}

/// With nothing to load the environment is not touched at all.
#[test]
fn malformed_variables_pass_when_nothing_is_loaded() {
    let mut start = Start::new(|| {});
    for variable in [
        &b"PATH=/second"[..],
        b"no equals sign",
        b"=",
        b"=C:=x",
        b"",
        b"secrets_loaded=1",
    ] {
        start.environment.push(variable.to_vec());
    }
    let direct = start.report(false);
    let through = start.report(true);
    assert_eq!(direct.lines, through.lines);
    assert_eq!(through.all("variable").len(), 7);
}

#[test]
fn sigpipe_both_ways() {
    for report in same(Start::new(|| ignore(&[Signal::SIGPIPE]))) {
        assert!(ignores(&report, Signal::SIGPIPE));
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    for report in same(Start::new(|| ignore(&[Signal::SIGHUP]))) {
        assert!(ignores(&report, Signal::SIGHUP), "as under nohup");
        assert!(!ignores(&report, Signal::SIGPIPE));
    }
    same(Start::new(|| ignore(&[Signal::SIGINT, Signal::SIGQUIT])));
    same(Start::new(|| ignore(&[Signal::SIGCHLD])));
    same(Start::new(|| ignore(&[Signal::SIGSEGV, Signal::SIGBUS])));
    same(Start::new(|| ignore(&catchable())));
    // Real-time signals have no name.
    same(Start::new(|| {
        for number in libc::SIGRTMIN()..=libc::SIGRTMAX() {
            // SAFETY: no handler runs.
            unsafe { libc::signal(number, libc::SIG_IGN) };
        }
    }));
}

#[test]
fn blocked_signals_stay_blocked() {
    same(Start::new(|| block(&[Signal::SIGUSR1])));
    same(Start::new(|| block(&[Signal::SIGTERM, Signal::SIGPIPE])));
    same(Start::new(|| block(&catchable())));
    same(Start::new(|| {
        // SAFETY: a set on the stack, filled before it is used.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigfillset(&mut set);
            libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
        }
    }));
}

/// What waits behind a mask belongs to the program that unblocks it.
#[test]
fn pending_signals_are_handed_on() {
    let mut start = Start::new(|| {
        block(&[Signal::SIGTERM, Signal::SIGUSR2]);
        for number in [Signal::SIGTERM, Signal::SIGUSR2] {
            raise(number).expect("raised");
        }
    });
    start.environment.push(b"secrets_loaded=1".to_vec());
    let direct = start.report(false);
    let through = start.report(true);
    assert_eq!(direct.lines, through.lines);
    assert_eq!(through.all("SigPnd"), ["0000000000004800"]);
}

#[test]
fn closed_standard_streams() {
    for closed in 0..8 {
        same(Start::new(move || {
            for fd in (0..3).filter(|fd| closed & 1 << fd != 0) {
                // SAFETY: the streams of this process, which is about to exec.
                unsafe { libc::close(fd) };
            }
        }));
    }
}

#[test]
fn descriptors_are_passed_and_none_is_added() {
    let file = File::open("/etc/passwd").expect("a file");
    let nonblocking = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/etc/group")
        .expect("a file");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("sockets");
    let kept = [
        (3, file.as_raw_fd()),
        (7, nonblocking.as_raw_fd()),
        (20, reader.as_raw_fd()),
        (21, writer.as_raw_fd()),
        (500, socket.as_raw_fd()),
    ];
    let start = Start::new(move || {
        // Away from the numbers that are wanted, then there; `dup2` clears close-on-exec.
        for (wanted, fd) in kept {
            // SAFETY: descriptors of this process, which is about to exec.
            unsafe {
                let away = libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 600);
                libc::dup2(away, wanted);
            }
        }
    });
    for report in same(start) {
        for (wanted, _) in kept {
            assert_eq!(report.all(&format!("fd {wanted}")).len(), 1);
        }
    }
}

#[test]
fn limits_masks_and_priorities() {
    same(Start::new(|| {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o137));
        let limit = |resource, soft, hard| {
            // SAFETY: a limit on the stack.
            let set = unsafe {
                libc::setrlimit(
                    resource,
                    &libc::rlimit {
                        rlim_cur: soft,
                        rlim_max: hard,
                    },
                )
            };
            assert_eq!(set, 0);
        };
        limit(libc::RLIMIT_NOFILE, 700, 800);
        limit(libc::RLIMIT_CORE, 0, 1 << 20);
        limit(libc::RLIMIT_STACK, 1 << 20, libc::RLIM_INFINITY);
        // SAFETY: numbers only.
        unsafe {
            libc::nice(3);
            libc::prctl(libc::PR_SET_TIMERSLACK, 70_000);
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::personality(libc::ADDR_NO_RANDOMIZE as _);
        }
        std::fs::write("/proc/self/oom_score_adj", "300").expect("oom_score_adj");
        std::fs::write("/proc/self/coredump_filter", "0x11").expect("coredump_filter");
    }));
}

#[test]
fn timers_groups_and_sessions() {
    same(Start::new(|| {
        for which in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
            let time = libc::timeval {
                tv_sec: 900,
                tv_usec: 0,
            };
            let timer = libc::itimerval {
                it_interval: time,
                it_value: time,
            };
            // SAFETY: a timer on the stack.
            let armed = unsafe { libc::setitimer(which, &timer, std::ptr::null_mut()) };
            assert_eq!(armed, 0);
        }
        nix::sys::prctl::set_pdeathsig(Signal::SIGUSR2).expect("a signal");
    }));
    same(Start::new(|| {
        let own = nix::unistd::Pid::from_raw(0);
        nix::unistd::setpgid(own, own).expect("a group");
    }));
    same(Start::new(|| {
        nix::unistd::setsid().expect("a session");
    }));
}

/// Both ends of a new terminal; close-on-exec from the start, for other tests start programs too.
fn terminal() -> nix::Result<(PtyMaster, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let path = ptsname_r(&master)?;
    let terminal = open(path.as_str(), flags, nix::sys::stat::Mode::empty())?;
    Ok((master, terminal))
}

/// The program leads a session on a terminal, and the modes of that terminal are as before.
#[test]
fn a_controlling_terminal() {
    let (_master, terminal) = terminal().expect("a terminal");
    let slave = terminal.as_raw_fd();
    let modes = || {
        let modes: libc::termios = nix::sys::termios::tcgetattr(&terminal)
            .expect("modes")
            .into();
        (
            modes.c_iflag,
            modes.c_oflag,
            modes.c_cflag,
            modes.c_lflag,
            // The kernel knows 19; musl leaves the rest as it lay in memory.
            modes.c_cc[..19].to_vec(),
        )
    };
    let before = modes();
    let start = Start::new(move || {
        nix::unistd::setsid().expect("a session");
        // SAFETY: descriptors of this process, which is about to exec.
        unsafe {
            assert_eq!(libc::ioctl(slave, libc::TIOCSCTTY, 1), 0);
            libc::dup2(slave, 0);
            libc::dup2(slave, 1);
        }
    });
    for report in same(start) {
        assert_ne!(report.all("terminal"), ["0"]);
        assert_ne!(report.all("foreground group"), ["-1"]);
    }
    assert_eq!(modes(), before);
}

/// The process id does not change, so socket activation and readiness keep working.
#[test]
fn listen_pid_names_the_program() {
    let mut start = Start::new(|| {});
    start.environment.push(b"LISTEN_PID=@PID@".to_vec());
    start.environment.push(b"LISTEN_FDS=1".to_vec());
    start
        .environment
        .push(b"NOTIFY_SOCKET=/run/notify".to_vec());
    start.environment.push(b"secrets_loaded=1".to_vec());
    let report = start.report(true);
    let variables = report.all("variable");
    assert!(variables.contains(&format!("LISTEN_PID={}", report.pid).as_str()));
    assert!(variables.contains(&"LISTEN_FDS=1"));
    assert!(variables.contains(&"NOTIFY_SOCKET=/run/notify"));
}

/// stdin is the program's: not one byte of it is read.
#[test]
fn a_pipe_on_stdin_is_not_read() {
    let mut start = Start::new(|| {});
    start.folder.write(".vault", "LOADED=1\n");
    start.environment.push(b"PATH=/usr/bin:/bin".to_vec());
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut writer, b"for the program").expect("room in the pipe");
    drop(writer);
    let fd = reader.into_raw_fd();
    start.setup = std::sync::Arc::new(move || {
        // SAFETY: descriptors of this process, which is about to exec.
        unsafe { libc::dup2(fd, 0) };
    });
    let mut child = start.spawn(true, std::path::Path::new("cat"), &[]);
    // SAFETY: the child has its own copy, and nobody else here uses this number.
    unsafe { libc::close(fd) };
    assert!(child.wait().expect("an end").success());
    assert_eq!(start.folder.read("stdout"), b"for the program");
}
