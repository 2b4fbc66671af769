//! `edit`: whatever happens to the editor or to us, the sealed file is whole, and no plain text is
//! left on a disk.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::house::pty::Pty;
use crate::house::{Answer, Shim, envshim, set_mode, wait_until};

const CANARY: &str = "c4n4ry-of-the-editor";

/// A sealed folder with an editor, which is a shell script; `$1` is the file.
fn with_editor(script: &str) -> Shim {
    let shim = Shim::new()
        .sealed(&format!("# kept\nA={CANARY}\n"))
        .file("editor", format!("#!/bin/sh\n{script}\n"));
    set_mode(&shim.folder.join("editor"), 0o755);
    let editor = shim.folder.join("editor");
    shim.env("EDITOR", editor).env("ENVSHIM_LOG", "info")
}

fn opened(folder: &Path) -> String {
    let mut command = Command::new(envshim());
    command
        .args(["open", "--key-file", "vault.key"])
        .env_clear()
        .current_dir(folder);
    String::from_utf8(command.output().expect("envshim").stdout).expect("text")
}

fn text(answer: &Answer) -> String {
    opened(answer.folder.path())
}

#[test]
fn what_the_editor_saves_is_sealed() {
    for script in [
        // In place, by a new file of the same name, by another name first.
        "echo B=2 >> \"$1\"",
        "sed -i '$aB=2' \"$1\"",
        "cp \"$1\" \"$1.new\" && echo B=2 >> \"$1.new\" && mv \"$1.new\" \"$1\"",
    ] {
        let answer = with_editor(script).args("edit").run().ok();
        let answer = answer
            .says("`.vault.enc` is sealed with the change")
            .hides(CANARY);
        assert_eq!(text(&answer), format!("# kept\nA={CANARY}\nB=2\n"));
    }
    let shim = with_editor("true");
    let before = shim.folder.read(".vault.enc");
    let answer = shim
        .args("edit")
        .run()
        .ok()
        .says("`.vault.enc` is as it was");
    assert_eq!(answer.folder.read(".vault.enc"), before);
    // VISUAL comes first, words are split, and a file can be named.
    let shim = with_editor("false").env("VISUAL", "sh -c 'echo V=1 >> \"$0\"'");
    let answer = shim.args("edit .vault.enc").run().ok();
    assert!(text(&answer).ends_with("V=1\n"));
}

#[test]
fn the_plain_text_is_in_memory_and_for_its_owner_alone() {
    let script = "stat -f -c %T \"$1\"; stat -c %a \"$1\"; stat -c %a \"$(dirname \"$1\")\"; env | grep -c ENVSHIM_PASSWORD";
    let answer = with_editor(script)
        .env("ENVSHIM_PASSWORD", "unused")
        .args("edit")
        .run();
    let answer = answer.exits(125);
    assert_eq!(answer.out, "tmpfs\n600\n700\n0\n");
    // `grep` ended with 1, and so did the editor.
    answer.says("did not end well (exit status: 1); nothing is changed");
    // Vim is kept from writing elsewhere.
    let shim = with_editor("true").file("bin/vim", "#!/bin/sh\necho \"args: $*\"\n");
    set_mode(&shim.folder.join("bin/vim"), 0o755);
    let path = shim.folder.join("bin").display().to_string();
    let shim = shim
        .env("EDITOR", "vim -f")
        .env("PATH", format!("{path}:/usr/bin:/bin"));
    let answer = shim.args("edit").run().ok();
    assert!(
        answer
            .out
            .starts_with("args: -n -i NONE -c silent! set nobackup"),
        "{}",
        answer.out
    );
    assert!(answer.out.contains(" -f /"), "{}", answer.out);
    let place = answer
        .out
        .trim()
        .rsplit(' ')
        .next()
        .expect("a path")
        .to_owned();
    assert!(!Path::new(&place).exists());
    assert!(!Path::new(&place).parent().expect("a folder").exists());
}

#[test]
fn an_editor_that_is_killed_changes_nothing() {
    for (script, said) in [
        ("echo B=2 >> \"$1\"; kill -9 $$", "signal: 9"),
        ("echo B=2 >> \"$1\"; exit 3", "exit status: 3"),
        ("rm \"$1\"", "the editor has removed the file"),
    ] {
        let shim = with_editor(script);
        let before = shim.folder.read(".vault.enc");
        let answer = shim.args("edit").run().exits(125).says(said);
        assert_eq!(answer.folder.read(".vault.enc"), before);
    }
    let shim = Shim::new()
        .sealed("A=1\n")
        .env("EDITOR", "envshim-no-such-editor");
    shim.args("edit")
        .run()
        .exits(125)
        .says("`envshim-no-such-editor` is not found in PATH");
    Shim::new()
        .args("edit")
        .run()
        .exits(125)
        .says(".vault.enc: there is no such file")
        .says("envshim init");
}

