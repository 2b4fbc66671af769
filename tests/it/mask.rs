//! `--mask`: what the program writes, without the secrets, and nothing else changed.

mod terminal;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::house::pty::Pty;
use super::house::{Answer, Shim, envshim, wait_until};

const SECRET: &str = "s3cr3t/väl\"ue-1";

fn shim() -> Shim {
    let written = SECRET.replace('"', "\\\"");
    Shim::new().file(
        ".vault",
        format!("TOKEN=\"{written}\"\nURL=x://u:${{exec:echo p@ssw0rd!}}@h/db\n"),
    )
}

fn sh(shim: Shim, script: &str) -> Answer {
    shim.args("--mask -- sh -c").arg(script).run()
}

#[test]
fn both_streams_and_the_status() {
    let answer = sh(shim(), "echo a $TOKEN b; echo c $URL d >&2; exit 7").exits(7);
    assert_eq!(
        (answer.out.as_str(), answer.err.as_str()),
        ("a *** b\n", "c *** d\n")
    );
    let answer = sh(shim(), "echo $TOKEN; kill -KILL $$");
    assert_eq!((answer.signal, answer.out.as_str()), (Some(9), "***\n"));
}

#[test]
fn every_form_that_programs_print() {
    let program = "import os, json, base64, urllib.parse as u, sys\n\
        t = os.environ['TOKEN']; b = t.encode()\n\
        for form in (t, json.dumps(t), json.dumps(t, ensure_ascii=False), json.dumps({'a': [t]}), repr(t), repr(b), u.quote(t), u.quote(t, safe=''),\n\
        u.quote_plus(t), b.hex(), b.hex().upper(), base64.b64encode(b).decode(), base64.urlsafe_b64encode(b'xy' + b + b'z').decode(), 'p@ssw0rd!', u.quote('p@ssw0rd!')):\n\
        \x20   print(form)\n\
        sys.stdout.flush()\n\
        for byte in b: os.write(1, bytes([byte]))\n";
    let answer = shim().args("--mask -- python3 -c").arg(program).run().ok();
    for line in answer.out.lines() {
        assert!(line.contains("***"), "{}", answer.out);
    }
    assert_eq!(answer.out.lines().count(), 16, "{}", answer.out);
    assert_eq!(answer.out.matches("***").count(), 16);
    answer
        .hides("s3cr3t")
        .hides("7333637233742f")
        .hides("czNjcjN0")
        .hides("ssw0rd");
}

/// As coreutils break it: wherever four letters of the secret are in one line before the first line end.
#[test]
fn base64_in_lines() {
    let script = "n=0; while [ $n -lt 114 ]; do printf \"%${n}s%s\" '' \"$TOKEN\" | base64; echo .; n=$((n+1)); done";
    let answer = sh(shim(), script).ok();
    let texts: Vec<&str> = answer.out.split_terminator(".\n").collect();
    assert_eq!(texts.len(), 114);
    for (before, text) in texts.into_iter().enumerate() {
        let from = (before * 8).div_ceil(6);
        let lucky = from % 76 > 72;
        assert_eq!(text.contains("***"), !lucky, "{before}: {text}");
    }
}

