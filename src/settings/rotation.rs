//! What a supervisor does when secrets change.

use std::time::Duration;

use crate::clock::parse_duration;

/// What happens to the program when its secrets have changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum OnChange {
    /// It is stopped, and started anew with all of the new ones.
    #[default]
    Restart,
    /// Its memory files are written anew, and it is sent a signal.
    Signal(i32),
    /// A command is run.
    Command(String),
    /// It is stopped, and we leave with this status: whoever started us starts us again.
    Exit(u8),
    /// It is said.
    Nothing,
}

/// When to look, and what to do then.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rotation {
    /// How often to look.
    pub watch: Option<Duration>,
    /// What to do; none was said.
    pub on_change: Option<OnChange>,
    /// At most so much later than others who see the same change.
    pub splay: Duration,
    /// A signal that means: look now.
    pub reload_signal: Option<i32>,
}

impl Rotation {
    /// Whether there may be another load, for which everything has to be kept that the first had.
    pub fn wanted(&self) -> bool {
        self.watch.is_some() || self.on_change.is_some() || self.reload_signal.is_some()
    }

    /// Whether the program's memory files are written anew under its feet.
    pub fn rewrites_files(&self) -> bool {
        matches!(self.on_change, Some(OnChange::Signal(_)))
    }

    /// Takes over one option. `None` if it is none of ours; else what it should look like.
    pub(super) fn apply(&mut self, option: &str, text: &str) -> Option<Result<(), &'static str>> {
        let time = |least| {
            let time = parse_duration(text).filter(|time| *time >= least);
            time.ok_or("a time such as 30s, 5m or 1h, at least 1s")
        };
        Some(match option {
            "watch" => time(Duration::from_secs(1)).map(|every| self.watch = Some(every)),
            "splay" => time(Duration::ZERO).map(|most| self.splay = most),
            "on-change" => on_change(text)
                .map(|action| self.on_change = Some(action))
                .ok_or("restart, signal:HUP, exec:COMMAND, exit, exit:75 or none"),
            "reload-signal" => super::supervision::signal(text)
                .map(|number| self.reload_signal = Some(number))
                .ok_or("a signal such as HUP, USR1 or 10"),
            _ => return None,
        })
    }
}

fn on_change(text: &str) -> Option<OnChange> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    Some(match (word, rest) {
        ("restart", "") => OnChange::Restart,
        ("none", "") => OnChange::Nothing,
        ("exit", "") => OnChange::Exit(0),
        ("exit", code) => OnChange::Exit(code.parse().ok()?),
        ("signal", name) => OnChange::Signal(super::supervision::signal(name)?),
        ("exec", command) if !command.trim().is_empty() => OnChange::Command(command.to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{OnChange, on_change};

    #[test]
    fn what_to_do_has_a_name() {
        for (text, action) in [
            ("restart", OnChange::Restart),
            ("signal:HUP", OnChange::Signal(1)),
            ("signal:10", OnChange::Signal(10)),
            (
                "exec:touch /run/changed:1",
                OnChange::Command("touch /run/changed:1".into()),
            ),
            ("exit", OnChange::Exit(0)),
            ("exit:75", OnChange::Exit(75)),
            ("none", OnChange::Nothing),
        ] {
            assert_eq!(on_change(text), Some(action), "{text}");
        }
        for bad in [
            "",
            "signal",
            "signal:",
            "signal:NOPE",
            "exec:",
            "exec: ",
            "exit:256",
            "reload",
        ] {
            assert_eq!(on_change(bad), None, "{bad}");
        }
    }
}
