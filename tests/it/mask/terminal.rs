//! `--mask=terminal`: on a terminal, under interactive shells and as the leader of a session. What a
//! person sees and types is what it would be without us, but for the secrets.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::house::probe::listener;
use super::super::house::pty::Pty;
use super::super::house::{Folder, Shim, below, envshim, name, namespace, wait_until, without};

const SECRET: &str = "s3cr3t/v\u{e4}lue-1";

/// The shells that people have; the line editors of two of them set modes of their own.
const SHELLS: &[&str] = &[
    "bash --norc --noprofile --noediting -i",
    "bash --norc --noprofile -i",
    "dash -i",
    "zsh -f -i +Z -o nopromptsp",
    "zsh -f -i -o nopromptsp -o nopromptcr",
];

/// Those of them that are here: zsh may be left out knowingly.
fn shells() -> impl Iterator<Item = &'static str> {
    let all = SHELLS.iter().copied();
    all.filter(|words| !(words.starts_with("zsh") && without("shells")))
}

fn variables(command: &mut Command, folder: &Folder) {
    folder.write(".vault", format!("TOKEN='{SECRET}'\n"));
    command
        .env_clear()
        .envs([
            ("PS1", "<> "),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("TERM", "dumb"),
            ("LC_ALL", "C.UTF-8"),
            ("HISTFILE", "/dev/null"),
        ])
        .env(
            "SHIM",
            format!("{} --mask=terminal --log warn --", envshim().display()),
        )
        .env("LISTENER", listener())
        .current_dir(folder.path());
}

/// A program on a terminal, behind us, as the leader of the session.
fn program(words: &[&str]) -> (Folder, Pty) {
    let folder = Folder::new();
    let mut command = Command::new(envshim());
    command
        .args(["--mask=terminal", "--log", "warn", "--"])
        .args(words);
    variables(&mut command, &folder);
    let pty = Pty::spawn(command);
    (folder, pty)
}

fn sh(script: &str) -> (Folder, Pty) {
    program(&["sh", "-c", script])
}

/// An interactive shell. `$SHIM` is what stands before a program.
fn shell(words: &str) -> (Folder, Pty) {
    let folder = Folder::new();
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().expect("a word"));
    command.args(words);
    variables(&mut command, &folder);
    // zsh does not split a variable into words.
    folder.write("shim", "#!/bin/sh\nexec $SHIM \"$@\"\n");
    super::super::house::set_mode(&folder.join("shim"), 0o755);
    let mut pty = Pty::spawn(command);
    pty.expect("<> ");
    (folder, pty)
}

/// A process below this one, by the name of its program.
#[track_caller]
fn find(root: Pid, wanted: &str) -> Pid {
    let mut found = None;
    wait_until(wanted, || {
        found = below(root.as_raw())
            .into_iter()
            .find(|pid| name(*pid) == wanted);
        found.is_some()
    });
    Pid::from_raw(found.expect("a process"))
}

/// The supervisor, the screen and the monitor.
#[track_caller]
fn ours(root: Pid, program: &str) -> [Pid; 3] {
    find(root, program);
    let shim = find(root, "envshim");
    let text = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children"));
    let children: Vec<i32> = text
        .expect("children")
        .split_whitespace()
        .map(|pid| pid.parse().expect("a number"))
        .collect();
    let (monitors, screens): (Vec<i32>, Vec<i32>) =
        children.into_iter().partition(|pid| below(*pid).len() > 1);
    [shim.as_raw(), screens[0], monitors[0]].map(Pid::from_raw)
}

#[track_caller]
fn wait_for_state(pid: Pid, wanted: char) {
    wait_until(&format!("state {wanted}"), || {
        Pty::state_of(pid) == Some(wanted)
    });
}

