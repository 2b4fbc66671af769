//! What `--supervise` was told: signals by name or number, times, how the end is passed on.

use std::io::{IsTerminal, stderr, stdout};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::rotation::Rotation;
use crate::clock::parse_duration;

/// The options that mean something only to a supervisor.
pub(super) const OPTIONS: &[&str] = &[
    "map",
    "stop-signal",
    "stop-timeout",
    "drain",
    "signal-group",
    "new-session",
    "dedupe",
    "parent-death",
    "exit-code-style",
    "ok-status",
    "reap-log",
    "notify",
];

/// When to stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Never,
    Always,
    AsPid1,
}

/// What is masked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Masking {
    /// Nothing.
    Nothing,
    /// What goes into pipes and files; a terminal is passed on as it is.
    Kept,
    /// A terminal too: the program gets one of ours in its place.
    Terminal,
}

/// What happens to the program's messages to systemd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// The program speaks for itself.
    Pass,
    /// We listen, and hand its words on as ours.
    Proxy,
    /// We say once that the program is the main process.
    MainPid,
}

/// What a supervisor was told.
#[derive(Debug, Clone)]
pub struct Supervision {
    when: When,
    /// Load nothing.
    pub init: bool,
    /// What happens when secrets change.
    pub rotation: Rotation,
    /// What becomes of a signal: another one, or nothing. The last one counts.
    pub map: Vec<(i32, Option<i32>)>,
    /// How long the program may take to stop.
    pub stop_timeout: Option<Duration>,
    /// How long what it leaves behind may take.
    pub drain: Duration,
    /// Signals go to the whole group.
    pub group: bool,
    /// A program that got the signal itself does not get it from us too.
    pub dedupe: bool,
    /// What the program gets when we are killed.
    pub parent_death: Option<Signal>,
    /// A death by signal is passed on as 128+n.
    pub as_number: bool,
    /// These are success.
    pub ok_status: Vec<u8>,
    /// Tell of every orphan that was reaped.
    pub reap_log: bool,
    /// systemd's socket.
    pub notify: Option<Notify>,
    /// Where secrets are masked in what the program writes.
    pub mask: Masking,
    /// The program leads a session.
    pub new_session: bool,
}

impl Default for Supervision {
    fn default() -> Self {
        Supervision {
            when: When::Never,
            init: false,
            rotation: Rotation::default(),
            map: Vec::new(),
            stop_timeout: None,
            drain: Duration::ZERO,
            group: false,
            dedupe: false,
            parent_death: Some(Signal::SIGTERM),
            as_number: false,
            ok_status: Vec::new(),
            reap_log: false,
            notify: None,
            mask: Masking::Nothing,
            new_session: false,
        }
    }
}

impl Supervision {
    /// Whether a supervisor was asked for, here or as PID 1.
    pub fn wanted(&self) -> bool {
        self.init
            || self.mask != Masking::Nothing
            || self.rotation.wanted()
            || self.when != When::Never
    }

    /// Whether there is output to mask.
    pub fn masks(&self) -> bool {
        match self.mask {
            Masking::Nothing => false,
            Masking::Kept => !(stdout().is_terminal() && stderr().is_terminal()),
            Masking::Terminal => true,
        }
    }

    /// Whether the program gets a terminal of ours in the place of the user's.
    pub fn masks_terminal(&self) -> bool {
        self.mask == Masking::Terminal && (stdout().is_terminal() || stderr().is_terminal())
    }

    /// Whether this process has to stay as one.
    pub fn stays(&self) -> bool {
        let first = nix::unistd::getpid().as_raw() == 1;
        let asked = self.when == When::Always || (self.when == When::AsPid1 && first);
        self.init || asked || self.rotation.wanted() || self.masks()
    }

    /// What becomes of a signal.
    pub fn mapped(&self, number: i32) -> Option<i32> {
        let rule = self.map.iter().rfind(|(from, _)| *from == number);
        rule.map_or(Some(number), |(_, to)| *to)
    }

