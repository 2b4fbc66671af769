//! Questions on a real terminal: what is typed is never shown, and the echo always comes back.

use std::process::Command;

use envshim::format::envelope::{self, FileKey, Slot};
use envshim::secret::Secret;
use nix::sys::signal::Signal;

use crate::house::pty::Pty;
use crate::house::{Folder, Shim, envshim, wait_until};
use crate::sealed::keygen;

const OLD_EMPTY: &str = "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bdZWJXQjaCksXKoM9lBTvWH38cakDgeFlFz00Yl5cFb7Q==";

/// A folder whose `.vault.enc` opens with `team`, with the fewest rounds that are accepted: these
/// tests wait for people, not for the stretching.
fn sealed() -> Folder {
    let file_key = FileKey::from_random([1; 32].into());
    let team = Secret::new(b"team".to_vec());
    let slot = Slot::for_password(&team, &file_key, 100_000, [2; 16], [3; 12]).expect("a slot");
    let plain = Secret::new(b"A=1\n".to_vec());
    let text = envelope::seal(&plain, &file_key, &[slot], [4; 12]).expect("a text");
    let folder = Folder::new();
    folder.write(".vault.enc", text);
    folder
}

fn on_terminal(folder: &Folder, words: &str) -> Pty {
    Pty::spawn(command(folder, words))
}

fn command(folder: &Folder, words: &str) -> Command {
    let mut command = Command::new(envshim());
    command
        .args(words.split_whitespace())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(folder.path());
    command
}

/// Waits for the question; by then nothing is echoed.
#[track_caller]
fn asked(terminal: &mut Pty, question: &str) {
    terminal.expect(question);
    assert!(!terminal.echoes(), "the echo is on during a question");
}

#[test]
fn a_typed_password_opens_the_file_and_is_not_shown() {
    let folder = sealed();
    let mut terminal = on_terminal(&folder, "open");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("team\n");
    terminal.expect("A=1");
    let ended = terminal.end().exits(0);
    assert!(!ended.shown.contains("team"), "{}", ended.shown);
}

#[test]
fn the_program_gets_the_terminal_as_it_was_and_what_was_typed_ahead() {
    let folder = sealed();
    let modes = |mut command: Command, question: bool| {
        command.args(["sh", "-c", "stty -g; read line; echo \"got $line $A.\""]);
        let mut terminal = Pty::spawn(command);
        if question {
            asked(&mut terminal, "password for .vault.enc: ");
            terminal.send("team\n");
        }
        terminal.send("mine\n");
        let before = terminal.expect("got mine");
        terminal.end().exits(0);
        let modes = before
            .lines()
            .map(str::trim)
            .find(|line| line.contains(':') && !line.contains(' '));
        modes.expect("modes").to_owned()
    };
    let mut bare = Command::new("env");
    bare.current_dir(folder.path());
    assert_eq!(modes(command(&folder, "--"), true), modes(bare, false));
}

#[test]
fn three_tries_and_mending_by_the_terminal_s_own_means() {
    let folder = sealed();
    let mut terminal = on_terminal(&folder, "open");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("wrong\n");
    terminal.expect("wrong password, or the file was changed");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("\n");
    terminal.expect("is empty");
    asked(&mut terminal, "password for .vault.enc: ");
    // A backspace and a deleted line.
    terminal.send("nonsense\x15teax\x7fm\n");
    terminal.expect("A=1");
    terminal.end().exits(0);

    let mut terminal = on_terminal(&folder, "open");
    for _ in 0..3 {
        asked(&mut terminal, "password for .vault.enc: ");
        terminal.send("wrong\n");
    }
    terminal.expect(
        "envshim: error: .vault.enc: wrong password, or the file was changed (from the terminal)",
    );
    terminal.end().exits(125);
}

#[test]
fn signals_and_the_end_of_input_bring_the_echo_back() {
    let folder = sealed();
    for (typed, signal) in [("half\x03", Signal::SIGINT), ("\x1c", Signal::SIGQUIT)] {
        let mut terminal = on_terminal(&folder, "open");
        asked(&mut terminal, "password for .vault.enc: ");
        terminal.send(typed);
        terminal.end().dies_of(signal);
    }
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut terminal = on_terminal(&folder, "open");
        asked(&mut terminal, "password for .vault.enc: ");
        terminal.signal(signal);
        terminal.end().dies_of(signal);
    }
    let mut terminal = on_terminal(&folder, "-- echo started");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("\x04");
    terminal.expect("no answer on the terminal");
    let ended = terminal.end().exits(125);
    assert!(!ended.shown.contains("started"));
}

