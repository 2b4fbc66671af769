//! What the program is given behind a supervisor, beside what it is given without; and what the
//! supervisor keeps for itself: nothing.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "odd states are made with raw system calls"
)]

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};

use super::super::house::probe::{self, Start};
use super::super::house::wait_until;
use super::{Run, status_line, ways};

/// The report of the probe, without what a child cannot have as its parent has it.
fn lines(start: Start, first: bool, options: &str) -> (Start, Vec<String>) {
    let report = start.folder.join("report");
    drop(std::fs::remove_file(&report));
    let path = report.to_str().expect("text").to_owned();
    let program = probe::program().to_str().expect("text");
    let mut run = if options.is_empty() {
        let mut start = start;
        start.first = first;
        start.options.clear();
        let child = start.spawn(false, probe::program(), &[path.clone().into()]);
        let shim = nix::unistd::Pid::from_raw(child.id().cast_signed());
        Run { start, child, shim }
    } else {
        Run::with(start, first, options, program, &[&path])
    };
    assert_eq!(run.end().code(), Some(42), "{}", run.err());
    assert_eq!(run.err(), "");
    let text = std::fs::read_to_string(&report).expect("a report");
    let other = [
        "parent:",
        "group:",
        "session:",
        "parent-death signal:",
        "pid:",
    ];
    let lines = text
        .lines()
        .filter(|line| !other.iter().any(|name| line.starts_with(name)));
    let lines = lines.map(str::to_owned).collect();
    let start = std::mem::replace(&mut run.start, Start::new(|| {}));
    (start, lines)
}

#[track_caller]
fn alike(direct: &[String], other: &[String], when: &str) {
    let missing: Vec<_> = direct.iter().filter(|line| !other.contains(line)).collect();
    let added: Vec<_> = other.iter().filter(|line| !direct.contains(line)).collect();
    assert!(
        direct == other,
        "{when}\nmissing: {missing:#?}\nadded: {added:#?}"
    );
}

#[track_caller]
fn same(make: impl Fn() -> Start) {
    for first in ways() {
        let mut start = make();
        start.environment.push(b"LOADED=from the file".to_vec());
        let (start, direct) = lines(start, first, "");
        let (mut start, init) = lines(start, first, "--init");
        alike(&direct, &init, &format!("an init, PID 1: {first}"));
        // After a load, which puts its variables where it likes.
        start.environment.pop();
        start.folder.write(".vault", "LOADED=from the file\n");
        let (_, mut loaded) = lines(start, first, "--supervise");
        loaded.retain(|line| line != "variable: secrets_loaded=1");
        let mut direct = direct;
        for lines in [&mut direct, &mut loaded] {
            lines.sort();
        }
        alike(&direct, &loaded, &format!("after a load, PID 1: {first}"));
    }
}

#[test]
fn an_ordinary_start() {
    same(|| Start::new(|| {}));
}

#[test]
fn the_signal_state_is_as_it_was() {
    let ignore = |signals: &[Signal]| {
        for number in signals {
            // SAFETY: no handler runs.
            unsafe { signal(*number, SigHandler::SigIgn) }.expect("ignored");
        }
    };
    let block = |signals: &[Signal]| {
        let set: SigSet = signals.iter().copied().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).expect("blocked");
    };
    same(move || Start::new(move || ignore(&[Signal::SIGHUP, Signal::SIGPIPE])));
    same(move || Start::new(move || ignore(&[Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1])));
    same(move || Start::new(move || ignore(&[Signal::SIGCHLD, Signal::SIGTSTP])));
    same(move || Start::new(move || block(&[Signal::SIGTERM, Signal::SIGUSR2])));
    same(|| {
        Start::new(|| {
            // SAFETY: a set on the stack, filled before it is used.
            unsafe {
                let mut set = std::mem::zeroed();
                libc::sigfillset(&mut set);
                libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
            }
        })
    });
}

#[test]
fn closed_standard_streams() {
    for closed in 0..8 {
        same(move || {
            Start::new(move || {
                for fd in (0..3).filter(|fd| closed & 1 << fd != 0) {
                    // SAFETY: the streams of this process, which is about to exec.
                    unsafe { libc::close(fd) };
                }
            })
        });
    }
}

