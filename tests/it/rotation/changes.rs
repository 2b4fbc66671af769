//! `--watch` and what follows: nothing is started with a half of the new secrets, and what runs is
//! left alone until the rest is there.

use std::io::Write;

use nix::sys::signal::{Signal, kill};

use super::super::house::{Shim, wait_until};
use super::Running;

/// Says with what it was started, and ends with 3 when it is told to.
const PROGRAM: &str = "echo \"start $A\"; trap 'exit 3' TERM; while :; do sleep 0.1; done";

fn watched(options: &str, program: &str) -> Shim {
    Shim::new()
        .file("secret", "one\n")
        .file(".vault", "SECRET_MANAGER_PATH=.\nA=file:secret\n")
        .args(options)
        .args("-- sh -c")
        .arg(program)
}

#[test]
fn the_program_is_started_anew_when_a_value_has_changed() {
    let mut it = Running::start(watched("--watch 1s --log info", PROGRAM));
    it.wait_for("start one");
    it.replace("secret", "two\n");
    it.wait_for("start two");
    assert!(
        it.err()
            .contains("secrets have changed: the program is started anew")
    );
    // What changes nothing for the program is nothing to it.
    it.replace(
        ".vault",
        "# A remark.\nSECRET_MANAGER_PATH=.\nA=file:secret\n",
    );
    let loads = |it: &Running| it.err().matches("1 variable from").count();
    wait_until("a look at the remark", || loads(&it) == 3);
    it.replace("secret", "three\n");
    it.wait_for("start three");
    assert_eq!(it.out(), "start one\nstart two\nstart three\n");
    it.stops(3);
}

#[test]
fn a_load_that_fails_leaves_the_program_alone() {
    let mut it = Running::start(watched("--watch 1s", PROGRAM));
    it.wait_for("start one");
    std::fs::remove_file(it.shim.folder.join("secret")).expect("removed");
    it.wait_for_error("envshim: warning: the program goes on with the secrets that it has");
    assert!(
        it.err()
            .contains("envshim: error: .vault:2: A: file:secret: "),
        "{}",
        it.err()
    );
    assert_eq!(it.out(), "start one\n");
    it.replace("secret", "two\n");
    it.wait_for("start two");
    it.stops(3);
}

#[test]
fn a_stop_wins_over_a_restart() {
    let program = "echo \"start $A\"; trap 'echo stopping; sleep 2; exit 5' TERM; while :; do sleep 0.1; done";
    let mut it = Running::start(watched("--reload-signal HUP", program));
    it.wait_for("start one");
    it.replace("secret", "two\n");
    it.send(Signal::SIGHUP);
    // The next one waits for its place by now.
    it.wait_for("stopping");
    it.stops(5);
    assert_eq!(it.out(), "start one\nstopping\n");
}

/// The program has been told to stop for the next one, which is lost on its way: nobody has asked for
/// an end, so another one is sent. Without it, that the program stops well would be the end of all.
#[test]
fn a_next_program_that_is_lost_is_sent_again() {
    let program = "echo \"start $A\"; trap 'echo stopping; read go <go; exit 0' TERM; \
                   while :; do sleep 0.05; done";
    for gone in [false, true] {
        let shim = watched("--reload-signal HUP --supervise", program);
        let go = shim.folder.join("go");
        nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let mut it = Running::start(shim);
        it.wait_for("start one");
        let program = it.children();
        it.replace("secret", "two\n");
        it.send(Signal::SIGHUP);
        it.wait_for("stopping");
        let next = it.children().into_iter().find(|pid| !program.contains(pid));
        kill(next.expect("another child"), Signal::SIGKILL).expect("killed");
        wait_until("it is reaped", || it.children() == program);
        if gone {
            std::fs::remove_file(it.shim.folder.join("secret")).expect("removed");
        }
        std::fs::write(&go, "go\n").expect("a word");
        if gone {
            assert_eq!(it.end().code(), Some(125));
            assert!(it.err().contains("A: file:secret: "), "{}", it.err());
            continue;
        }
        it.wait_for("start two");
        it.send(Signal::SIGTERM);
        wait_until("it is told", || it.count("stopping") == 2);
        std::fs::write(&go, "go\n").expect("a word");
        assert_eq!(it.end().code(), Some(0));
        assert_eq!(it.err(), "");
    }
}