#[test]
fn secrets_are_masked_in_every_form_and_across_writes() {
    let (_folder, mut pty) = sh(
        "test -t 0 && test -t 1 && test -t 2 && echo on a terminal; echo plain $TOKEN; echo err $TOKEN >&2; \
         printf %s \"$TOKEN\" | base64; printf %s \"$TOKEN\" | od -An -tx1 | tr -d ' \\n'; echo; \
         printf 's3cr3t'; sleep 0.2; printf '/v\u{e4}lue'; sleep 0.1; echo -1; echo /dev/tty $TOKEN >/dev/tty; exit 7",
    );
    pty.expect("on a terminal\r\nplain ***\r\nerr ***\r\n***\r\n***\r\n");
    // What waits is shown after a while, but no more than three bytes.
    pty.expect("s3c***\r\n/dev/tty ***\r\n");
    let ended = pty.end().exits(7);
    assert!(!ended.shown.contains("r3t"), "{}", ended.shown);
}

#[test]
fn keys_are_seen_at_once_and_a_typed_secret_is_not() {
    let (_folder, mut pty) = program(&["cat"]);
    wait_until("keys", || pty.is_raw());
    for key in ["s", "3", "c"] {
        pty.send(key);
        pty.expect(key);
    }
    pty.send(" x\n");
    pty.expect(" x\r\ns3c x\r\n");
    pty.send(format!("{SECRET}\n"));
    pty.expect("***\r\n***\r\n");
    pty.send("\x04");
    pty.end().exits(0);
}

#[test]
fn the_size_follows_the_window() {
    let (_folder, mut pty) = shell(SHELLS[0]);
    pty.resize(31, 97);
    pty.send("./shim sh -c 'stty size; exec \"$LISTENER\" 12'\n");
    pty.expect("31 97\r\n");
    pty.expect("listening as ");
    pty.expect("\r\n");
    let [shim, _, _] = ours(pty.pid(), "listener");
    for round in 1..=3 {
        pty.resize(40 + round, 120);
        pty.expect("got 28\r\n");
        // Once: what comes next is the next signal.
        kill(shim, Signal::SIGUSR1).expect("sent");
        assert_eq!(pty.expect("got 10\r\n"), "");
    }
    kill(shim, Signal::SIGUSR2).expect("sent");
    pty.expect("<> ");
    pty.send("./shim stty size\n");
    pty.expect("43 120\r\n");
}

#[test]
fn keys_end_and_stop_the_program_under_every_shell() {
    for words in shells() {
        let (_folder, mut pty) = shell(words);
        wait_until("a prompt", || pty.rest().is_empty());
        let modes = pty.modes();
        for (key, status) in [("\x03", 130), ("\x1c", 131)] {
            pty.send("./shim sleep 600\n");
            find(pty.pid(), "sleep");
            wait_until("keys", || pty.is_raw());
            pty.send(key);
            pty.expect("<> ");
            pty.send("echo status $?\n");
            pty.expect(&format!("status {status}\r\n"));
            pty.expect("<> ");
        }
        pty.send("./shim cat\n");
        let cat = find(pty.pid(), "cat");
        let [shim, _, _] = ours(pty.pid(), "cat");
        for round in 0..3 {
            wait_until("keys", || pty.is_raw());
            pty.send(format!("round {round}\n"));
            pty.expect(&format!("round {round}\r\nround {round}\r\n"));
            pty.send("\x1a");
            pty.expect("<> ");
            wait_for_state(cat, 'T');
            wait_for_state(shim, 'T');
            wait_until("the shell's modes", || pty.modes() == modes);
            pty.send("fg\n");
            pty.expect("shim cat\r\n");
            wait_for_state(cat, 'S');
            wait_for_state(shim, 'S');
        }
        wait_until("keys", || pty.is_raw());
        // Behind, it wants to read, and is stopped for that.
        pty.send("\x1a");
        pty.expect("<> ");
        wait_for_state(cat, 'T');
        for _ in 0..3 {
            pty.send("bg\n");
            pty.expect("<> ");
            // A shell that does not know of the stop would not continue it.
            wait_until("a stop that the shell knows of", || {
                pty.send("jobs\n");
                let jobs = pty.expect("<> ");
                jobs.contains("topped") || jobs.contains("suspended")
            });
            wait_for_state(shim, 'T');
            wait_for_state(cat, 'T');
            pty.send("echo usable $((40 + 2))\n");
            pty.expect("usable 42\r\n");
            pty.send("fg\n");
            wait_for_state(cat, 'S');
            wait_until("keys", || pty.is_raw());
            pty.send("again\n");
            pty.expect("again\r\nagain\r\n");
            pty.send("\x1a");
            pty.expect("<> ");
            wait_for_state(shim, 'T');
        }
        pty.send("fg\n");
        pty.expect("shim cat\r\n");
        wait_until("keys", || pty.is_raw());
        pty.send("\x04");
        pty.expect("<> ");
        pty.send("echo status $?\n");
        pty.expect("status 0\r\n");
        wait_until("the shell's modes", || pty.modes() == modes);
        assert!(!pty.shown().contains("s3cr3t"), "{}", pty.shown());
    }
}