/// An envshim whose editor waits, and where the plain text is.
fn waiting(mark: &str) -> (Shim, Child, String) {
    let shim = with_editor(
        "echo \"B=$MARK\" >> \"$1\"; echo \"$1\" > where.new; mv where.new where; exec sleep 100",
    );
    let mut command = shim.command();
    command.arg("edit").env("MARK", mark).stdin(Stdio::null());
    let child = command.spawn().expect("envshim");
    wait_until("the editor", || shim.folder.join("where").exists());
    let place = String::from_utf8(shim.folder.read("where"))
        .expect("a path")
        .trim()
        .to_owned();
    (shim, child, place)
}

#[test]
fn killed_itself_it_leaves_the_sealed_file_whole() {
    let (shim, mut child, place) = waiting("killed");
    let before = shim.folder.read(".vault.enc");
    child.kill().expect("a signal");
    child.wait().expect("an end");
    assert_eq!(shim.folder.read(".vault.enc"), before);
    assert!(opened(shim.folder.path()).contains(CANARY));
    // The editor has gone with it, and the next edit takes away what is left, which is in memory only.
    wait_until("the editor's end", || !running(&place));
    assert!(Path::new(&place).exists());
    let mut command = shim.command();
    assert!(
        command
            .args(["edit", "--key-file", "vault.key"])
            .env("EDITOR", "true")
            .status()
            .expect("envshim")
            .success()
    );
    assert!(!Path::new(&place).exists());
}

fn running(place: &str) -> bool {
    let mut found = false;
    for item in std::fs::read_dir("/proc").expect("proc").flatten() {
        let line = std::fs::read(item.path().join("cmdline")).unwrap_or_default();
        found |= line
            .windows(place.len())
            .any(|part| part == place.as_bytes());
    }
    found
}

#[test]
fn ended_by_a_signal_it_leaves_nothing() {
    let (shim, child, place) = waiting("ended");
    let before = shim.folder.read(".vault.enc");
    let pid = Pid::from_raw(child.id() as i32);
    // As a terminal does it: to the editor as well.
    kill(pid, Signal::SIGINT).expect("a signal");
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("children");
    for editor in status.split_whitespace() {
        kill(
            Pid::from_raw(editor.parse().expect("a number")),
            Signal::SIGINT,
        )
        .expect("a signal");
    }
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.signal(), Some(Signal::SIGINT as i32));
    assert!(!Path::new(&place).exists());
    assert_eq!(shim.folder.read(".vault.enc"), before);
}

#[test]
fn what_somebody_else_has_changed_meanwhile_is_not_lost() {
    let script = format!(
        "echo B=mine >> \"$1\"; printf theirs | {} set C",
        envshim().display()
    );
    let answer = with_editor(&script).args("edit").run().exits(125);
    let answer = answer
        .says(".vault.enc: somebody else has changed it meanwhile; your text is sealed in `.vault.enc.edited`")
        .says("hint: compare: envshim open .vault.enc.edited");
    assert!(text(&answer).ends_with("C=theirs\n"));
    let mut shim = Shim::new().env("ENVSHIM_KEY_FILE", "vault.key");
    shim.folder = answer.folder;
    let answer = shim.args("open .vault.enc.edited").run().ok();
    assert!(answer.out.ends_with("B=mine\n"), "{}", answer.out);
}

#[test]
fn what_would_not_start_is_edited_again_or_thrown_away() {
    let answer = with_editor("echo 'no assignment' >> \"$1\"")
        .args("edit")
        .run()
        .exits(125);
    answer
        .says(".vault.enc:3:4: text follows the name")
        .hides("thrown");
    // On a terminal: once more.
    let script = "if grep -q 'no assign' \"$1\"; then sed -i 's/no assignment/B=2/' \"$1\"; else echo 'no assignment' >> \"$1\"; fi";
    for (word, code, end) in [("n\n", 0, "B=2\n"), ("y\n", 125, "\n")] {
        let shim = with_editor(script);
        let mut command = shim.command();
        command.arg("edit");
        let mut terminal = Pty::spawn(command);
        terminal.expect("throw the change away? (no: edit it again) [y/N] ");
        terminal.send(word);
        terminal.end().exits(code);
        let text = opened(shim.folder.path());
        assert!(
            text.ends_with(end) && text.contains("B=2") == (code == 0),
            "{text}"
        );
    }
}
