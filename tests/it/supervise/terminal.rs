//! On a real terminal, under an interactive shell, and as the leader of the session.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::house::probe::listener;
use super::super::house::pty::Pty;
use super::super::house::{Folder, Shim, envshim, namespace, wait_until};
use super::{below, name, ways};

fn shim(words: &[&str]) -> Vec<String> {
    let mut all = vec![
        envshim().display().to_string(),
        "--init".into(),
        "--".into(),
    ];
    all.extend(words.iter().map(|word| (*word).to_owned()));
    all
}

/// Leading the session, as PID 1 of a namespace or not.
fn leader(first: bool, words: &[&str]) -> Pty {
    let mut all = Vec::new();
    if first {
        let unshare = namespace::words().into_iter();
        all.extend(unshare.map(|word| word.into_string().expect("text")));
    }
    all.extend(shim(words));
    let mut command = Command::new(&all[0]);
    command.args(&all[1..]);
    Pty::spawn(command)
}

/// An interactive shell, and the folder it is in.
fn shell() -> (Folder, Pty) {
    let folder = Folder::new();
    let mut command = Command::new("bash");
    command
        .args(["--norc", "--noprofile", "--noediting", "-i"])
        .env_clear()
        .envs([
            ("PS1", "<> "),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("TERM", "dumb"),
        ])
        .env("SHIM", envshim())
        .env("LISTENER", listener())
        .env("HISTFILE", "/dev/null")
        .current_dir(folder.path());
    let mut pty = Pty::spawn(command);
    pty.expect("<> ");
    (folder, pty)
}

/// A process below this one, by the name of its program.
#[track_caller]
fn find(root: Pid, wanted: &str) -> Pid {
    let mut found = None;
    wait_until(wanted, || {
        let all = below(root.as_raw());
        found = all.into_iter().find(|pid| name(*pid) == wanted);
        found.is_some()
    });
    Pid::from_raw(found.expect("a process"))
}

/// How often a line was shown; the echo of a key may stand before it.
fn count(pty: &Pty, line: &str) -> usize {
    pty.shown().matches(&format!("{line}\r\n")).count()
}

/// What the keys send arrives once: a signal from us would come before the next one that we send.
#[test]
fn an_interrupt_arrives_once() {
    for first in ways() {
        let listener = listener().to_str().expect("text");
        let mut pty = leader(first, &[listener]);
        pty.expect("listening");
        let shim = find(pty.pid(), "envshim");
        for (key, number) in [("\x03", 2), ("\x1c", 3), ("\x1a", 20)] {
            // What makes the namespace is in the group too, and would be ended by these.
            if first && number != 2 {
                continue;
            }
            for round in 1..=5 {
                pty.send(key);
                pty.expect(&format!("got {number}\r\n"));
                kill(shim, Signal::SIGUSR1).expect("sent");
                pty.expect("got 10\r\n");
                assert_eq!(
                    count(&pty, &format!("got {number}")),
                    round,
                    "{}",
                    pty.shown()
                );
            }
        }
        // The kernel tells the foreground group of a new size.
        pty.resize(50, 132);
        pty.expect("got 28\r\n");
        // Signals are taken by their numbers: when this one has come, the one of the size was looked at, and
        // another like it is not one with it.
        kill(shim, Signal::SIGPWR).expect("sent");
        pty.expect("got 30\r\n");
        assert_eq!(count(&pty, "got 28"), 1, "{}", pty.shown());
        // And what a process sends to us alone arrives too.
        for number in [Signal::SIGINT, Signal::SIGWINCH, Signal::SIGTERM] {
            kill(shim, number).expect("sent");
            pty.expect(&format!("got {}\r\n", number as i32));
        }
    }
}

