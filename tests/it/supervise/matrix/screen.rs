//! The cases on a terminal: the tool leads the session, or an interactive shell does.

use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::super::house::pty::Pty;
use super::super::super::house::{Folder, namespace};
use super::super::{below, name};
use super::plain::worst;
use super::{Case, SPAWNING};

/// A terminal with all that runs on it, which ends with its owner.
struct Screen {
    pty: Pty,
    folder: Folder,
}

impl Deref for Screen {
    type Target = Pty;

    fn deref(&self) -> &Pty {
        &self.pty
    }
}

impl DerefMut for Screen {
    fn deref_mut(&mut self) -> &mut Pty {
        &mut self.pty
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for pid in below(self.pty.pid().as_raw()) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
    }
}

impl Screen {
    /// A terminal for these words, in a namespace of their own where the case says so.
    fn start(case: &Case, words: &[&str]) -> Screen {
        let mut all = Vec::new();
        if case.first {
            let unshare = namespace::words().into_iter();
            all.extend(unshare.map(|word| word.into_string().expect("text")));
            // As in a container, PID 1 leads the session; taking a terminal from another one is for root.
            if nix::unistd::geteuid().is_root() {
                all.extend(["/usr/bin/setsid".to_owned(), "-c".to_owned()]);
            }
        }
        all.extend(words.iter().map(|word| (*word).to_owned()));
        let folder = Folder::new();
        let mut command = Command::new(&all[0]);
        command
            .args(&all[1..])
            .env_clear()
            .envs([
                ("PS1", "<> "),
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("TERM", "dumb"),
                ("HISTFILE", "/dev/null"),
                ("LISTENER", Case::program()),
            ])
            .env("INIT", case.words(None).join(" "))
            .current_dir(folder.path());
        let spawning = SPAWNING.lock().expect("a lock");
        let pty = Pty::spawn(command);
        drop(spawning);
        Screen { pty, folder }
    }

    /// The tool in front of these words leads the session; as PID 1 where the case says so.
    fn leader(case: &Case, words: &[&str]) -> Screen {
        let tool = case.words(None);
        let all: Vec<&str> = tool
            .iter()
            .map(String::as_str)
            .chain(words.iter().copied())
            .collect();
        Screen::start(case, &all)
    }

    /// An interactive shell leads it.
    fn shell(case: &Case) -> Screen {
        let mut screen = Screen::start(case, &SHELL);
        screen.expect("<> ");
        screen
    }

    /// Whether it is shown in time.
    fn shows(&mut self, case: &Case, text: &str) -> bool {
        self.pty.shows(text, case.patience())
    }

    /// A process on this terminal, by the name of its program.
    fn find(&self, case: &Case, wanted: &str) -> Option<Pid> {
        let mut found = None;
        case.comes(|| {
            let all = below(self.pty.pid().as_raw());
            found = all.into_iter().find(|pid| name(*pid) == wanted);
            found.is_some()
        });
        found.map(Pid::from_raw)
    }

    /// The tool.
    fn tool(&self, case: &Case) -> Option<Pid> {
        self.find(case, case.tool.words[0])
    }

    fn count(&self, line: &str) -> usize {
        self.shown().matches(&format!("{line}\r\n")).count()
    }
}

const SHELL: [&str; 5] = ["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"];

const NEVER: &str = "does not start";

/// How often the program is told of it, five times; what is sent to the tool alone comes last.
fn times(case: &Case, mut screen: Screen, number: i32, act: impl Fn(&mut Screen, u16)) -> String {
    let (true, Some(tool)) = (screen.shows(case, "listening"), screen.tool(case)) else {
        return NEVER.to_owned();
    };
    let mut seen = Vec::new();
    for round in 1..=5 {
        let before = screen.count(&format!("got {number}"));
        act(&mut screen, round);
        screen.shows(case, &format!("got {number}\r\n"));
        kill(tool, Signal::SIGUSR1).ok();
        screen.shows(case, "got 10\r\n");
        let times = screen.count(&format!("got {number}")) - before;
        let word = match times {
            0 => "never",
            1 => "once",
            _ => "twice",
        };
        seen.push(word.to_owned());
    }
    worst(&seen)
}

pub(super) fn an_interrupt(case: &Case) -> String {
    let screen = Screen::leader(case, &[Case::program()]);
    times(case, screen, 2, |screen, _| screen.send("\x03"))
}

pub(super) fn a_resize(case: &Case) -> String {
    let screen = Screen::leader(case, &[Case::program()]);
    times(case, screen, 28, |screen, round| {
        screen.resize(40 + round, 120)
    })
}

pub(super) fn an_interrupt_under_a_shell(case: &Case) -> String {
    let mut screen = Screen::shell(case);
    screen.send("$INIT \"$LISTENER\"\n");
    times(case, screen, 2, |screen, _| screen.send("\x03"))
}

/// Three tries: a signal that comes twice may end the script by chance.
pub(super) fn an_interrupt_in_a_script(case: &Case) -> String {
    for _ in 0..3 {
        let mut screen = Screen::shell(case);
        let script = "$INIT sleep 600\necho went on\n";
        screen.folder.write("script", script);
        screen.send("bash script; echo then $?\n");
        if screen.find(case, "sleep").is_none() {
            return NEVER.to_owned();
        }
        screen.send("\x03");
        if !screen.shows(case, "<> ") {
            return "does nothing".to_owned();
        }
        if screen.shown().contains("went on") {
            return "it goes on".to_owned();
        }
    }
    "ends it".to_owned()
}