/// A job that was begun in the background leaves the terminal alone until it is fetched.
#[test]
fn a_job_in_the_background() {
    for words in shells() {
        let (_folder, mut pty) = shell(words);
        pty.send("./shim sh -c 'echo behind $TOKEN; read line; echo \"got $line\"' &\n");
        pty.expect("behind ***\r\n");
        let [shim, _, _] = ours(pty.pid(), "sh");
        wait_for_state(shim, 'T');
        pty.send("echo usable $((40 + 2))\n");
        pty.expect("usable 42\r\n");
        pty.send("fg\n");
        wait_for_state(shim, 'S');
        wait_until("keys", || pty.is_raw());
        pty.send("typed\n");
        pty.expect("got typed\r\n");
        pty.expect("<> ");
        // And one that never asks.
        pty.send("./shim sleep 600 &\n");
        let sleep = find(pty.pid(), "sleep");
        pty.send("echo usable $((40 + 3))\n");
        pty.expect("usable 43\r\n");
        pty.send("fg\n");
        pty.expect("sleep 600");
        wait_until("the foreground", || {
            let stat =
                std::fs::read_to_string(format!("/proc/{}/stat", ours(pty.pid(), "sleep")[0]));
            let stat = stat.expect("a process");
            let fields: Vec<&str> = stat
                .rsplit_once(") ")
                .expect("fields")
                .1
                .split(' ')
                .collect();
            fields[2] == fields[5] && (pty.is_raw() || pty.echoes())
        });
        pty.send("\x03");
        wait_until("the end", || Pty::state_of(sleep).is_none());
    }
}

/// A script that is interrupted does not go on, and one that is stopped is stopped as a whole.
#[test]
fn a_script_is_interrupted_and_stopped() {
    let (folder, mut pty) = shell(SHELLS[0]);
    folder.write("script", "./shim sleep 600\necho went on\n");
    // Also one that ends well is followed by nothing: the key was meant for all.
    folder.write(
        "other",
        "./shim sh -c 'trap exit INT; echo up; while :; do sleep 0.02; done'\necho went on\n",
    );
    pty.send("sh other\n");
    pty.expect("up\r\n");
    pty.send("\x03");
    pty.expect("<> ");
    // A shell that edits its line is alone with the key.
    folder.write(
        "shell",
        "./shim env PS1='inner> ' bash --norc --noprofile -i\necho went on\n",
    );
    pty.send("sh shell\n");
    pty.expect("inner> ");
    // With us or without, bash loses a key that comes as soon as it has asked.
    wait_until("another prompt", || {
        pty.send("\x03");
        std::thread::sleep(std::time::Duration::from_millis(50));
        pty.rest().contains("inner> ")
    });
    pty.send("exit\n");
    pty.expect("went on\r\n");
    pty.expect("<> ");
    // Another program that does, and dies of it, is not.
    folder.write(
        "editor",
        "./shim sh -c 'stty -icanon; echo up; sleep 600'\necho went on\n",
    );
    pty.send("sh editor\n");
    pty.expect("up\r\n");
    find(pty.pid(), "sleep");
    pty.send("\x03");
    assert!(!pty.expect("<> ").contains("went on"));
    pty.send("sh script\n");
    let sleep = find(pty.pid(), "sleep");
    let script = find(pty.pid(), "sh");
    wait_until("keys", || pty.is_raw());
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("<> ");
    wait_for_state(script, 'T');
    wait_for_state(sleep, 'T');
    pty.send("fg\n");
    wait_for_state(sleep, 'S');
    wait_until("keys", || pty.is_raw());
    pty.send("\x03");
    pty.expect("<> ");
    assert_eq!(
        pty.shown().matches("went on\r\n").count(),
        1,
        "{}",
        pty.shown()
    );
    // And the next one reads on.
    folder.write(
        "script",
        "./shim true\necho next\nread line\necho \"got $line\"\n",
    );
    pty.send("sh script\n");
    pty.expect("next\r\n");
    pty.send("typed\n");
    pty.expect("got typed\r\n");
    pty.expect("<> ");
    // What does not end the program, or is quoted, ends nobody.
    folder.write("script", "./shim sh -c 'stty raw; echo up$((1)); head -c 3 | od -An -c; stty -raw; echo cooked; read line; echo \"got $line\"'\necho went on\n");
    pty.send("sh script\n");
    pty.expect("up1");
    wait_until("keys", || pty.is_raw());
    pty.send("\x03\x03\x03");
    pty.expect("003 003 003");
    pty.expect("cooked\r\n");
    pty.send("a\x16\x03b\n");
    pty.expect("got a\x03b");
    pty.expect("went on\r\n");
}