#[test]
fn an_interrupt_arrives_once_under_a_shell() {
    let (_folder, mut pty) = shell();
    pty.send("\"$SHIM\" --init -- \"$LISTENER\" 12\n");
    pty.expect("listening");
    let shim = find(pty.pid(), "envshim");
    for round in 1..=5 {
        pty.send("\x03");
        pty.expect("got 2\r\n");
        kill(shim, Signal::SIGUSR1).expect("sent");
        pty.expect("got 10\r\n");
        assert_eq!(count(&pty, "got 2"), round, "{}", pty.shown());
    }
    kill(shim, Signal::SIGUSR2).expect("sent");
    pty.expect("<> ");
    pty.send("echo status $?\n");
    pty.expect("status 43\r\n");
}

/// A death by ^C is one for the shell: a script does not go on.
#[test]
fn an_interrupt_ends_a_script() {
    let (folder, mut pty) = shell();
    folder.write("script", "\"$SHIM\" --init -- sleep 600\necho went on\n");
    pty.send("bash script; echo then $?\n");
    find(pty.pid(), "sleep");
    pty.send("\x03");
    pty.expect("<> ");
    assert!(!pty.shown().contains("went on"), "{}", pty.shown());
}

/// ^Z stops the whole job, `fg` and `bg` continue it.
#[test]
fn a_job_is_suspended_and_resumed() {
    let (_folder, mut pty) = shell();
    pty.send("\"$SHIM\" --init -- sleep 600\n");
    let sleep = find(pty.pid(), "sleep");
    let shim = find(pty.pid(), "envshim");
    for _ in 0..5 {
        pty.send("\x1a");
        pty.expect("Stopped");
        pty.expect("<> ");
        for pid in [sleep, shim] {
            wait_until("a stop", || Pty::state_of(pid) == Some('T'));
        }
        pty.send("fg\n");
        for pid in [sleep, shim] {
            wait_until("it goes on", || Pty::state_of(pid) == Some('S'));
        }
    }
    pty.send("\x1a");
    pty.expect("<> ");
    pty.send("bg\n");
    wait_until("it goes on", || Pty::state_of(sleep) == Some('S'));
    wait_until("so do we", || Pty::state_of(shim) == Some('S'));
    pty.send("kill %1; wait; echo all done\n");
    pty.expect("all done\r\n");
}

/// Started in the background it leaves the terminal alone.
#[test]
fn a_job_in_the_background_does_not_take_the_terminal() {
    let (_folder, mut pty) = shell();
    pty.send("\"$SHIM\" --init -- sleep 600 &\n");
    pty.expect("<> ");
    find(pty.pid(), "sleep");
    for round in 0..3 {
        pty.send(format!("echo usable $(({round} + 40))\n"));
        pty.expect(&format!("usable {}\r\n", round + 40));
    }
    pty.send("read line; echo \"got $line\"\n");
    pty.send("typed\n");
    pty.expect("got typed\r\n");
    pty.send("kill %1; wait %1; echo status $?\n");
    pty.expect("status 143\r\n");
}

/// A program in the background that reads the terminal stops, and we with it, or the shell would
/// wait for ever.
#[test]
fn a_reader_in_the_background_is_stopped() {
    let (_folder, mut pty) = shell();
    pty.send("\"$SHIM\" --init -- cat &\n");
    let cat = find(pty.pid(), "cat");
    let shim = find(pty.pid(), "envshim");
    for pid in [cat, shim] {
        wait_until("a stop", || Pty::state_of(pid) == Some('T'));
    }
    pty.send("fg\n");
    wait_until("it reads", || Pty::state_of(cat) == Some('S'));
    pty.send("typed\n");
    pty.expect("typed\r\ntyped\r\n");
    pty.send("\x04");
    pty.expect("<> ");
}

/// The terminal is the shell's again, for whatever comes next in a script.
#[test]
fn a_script_reads_on_afterwards() {
    let (folder, mut pty) = shell();
    folder.write(
        "script",
        "\"$SHIM\" --init -- true\nread line\necho \"got $line\"\n",
    );
    pty.send("bash script\n");
    pty.send("typed\n");
    pty.expect("got typed\r\n");
}

