//! `rekey`: what opens a sealed file, and what no longer does.

use std::process::Command;

use crate::house::pty::Pty;
use crate::house::{Answer, Shim, envshim};

fn with(answer: Answer, key: &str) -> Shim {
    let mut shim = Shim::new()
        .env("ENVSHIM_KEY_FILE", key)
        .env("ENVSHIM_LOG", "info");
    shim.folder = answer.folder;
    shim
}

fn id(answer: Answer, name: &str) -> (String, Answer) {
    let answer = with(answer, "none").args("keygen").arg(name).run().ok();
    let id = answer
        .err
        .split("holds key ")
        .nth(1)
        .and_then(|rest| rest.get(..16));
    (id.expect("a name").to_owned(), answer)
}

#[test]
fn keys_and_passwords_come_and_go() {
    let answer = Shim::new().sealed("A=1\n").args("rekey").run().ok();
    let first = answer.out.trim_start_matches(" 1  key ").trim().to_owned();
    assert_eq!(answer.out, format!(" 1  key {first}\n"));
    let (second, answer) = id(answer, "second.key");
    let answer = with(answer, "vault.key")
        .args("rekey --add-key second.key")
        .run()
        .ok();
    let answer = answer.says(&format!("`.vault.enc`: added: key {second}\n"));
    let shim = with(answer, "vault.key").file("pw", "team\n");
    let answer = shim.args("rekey --add-password-file pw").run().ok();
    let answer = with(answer, "none").args("rekey").run().ok();
    assert_eq!(
        answer.out,
        format!(" 1  key {first}\n 2  key {second}\n 3  a password\n")
    );
    // All three open it.
    let mut answer = answer;
    for key in ["vault.key", "second.key"] {
        answer = with(answer, key).environment().has("A", "1");
    }
    let mut shim = Shim::new().env("ENVSHIM_PASSWORD", "team");
    shim.folder = answer.folder;
    let answer = shim.environment().has("A", "1");
    // One goes, by its name; then it opens nothing.
    let answer = with(answer, "second.key")
        .args("rekey --remove")
        .arg(&first)
        .run()
        .ok();
    let answer = answer
        .says(&format!("removed: key {first}\n"))
        .says("whoever had what is removed has seen the secrets");
    let answer = with(answer, "vault.key").refused().says("does not open it");
    // A password is changed in one command.
    let shim = with(answer, "second.key").file("pw", "other");
    let answer = shim
        .args("rekey --add-password-file pw --remove password")
        .run()
        .ok();
    let mut shim = Shim::new().env("ENVSHIM_PASSWORD", "team");
    shim.folder = answer.folder;
    let answer = shim.refused().says("wrong password");
    let mut shim = Shim::new().env("ENVSHIM_PASSWORD", "other");
    shim.folder = answer.folder;
    shim.environment().has("A", "1");
}

#[test]
fn what_cannot_be_done_leaves_the_file_as_it_is() {
    let mut answer = Shim::new().sealed("A=1\n").args("rekey").run().ok();
    let before = answer.folder.read(".vault.enc");
    for (words, said) in [
        ("--remove 1", "nothing would be left that opens it"),
        ("--remove 2", "nothing that opens it is called `2`"),
        (
            "--remove password",
            "nothing that opens it is called `password`",
        ),
        (
            "--remove 0123456789abcdef",
            "nothing that opens it is called",
        ),
        ("--add-key vault.key", "opens it already"),
        ("--add-key none", "none: no such key file"),
        ("--add-key .vault.enc", "`.vault.enc`"),
        ("--add-password", "there is no password or key for it"),
    ] {
        answer = with(answer, "vault.key")
            .args("rekey")
            .args(words)
            .run()
            .exits(125);
        answer = answer.says(said).says("hint: ");
        assert_eq!(answer.folder.read(".vault.enc"), before, "{words}");
    }
    let (_, answer) = id(answer, "other.key");
    let answer = with(answer, "other.key")
        .args("rekey --add-key other.key")
        .run()
        .exits(125);
    let answer = answer.says("does not open it");
    let answer = with(answer, "other.key")
        .args("rekey none")
        .run()
        .exits(125);
    answer.says("none: there is no such file");
    let old = Shim::new().file(".vault.enc", "gAAAAABl".to_owned() + &"A".repeat(128));
    old.args("rekey").run().exits(125).says("of the old format");
}

#[test]
fn a_person_types_the_new_password_twice() {
    let answer = Shim::new().sealed("A=1\n").args("rekey").run().ok();
    let mut command = Command::new(envshim());
    command
        .args(["rekey", "--add-password"])
        .env_clear()
        .env("ENVSHIM_KEY_FILE", "vault.key")
        .current_dir(answer.folder.path());
    let mut terminal = Pty::spawn(command);
    for question in ["new password for .vault.enc: ", "the same again: "] {
        terminal.expect(question);
        terminal.send("t34m\n");
    }
    terminal.expect("added: a password");
    let ended = terminal.end().exits(0);
    assert!(!ended.shown.contains("t34m"));
    let mut shim = Shim::new().env("ENVSHIM_PASSWORD", "t34m");
    shim.folder = answer.folder;
    shim.environment().has("A", "1");
}