#[test]
fn programs_that_set_modes_themselves() {
    let (folder, mut pty) = shell(SHELLS[0]);
    let modes = pty.modes();
    pty.send("./shim sh -c 'stty raw -echo; echo up$((1)); dd bs=1 count=3 2>/dev/null | od -An -c; stty -raw echo'\n");
    pty.expect("up1");
    wait_until("keys", || pty.is_raw());
    pty.send("\x03\x1a\x04");
    pty.expect("003 032 004");
    pty.expect("<> ");
    let curses = "import curses\n\
        def f(s):\n s.addstr(0, 0, 'press'); s.refresh(); k = s.getch(); return k\n\
        print('key', curses.wrapper(f))\n";
    folder.write("screen.py", curses);
    pty.send("TERM=xterm ./shim python3 screen.py\n");
    pty.expect("press");
    pty.send("\x01");
    pty.expect("key 1\r\n");
    pty.expect("<> ");
    wait_until("the modes", || pty.modes() == modes);
}

/// An editor, stopped and continued in its own modes; a pager, with keys and a screen.
#[test]
fn an_editor_and_a_pager() {
    if without("shells") {
        return;
    }
    let (_folder, mut pty) = shell(SHELLS[0]);
    let modes = pty.modes();
    pty.send("TERM=xterm ./shim vi -u NONE text\n");
    let editor = ["vi", "vim", "vim.basic", "vim.tiny"];
    let mut found = None;
    wait_until("an editor", || {
        let all = below(pty.pid().as_raw());
        found = all
            .into_iter()
            .find(|pid| editor.contains(&name(*pid).as_str()));
        found.is_some()
    });
    let vi = Pid::from_raw(found.expect("an editor"));
    pty.expect("~");
    pty.send("ione\x1b");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("<> ");
    wait_for_state(vi, 'T');
    assert_eq!(pty.modes(), modes);
    pty.send("fg\n");
    wait_for_state(vi, 'S');
    pty.send("Atwo\x1b:wq\r");
    pty.expect("<> ");
    wait_until("the modes", || pty.modes() == modes);
    pty.send("cat text\n");
    pty.expect("onetwo\r\n");
    pty.send("seq 100 >numbers; TERM=xterm ./shim less numbers\n");
    pty.expect("\r\n9\r\n");
    pty.send("G");
    pty.expect("100\r\n");
    pty.send("q");
    pty.expect("<> ");
}