/// An interactive shell as the program has job control, as PID 1 of a container too.
#[test]
fn a_shell_as_the_program_has_job_control() {
    for first in ways() {
        let bash = [
            "env",
            "PS1=<> ",
            "bash",
            "--norc",
            "--noprofile",
            "--noediting",
            "-i",
        ];
        let mut pty = leader(first, &bash);
        pty.expect("<> ");
        pty.send("sleep 600\n");
        let sleep = find(pty.pid(), "sleep");
        pty.send("\x1a");
        pty.expect("Stopped");
        pty.expect("<> ");
        wait_until("a stop", || Pty::state_of(sleep) == Some('T'));
        pty.send("fg\n");
        wait_until("it goes on", || Pty::state_of(sleep) == Some('S'));
        pty.send("\x03");
        pty.expect("<> ");
        pty.send("cat | cat\n");
        find(pty.pid(), "cat");
        pty.send("\x03");
        pty.expect("<> ");
        pty.send("exit 7\n");
        let ended = pty.end().exits(7);
        assert!(!ended.shown.contains("job control"), "{}", ended.shown);
    }
}

/// A shell that suspends itself has a group of its own by then; it gets the terminal back.
#[test]
fn a_shell_as_the_program_is_suspended_and_resumed() {
    let (_folder, mut pty) = shell();
    pty.send("\"$SHIM\" --init -- env PS1='inner> ' bash --norc --noprofile --noediting -i\n");
    pty.expect("inner> ");
    for round in 0..3 {
        pty.send("suspend\n");
        pty.expect("Stopped");
        pty.expect("<> ");
        pty.send("fg\n");
        pty.send(format!("echo again $(({round} + 10))\n"));
        pty.expect(&format!("again {}\r\n", round + 10));
    }
    pty.send("exit 9\n");
    pty.expect("<> ");
    pty.send("echo status $?\n");
    pty.expect("status 9\r\n");
}

/// A program that does not stop at ^Z goes on, and so do we.
#[test]
fn a_program_that_ignores_the_key_goes_on() {
    let (_folder, mut pty) = shell();
    pty.send(
        "\"$SHIM\" --init -- sh -c 'trap \"\" TSTP; echo up; read line; echo \"got $line\"'\n",
    );
    pty.expect("up\r\n");
    pty.send("\x1a");
    pty.send("typed\n");
    pty.expect("got typed\r\n");
    assert!(!pty.shown().contains("Stopped"), "{}", pty.shown());
}

/// When the terminal goes away, the kernel tells the leader of the session alone.
#[test]
fn a_hang_up_reaches_the_program() {
    for first in ways() {
        // Where unshare leads the session, it is the one that is told.
        if first {
            continue;
        }
        let folder = Folder::new();
        let heard = folder.join("heard");
        let script = format!(
            "trap 'echo > {}; exit' HUP; echo up; while :; do sleep 0.02; done",
            heard.display()
        );
        let mut pty = leader(first, &["sh", "-c", &script]);
        pty.expect("up\r\n");
        pty.hang_up();
        wait_until("it was told", || heard.exists());
    }
}

/// A hang-up is no word of a process, and asks for no new load.
#[test]
fn a_hang_up_is_no_signal_to_load_again() {
    let script = "trap 'echo > heard; exit' HUP; echo up; while :; do sleep 0.02; done";
    let shim = Shim::new().file(".vault", "A=1\n");
    let mut command = shim.command();
    command.args(["--reload-signal", "HUP", "--", "sh", "-c", script]);
    let mut pty = Pty::spawn(command);
    pty.expect("up\r\n");
    pty.hang_up();
    wait_until("it was told", || shim.folder.join("heard").exists());
}