#[test]
fn bytes_are_not_touched_and_none_is_lost() {
    let mut bytes: Vec<u8> = (0..3_000_000u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    bytes.push(b'%');
    let shim = shim().file("bytes", &bytes).args("--mask -- cat bytes");
    // A reader who begins when the program has written all that the pipes hold.
    let mut child = shim
        .command()
        .stderr(Stdio::null())
        .spawn()
        .expect("a start");
    let mut out = Vec::new();
    let mut stdout = child.stdout.take().expect("stdout");
    let mut first = [0; 1];
    stdout.read_exact(&mut first).expect("a byte");
    std::thread::sleep(Duration::from_millis(300));
    out.extend(first);
    stdout.read_to_end(&mut out).expect("the rest");
    assert!(child.wait().expect("an end").success());
    assert!(out == bytes, "{} of {} bytes", out.len(), bytes.len());
}

#[test]
fn one_file_keeps_its_order() {
    let shim = shim().args("--mask -- sh -c").arg("for n in 1 2 3 4 5; do echo o$n; echo e$n >&2; done; printf s3cr3t >&2; printf '/väl\"ue-1'");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = shim.command();
    command
        .stdout(writer.try_clone().expect("a copy"))
        .stderr(writer);
    let mut child = command.spawn().expect("a start");
    drop(command);
    let mut seen = String::new();
    reader.read_to_string(&mut seen).expect("text");
    assert!(child.wait().expect("an end").success());
    assert_eq!(seen, "o1\ne1\no2\ne2\no3\ne3\no4\ne4\no5\ne5\n***");
}

#[test]
fn what_the_program_asks_is_seen_at_once() {
    let shim = shim()
        .args("--mask -- sh -c")
        .arg("printf 'Password? '; read answer; printf 's3cr3t no [%s]' $answer");
    let mut child = shim.command().spawn().expect("a start");
    let mut stdout = child.stdout.take().expect("stdout");
    let mut asked = [0; 10];
    stdout.read_exact(&mut asked).expect("the question");
    assert_eq!(&asked, b"Password? ");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(b"x\n")
        .expect("an answer");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "s3cr3t no [x]");
    assert!(child.wait().expect("an end").success());
}

#[test]
fn a_daemon_that_holds_the_pipe_does_not_hold_us() {
    let begin = Instant::now();
    let answer = sh(shim(), "setsid sleep 20 & echo $TOKEN").ok();
    assert_eq!(answer.out, "***\n");
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    let shim = shim().args("--mask -- yes");
    let mut child = shim
        .command()
        .stderr(Stdio::null())
        .spawn()
        .expect("a start");
    let mut some = [0; 100];
    child
        .stdout
        .take()
        .expect("stdout")
        .read_exact(&mut some)
        .expect("output");
    // `stdout` is closed here, and SIGPIPE ends `yes`.
    let status = child.wait().expect("an end");
    assert_eq!(status.signal(), Some(13));
}

#[test]
fn what_descends_has_its_time_and_is_heard() {
    let shim = shim()
        .args("--mask --drain 10s -- sh -c")
        .arg("(trap '' TERM; sleep 0.3; echo late $TOKEN) & echo first; exit 3");
    let begin = Instant::now();
    let answer = shim.run().exits(3);
    assert_eq!(answer.out, "first\nlate ***\n");
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_load_that_fails_and_a_program_that_is_not_there() {
    let begin = Instant::now();
    let answer = Shim::new()
        .file(".vault", "A=exec:false\n")
        .args("--mask -- true")
        .run()
        .exits(125);
    answer.says("envshim: error: .vault:1: A: ");
    shim()
        .args("--mask -- envshim-no-such-program")
        .run()
        .exits(127)
        .says("not found in PATH");
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn short_values_are_named_at_start() {
    let shim = Shim::new().file(".vault", "PORT=8080\nEMPTY=\nTOKEN=long enough\n");
    let answer = sh(shim, "echo $PORT $TOKEN").ok();
    assert_eq!(answer.out, "8080 ***\n");
    assert_eq!(
        answer.err,
        "envshim: warning: too short to be masked: `PORT`\n\
         envshim: hint: 6 bytes are the least; shorter ones are found in any text\n"
    );
}

#[test]
fn a_terminal_is_passed_on_as_it_is() {
    let shim = shim()
        .args("--mask -- sh -c")
        .arg("test -t 1 && echo a terminal, $TOKEN");
    let mut pty = Pty::spawn(shim.command());
    pty.expect("nothing is masked there");
    pty.expect("--mask=terminal masks there too");
    pty.expect("a terminal, s3cr3t");
    // Only one of the two: the other one is masked.
    let answer = Shim::new();
    let log = answer.folder.join("log");
    let redirected = format!(
        "exec \"$0\" --mask -- sh -c 'test -t 2 && echo err $TOKEN >&2; echo out $TOKEN' >{}",
        log.display()
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(redirected).arg(envshim());
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(shim.folder.path());
    let mut pty = Pty::spawn(command);
    pty.expect("err s3cr3t");
    wait_until("the log", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text == "out ***\n")
    });
}
