//! Being PID 1: a process-id namespace of its own for the program under test.

use std::ffi::CString;
use std::process::Command;
use std::sync::OnceLock;

/// The words in front of a program that make it PID 1 of a new namespace with its own `/proc`.
pub fn words() -> Vec<CString> {
    let mut words = vec![c"/usr/bin/unshare".to_owned()];
    if !nix::unistd::geteuid().is_root() {
        words.extend([c"--user".to_owned(), c"--map-root-user".to_owned()]);
    }
    let options = [c"--pid", c"--fork", c"--mount-proc", c"--kill-child", c"--"];
    words.extend(options.map(|word| word.to_owned()));
    words
}

/// Whether tests run as PID 1 too. Where the machine cannot, that is a failure, unless the caller of
/// the tests said so.
#[track_caller]
pub fn available() -> bool {
    if super::without("namespaces") {
        return false;
    }
    static WORKS: OnceLock<bool> = OnceLock::new();
    let works = *WORKS.get_or_init(|| {
        let words: Vec<_> = words()
            .into_iter()
            .map(|w| w.into_string().expect("text"))
            .collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["sh", "-c", "exit 7"]);
        command
            .output()
            .is_ok_and(|output| output.status.code() == Some(7))
    });
    assert!(
        works,
        "`unshare --pid --fork --mount-proc` does not work here: run the tests as root or allow user \
         namespaces, or leave these tests out knowingly with ENVSHIM_TEST_WITHOUT=namespaces"
    );
    true
}

/// The process that `unshare` started, by its number outside.
pub fn first_child(pid: u32) -> Option<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
