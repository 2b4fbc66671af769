//! The program that says what it was given: everything that a process inherits across `execve`, in
//! lines, into the file named by its first argument. It is compiled by `house::probe` on its own and
//! has no start-up code of `std`, which would change what it is to report.
#![no_main]

use std::ffi::{c_char, c_int, c_long, c_ulong};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

unsafe extern "C" {
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64;
    fn getitimer(which: c_int, value: *mut [c_long; 4]) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn personality(persona: c_ulong) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
}

const F_GETFD: c_int = 1;
const F_GETFL: c_int = 3;
const SEEK_CUR: c_int = 1;
const WNOHANG: c_int = 1;

fn bytes(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| format!("{error}").into_bytes())
}

fn link(path: &str) -> String {
    match std::fs::read_link(path) {
        Ok(target) => target.as_os_str().as_bytes().escape_ascii().to_string(),
        Err(error) => format!("{error}"),
    }
}

fn strings(out: &mut String, name: &str, bytes: &[u8]) {
    let strings = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if strings.is_empty() && bytes.is_empty() {
        return;
    }
    for string in strings.split(|byte| *byte == 0) {
        writeln!(out, "{name}: {}", string.escape_ascii()).unwrap();
    }
}

fn report() -> Vec<u8> {
    let mut out = String::new();
    // First, before anything here opens a file.
    for fd in 0..1024 {
        let flags = unsafe { fcntl(fd, F_GETFD) };
        if flags != -1 {
            let status = unsafe { fcntl(fd, F_GETFL) };
            let offset = unsafe { lseek(fd, 0, SEEK_CUR) };
            let target = link(&format!("/proc/self/fd/{fd}"));
            writeln!(out, "fd {fd}: {target} cloexec {flags} flags {status:o} at {offset}").unwrap();
        }
    }
    strings(&mut out, "word", &bytes("/proc/self/cmdline"));
    strings(&mut out, "variable", &bytes("/proc/self/environ"));
    for name in ["cwd", "root", "exe"] {
        writeln!(out, "{name}: {}", link(&format!("/proc/self/{name}"))).unwrap();
    }
    for name in ["comm", "limits", "oom_score_adj", "coredump_filter", "timerslack_ns", "cgroup", "loginuid"] {
        for line in String::from_utf8_lossy(&bytes(&format!("/proc/self/{name}"))).lines() {
            writeln!(out, "{name}: {line}").unwrap();
        }
    }
    let kept = [
        "Umask", "TracerPid", "Uid", "Gid", "Groups", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigIgn",
        "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
        "Seccomp_filters", "Cpus_allowed", "Mems_allowed",
    ];
    let status = bytes("/proc/self/status");
    for line in String::from_utf8_lossy(&status).lines() {
        if line.split_once(':').is_some_and(|(name, _)| kept.contains(&name)) {
            writeln!(out, "{line}").unwrap();
        }
    }
    let stat = String::from_utf8_lossy(&bytes("/proc/self/stat")).into_owned();
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
    let pid = std::process::id().to_string();
    // Numbered as in proc_pid_stat(5); the first two fields are cut off.
    for (number, name) in [
        (4, "parent"), (5, "group"), (6, "session"), (7, "terminal"), (8, "foreground group"),
        (18, "priority"), (19, "nice"), (20, "threads"), (38, "exit signal"), (40, "real-time priority"),
        (41, "policy"),
    ] {
        let value = fields.get(number - 3).copied().unwrap_or("?");
        // Other numbers may be the same by chance, in a namespace.
        let is_id = matches!(number, 4..=6 | 8);
        let value = if is_id && value == pid { "self" } else { value };
        writeln!(out, "{name}: {value}").unwrap();
    }
    for (which, name) in [(0, "real"), (1, "virtual"), (2, "profiling")] {
        let mut value: [c_long; 4] = [0; 4];
        unsafe { getitimer(which, &mut value) };
        let armed = value[2] != 0 || value[3] != 0;
        writeln!(out, "{name} timer: every {}.{:06}, armed {armed}", value[0], value[1]).unwrap();
    }
    for (option, name) in [
        (3, "dumpable"), (7, "keep capabilities"), (27, "secure bits"), (39, "no new privileges"), (42, "no huge pages"),
    ] {
        let value = unsafe { prctl(option, 0 as c_long, 0 as c_long, 0 as c_long, 0 as c_long) };
        writeln!(out, "{name}: {value}").unwrap();
    }
    for (option, name) in [(2, "parent-death signal"), (37, "subreaper")] {
        let mut value: c_int = -1;
        unsafe { prctl(option, &mut value as *mut c_int, 0 as c_long, 0 as c_long, 0 as c_long) };
        writeln!(out, "{name}: {value}").unwrap();
    }
    writeln!(out, "personality: {:x}", unsafe { personality(0xffff_ffff) }).unwrap();
    let mut status = 0;
    writeln!(out, "children: {}", unsafe { waitpid(-1, &mut status, WNOHANG) }).unwrap();
    writeln!(out, "pid: {pid}").unwrap();
    out.into_bytes()
}

#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    let report = report();
    let words = bytes("/proc/self/cmdline");
    let path = words.split(|byte| *byte == 0).nth(1).unwrap_or_default();
    let path = std::ffi::OsStr::from_bytes(path);
    // Renamed when whole, so that nobody reads half of it.
    let mut part = path.to_owned();
    part.push(".part");
    let written = std::fs::write(&part, report).and_then(|()| std::fs::rename(&part, path));
    if written.is_ok() { 42 } else { 1 }
}