/// With a terminal around but other streams, the terminal is still the one that sends the keys.
#[test]
fn a_job_in_a_pipeline() {
    let (_folder, mut pty) = shell();
    pty.send("\"$SHIM\" --init -- sleep 600 | cat\n");
    find(pty.pid(), "sleep");
    pty.send("\x03");
    pty.expect("<> ");
    pty.send("echo here | \"$SHIM\" --init -- cat | tr a-z A-Z\n");
    pty.expect("HERE\r\n");
    pty.expect("<> ");
    // The reader sees the end when the program closes its output, though it goes on.
    pty.send(
        "\"$SHIM\" --init -- sh -c 'exec >&-; echo closed >&2; exec sleep 600' | (cat; echo eof)\n",
    );
    pty.expect("eof\r\n");
    kill(find(pty.pid(), "envshim"), Signal::SIGTERM).expect("sent");
    pty.expect("<> ");
}

/// ^C at the very moment when the reader has seen the end. It is never lost on its way through us: here
/// everybody who could lose it blocks or ignores it from the beginning. Shells do lose it, with us as
/// without us (in 5 of 100 tries under load): dash, when it comes between its `vfork` and the `execve`
/// there; bash, whose subshell, interrupted at its end, gives the terminal back to the shell.
#[test]
fn a_job_in_a_pipeline_is_interrupted_at_once() {
    let (_folder, mut pty) = shell();
    for round in 1..=40 {
        pty.send(
            "\"$SHIM\" --init -- env --block-signal=INT sh -c 'exec \"$LISTENER\" 2 >/dev/tty' | \
             (trap '' INT; cat; echo eof)\n",
        );
        pty.expect("eof\r\n");
        pty.send("\x03");
        pty.expect("got 2\r\n");
        pty.expect("<> ");
        assert_eq!(count(&pty, "got 2"), round, "{}", pty.shown());
    }
}

/// The question for a password is asked by the child; ^C and ^Z there leave the terminal as it was.
#[test]
fn a_question_is_asked_and_interrupted() {
    let start = || {
        let shim = Shim::new()
            .file(".vault", "A=opened\n")
            .file("pw", "correct horse battery staple");
        let mut seal = shim.command();
        seal.args(["seal", "--remove-plain", "--password-file", "pw"]);
        assert!(seal.status().expect("envshim").success());
        let mut command = shim.command();
        command.args(["--supervise", "--", "sh", "-c", "echo got $A; exit 5"]);
        (Pty::spawn(command), shim)
    };
    let (mut pty, _shim) = start();
    pty.expect("assword");
    pty.wait_for_echo(false);
    pty.send("correct horse battery staple\n");
    pty.expect("got opened\r\n");
    pty.end().exits(5);

    let (mut pty, _shim) = start();
    pty.expect("assword");
    pty.wait_for_echo(false);
    pty.send("\x03");
    pty.end().dies_of(Signal::SIGINT);
}

/// A program with a session of its own has no terminal; the keys reach it through us, but for the one that
/// would stop it.
#[test]
fn a_session_of_its_own_on_a_terminal() {
    let mut command = Command::new(envshim());
    command
        .args(["--init", "--new-session", "--"])
        .arg(listener());
    let mut pty = Pty::spawn(command);
    pty.expect("listening");
    for (key, number) in [("\x03", 2), ("\x1c", 3)] {
        for _ in 0..3 {
            pty.send(key);
            pty.expect(&format!("got {number}\r\n"));
        }
    }
    // It would outlive its terminal.
    kill(find(pty.pid(), "listener"), Signal::SIGKILL).expect("sent");
    pty.end().dies_of(Signal::SIGKILL);
    let (_folder, mut pty) = shell();
    pty.send("\"$SHIM\" --init --new-session -- sh -c 'true 2>/dev/null </dev/tty || echo none; sleep 600'\n");
    pty.expect("none\r\n");
    let sleep = find(pty.pid(), "sleep");
    pty.send("\x03");
    pty.expect("<> ");
    wait_until("the end", || Pty::state_of(sleep).is_none());
}