#[test]
fn a_password_is_not_shown() {
    let (_folder, mut pty) = sh(
        "stty -echo; printf 'Password: '; read line; stty echo; echo; echo \"got ${#line}\"; read line; echo \"then $line\"",
    );
    pty.expect("Password: ");
    pty.send("letmein\n");
    pty.expect("got 7\r\n");
    pty.send("seen\n");
    pty.expect("seen\r\nthen seen\r\n");
    let ended = pty.end().exits(0);
    assert!(!ended.shown.contains("letmein"), "{}", ended.shown);
}

/// Our own question, before there is a program: answered, interrupted, stopped.
#[test]
fn our_own_question_is_asked_on_the_programs_terminal() {
    let (folder, mut pty) = shell(SHELLS[0]);
    folder.write("pw", "correct horse battery staple");
    let mut seal = Command::new(envshim());
    seal.args(["seal", "--remove-plain", "--password-file", "pw"]);
    seal.current_dir(folder.path());
    assert!(seal.status().expect("envshim").success());
    let modes = pty.modes();
    pty.send("./shim sh -c 'echo got $TOKEN'\n");
    pty.expect("assword");
    wait_until("silence", || !pty.echoes());
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("<> ");
    wait_until("the modes", || pty.modes() == modes);
    pty.send("fg\n");
    pty.expect("assword");
    wait_until("silence", || !pty.echoes());
    pty.send("correct horse battery staple\n");
    pty.expect("got ***\r\n");
    pty.expect("<> ");
    pty.send("./shim true\n");
    pty.expect("assword");
    wait_until("silence", || !pty.echoes());
    pty.send("\x03");
    pty.expect("<> ");
    pty.send("echo status $?\n");
    pty.expect("status 130\r\n");
    assert!(!pty.shown().contains("horse"), "{}", pty.shown());
}

/// A pager reads the keys, behind the program or as the program.
fn pager(pty: &mut Pty) {
    if without("shells") {
        return;
    }
    pty.send("./shim sh -c 'seq 100; echo $TOKEN' | TERM=xterm less\n");
    pty.expect("\n9\r\n");
    pty.send("G");
    pty.expect("***");
    pty.send("q");
    pty.expect("<> ");
    // A pager in front of nothing does too.
    pty.send("seq 100 | TERM=xterm ./shim less\n");
    pty.expect("9\r");
    wait_until("keys", || pty.is_raw());
    pty.send("G");
    pty.expect("100\r");
    pty.send("q");
    pty.expect("<> ");
}

/// The other half of a pipeline has the keys, unless the program asks for them.
#[test]
fn pipelines_in_both_directions() {
    for words in shells() {
        let (_folder, mut pty) = shell(words);
        let modes = pty.modes();
        pty.send("./shim sh -c 'echo out $TOKEN; sleep 0.1; echo err $TOKEN >&2' | tr '*' '#'\n");
        pty.expect("out ###\r\n");
        pty.expect("err ***\r\n");
        pty.expect("<> ");
        pty.send("echo here | ./shim sh -c 'tr a-z A-Z; echo $TOKEN'\n");
        pty.expect("HERE\r\n");
        pty.expect("***\r\n");
        pty.expect("<> ");
        pager(&mut pty);
        // A question on the way.
        pty.send("./shim sh -c 'read line </dev/tty; echo \"got $line\"' | cat\n");
        find(pty.pid(), "envshim");
        wait_until("keys", || pty.is_raw());
        pty.send("typed\n");
        pty.expect("got typed\r\n");
        pty.expect("<> ");
        // The keys end and stop all of it.
        pty.send("./shim sh -c 'sleep 600; echo went on' | cat\n");
        let sleep = find(pty.pid(), "sleep");
        let cat = find(pty.pid(), "cat");
        pty.send("\x1a");
        pty.expect("<> ");
        wait_for_state(sleep, 'T');
        wait_for_state(cat, 'T');
        pty.send("fg\n");
        wait_for_state(sleep, 'S');
        pty.send("\x03");
        pty.expect("<> ");
        wait_until("the end", || Pty::state_of(sleep).is_none());
        wait_until("the modes", || pty.modes() == modes);
    }
}