/// The supervisor holds no descriptor, no folder, no variable and no right to be looked at.
#[test]
fn the_supervisor_holds_nothing() {
    for first in ways() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let reader = OwnedFd::from(reader);
        let writer = OwnedFd::from(writer);
        let (given, other) = (writer.as_raw_fd(), reader.as_raw_fd());
        let mut start = Start::new(move || {
            // SAFETY: descriptors of this process, which is about to exec.
            unsafe {
                libc::dup2(given, 9);
                libc::close(other);
            }
        });
        start
            .environment
            .push(b"ENVSHIM_KEY=bootstrap-secret".to_vec());
        start.environment.push(b"OTHER=some-other-secret".to_vec());
        // It closes the pipe, and goes on.
        let script = "exec 9>&-; echo up; exec sleep 600";
        let run = Run::with(start, first, "--init", "sh", &["-c", script]);
        run.wait_for("up");
        drop(writer);
        let mut byte = [0];
        wait_until("the supervisor sleeps", || {
            super::super::house::pty::Pty::state_of(run.shim) == Some('S')
        });
        // The end of the file: nobody else has it, but for what makes the namespace.
        if !first {
            assert_eq!(nix::unistd::read(&reader, &mut byte), Ok(0));
        }

        let proc = format!("/proc/{}", run.shim);
        let link = |name: &str| std::fs::read_link(format!("{proc}/{name}")).expect("a link");
        assert_eq!(link("cwd").to_str(), Some("/"));
        for fd in ["fd/0", "fd/1"] {
            assert_eq!(link(fd).to_str(), Some("/dev/null"));
        }
        assert_ne!(link("fd/2").to_str(), Some("/dev/null"));
        let open = || std::fs::read_dir(format!("{proc}/fd")).expect("descriptors");
        wait_until("0, 1, 2 and one for signals", || open().count() == 4);
        wait_until("the start's memory is given back", || {
            let size = status_line(run.shim, "VmRSS");
            let size: u32 = size.trim_end_matches(" kB").parse().expect("a size");
            size < 1500
        });
        let environment = std::fs::read(format!("{proc}/environ")).expect("an environment");
        assert!(environment.iter().all(|byte| *byte == 0), "it is wiped");
        assert_eq!(status_line(run.shim, "Threads"), "1");
        assert!(!memory_holds(&proc, b"bootstrap-secret"));
        assert!(!memory_holds(&proc, b"some-other-secret"));
        // The search finds what is there.
        assert!(memory_holds(&proc, b"exec sleep 600"));
    }
}

/// Is it anywhere in the memory of the process that can be written?
fn memory_holds(proc: &str, text: &[u8]) -> bool {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("{proc}/maps")).expect("maps");
    let memory = File::open(format!("{proc}/mem")).expect("memory");
    maps.lines().any(|line| {
        let (range, rest) = line.split_once(' ').expect("a range");
        let (start, end) = range.split_once('-').expect("two ends");
        let number = |text| u64::from_str_radix(text, 16).expect("an address");
        let (start, end) = (number(start), number(end));
        let mut bytes = vec![0; usize::try_from(end - start).expect("a size")];
        rest.starts_with("rw")
            && memory.read_exact_at(&mut bytes, start).is_ok()
            && bytes.windows(text.len()).any(|window| window == text)
    })
}

/// What the child loads is never in the parent.
#[test]
fn the_supervisor_never_knows_a_secret() {
    for first in ways() {
        let mut start = Start::new(|| {});
        start.folder.write(
            ".vault",
            "DB_PASSWORD=the-loaded-secret\nFROM_FILE=file:secret\n",
        );
        start.folder.write("secret", "the-other-secret\n");
        start.environment.push(b"SECRET_MANAGER_PATH=.".to_vec());
        start
            .environment
            .push(b"VAULT_TOKEN=the-bootstrap-secret".to_vec());
        let script = "echo $DB_PASSWORD; exec sleep 600";
        let run = Run::with(start, first, "--supervise", "sh", &["-c", script]);
        run.wait_for("the-loaded-secret");
        let proc = format!("/proc/{}", run.shim);
        for secret in [
            &b"the-loaded-secret"[..],
            b"the-other-secret",
            b"the-bootstrap-secret",
        ] {
            assert!(!memory_holds(&proc, secret));
        }
    }
}

/// Socket activation and watchdogs name a process, which is another one now.
#[test]
fn the_program_is_named_where_we_were() {
    for name in ["LISTEN_PID", "WATCHDOG_PID"] {
        for first in ways() {
            let own = if first { "1" } else { "@PID@" };
            let mut start = Start::new(|| {});
            for text in [
                &format!("{name}={own}"),
                "LISTEN_FDS=2",
                "LISTEN_FDNAMES=a:b",
                &format!("OTHER_PID={own}"),
            ] {
                start.environment.push(text.as_bytes().to_vec());
            }
            let script = format!(
                "test ${name} = $$ && test $OTHER_PID = $PPID && echo $LISTEN_FDS $LISTEN_FDNAMES"
            );
            let mut run = Run::with(start, first, "--init", "sh", &["-c", &script]);
            assert_eq!(run.end().code(), Some(0));
            assert_eq!(run.out(), "2 a:b\n");

            // Sockets for somebody else stay theirs.
            let mut start = Start::new(|| {});
            start.environment.push(format!("{name}=77777").into_bytes());
            let script = format!("test ${name} = 77777");
            let mut run = Run::with(start, first, "--init", "sh", &["-c", &script]);
            assert_eq!(run.end().code(), Some(0));
        }
    }
}