#[test]
fn a_program_that_does_not_stop_is_killed_for_the_next_one() {
    let program = "echo \"start $A\"; test $A = two || trap '' TERM; while :; do sleep 0.1; done";
    let options = "--reload-signal HUP --stop-timeout 500ms";
    let it = Running::start(watched(options, program));
    it.wait_for("start one");
    it.replace("secret", "two\n");
    it.send(Signal::SIGHUP);
    it.wait_for("start two");
    let mut it = it;
    it.send(Signal::SIGTERM);
    assert_eq!(it.end().code(), None);
}

#[test]
fn the_end_of_the_program_is_the_end() {
    let program = "echo \"start $A\"; trap 'exit 9' USR1; while :; do sleep 0.1; done";
    let mut it = Running::start(watched("--watch 1s", program));
    it.wait_for("start one");
    it.send(Signal::SIGUSR1);
    assert_eq!(it.end().code(), Some(9));
}

#[test]
fn a_signal_goes_with_files_that_are_written_anew() {
    let program = "cat $A; trap 'cat $A' HUP; trap 'exit 3' TERM; while :; do sleep 0.1; done";
    let shim = watched("--watch 1s --on-change signal:HUP", program)
        .file(".vault", "SECRET_MANAGER_PATH=.\nA=file:secret?as=file\n");
    let mut it = Running::start(shim);
    it.wait_for("one");
    it.replace("secret", "another, longer one\n");
    wait_until("the new one", || it.out() == "oneanother, longer one");
    it.replace("secret", "2\n");
    wait_until("the short one", || it.out() == "oneanother, longer one2");
    it.stops(3);

    // It may have forgotten the variable, as programs do that show a title of their own.
    let program = "f=$A; exec env -u A F=$f sh -c 'cat $F; trap \"cat $F\" HUP; \
                   trap \"exit 3\" TERM; while :; do sleep 0.1; done'";
    let shim = watched("--watch 1s --on-change signal:HUP", program)
        .file(".vault", "SECRET_MANAGER_PATH=.\nA=file:secret?as=file\n");
    let mut it = Running::start(shim);
    it.wait_for("one");
    it.replace("secret", "two\n");
    wait_until("the new one", || it.out() == "onetwo");
    it.stops(3);

    watched("--on-change signal:HUP", "true")
        .run()
        .exits(125)
        .says("--on-change: the program has its secrets in variables, which no signal changes")
        .says("--on-change=restart");

    // What cannot go together is told before anything is loaded.
    watched("--mask --on-change signal:HUP", "true")
        .run()
        .exits(125)
        .says("would be seen");
    let refused = watched("--dump --watch 1s", "true").run().exits(125);
    assert!(!refused.folder.join(".env.dump").exists());
    refused.says("hint: leave --dump out where secrets are watched");
}

#[test]
fn other_things_to_do() {
    let mut it = Running::start(watched("--watch 1s --on-change exit:75", PROGRAM));
    it.wait_for("start one");
    it.replace("secret", "two\n");
    assert_eq!(it.end().code(), Some(75));

    let shim = watched("--watch 1s", PROGRAM)
        .env(
            "ENVSHIM_ON_CHANGE",
            "exec:sh -c 'env >seen.new; mv seen.new seen'",
        )
        .env("ENVSHIM_PASSWORD", "c4n4ry");
    let mut it = Running::start(shim);
    it.wait_for("start one");
    it.replace("secret", "two\n");
    let seen = it.shim.folder.join("seen");
    wait_until("the command", || seen.exists());
    let environment = String::from_utf8(it.shim.folder.read("seen")).expect("text");
    assert!(
        !environment.contains("c4n4ry") && !environment.contains("\nA="),
        "{environment}"
    );
    assert_eq!(it.out(), "start one\n");
    it.stops(3);

    let mut it = Running::start(watched("--watch 1s --on-change none --log info", PROGRAM));
    it.wait_for("start one");
    it.replace("secret", "two\n");
    it.wait_for_error("envshim: secrets have changed\n");
    it.stops(3);
}