pub(super) fn a_suspension(case: &Case) -> String {
    let mut screen = Screen::shell(case);
    screen.send("$INIT sleep 600\n");
    let Some(sleep) = screen.find(case, "sleep") else {
        return NEVER.to_owned();
    };
    let is = |state| Pty::state_of(sleep) == Some(state);
    case.comes(|| is('S'));
    for _ in 0..3 {
        screen.send("\x1a");
        if !screen.shows(case, "Stopped") {
            return match is('T') {
                true => "the shell hangs",
                false => "is ignored",
            }
            .to_owned();
        }
        screen.expect("<> ");
        if !case.comes(|| is('T')) {
            return "the program runs on".to_owned();
        }
        screen.send("fg\n");
        if !case.comes(|| is('S')) {
            return "does not go on".to_owned();
        }
    }
    "stops, goes on".to_owned()
}

pub(super) fn a_background_job(case: &Case) -> String {
    let mut screen = Screen::shell(case);
    screen.send("$INIT sleep 600 &\n");
    screen.expect("<> ");
    if screen.find(case, "sleep").is_none() {
        return NEVER.to_owned();
    }
    // The shell waits for the first line since before that.
    for round in 0..3 {
        screen.send(format!("echo usable $(({round} + 40))\n"));
        if !screen.shows(case, &format!("usable {}\r\n", round + 40)) {
            return "has lost the terminal".to_owned();
        }
    }
    "is usable".to_owned()
}

pub(super) fn a_background_reader(case: &Case) -> String {
    let mut screen = Screen::shell(case);
    screen.send("$INIT cat &\n");
    let (Some(cat), Some(tool)) = (screen.find(case, "cat"), screen.tool(case)) else {
        return NEVER.to_owned();
    };
    let stopped = |pid| case.comes(|| Pty::state_of(pid) == Some('T'));
    match (stopped(cat), stopped(tool)) {
        (true, true) => "is stopped",
        (true, false) => "is stopped, and the shell does not know",
        (false, _) => "gets what is meant for the shell",
    }
    .to_owned()
}

pub(super) fn a_script_that_reads_on(case: &Case) -> String {
    let mut screen = Screen::shell(case);
    let script = "$INIT true\nif read line; then echo \"got $line\"; else echo failed; fi\n";
    screen.folder.write("script", script);
    screen.send("bash script\n");
    // Not before the tool has ended, or it would be a race for the terminal.
    std::thread::sleep(Duration::from_millis(300));
    screen.send("typed\n");
    match screen.shows(case, "got typed\r\n") {
        true => "reads",
        false => "fails",
    }
    .to_owned()
}

pub(super) fn a_shell(case: &Case) -> String {
    let mut screen = Screen::leader(case, &SHELL);
    if !screen.shows(case, "<> ") {
        return NEVER.to_owned();
    }
    screen.send("sleep 600\n");
    let Some(sleep) = screen.find(case, "sleep") else {
        return NEVER.to_owned();
    };
    case.comes(|| Pty::state_of(sleep) == Some('S'));
    screen.send("\x1a");
    if !screen.shows(case, "Stopped") {
        return "jobs that ^Z does not stop".to_owned();
    }
    screen.expect("<> ");
    screen.send("fg\n");
    let goes_on = case.comes(|| Pty::state_of(sleep) == Some('S'));
    screen.send("\x03");
    let ends = goes_on && screen.shows(case, "<> ");
    match ends && !screen.shown().contains("no job control") {
        true => "job control",
        false => "no job control",
    }
    .to_owned()
}

pub(super) fn a_shell_suspended(case: &Case) -> String {
    let mut screen = Screen::shell(case);
    screen.send("$INIT env PS1='inner> ' bash --norc --noprofile --noediting -i\n");
    if !screen.shows(case, "inner> ") {
        return NEVER.to_owned();
    }
    for round in 0..3 {
        screen.send("suspend\n");
        if !screen.shows(case, "Stopped") {
            return "the shell hangs".to_owned();
        }
        screen.expect("<> ");
        screen.send("fg\n");
        screen.send(format!("echo again $(({round} + 10))\n"));
        if !screen.shows(case, &format!("again {}\r\n", round + 10)) {
            return "does not go on".to_owned();
        }
    }
    "goes on".to_owned()
}

pub(super) fn a_hang_up(case: &Case) -> String {
    // Where unshare leads the session, it is the one that is told.
    if case.first && !nix::unistd::geteuid().is_root() {
        return "is told".to_owned();
    }
    let script = "trap 'echo > heard; exit' HUP; echo up; while :; do sleep 0.02; done";
    let mut screen = Screen::leader(case, &["sh", "-c", script]);
    if !screen.shows(case, "up\r\n") {
        return NEVER.to_owned();
    }
    screen.hang_up();
    let heard = screen.folder.join("heard");
    match case.comes(|| heard.exists()) {
        true => "is told",
        false => "is not told",
    }
    .to_owned()
}