/// Nothing wakes an idle supervisor; a deadline that nobody armed is no reason to look at a clock.
#[test]
fn an_idle_supervisor_sleeps() {
    for first in ways() {
        let run = Run::init(first, "--stop-timeout 10s --drain 5s", "sleep", &["600"]);
        run.program();
        let sleeps = || super::super::house::pty::Pty::state_of(run.shim) == Some('S');
        wait_until("it sleeps", sleeps);
        // The line to the child is closed when the start is over; nothing is to come after that.
        let fds = format!("/proc/{}/fd", run.shim);
        wait_until("the start is over", || {
            std::fs::read_dir(&fds).expect("descriptors").count() == 4
        });
        wait_until("it sleeps again", sleeps);
        let switches = || status_line(run.shim, "voluntary_ctxt_switches");
        let before = switches();
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(switches(), before);
    }
}

/// systemd hears the main process alone; it can be told which one that is.
#[test]
fn systemd_is_told_the_main_process() {
    let socket = |start: &mut Start| {
        let path = start.folder.join("notify");
        start
            .environment
            .push(format!("NOTIFY_SOCKET={}", path.display()).into_bytes());
        let socket = std::os::unix::net::UnixDatagram::bind(path).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a limit");
        socket
    };
    let mut start = Start::new(|| {});
    let heard = socket(&mut start);
    let run = Run::with(start, false, "--init --notify main-pid", "sleep", &["600"]);
    let mut bytes = [0; 100];
    let count = heard.recv(&mut bytes).expect("a word");
    let expected = format!("MAINPID={}", run.program());
    assert_eq!(String::from_utf8_lossy(&bytes[..count]), expected);
    assert_eq!(run.err(), "");

    let mut start = Start::new(|| {});
    let _heard = socket(&mut start);
    let mut run = Run::with(start, false, "--init", "true", &[]);
    assert_eq!(run.end().code(), Some(0));
    assert!(
        run.err().contains("warning: NOTIFY_SOCKET is set"),
        "{}",
        run.err()
    );
    let mut start = Start::new(|| {});
    let _heard = socket(&mut start);
    let mut run = Run::with(start, false, "--init --notify pass", "true", &[]);
    assert_eq!(run.end().code(), Some(0));
    assert_eq!(run.err(), "");
}

/// The program's words become ours, with their descriptors; who the main process is does not change.
#[test]
fn the_words_of_the_program_are_said_again() {
    let python = super::super::house::python();
    let script = r"
import array, os, socket, sys
name = os.environ['NOTIFY_SOCKET']
assert name.startswith('@'), name
def say(text, *fds):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        s.sendmsg([text], rights, 0, '\0' + name[1:])
say(b'READY=1\nMAINPID=%d\nSTATUS=up' % os.getpid())
r, w = os.pipe()
say(b'BARRIER=1', w)
os.close(w)
assert os.read(r, 1) == b''
say(b'STOPPING=1')
";
    for first in ways() {
        let mut start = Start::new(|| {});
        let path = start.folder.join("notify");
        let variable = format!("NOTIFY_SOCKET={}", path.display());
        start.environment.push(variable.into_bytes());
        let heard = std::os::unix::net::UnixDatagram::bind(path).expect("a socket");
        let limit = Some(Duration::from_secs(10));
        heard.set_read_timeout(limit).expect("a limit");
        let python = python.to_str().expect("text").to_owned();
        let mut run = Run::with(
            start,
            first,
            "--init --notify proxy",
            &python,
            &["-c", script],
        );
        let own = if first { 1 } else { run.shim.as_raw() };
        let words = || {
            let mut bytes = [0; 100];
            let count = heard.recv(&mut bytes).expect("words");
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        };
        assert_eq!(words(), format!("READY=1\nMAINPID={own}\nSTATUS=up"));
        // What was sent along is closed with the message, and the program's barrier is passed.
        assert_eq!(words(), "BARRIER=1");
        assert_eq!(words(), "STOPPING=1");
        assert_eq!(run.end().code(), Some(0), "{}", run.err());
        assert_eq!(run.err(), "");
    }
}

/// `--supervise=auto` stays as PID 1 alone; `--init` loads nothing and keeps nothing back.
#[test]
fn who_stays_and_who_does_not() {
    for first in ways() {
        let start = Start::new(|| {});
        start.folder.write(".vault", "A=1\n");
        let mut run = Run::with(
            start,
            first,
            "--supervise=auto",
            "sh",
            &["-c", "echo $A $$"],
        );
        assert_eq!(run.end().code(), Some(0));
        let own = run.out();
        let own = own
            .trim()
            .strip_prefix("1 ")
            .expect("a variable")
            .to_owned();
        match first {
            true => assert_ne!(own, "1"),
            false => assert_eq!(own, run.shim.to_string()),
        }
        let mut start = Start::new(|| {});
        start.folder.write(".vault", "A=exec:false\n");
        start.environment.push(b"VAULT_TOKEN=t".to_vec());
        let script = "echo -$A-$VAULT_TOKEN-$secrets_loaded-";
        let mut run = Run::with(start, first, "--init", "sh", &["-c", script]);
        assert_eq!(run.end().code(), Some(0));
        assert_eq!(run.out(), "--t--\n");
    }
}