/// The signal that means a load is for us; others are for the program.
#[test]
fn a_signal_of_our_own() {
    let program = "echo \"start $A\"; trap 'echo hup' HUP; trap 'echo usr1' USR1; \
                   trap 'exit 3' TERM; while :; do sleep 0.1; done";
    let mut it = Running::start(watched("--reload-signal USR1", program));
    it.wait_for("start one");
    it.send(Signal::SIGHUP);
    it.wait_for("hup");
    it.send(Signal::SIGUSR1);
    wait_until("another start", || it.count("start one") == 2);
    assert_eq!(it.count("usr1"), 0);
    it.stops(3);
}

/// Nor in a moment when no load is to be had from it: it ends no first load, and no stop.
#[test]
fn a_signal_of_our_own_is_nobody_elses_at_any_time() {
    let program = "echo \"start $A\"; trap 'echo stopping; read go <go; exit 5' TERM; \
                   while :; do sleep 0.05; done";
    let vault = "SECRET_MANAGER_PATH=.\nB=exec:head -n 1 slow\nA=file:secret\n";
    let shim = watched("--reload-signal HUP", program).file(".vault", vault);
    let [mut slow, mut go] = ["slow", "go"].map(|name| {
        let fifo = shim.folder.join(name);
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let mut both = std::fs::OpenOptions::new();
        both.read(true).write(true).open(fifo).expect("both ends")
    });
    let mut it = Running::start(shim);
    let loads = |it: &Running| {
        let load = it.children().first().copied()?;
        std::fs::read_to_string(format!("/proc/{load}/task/{load}/children")).ok()
    };
    wait_until("a load", || {
        loads(&it).is_some_and(|helpers| !helpers.is_empty())
    });
    it.send(Signal::SIGHUP);
    slow.write_all(b"x\n").expect("a word");
    it.wait_for("start one");
    // What was asked for then is done now.
    slow.write_all(b"x\n").expect("a word");
    it.wait_for("stopping");
    go.write_all(b"x\n").expect("a word");
    wait_until("another start", || it.count("start one") == 2);
    it.send(Signal::SIGTERM);
    wait_until("a stop", || it.count("stopping") == 2);
    it.send(Signal::SIGHUP);
    wait_until("it is taken", || it.nothing_is_pending());
    go.write_all(b"x\n").expect("a word");
    let status = it.end();
    assert_eq!(status.code(), Some(5), "{status}");
}

/// The next program has what the first one had: standard input and output, and its folder.
#[test]
fn every_program_is_started_like_the_first() {
    let program = "echo \"start $A $(pwd) $(readlink /proc/$$/fd/1) $(cat /proc/$$/status | \
                   grep -E '^Sig(Blk|Ign)' | tr -d '\\n\\t')\"; trap 'exit 3' TERM; while :; do sleep 0.1; done";
    let mut it = Running::start(watched("--reload-signal HUP", program));
    wait_until("the first", || it.out().lines().count() == 1);
    it.replace("secret", "two\n");
    it.send(Signal::SIGHUP);
    wait_until("the second", || it.out().lines().count() == 2);
    let out = it.out().replace("start two", "start one");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], lines[1]);
    it.stops(3);
}

/// What masks the output of the first program knows nothing of the values of the second.
#[test]
fn the_output_of_every_program_is_masked() {
    let program = "echo \"start <$A> $(echo $A | wc -c)\"; trap 'echo \"end <$A>\"; exit 3' TERM; \
                   while :; do sleep 0.1; done";
    let shim = watched("--mask --reload-signal HUP", program).file("secret", "first secret\n");
    let mut it = Running::start(shim);
    wait_until("the first", || it.out().contains(" 13\n"));
    it.replace("secret", "the second one\n");
    it.send(Signal::SIGHUP);
    wait_until("the second", || it.out().contains(" 15\n"));
    it.stops(3);
    let out = it.out();
    assert_eq!(out.matches("start <").count(), 2, "{out}");
    assert_eq!(out.matches("end <").count(), 2, "{out}");
    assert!(!out.contains("first") && !out.contains("second"), "{out}");
}
