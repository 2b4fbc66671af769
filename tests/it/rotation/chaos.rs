//! A thousand things in sequence, at random moments: signals, new secrets, a server that is down,
//! mute, sealed or cut off, children that crash, and the end of all. Never two programs, never old
//! and new values together, never a lost stop, nobody left behind, and nothing that grows.

use std::fmt::Display;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::house::outage::Weather;
use super::super::house::pty::Pty;
use super::super::house::{Shim, wait_until};
use super::Running;

mod store;

use store::{Dice, Store};

/// So many things happen.
const THINGS: u64 = 1000;

/// The first program of the sequence lives for so many of them, so that growth would be seen.
const LONG: u64 = 300;

/// The sequence so far.
struct Chaos {
    dice: Dice,
    store: Store,
    it: Running,
    /// When it was well and quiet for the first time: descriptors and memory.
    base: Option<(usize, u64)>,
    /// Everything that programs and envshim have said.
    out: String,
    err: String,
    refused: usize,
    /// Something on its way was killed.
    crashed: bool,
    seed: u64,
    /// What has happened, for whoever wants to know why.
    trail: Vec<&'static str>,
}

impl Chaos {
    /// What all of its processes but the supervisor have in common is their folder.
    fn processes(&self) -> Vec<Pid> {
        let here = self.it.shim.folder.path();
        let all = std::fs::read_dir("/proc").expect("processes").flatten();
        let number = |name: std::ffi::OsString| name.to_str()?.parse().ok();
        all.filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at == here))
            .filter_map(|entry| number(entry.file_name()).map(Pid::from_raw))
            .collect()
    }

    /// The program, once it is one.
    fn program(&self) -> Option<Pid> {
        let name = |pid: &Pid| std::fs::read_to_string(format!("/proc/{pid}/comm"));
        self.it
            .children()
            .into_iter()
            .find(|pid| name(pid).is_ok_and(|name| name == "sh\n"))
    }

    fn starts(&self) -> usize {
        self.it.out().matches("start ").count()
    }

    #[track_caller]
    fn check(&self) {
        let out = self.it.out();
        let fine = !out.contains("TWO") && !out.contains("MIXED");
        assert!(fine, "{}", self.tell("wrong"));
    }

    /// Waits for a program that runs; a load that fails before the first one is the end of envshim.
    fn begin(&mut self) {
        loop {
            let mut status = None;
            let it = &mut self.it;
            wait_until("a start", || {
                status = it.child.try_wait().expect("a status");
                status.is_some() || it.out().contains("start ")
            });
            let Some(status) = status else { return };
            let unwell = std::mem::take(&mut self.store.unwell);
            let refused = status.code() == Some(125) && unwell;
            assert!(refused || self.lost(status), "{}", self.tell(status));
            self.refused += usize::from(refused);
            self.store.heal();
            self.next();
        }
    }

    /// What was killed on its way may have been the program by then, or have left its place to one
    /// that did not come.
    fn lost(&self, status: ExitStatus) -> bool {
        let killed = status.signal() == Some(libc::SIGKILL);
        self.crashed && (killed || status.code() == Some(125))
    }

    /// The supervisor has ended, and leaves nobody behind.
    #[track_caller]
    fn ended(&mut self) {
        wait_until("nobody left", || self.processes().is_empty());
        self.check();
        self.out += &self.it.out();
        self.err += &self.it.err();
        self.base = None;
        self.crashed = false;
    }

    /// The same, and another supervisor in the same folder.
    #[track_caller]
    fn next(&mut self) {
        self.ended();
        let shim = std::mem::replace(&mut self.it.shim, Shim::new());
        self.it = Running::ignoring(shim, "USR1,HUP");
    }

    /// How it came to this.
    fn tell(&self, what: impl Display) -> String {
        let (seed, out, err) = (self.seed, self.it.out(), self.it.err());
        let last = self.trail.len().saturating_sub(40);
        let trail = self.trail[last..].join("\n");
        format!(
            "seed {seed}, thing {}: {what}\n{trail}\n{out}\n{err}",
            self.trail.len()
        )
    }

    /// Anything but an end.
    fn thing(&mut self) {
        let dice = &mut self.dice;
        let what = match dice.roll(22) {
            0..=2 if self.store.answers() => {
                self.store.new_fields();
                if dice.roll(2) == 0 {
                    self.it.send(Signal::SIGUSR2);
                }
                "new fields"
            }
            3..=5 if self.store.answers() => {
                self.store.new_versions();
                self.it.replace(".vault", &self.store.vault());
                self.it.send(Signal::SIGUSR2);
                "new versions"
            }
            6 => {
                self.it.replace(".vault", "A='\n");
                self.it.send(Signal::SIGUSR2);
                dice.pause(60);
                self.it.replace(".vault", &self.store.vault());
                "a source that is broken for a moment"
            }
            7..=8 => self.store.trouble(dice),
            9..=12 => {
                self.store.heal();
                "all is well"
            }
            13..=15 => {
                let harmless = [Signal::SIGUSR1, Signal::SIGHUP, Signal::SIGWINCH];
                self.it.send(dice.pick(&harmless));
                "a signal"
            }
            16 => {
                self.it.send(Signal::SIGSTOP);
                dice.pause(20);
                self.it.send(Signal::SIGCONT);
                "a stop"
            }
            17 => {
                if let Some(program) = self.program() {
                    kill(program, Signal::SIGSTOP).ok();
                    self.dice.pause(20);
                    if self.dice.roll(2) == 0 {
                        kill(program, Signal::SIGCONT).ok();
                    }
                }
                "a stop of the program, perhaps for good"
            }
            18 => {
                let program = self.program();
                let mut others = self.it.children();
                others.retain(|pid| Some(*pid) != program);
                if let (Some(pid), true) = (others.first(), program.is_some()) {
                    self.crashed = true;
                    kill(*pid, Signal::SIGKILL).ok();
                }
                "a crash on the way"
            }
            _ => {
                self.it.send(Signal::SIGUSR2);
                "another load"
            }
        };
        self.trail.push(what);
        self.dice.pause(40);
    }

    /// The program crashes: that is the end, with its status, unless it was about to be replaced.
    fn crash(&mut self) {
        self.trail.push("the program crashes");
        let Some(program) = self.program() else {
            return;
        };
        let before = self.starts();
        let how = self
            .dice
            .pick(&[Signal::SIGKILL, Signal::SIGALRM, Signal::SIGQUIT]);
        kill(program, how).ok();
        kill(program, Signal::SIGCONT).ok();
        let mut status = None;
        wait_until("the end, or another program", || {
            status = self.it.child.try_wait().expect("a status");
            status.is_some() || self.starts() > before
        });
        if let Some(status) = status {
            // Told to stop already, it may obey first.
            let own = status.signal() == Some(how as i32) || status.code() == Some(9);
            let told = status.signal() == Some(libc::SIGTERM) || status.code() == Some(3);
            assert!(
                own || told || self.lost(status),
                "{how}: {}",
                self.tell(status)
            );
            self.next();
        }
    }

    /// A stop at any moment is the end, whatever else is under way.
    #[track_caller]
    fn stop(&mut self) {
        self.trail.push("the end is asked for");
        self.it.send(Signal::SIGUSR2);
        self.dice.pause(50);
        let begun = Instant::now();
        self.it.send(
            self.dice
                .pick(&[Signal::SIGTERM, Signal::SIGTERM, Signal::SIGQUIT]),
        );
        if self.dice.roll(2) == 0 {
            self.it.send(Signal::SIGUSR2);
        }
        let status = self.it.end();
        let killed = status.signal() == Some(libc::SIGKILL);
        let signals = [Some(libc::SIGTERM), Some(libc::SIGQUIT)];
        let fine = signals.contains(&status.signal()) || matches!(status.code(), Some(3 | 9));
        let late = killed && begun.elapsed() >= Duration::from_secs(2);
        assert!(fine || late || self.lost(status), "{}", self.tell(status));
    }

    /// What nobody can forward: the program and whatever is under way end with us.
    fn kill(&mut self) {
        self.trail.push("envshim is killed");
        self.dice.pause(50);
        self.it.send(Signal::SIGKILL);
        self.it.end();
        // One that is stopped would obey when it goes on.
        for pid in self.processes() {
            kill(pid, Signal::SIGCONT).ok();
        }
        self.next();
    }

    /// All is well for a while: the program that runs has the last values, and nothing has grown.
    fn settle(&mut self) {
        self.trail.push("rest");
        self.begin();
        self.store.heal();
        self.store.unwell = false;
        if let Some(program) = self.program() {
            kill(program, Signal::SIGCONT).ok();
        }
        self.it.send(Signal::SIGUSR2);
        let wanted = format!("start {} {}", self.store.fields, self.store.versions);
        wait_until(&wanted, || {
            let out = self.it.out();
            out.lines().rfind(|line| line.starts_with("start ")) == Some(wanted.as_str())
        });
        let alone = || self.it.children().len() == 1 && Pty::state_of(self.it.pid()) == Some('S');
        wait_until("nobody on the way", alone);
        let Some((fds, kib)) = self.base else {
            self.base = Some((self.descriptors(), self.memory()));
            return;
        };
        // A look that begins just now has some of its own.
        wait_until("no more descriptors", || self.descriptors() == fds);
        let now = self.memory();
        assert!(now <= kib + 128, "seed {}: {now} KiB were {kib}", self.seed);
    }

    /// Everything that this is about has happened, and not once.
    fn was_no_quiet_day(&self) {
        let told = |text| self.err.matches(text).count();
        let felt = |weather| self.store.gate.felt(weather);
        let counts = [
            ("starts", self.out.matches("start ").count(), 50),
            ("loads that failed", told("the program goes on with"), 20),
            ("refused starts", self.refused, 1),
            ("nobody listens", told("refused"), 1),
            ("nobody says a word", felt(Weather::Silent), 1),
            ("connections are reset", felt(Weather::Reset), 1),
            ("connections are cut", felt(Weather::Cut), 1),
            ("the server is sealed", told("sealed"), 1),
        ];
        for (what, count, least) in counts {
            println!("{what}: {count}");
            assert!(count >= least, "seed {}: {what}: {count}", self.seed);
        }
    }

    fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.it.pid());
        std::fs::read_dir(folder).expect("descriptors").count()
    }

    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.it.pid());
        let status = std::fs::read_to_string(path).expect("a status");
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|n| n.parse().ok()).expect("a number")
    }
}

/// `ENVSHIM_TEST_SEED=2` is another thousand.
#[test]
fn a_thousand_things() {
    let seed = std::env::var("ENVSHIM_TEST_SEED").map_or(1, |n| n.parse().expect("a number"));
    let Some(store) = Store::start() else { return };
    let it = Running::ignoring(store.shim(), "USR1,HUP");
    let mut chaos = Chaos {
        dice: Dice(seed),
        store,
        it,
        base: None,
        out: String::new(),
        err: String::new(),
        refused: 0,
        crashed: false,
        seed,
        trail: Vec::new(),
    };
    chaos.settle();
    for n in 1..=THINGS {
        chaos.begin();
        let end = if n < LONG { 100 } else { chaos.dice.roll(80) };
        match end {
            0 => chaos.crash(),
            1 => {
                chaos.stop();
                chaos.next();
            }
            2 => chaos.kill(),
            3 => chaos.settle(),
            _ => chaos.thing(),
        }
        chaos.check();
        if n == LONG {
            chaos.settle();
        }
    }
    chaos.settle();
    chaos.stop();
    chaos.ended();
    chaos.was_no_quiet_day();
}
