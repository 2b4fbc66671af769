//! Who descends from us: read from `/proc` when something has to be ended, never before. Where there
//! is no `/proc` of our own namespace nothing is found, and the program's own group is all that can be reached.

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid};

use crate::sys::children::send;
use crate::sys::proc_is_ours;

/// So often is looked for what has been started meanwhile.
const ROUNDS: usize = 16;

/// A process of this machine.
pub(super) struct Process {
    pub(super) pid: i32,
    parent: i32,
    pub(super) group: i32,
    state: u8,
    pub(super) name: String,
}

/// Every process that we can see.
fn all() -> Vec<Process> {
    if !proc_is_ours() {
        return Vec::new();
    }
    let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |name: &std::ffi::OsStr| name.to_str()?.parse().ok();
    folders
        .filter_map(|folder| read(number(&folder.file_name())?))
        .collect()
}

fn read(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, also blanks and parentheses.
    let (front, fields) = stat.rsplit_once(") ")?;
    let (_, name) = front.split_once('(')?;
    let mut fields = fields.split(' ');
    Some(Process {
        pid,
        state: *fields.next()?.as_bytes().first()?,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        name: name.to_owned(),
    })
}

/// All living processes below this one, but `ours`.
pub(super) fn descendants(ours: &[Pid]) -> Vec<Process> {
    let mut rest = all();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![getpid().as_raw()];
    while let Some(parent) = parents.pop() {
        let (children, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|p| p.parent == parent);
        rest = others;
        parents.extend(children.iter().map(|child| child.pid));
        found.extend(children);
    }
    found.retain(|process| process.state != b'Z' && process.state != b'X');
    found.retain(|process| !ours.contains(&Pid::from_raw(process.pid)));
    found
}

/// The children of ours that have ended and are not reaped yet.
pub(super) fn zombies() -> Vec<Process> {
    let own = getpid().as_raw();
    let mut found = all();
    found.retain(|process| process.parent == own && process.state == b'Z');
    found
}

/// Sends a signal to all that descend from us.
pub(super) fn tell(number: i32, ours: &[Pid]) {
    for process in descendants(ours) {
        // It may have ended meanwhile.
        send(process.pid, number).ok();
    }
}

/// Kills one program of ours and the group that it leads: another one waits for its place.
pub(super) fn kill_one(child: Pid, leads: bool) {
    let number = Signal::SIGKILL as i32;
    send(child.as_raw(), number).ok();
    if leads {
        send(-child.as_raw(), number).ok();
    }
}

/// Kills all that descend from us, and what they start meanwhile: until nothing new is found, or nothing is
/// gained by looking once more.
pub(super) fn kill_rest(ours: &[Pid]) {
    let number = Signal::SIGKILL as i32;
    let mut killed = Vec::new();
    for _ in 0..ROUNDS {
        if proc_is_ours() {
            kill_orphans(ours);
        }
        let mut found = descendants(ours);
        found.retain(|process| !killed.contains(&process.pid));
        if found.is_empty() {
            return;
        }
        for process in found {
            send(process.pid, number).ok();
            killed.push(process.pid);
        }
    }
}

/// Kills our own children as soon as they are read of: who forks and ends in turn is always one of them, and
/// gone before all processes are looked through. Nothing, where the kernel keeps no such list.
fn kill_orphans(ours: &[Pid]) {
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    for child in children.split_ascii_whitespace() {
        if let Ok(pid) = child.parse()
            && !ours.contains(&Pid::from_raw(pid))
        {
            send(pid, Signal::SIGKILL as i32).ok();
        }
    }
}