    /// Takes over one option. `None` if it is none of ours; else what it should look like.
    pub(super) fn apply(
        &mut self,
        option: &str,
        text: Option<&str>,
    ) -> Option<Result<(), &'static str>> {
        let text = text.unwrap_or("");
        if let Some(done) = self.rotation.apply(option, text) {
            return Some(done);
        }
        let time = || parse_duration(text).ok_or("a time such as 500ms, 10s or 1m");
        let switch = || super::switch(text).ok_or("yes or no");
        let done = match option {
            "supervise" => when(text)
                .map(|when| self.when = when)
                .ok_or("yes, no or auto"),
            "init" => switch().map(|on| self.init = on),
            "mask" => masking(text)
                .map(|mask| self.mask = mask)
                .ok_or("yes, no or terminal"),
            "new-session" => switch().map(|on| self.new_session = on),
            "map" => rules(text)
                .map(|rules| self.map.extend(rules))
                .ok_or("signals as in TERM:QUIT,HUP:none"),
            "stop-signal" => signal(text)
                .map(|to| self.map.push((Signal::SIGTERM as i32, Some(to))))
                .ok_or("a signal such as QUIT, INT or 3"),
            "stop-timeout" => time().map(|limit| self.stop_timeout = Some(limit)),
            "drain" => time().map(|limit| self.drain = limit),
            "signal-group" => switch().map(|on| self.group = on),
            "dedupe" => switch().map(|on| self.dedupe = on),
            "parent-death" => parent_death(text)
                .map(|signal| self.parent_death = signal)
                .ok_or("a signal such as TERM or KILL, or none"),
            "exit-code-style" => ["signal", "128"]
                .iter()
                .position(|style| *style == text)
                .map(|style| self.as_number = style == 1)
                .ok_or("signal or 128"),
            "ok-status" => text
                .split(',')
                .map(|status| status.trim().parse().ok())
                .collect::<Option<Vec<u8>>>()
                .map(|all| self.ok_status.extend(all))
                .ok_or("statuses from 0 to 255, as in 143,130"),
            "reap-log" => switch().map(|on| self.reap_log = on),
            "notify" => notify(text)
                .map(|how| self.notify = Some(how))
                .ok_or("pass, proxy or main-pid"),
            _ => return None,
        };
        Some(done)
    }
}

fn when(text: &str) -> Option<When> {
    match super::switch(text) {
        Some(true) => Some(When::Always),
        Some(false) => Some(When::Never),
        None => (text == "auto").then_some(When::AsPid1),
    }
}

fn masking(text: &str) -> Option<Masking> {
    match super::switch(text) {
        Some(true) => Some(Masking::Kept),
        Some(false) => Some(Masking::Nothing),
        None => (text == "terminal").then_some(Masking::Terminal),
    }
}

fn notify(text: &str) -> Option<Notify> {
    match text {
        "pass" => Some(Notify::Pass),
        "proxy" => Some(Notify::Proxy),
        "main-pid" => Some(Notify::MainPid),
        _ => None,
    }
}

/// The first and last real-time signals, as every tool that names them counts.
const REAL_TIME: (i32, i32) = (34, 64);

/// A signal by name (`TERM`, `SIGTERM`, `RTMIN+3`) or number.
pub(super) fn signal(text: &str) -> Option<i32> {
    let upper = text.trim().to_ascii_uppercase();
    if let Ok(number) = upper.parse() {
        return (1..=REAL_TIME.1).contains(&number).then_some(number);
    }
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |rest: &str| match rest {
        "" => Some(0),
        rest => rest.parse::<i32>().ok(),
    };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        let number = REAL_TIME.0 + offset(rest)?;
        return (REAL_TIME.0..=REAL_TIME.1)
            .contains(&number)
            .then_some(number);
    }
    if let Some(rest) = name.strip_prefix("RTMAX") {
        let number = REAL_TIME.1 + offset(rest)?;
        return (REAL_TIME.0..=REAL_TIME.1)
            .contains(&number)
            .then_some(number);
    }
    let name = match name {
        "POLL" => "IO",
        "IOT" => "ABRT",
        "CLD" => "CHLD",
        name => name,
    };
    let number = format!("SIG{name}").parse::<Signal>().ok()?;
    Some(number as i32)
}

fn rules(text: &str) -> Option<Vec<(i32, Option<i32>)>> {
    let rule = |rule: &str| {
        let (from, to) = rule.split_once(':')?;
        let from = signal(from).filter(|from| {
            // These never reach us, or never leave us.
            let fixed = [Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGCHLD];
            !fixed.iter().any(|signal| *signal as i32 == *from)
        })?;
        let to = match to.trim() {
            "none" => None,
            to => Some(signal(to)?),
        };
        Some((from, to))
    };
    text.split(',').map(rule).collect()
}

fn parent_death(text: &str) -> Option<Option<Signal>> {
    match text {
        "none" => Some(None),
        // Real-time signals have no meaning that a program could expect of its parent's death.
        text => Some(Some(Signal::try_from(signal(text)?).ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigterm", 15),
            ("15", 15),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("37", 37),
            ("POLL", 29),
            ("CLD", 17),
        ] {
            assert_eq!(signal(text), Some(number), "{text}");
        }
        for bad in [
            "",
            "TERMINATE",
            "0",
            "65",
            "-1",
            "RTMIN+31",
            "RTMAX+1",
            "SIGSIGTERM",
        ] {
            assert_eq!(signal(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_rule_for_a_signal_counts() {
        let mut told = Supervision::default();
        let mut say = |option, text| told.apply(option, Some(text)).unwrap();
        assert_eq!(say("map", "TERM:QUIT, HUP:none"), Ok(()));
        assert_eq!(say("stop-signal", "INT"), Ok(()));
        assert!(say("map", "KILL:TERM").is_err());
        assert!(say("map", "TERM").is_err());
        assert!(say("map", "TERM:NONE:").is_err());
        assert_eq!(told.mapped(15), Some(2));
        assert_eq!(told.mapped(1), None);
        assert_eq!(told.mapped(10), Some(10));
    }
}