#[test]
fn a_stopped_question_is_asked_again() {
    let folder = sealed();
    let mut shell = Command::new("sh");
    shell
        .arg("-i")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("PS1", "ready> ")
        .env("ENV", "/dev/null")
        .current_dir(folder.path());
    let mut terminal = Pty::spawn(shell);
    terminal.expect("ready> ");
    terminal.send(format!("{} open\n", envshim().display()));
    asked(&mut terminal, "password for .vault.enc: ");
    for typed in ["te\x1a", "\x1a"] {
        terminal.send(typed);
        terminal.expect("ready> ");
        terminal.wait_for_echo(true);
        terminal.send("echo back-$((40 + 2))\n");
        terminal.expect("back-42");
        terminal.send("fg\n");
        asked(&mut terminal, "password for .vault.enc: ");
    }
    // Stopped from outside, without a word: the echo goes off again when it continues.
    let job = child_of(&terminal);
    nix::sys::signal::kill(job, Signal::SIGSTOP).unwrap();
    terminal.expect("ready> ");
    terminal.send("stty echo\n");
    terminal.wait_for_echo(true);
    terminal.expect("ready> ");
    terminal.send("fg\n");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("team\n");
    terminal.expect("A=1");
    terminal.expect("ready> ");
    terminal.send("exit 0\n");
    terminal.end().exits(0);
}

/// The shell's only child.
fn child_of(terminal: &Pty) -> nix::unistd::Pid {
    let shell = terminal.pid();
    let path = format!("/proc/{shell}/task/{shell}/children");
    let children = std::fs::read_to_string(path).expect("children");
    let only = children.split_whitespace().next().expect("a child");
    nix::unistd::Pid::from_raw(only.parse().expect("a number"))
}

#[test]
fn sealing_asks_twice() {
    let folder = Folder::new();
    folder.write(".vault", "A=1\n");
    let mut terminal = on_terminal(&folder, "seal");
    asked(&mut terminal, "new password for .vault.enc: ");
    terminal.send("one\n");
    asked(&mut terminal, "the same again: ");
    terminal.send("two\n");
    terminal.expect("they differ");
    asked(&mut terminal, "new password for .vault.enc: ");
    // Both at once, as a password manager types.
    terminal.send("good one\ngood one\n");
    terminal.end().exits(0);
    // The file that is there is opened first, with one question; then its slots are kept.
    folder.write(".vault", "A=2\n");
    let mut terminal = on_terminal(&folder, "seal");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("good one\n");
    terminal.end().exits(0);
    let mut shim = Shim::new()
        .env("ENVSHIM_PASSWORD", "good one")
        .args("open --log warn .vault.enc");
    shim.folder = folder;
    assert_eq!(shim.run().ok().out, "A=2\n");

    let folder = Folder::new();
    folder.write(".vault", "A=1\n");
    let mut terminal = on_terminal(&folder, "seal");
    asked(&mut terminal, "new password for .vault.enc: ");
    terminal.send("\n");
    terminal.expect("is empty");
    terminal.end().exits(125);
    assert!(!folder.join(".vault.enc").exists());
}

#[test]
fn the_question_finds_the_terminal_past_redirected_streams() {
    let folder = sealed();
    let out = folder.join("out");
    let mut command = command(&folder, "open");
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::process::Stdio::null());
    let mut terminal = Pty::spawn_aside(command);
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("team\n");
    terminal.end().exits(0);
    assert_eq!(std::fs::read(out).unwrap(), b"A=1\n");
}

#[test]
fn a_key_can_be_pasted_and_a_line_that_is_too_long_is_told() {
    let key = keygen();
    let folder = Shim::new()
        .file(".vault", "A=1\n")
        .env("ENVSHIM_KEY", &key)
        .args("seal --remove-plain")
        .run()
        .ok()
        .folder;
    let mut terminal = on_terminal(&folder, "open");
    asked(&mut terminal, "key for .vault.enc: ");
    terminal.send("hunter2\n");
    terminal.expect("no password opens it, only keys");
    asked(&mut terminal, "key for .vault.enc: ");
    terminal.send(&key);
    terminal.expect("A=1");
    terminal.end().exits(0);

    let folder = sealed();
    let mut terminal = on_terminal(&folder, "open");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("x".repeat(4096));
    terminal.send("\n");
    terminal.expect("longer than 4094 bytes");
    terminal.end().exits(125);
}

#[test]
fn an_old_file_may_have_an_empty_password() {
    let folder = Folder::new();
    folder.write(".vault.enc", OLD_EMPTY);
    let mut terminal = on_terminal(&folder, "open");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("\n");
    terminal.expect("A=1");
    terminal.end().exits(0);
}

#[test]
fn a_question_in_the_background_waits_for_its_turn() {
    let folder = sealed();
    let mut shell = Command::new("sh");
    shell
        .arg("-i")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("PS1", "ready> ")
        .env("ENV", "/dev/null")
        .current_dir(folder.path());
    let mut terminal = Pty::spawn(shell);
    terminal.expect("ready> ");
    terminal.send(format!("{} open &\n", envshim().display()));
    terminal.expect("ready> ");
    let job = child_of(&terminal);
    wait_until("the job is stopped", || Pty::state_of(job) == Some('T'));
    assert!(terminal.echoes());
    terminal.send("fg\n");
    asked(&mut terminal, "password for .vault.enc: ");
    terminal.send("team\n");
    terminal.expect("A=1");
    terminal.send("exit 0\n");
    terminal.end().exits(0);
}