#[test]
fn a_file_beside_the_terminal() {
    let (folder, mut pty) = shell(SHELLS[0]);
    pty.send("./shim sh -c 'test -t 2 || echo $TOKEN >&2; test -t 1 && echo out $TOKEN' 2>log\n");
    pty.expect("out ***\r\n");
    pty.expect("<> ");
    assert_eq!(folder.read("log"), b"***\n");
    pty.send(
        "./shim sh -c 'test -t 2 && echo err $TOKEN >&2; test -t 1 || echo out $TOKEN' >log\n",
    );
    pty.expect("err ***\r\n");
    pty.expect("<> ");
    assert_eq!(folder.read("log"), b"out ***\n");
    // Neither is one: as with --mask.
    pty.send("./shim sh -c 'echo $TOKEN; tty' >log 2>&1\n");
    pty.expect("<> ");
    let log = String::from_utf8(folder.read("log")).expect("text");
    assert!(log.starts_with("***\n/dev/pts/"), "{log}");
}

#[test]
fn a_large_paste_arrives() {
    let (folder, mut pty) = program(&[
        "sh",
        "-c",
        "stty -echo; echo up; head -c 297000 >copy; cksum copy",
    ]);
    pty.expect("up\r\n");
    let line = "0123456789abcdefghijklmnopqrstuvwxyz-s3cr3t-and-more-of-the-same!\n";
    let text: String = line.chars().cycle().take(297_000).collect();
    for piece in text.as_bytes().chunks(1000) {
        pty.send(piece);
    }
    pty.expect("copy\r\n");
    assert!(folder.read("copy") == text.as_bytes());
    pty.end().exits(0);
}

#[test]
fn large_output_arrives() {
    let (_folder, pty) = sh("seq 200000; echo $TOKEN");
    let ended = pty.end().exits(0);
    let mut want: String = (1..=200_000).map(|n| format!("{n}\r\n")).collect();
    want.push_str("***\r\n");
    assert!(
        ended.shown == want,
        "{} of {} bytes",
        ended.shown.len(),
        want.len()
    );
}

/// Whoever of us is killed, somebody gives the terminal back.
#[test]
fn the_modes_come_back_whoever_dies() {
    for words in [SHELLS[0], SHELLS[2]] {
        let (_folder, mut pty) = shell(words);
        let modes = pty.modes();
        for (who, signal) in [
            (&[][..], Signal::SIGTERM),
            (&[0][..], Signal::SIGTERM),
            (&[0], Signal::SIGKILL),
            (&[1], Signal::SIGKILL),
            (&[0, 1], Signal::SIGKILL),
            (&[2], Signal::SIGKILL),
        ] {
            pty.send("./shim sh -c 'stty raw; exec sleep 600'\n");
            let sleep = find(pty.pid(), "sleep");
            let all = ours(pty.pid(), "sleep");
            wait_until("keys", || pty.is_raw());
            if who.is_empty() {
                kill(sleep, signal).expect("sent");
            }
            for one in who {
                kill(all[*one], signal).expect("sent");
            }
            pty.expect("<> ");
            wait_until("the modes", || pty.modes() == modes);
            wait_until("the end", || Pty::state_of(sleep).is_none());
            pty.send("echo usable $((40 + 2))\n");
            pty.expect("usable 42\r\n");
            pty.expect("<> ");
        }
    }
}

/// When the window is closed, the program is told.
#[test]
fn a_hang_up_reaches_the_program() {
    let folder = Folder::new();
    let heard = folder.join("heard");
    let script = format!(
        "trap 'echo >> {}; exit' HUP; echo up; while :; do sleep 0.02; done",
        heard.display()
    );
    let (_other, mut pty) = sh(&script);
    pty.expect("up\r\n");
    let all = ours(pty.pid(), "sh");
    pty.hang_up();
    wait_until("it was told", || heard.exists());
    wait_until("the end", || {
        all.iter()
            .all(|pid| matches!(Pty::state_of(*pid), None | Some('Z')))
    });
}

