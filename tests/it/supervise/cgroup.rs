//! What the program leaves behind is killed however it hides: with a control group that is ours to divide, and without.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::house::program::is_root;
use super::super::house::{Answer, Folder, envshim};
use super::ways;

/// It is a new process before anybody has looked at the old one.
const HOPPER: &str = "import os
os.setsid()
open('hopping', 'w').close()
while True:
    if os.fork():
        os._exit(0)
";

/// Where the test's control group is, whether it is marked, and how envshim is started in it.
struct Unit<'a> {
    below: &'static str,
    mark: &'static str,
    first: bool,
    options: &'a str,
}

impl<'a> Unit<'a> {
    /// One that is marked, and nobody's PID 1 in it.
    fn marked(options: &'a str) -> Unit<'a> {
        Unit {
            below: "",
            mark: ".",
            first: false,
            options,
        }
    }

    /// The program's output, and what stands in the group when envshim has ended.
    #[track_caller]
    fn run(&self, program: &str) -> (String, String) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unit = format!("envshim-test-{}-{count}", std::process::id());
        let folder = Folder::new();
        folder.write("hop.py", HOPPER);
        folder.write(
            "mark.py",
            "import os, sys\nos.setxattr(sys.argv[1], 'user.delegate', b'1')\n",
        );
        folder.write("c/.gitkeep", "");
        let alone = if self.first {
            "unshare --pid --fork --mount-proc --kill-child --"
        } else {
            ""
        };
        // A mount of its own, which ends with this shell.
        let script = format!(
            "set -e; mount -t cgroup2 none c; export unit=c/{unit}; mkdir -p $unit/{below}
            [ -z '{mark}' ] || python3 mark.py $unit/{mark}
            echo $$ > $unit/{below}/cgroup.procs
            timeout -s KILL 20 {alone} {envshim} --init {options} -- sh -c '{program}' >out 2>err </dev/null || echo \"status $?\" >>out
            echo $$ > c/cgroup.procs
            find $unit/{below} -mindepth 1 -type d -name 'envshim-*'; wc -l <$unit/{below}/cgroup.procs
            for one in $(cat $unit/{below}/cgroup.procs); do kill -KILL $one; done
            for folder in $(find $unit -depth -type d); do rmdir $folder 2>/dev/null || sleep 1; done",
            below = self.below,
            mark = self.mark,
            options = self.options,
            envshim = envshim().display(),
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]);
        command.current_dir(folder.path());
        let output = command.output().expect("an end");
        let text = |name: &str| String::from_utf8_lossy(&folder.read(name)).into_owned();
        let (out, err) = (text("out"), text("err"));
        assert_eq!(err, "");
        let answer = Answer::new(output, folder).ok();
        assert_eq!(answer.err, "");
        let out = out.replace(&unit, "unit");
        (out, answer.out.replace(&unit, "unit"))
    }
}

#[test]
fn nothing_outruns_us() {
    if !is_root() {
        return;
    }
    for first in ways() {
        for (below, mark) in [("", "."), ("main", "."), ("", "")] {
            for (options, program, status) in [
                (
                    "--drain 100ms",
                    "grep ^0:: /proc/self/cgroup; python3 hop.py & while [ ! -e hopping ]; do sleep 0.01; done; exit 3",
                    3,
                ),
                (
                    "--stop-timeout 100ms",
                    "grep ^0:: /proc/self/cgroup; trap \"\" TERM; python3 hop.py & while [ ! -e hopping ]; do sleep 0.01; done; kill -TERM $PPID; sleep 60",
                    137,
                ),
            ] {
                let unit = Unit {
                    below,
                    mark,
                    first,
                    options: &format!("{options} --exit-code-style 128"),
                };
                let (out, left) = unit.run(program);
                let (shown, end) = out.split_once('\n').expect("two lines");
                let place = format!("0::/unit/{below}");
                let own = shown.strip_prefix(place.trim_end_matches('/'));
                let number = own.and_then(|own| own.strip_prefix("/envshim-"));
                let made = number.is_some_and(|number| number.parse::<u32>().is_ok());
                assert!(made || own == Some(""), "{shown}");
                assert_eq!(made, !mark.is_empty(), "{shown}");
                assert_eq!(end, format!("status {status}\n"));
                assert_eq!(left, "0\n", "{options}");
            }
        }
    }
}

/// Where nobody can be looked for, the kill file is all there is.
#[test]
fn the_kill_file_needs_no_proc() {
    if !is_root() {
        return;
    }
    let unit = Unit::marked("--drain 100ms");
    let (out, left) = unit.run("setsid sleep 600 & mount -t tmpfs none /proc");
    assert_eq!((&*out, &*left), ("", "0\n"));
}

/// Who has left the group is found as any other.
#[test]
fn nobody_hides_outside() {
    if !is_root() {
        return;
    }
    let unit = Unit::marked("--drain 100ms");
    let (out, left) = unit.run("(echo 0 >$unit/cgroup.procs; setsid sleep 600 & echo $! >pid) & while [ ! -s pid ]; do sleep 0.01; done; cat /proc/$(cat pid)/cgroup | grep ^0::");
    assert_eq!(out, "0::/unit\n");
    assert_eq!(left, "0\n");
}

/// Without the mark, and where nobody is to be killed, everything stays as it is.
#[test]
fn no_group_is_made_that_nobody_asked_for() {
    if !is_root() {
        return;
    }
    for (mark, options) in [("", "--drain 100ms"), (".", "")] {
        let unit = Unit {
            mark,
            ..Unit::marked(options)
        };
        let (out, left) = unit.run("grep ^0:: /proc/self/cgroup");
        assert_eq!((&*out, &*left), ("0::/unit\n", "0\n"));
    }
}

/// A `/proc` of another namespace has other numbers: nobody is killed by them.
#[test]
fn numbers_of_another_namespace_are_nobodys() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    // The second process here; out there the second one is the parent of all kernel threads.
    let script = "\"$0\" --init --drain 100ms -- sh -c 'while [ ! -e others ]; do sleep 0.01; done' & shim=$!
        for n in 1 2 3 4 5 6 7 8; do sleep 600 & others=\"$others $!\"; done; touch others
        wait $shim; echo $shim $?; for other in $others; do kill -0 $other 2>/dev/null || echo $other is gone; done";
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--", "sh", "-c", script]);
    command.arg(envshim()).current_dir(folder.path());
    let output = command.output().expect("an end");
    let answer = Answer::new(output, folder).ok();
    assert_eq!((&*answer.out, &*answer.err), ("2 0\n", ""));
}
