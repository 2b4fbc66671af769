//! A thousand things at random moments: never two programs, never a mixture of old and new values,
//! never a lost stop, and nothing that grows.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::super::house::{Shim, wait_until};
use super::Running;

/// A generator that is the same every time (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
}

/// Takes a lock as long as it lives: two at once would be told. All values must be of one load.
/// Its own children may hold the lock for a moment longer, hence the second. It
/// inherits that USR1 and HUP are ignored, for a shell has no handler in its first moments.
const PROGRAM: &str = "exec 9>lock; flock -w 1 9 || echo TWO; \
    test \"$A$B$C\" = \"$A$A$A\" || echo MIXED; echo \"start $A\"; \
    trap 'exit 3' TERM; while :; do sleep 0.05 9>&-; done";

fn vault(n: u64) -> String {
    format!("A={n}\nB={n}\nC={n}\n")
}

fn descriptors(it: &Running) -> usize {
    let folder = format!("/proc/{}/fd", it.pid());
    std::fs::read_dir(folder).expect("descriptors").count()
}

fn memory(it: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", it.pid())).expect("a status");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn a_thousand_things() {
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let shim = Shim::new()
            .file(".vault", vault(0))
            .args("--watch 1s --reload-signal USR2 --stop-timeout 2s -- sh -c")
            .arg(PROGRAM);
        let mut it = Running::ignoring(shim, "USR1,HUP");
        it.wait_for("start 0");
        let mut last = 0;
        let mut first = None;
        for n in 1..=250 {
            match dice.roll(10) {
                0..=3 => {
                    last = n;
                    it.replace(".vault", &vault(n));
                    it.send(Signal::SIGUSR2);
                }
                // A source that is broken for a moment.
                4 => {
                    it.replace(".vault", "A='\n");
                    it.send(Signal::SIGUSR2);
                    std::thread::sleep(Duration::from_millis(dice.roll(60)));
                    last = n;
                    it.replace(".vault", &vault(n));
                }
                5 => it.send(Signal::SIGUSR1),
                6 => it.send(Signal::SIGHUP),
                7 => it.send(Signal::SIGWINCH),
                8 => {
                    it.send(Signal::SIGSTOP);
                    std::thread::sleep(Duration::from_millis(dice.roll(20)));
                    it.send(Signal::SIGCONT);
                }
                _ => it.send(Signal::SIGUSR2),
            }
            std::thread::sleep(Duration::from_millis(dice.roll(40)));
            if n == 50 {
                first = Some((descriptors(&it), memory(&it)));
            }
        }
        // In the end it runs on the last values.
        it.send(Signal::SIGUSR2);
        it.wait_for(&format!("start {last}"));
        let out = it.out();
        assert!(
            !out.contains("TWO") && !out.contains("MIXED"),
            "seed {seed}\n{out}"
        );
        let (fds, kib) = first.expect("a measure");
        wait_until("no more descriptors than before", || {
            descriptors(&it) <= fds + 2
        });
        assert!(
            memory(&it) <= kib + 256,
            "seed {seed}: {} KiB were {kib}",
            memory(&it)
        );
        // A stop at any moment is the end, whatever else is under way.
        it.replace(".vault", &vault(1000));
        it.send(Signal::SIGUSR2);
        std::thread::sleep(Duration::from_millis(dice.roll(50)));
        it.send(Signal::SIGTERM);
        let status = it.end();
        assert!(
            status.code().is_some_and(|code| [3, 143].contains(&code)) || status.code().is_none(),
            "{status:?}"
        );
        let out = it.out();
        assert!(
            !out.contains("TWO") && !out.contains("MIXED"),
            "seed {seed}\n{out}"
        );
    }
}