/// Leading the session there is nobody who could continue what stops: the key does nothing.
#[test]
fn without_a_shell_the_key_stops_nothing() {
    for first in [false, true] {
        if first && !namespace::available() {
            continue;
        }
        let folder = Folder::new();
        let mut words: Vec<String> = Vec::new();
        if first {
            let unshare = namespace::words().into_iter();
            words.extend(unshare.map(|word| word.into_string().expect("text")));
        }
        words.push(envshim().display().to_string());
        words.extend(
            "--mask=terminal --log warn -- cat"
                .split(' ')
                .map(str::to_owned),
        );
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        variables(&mut command, &folder);
        let mut pty = Pty::spawn(command);
        wait_until("keys", || pty.is_raw());
        for _ in 0..3 {
            pty.send("\x1a");
            pty.expect("^Z");
            pty.send("typed\n");
            pty.expect("typed\r\n");
            pty.expect("typed\r\n");
        }
        pty.send("\x04");
        pty.end().exits(0);
    }
}

/// An interactive shell as the program has job control of its own.
#[test]
fn a_shell_as_the_program() {
    let (_folder, mut pty) = shell(SHELLS[0]);
    pty.send("./shim env 'PS1=inner> ' bash --norc --noprofile --noediting -i\n");
    pty.expect("inner> ");
    pty.send("sleep 600\n");
    let sleep = find(pty.pid(), "sleep");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("inner> ");
    wait_for_state(sleep, 'T');
    pty.send("fg\n");
    wait_for_state(sleep, 'S');
    pty.send("\x03");
    pty.expect("inner> ");
    for round in 0..3 {
        pty.send("suspend\n");
        pty.expect("Stopped");
        pty.expect("<> ");
        pty.send("fg\n");
        wait_until("keys", || pty.is_raw());
        pty.send(format!("echo again $(({round} + 10)) $TOKEN\n"));
        pty.expect(&format!("again {} ***\r\n", round + 10));
    }
    pty.send("exit 9\n");
    pty.expect("<> ");
    pty.send("echo status $?\n");
    pty.expect("status 9\r\n");
}

/// What the program leaves behind does not hold us.
#[test]
fn a_daemon_that_keeps_the_terminal_open() {
    let (_folder, mut pty) = sh("trap '' HUP; setsid sleep 600 & echo $TOKEN");
    let sleep = find(pty.pid(), "sleep");
    pty.expect("***\r\n");
    pty.end().exits(0);
    kill(sleep, Signal::SIGKILL).expect("sent");
    let (_folder, mut pty) =
        sh("(trap '' HUP TERM; while echo on and on; do :; done) & echo $TOKEN");
    pty.expect("on and on");
    pty.end().exits(0);
}

/// What is said to the program's parent is said to the supervisor.
#[test]
fn signals_reach_the_program_once() {
    let (_folder, mut pty) = shell(SHELLS[0]);
    pty.send("./shim \"$LISTENER\" 12\n");
    pty.expect("listening as ");
    pty.expect("\r\n");
    let all = ours(pty.pid(), "listener");
    for number in [
        Signal::SIGUSR1,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGWINCH,
    ] {
        for pid in [all[0], all[2]] {
            kill(pid, number).expect("sent");
            assert_eq!(pty.expect(&format!("got {}\r\n", number as i32)), "");
        }
    }
    for (key, number) in [("\x03", 2), ("\x1c", 3), ("\x1a", 20)] {
        pty.send(key);
        let before = pty.expect(&format!("got {number}\r\n"));
        assert!(!before.contains("got"), "{before}");
    }
    kill(all[0], Signal::SIGUSR2).expect("sent");
    pty.expect("<> ");
}

/// Only one of us ever knows a secret.
#[test]
fn the_supervisor_and_the_monitor_know_nothing() {
    let (_folder, mut pty) = sh("echo up; exec sleep 600");
    pty.expect("up\r\n");
    let [supervisor, screen, monitor] = ours(pty.pid(), "sleep");
    for (pid, knows) in [(supervisor, false), (monitor, false), (screen, true)] {
        assert_eq!(has_in_memory(pid, SECRET.as_bytes()), knows, "{pid}");
    }
    pty.send("\x03");
    pty.end().dies_of(Signal::SIGINT);
}

