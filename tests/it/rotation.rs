//! Secrets that change while the program runs, and secrets that end.

mod chaos;

mod changes;

mod leases;

mod looks;

mod serving;

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::house::{Shim, wait_until};

/// A supervised program that runs, with what it and envshim have said so far.
struct Running {
    shim: Shim,
    child: Child,
}

impl Running {
    fn start(shim: Shim) -> Running {
        Running::by(shim.command(), shim)
    }

    /// The same, where these signals are ignored.
    fn ignoring(shim: Shim, signals: &str) -> Running {
        let inner = shim.command();
        let mut command = Command::new("env");
        command
            .arg(format!("--ignore-signal={signals}"))
            .arg(inner.get_program())
            .args(inner.get_args())
            .env_clear()
            .envs(
                inner
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(shim.folder.path());
        Running::by(command, shim)
    }

    fn by(mut command: Command, shim: Shim) -> Running {
        let file = |name| File::create(shim.folder.join(name)).expect("a file");
        command.stdout(file("stdout")).stderr(file("stderr"));
        let child = command.spawn().expect("envshim");
        Running { shim, child }
    }

    fn out(&self) -> String {
        String::from_utf8_lossy(&self.shim.folder.read("stdout")).into_owned()
    }

    fn err(&self) -> String {
        String::from_utf8_lossy(&self.shim.folder.read("stderr")).into_owned()
    }

    /// How often a line stands on stdout.
    fn count(&self, line: &str) -> usize {
        self.out().lines().filter(|l| *l == line).count()
    }

    #[track_caller]
    fn wait_for(&self, line: &str) {
        wait_until(line, || self.count(line) > 0);
    }

    #[track_caller]
    fn wait_for_error(&self, text: &str) {
        wait_until(text, || self.err().contains(text));
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// The program, and who else is on the way.
    fn children(&self) -> Vec<Pid> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = std::fs::read_to_string(path).unwrap_or_default();
        let pids = children.split_whitespace();
        pids.filter_map(|pid| pid.parse().ok().map(Pid::from_raw))
            .collect()
    }

    fn send(&self, signal: Signal) {
        kill(self.pid(), signal).expect("sent");
    }

    /// Every signal that was sent to it has been taken.
    fn nothing_is_pending(&self) -> bool {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("a status");
        let mut lines = status.lines().filter(|line| line.starts_with("ShdPnd:"));
        lines.all(|line| line.ends_with("\t0000000000000000"))
    }

    /// Another content, all at once.
    fn replace(&self, name: &str, content: &str) {
        let new = self.shim.folder.write(&format!("{name}.new"), content);
        std::fs::rename(new, self.shim.folder.join(name)).expect("renamed");
    }

    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end", || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        });
        status.expect("a status")
    }

    /// Stops it, and expects the status of the program.
    #[track_caller]
    fn stops(&mut self, code: i32) {
        self.send(Signal::SIGTERM);
        let status = self.end();
        assert_eq!(
            status.code(),
            Some(code),
            "{:?}\n{}",
            status.signal(),
            self.err()
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its child dies with it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
