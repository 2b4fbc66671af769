//! A control group of the program's own: its kill file (version 2, Linux 5.14) ends all that the program has
//! started in one moment, also a process that forks and ends faster than anybody can look for it.
//!
//! There is one only where somebody may have to be killed, and where systemd says that the group we are in
//! is ours to divide (`Delegate=yes` leaves a mark for us, see its CGROUP_DELEGATION): elsewhere it belongs to
//! others, who may count on its shape. And only where no limit would be one folder further away: programs look
//! for theirs in their own group, and would take all of the machine.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::unistd::getpid;

use crate::settings::Supervision;
use crate::sys;

pub(super) struct Cgroup(PathBuf);

impl Cgroup {
    /// An empty one, below our own.
    pub(super) fn make(told: &Supervision) -> Option<Cgroup> {
        if told.stop_timeout.is_none() && told.drain.is_zero() {
            return None;
        }
        let own = own()?;
        // With `DelegateSubgroup=` the mark is one folder above.
        if !own.ancestors().take(2).any(is_delegated) || is_limited(&own) {
            return None;
        }
        let path = own.join(format!("envshim-{}", getpid()));
        // Of one that was killed, and had our number.
        fs::remove_dir(&path).ok();
        fs::create_dir(&path).ok()?;
        let made = Cgroup(path);
        if !made.0.join("cgroup.kill").exists() {
            made.remove();
            return None;
        }
        Some(made)
    }

    /// Puts this process there. Where that cannot be, it is found as any other.
    pub(super) fn enter(&self) {
        self.tell("cgroup.procs", b"0");
    }

    /// Kills all that are there.
    pub(super) fn kill(&self) {
        self.tell("cgroup.kill", b"1");
    }

    fn tell(&self, file: &str, word: &[u8]) {
        let opened = fs::File::options().write(true).open(self.0.join(file));
        opened.and_then(|mut file| file.write_all(word)).ok();
    }

    /// Leaves nothing behind, unless somebody is still there.
    pub(super) fn remove(&self) {
        fs::remove_dir(&self.0).ok();
    }
}

/// The folder of the group that we are in (cgroups(7), proc_pid_mountinfo(5)).
fn own() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let below = Path::new(group).strip_prefix(root).ok()?;
        kind.starts_with("cgroup2 ")
            .then(|| Path::new(point).join(below))
    })
}

fn is_delegated(folder: &Path) -> bool {
    sys::has_attribute(folder, c"user.delegate", b"1")
}

/// Whether programs find less there than the machine has.
fn is_limited(folder: &Path) -> bool {
    ["memory.max", "memory.high", "cpu.max"].iter().any(|file| {
        fs::read_to_string(folder.join(file)).is_ok_and(|limit| !limit.starts_with("max"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a folder of the test's own")]
    fn a_limit_is_one_that_is_not_the_whole_machine() {
        let folder = std::env::temp_dir().join(format!("envshim-cgroup-{}", getpid()));
        fs::create_dir(&folder).expect("a new folder");
        let limited = |file, text| {
            fs::write(folder.join(file), text).expect("written");
            let limited = is_limited(&folder);
            fs::remove_file(folder.join(file)).expect("removed");
            limited
        };
        assert!(!is_limited(&folder));
        assert!(!limited("memory.max", "max\n"));
        assert!(limited("memory.max", "536870912\n"));
        assert!(limited("memory.high", "0\n"));
        assert!(!limited("cpu.max", "max 100000\n"));
        assert!(limited("cpu.max", "50000 100000\n"));
        fs::remove_dir(&folder).expect("removed");
    }
}