/// Whether these bytes are in the memory of a process.
fn has_in_memory(pid: Pid, bytes: &[u8]) -> bool {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("memory");
    maps.lines().any(|line| {
        let (range, rest) = line.split_once(' ').expect("a range");
        let (from, to) = range.split_once('-').expect("a range");
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).expect("a number"));
        let mut part = vec![0; usize::try_from(to - from).expect("a size")];
        rest.starts_with("rw")
            && memory.read_exact_at(&mut part, from).is_ok()
            && part.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[test]
fn what_does_not_go_together() {
    let refused = |words: &str, text: &str| {
        let shim = Shim::new().file(".vault", "A=1\n").args(words);
        let mut pty = Pty::spawn(shim.command());
        pty.expect(text);
        pty.end().exits(125);
    };
    refused(
        "--mask=terminal --watch 1h -- true",
        "is the program's, and not for one that is started anew",
    );
    refused(
        "--mask=terminal --new-session -- true",
        "leave --new-session out",
    );
    // A terminal that is not the session's own.
    let shim = Shim::new().file(".vault", "A=1\n");
    let mut command = Command::new("setsid");
    command.args(["--wait", "--fork"]).arg(envshim());
    command.args(["--mask=terminal", "--", "true"]);
    command.current_dir(shim.folder.path());
    let mut pty = Pty::spawn(command);
    pty.expect("stdout is a terminal that is not that of this session");
    pty.end().exits(125);
    // Without a terminal there is nothing to refuse.
    Shim::new()
        .file(".vault", format!("TOKEN='{SECRET}'\n"))
        .args("--mask=terminal --watch 1h --new-session -- sh -c")
        .arg("echo $TOKEN")
        .run()
        .ok()
        .says("");
}

/// How much time a process has used, in ticks of the clock.
fn ticks(pid: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat
        .rsplit_once(") ")
        .expect("fields")
        .1
        .split(' ')
        .collect();
    let number = |at: usize| fields[at].parse::<u64>().expect("a number");
    number(11) + number(12)
}

/// Whoever is left waits, and does not spin.
#[test]
fn those_who_are_left_sleep() {
    let idle = |all: &[Pid]| {
        let before: Vec<u64> = all.iter().map(|pid| ticks(*pid)).collect();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let after: Vec<u64> = all.iter().map(|pid| ticks(*pid)).collect();
        assert!(
            after.iter().zip(&before).all(|(a, b)| a - b < 10),
            "{before:?} {after:?}"
        );
    };
    // All of them; the program has closed its terminal; half a secret waits.
    let (_folder, mut pty) = sh("printf s3cr3; exec sleep 600 <&- >&- 2>&-");
    pty.expect("s3c");
    let all = ours(pty.pid(), "sleep");
    idle(&all);
    // The monitor is gone, and what the program has left has time.
    let folder = Folder::new();
    let mut command = Command::new(envshim());
    command.args([
        "--mask=terminal",
        "--drain",
        "20s",
        "--log",
        "warn",
        "--",
        "sh",
        "-c",
    ]);
    command.arg("(trap '' TERM HUP; while :; do sleep 1; done) & echo $!; read line");
    variables(&mut command, &folder);
    let mut left = Pty::spawn(command);
    let number = left.expect("\r\n");
    let [supervisor, screen, monitor] = ours(left.pid(), "sh");
    wait_until("keys", || left.is_raw());
    left.send("\n");
    wait_until("its end", || Pty::state_of(monitor).is_none());
    idle(&[supervisor, screen]);
    let number = number.trim().parse().expect("a number");
    kill(Pid::from_raw(number), Signal::SIGKILL).expect("sent");
    left.end().exits(0);
    // The window is closed, and the program does not mind.
    let (_folder, mut pty) = sh("trap '' HUP; echo up; exec sleep 600");
    pty.expect("up");
    let all = ours(pty.pid(), "sleep");
    let sleep = find(pty.pid(), "sleep");
    pty.hang_up();
    idle(&all);
    kill(sleep, Signal::SIGKILL).expect("sent");
}
