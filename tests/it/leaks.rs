//! A canary goes through every failure: it must not come out anywhere, in no spelling.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::house::{Answer, Shim, wait_until};

const CANARY: &str = "c4n4ry/+s3cr3t=&x";

/// The canary as logs, addresses and encoders would spell it.
fn spellings() -> Vec<String> {
    let bytes = CANARY.as_bytes();
    let mut all = vec![
        CANARY.to_owned(),
        CANARY.to_uppercase(),
        CANARY.chars().rev().collect(),
    ];
    let hex = |upper: bool| {
        bytes
            .iter()
            .map(|b| {
                if upper {
                    format!("{b:02X}")
                } else {
                    format!("{b:02x}")
                }
            })
            .collect::<String>()
    };
    all.extend([hex(false), hex(true), CANARY.escape_debug().to_string()]);
    let plain = |b: u8| b.is_ascii_alphanumeric();
    all.push(
        bytes
            .iter()
            .map(|&b| {
                if plain(b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect(),
    );
    // A list of numbers, as a derived Debug prints bytes.
    all.push(format!("{bytes:?}").trim_matches(['[', ']']).to_owned());
    // In base64 at each of three offsets, without the ends that depend on the neighbours.
    for offset in 0..3 {
        let shifted = [vec![0u8; offset], bytes.to_vec()].concat();
        let text = base64(&shifted);
        let inner = &text[4..(shifted.len() / 3) * 4];
        all.extend([inner.to_owned(), inner.replace('+', "-").replace('/', "_")]);
    }
    // The half of a secret is too much as well.
    all.extend(["c4n4ry".to_owned(), "s3cr3t".to_owned()]);
    all
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |n: u32| char::from(LETTERS[(n & 63) as usize]);
    let group = |group: &[u8]| {
        let n = (0..3).fold(0u32, |n, at| {
            n << 8 | u32::from(group.get(at).copied().unwrap_or(0))
        });
        [letter(n >> 18), letter(n >> 12), letter(n >> 6), letter(n)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[test]
fn the_spellings_are_right() {
    assert_eq!(base64(b"c4n4ry"), "YzRuNHJ5");
    assert!(spellings().iter().any(|s| s == "c4n4ry%2F%2Bs3cr3t%3D%26x"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn search(what: &str, where_: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for spelling in spellings() {
        assert!(
            !text.contains(&spelling),
            "{what}: {spelling} is in {where_}:\n{text}"
        );
    }
}

/// Runs it to an error, as chatty as can be, and searches all that it leaves.
fn fails(what: &str, shim: Shim) -> Answer {
    let mut last = None;
    for format in ["text", "json"] {
        let mut command = shim.command();
        command
            .env("ENVSHIM_LOG", "debug")
            .env("ENVSHIM_LOG_FORMAT", format)
            .stdin(Stdio::null());
        let before: Vec<(PathBuf, Vec<u8>)> = contents(shim.folder.path());
        let output = command.output().expect("an end");
        assert!(
            !output.status.success(),
            "{what} does not fail: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        search(what, "stdout", &output.stdout);
        search(what, "stderr", &output.stderr);
        assert!(
            !output.stderr.is_empty() || !output.stdout.is_empty(),
            "{what}: fails without a word"
        );
        for (path, bytes) in contents(shim.folder.path()) {
            if !before
                .iter()
                .any(|(known, old)| *known == path && *old == bytes)
            {
                search(what, &path.display().to_string(), &bytes);
            }
        }
        last = Some(output);
    }
    Answer::new(last.expect("two runs"), shim.folder)
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap_or_default();
        (path, bytes)
    };
    files(folder).into_iter().map(read).collect()
}

fn with_canary(text: &str) -> String {
    text.replace("CANARY", CANARY).replace("HALF", "c4n4ry")
}

/// A start, a check and a dump of this `.vault`.
fn vault(what: &str, text: &str, prepare: impl Fn(Shim) -> Shim) {
    for words in ["-- true", "check", "check --json", "dump"] {
        let shim = prepare(Shim::new().file(".vault", with_canary(text)));
        let shim = shim
            .env("SECRET_MANAGER_PATH", "s")
            .file("s/canary", CANARY);
        fails(&format!("{what} ({words})"), shim.args(words));
    }
}

#[test]
fn malformed_files() {
    for text in [
        "A='CANARY",
        "A=\"CANARY\nB=1",
        "A='CANARY' CANARY",
        "A='x' CANARY",
        "HALF y",
        "HALF: CANARY",
        "A: CANARY",
        "export HALF CANARY",
        "=CANARY",
        "A=CANARY\0",
        "A=1\nB\tCANARY",
        "'A CANARY",
    ] {
        vault(text, text, |shim| shim);
        let dump = Shim::new()
            .file(".env.dump", with_canary(text))
            .args("-- true");
        fails(&format!("a dump: {text}"), dump);
    }
    let latin: Vec<u8> = [b"A=", CANARY.as_bytes(), b"\xff"].concat();
    fails(
        "not UTF-8",
        Shim::new().file(".vault", latin).args("-- true"),
    );
    let utf16: Vec<u8> = format!("A={CANARY}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fails("UTF-16", Shim::new().file(".vault", utf16).args("-- true"));
    for line in [
        format!("#envshim:base64 A={CANARY}?"),
        format!("#envshim:file A={CANARY}?"),
        format!("#envshim:base64 ={CANARY}"),
    ] {
        let dump = format!("# envshim dump, format 1: x\n{line}\n");
        fails(&line, Shim::new().file(".env.dump", dump).args("-- true"));
    }
}

#[test]
fn malformed_references() {
    for text in [
        "A=file:none?defualt=CANARY",
        "A=file:none?default=CANARY&default=CANARY",
        "A=file:none?default=CANARY&x",
        "A=file:none?default=CANARY&optional=CANARY",
        "A=file:none?decode=CANARY",
        "A=file:none?as=CANARY",
        "A=file:none?optional=CANARY",
        "A=${file:none?default=CANARY%4}",
        "A=CANARY${file:x${HOME}}",
        "A=CANARY${file:none",
        "A=CANARY${flie:x}",
        "A=CANARY${file:canary?as=file}",
        "A=exec:false --password CANARY",
        "A=exec:'CANARY",
        "A=exec:sh -c 'exit 1' CANARY?timeout=CANARY",
        "A=exec:false ${env:X}${B}",
        "B=CANARY\nA=exec:false ${B}",
        "B=CANARY\nA=exec:sh -c 'sleep 9' ${B}?timeout=50ms",
        "ENVSHIM_IMPORT=CANARY",
        "ENVSHIM_IMPORT=user:CANARY",
        "ENVSHIM_IMPORT=file:none?default=CANARY",
        "ENVSHIM_IMPORT=exec:false CANARY",
        "ENVSHIM_NAMES=CANARY",
        "ENVSHIM_KEY=CANARY",
        "ENVSHIM_PASSWORD=CANARY",
        "ENVSHIM_PREFIX=1CANARY\nENVSHIM_IMPORT=file:canary",
        "ENVSHIM_FILE_OWNER=CANARY",
        "ENVSHIM_DIR=CANARY",
    ] {
        vault(text, text, |shim| shim);
    }
}

#[test]
fn what_stores_give() {
    let json = format!(r#"{{"user":"{CANARY}","deep":{{"er":"{CANARY}"}},"list":["{CANARY}"]}}"#);
    let broken = format!(r#"{{"user":"{CANARY}","#);
    let control = format!("{{\"user\":\"\u{1}{CANARY}\"}}");
    let clash = format!(
        r#"{{"a-b":"{CANARY}","a.b":"{CANARY}","LD_PRELOAD":"{CANARY}","\u00e9":"{CANARY}"}}"#
    );
    let long = CANARY.repeat(20_000);
    let prepare = |shim: Shim| {
        let shim = shim
            .file("s/json", &json)
            .file("s/broken", &broken)
            .file("s/control", &control)
            .file("s/clash", &clash);
        let shim = shim
            .file("s/nul", format!("{CANARY}\0"))
            .file("s/long", &long);
        shim.file("s/quoted", format!("\"{CANARY}\""))
            .env("FROM", CANARY)
    };
    for text in [
        "A=file:canary#user",
        "A=file:quoted#user",
        "A=file:json#nothing",
        "A=file:json#user.deeper",
        "A=file:json#list.0.x",
        "A=file:broken#user",
        "A=file:control#user",
        "A=file:canary?decode=base64",
        "A=file:json?decode=base64",
        "A=file:nul",
        "A=x${file:nul}",
        "A=file:long",
        "A=file:canary\nB=file:none",
        "B=file:canary\nA=file:${B}",
        "A=env:FROM#user",
        "A=env:FROM?decode=base64",
        "A=exec:cat s/canary#user",
        "A=exec:sh -c 'cat s/canary; exit 3'",
        "A=exec:sh -c 'cat s/canary; sleep 9'?timeout=100ms",
        "A=exec:sh -c 'cat s/canary; kill -9 $$'",
        "A=exec:sh -c 'while cat s/long; do :; done'",
        "A=exec:cat s/broken#x",
        "ENVSHIM_IMPORT=file:canary",
        "ENVSHIM_IMPORT=file:quoted",
        "ENVSHIM_IMPORT=file:broken",
        "ENVSHIM_IMPORT=file:clash",
        "ENVSHIM_IMPORT=file:json#user",
        "ENVSHIM_IMPORT=exec:cat s/canary",
        "SECRET_MANAGER_PREFIX=file:canary\nA=env:nothing#x",
        "ENVSHIM_NAMES=file:canary",
        "ENVSHIM_FILE_OWNER=exec:cat s/canary",
    ] {
        if text.starts_with("SECRET_MANAGER_PREFIX") {
            // The prefix is a setting and not a secret: it may be named.
            continue;
        }
        if ["A=file:nul", "A=x${file:nul}", "A=file:long"].contains(&text) {
            // A dump can carry what an environment cannot.
            let shim = prepare(Shim::new().file(".vault", text)).env("SECRET_MANAGER_PATH", "s");
            fails(text, shim.args("-- true"));
            continue;
        }
        vault(text, text, prepare);
    }
    // More than the kernel takes in all.
    let many: String = (0..40)
        .map(|n| format!("A{n}={}\n", CANARY.repeat(5_000)))
        .collect();
    fails("too much", Shim::new().file(".vault", many).args("-- true"));
}

#[test]
fn command_lines_and_variables() {
    for line in [
        "psql --password=CANARY",
        "psql -pCANARY",
        "psql postgres://u:CANARY@db/x",
        "TOKEN=CANARY python x.py",
        "--passwordd=CANARY -- true",
        "-pCANARY -- true",
        "--timeout=CANARY -- true",
        "--names CANARY -- true",
        "--file-owner=CANARY -- true",
        "--max-age=CANARY -- true",
        "--optional=CANARY -- true",
        "--log=CANARY -- true",
        "--import=CANARY -- true",
        "--import=user:CANARY -- true",
        "check psql://CANARY",
        "keygen a CANARY",
        "--optional -- envshim-no-such-program CANARY",
        "--optional -- / CANARY",
    ] {
        fails(line, Shim::new().args(&line.replace("CANARY", CANARY)));
    }
    for name in [
        "TIMEOUT",
        "OPTIONAL",
        "NAMES",
        "MAX_AGE",
        "LOG",
        "LOG_FORMAT",
        "FILE_OWNER",
        "IMPORT",
        "PASSWORD",
        "KEY",
        "NOTHING",
    ] {
        let shim = Shim::new()
            .env(format!("ENVSHIM_{name}"), CANARY)
            .args("-- true");
        let mut command = shim.command();
        // The log's own settings are under test here.
        let output = command.output().expect("an end");
        search(name, "stderr", &output.stderr);
        fails(
            name,
            Shim::new()
                .env(format!("ENVSHIM_{name}"), CANARY)
                .args("--log=debug --log-format=text -- false"),
        );
    }
    // A password where its path belongs is the commonest slip of all.
    let shim = Shim::new()
        .env("PG_FILE", "c4n4ry")
        .args("--file-env PG -- true");
    fails("NAME_FILE", shim).says("PG_FILE: its value is not the path of a file");
    let shim = Shim::new()
        .env("PG", CANARY)
        .env("PG_FILE", "/x")
        .args("--file-env PG -- true");
    fails("both", shim);
    let shim = Shim::new()
        .file(".vault", "A=1")
        .env("A", CANARY)
        .args("-- false");
    fails("a differing value", shim);
    let shim = Shim::new()
        .file(".vault", format!("A={CANARY}"))
        .env("A", "x")
        .args("-- false");
    fails("a differing value", shim);
}

#[test]
fn sealed_files() {
    let sealed = || Shim::new().sealed(&format!("A={CANARY}\n"));
    let other = Shim::new().args("keygen").run().ok().out;
    let wrong = |what: &str, shim: Shim| {
        for words in ["-- true", "open", "check"] {
            let mut command = shim.command();
            command.args(words.split(' ')).env("ENVSHIM_LOG", "debug");
            let output = command.output().expect("an end");
            assert!(!output.status.success(), "{what}");
            search(what, "stdout", &output.stdout);
            search(what, "stderr", &output.stderr);
        }
    };
    wrong("no key", sealed().env("ENVSHIM_KEY_FILE", ""));
    wrong("another key", sealed().file("vault.key", &other));
    wrong("no key in the file", sealed().file("vault.key", CANARY));
    wrong(
        "a key's beginning",
        sealed().file("vault.key", format!("{}{CANARY}", &other[..14])),
    );
    wrong(
        "a wrong password",
        sealed()
            .env("ENVSHIM_KEY_FILE", "")
            .env("ENVSHIM_PASSWORD", CANARY),
    );
    wrong(
        "a key that is none",
        sealed()
            .env("ENVSHIM_KEY_FILE", "")
            .env("ENVSHIM_KEY", CANARY),
    );
    wrong(
        "a password file",
        sealed()
            .env("ENVSHIM_KEY_FILE", "")
            .env("ENVSHIM_PASSWORD_FILE", "p")
            .file("p", CANARY),
    );
    wrong(
        "rubbish",
        Shim::new()
            .file(".vault.enc", CANARY)
            .env("ENVSHIM_PASSWORD", "x"),
    );
    wrong("a broken .vault in it", {
        let shim = sealed();
        std::fs::rename(shim.folder.join(".vault.enc"), shim.folder.join("kept")).expect("a file");
        shim.file(
            ".vault.enc",
            "envshim sealed file, format 1\n".to_owned() + CANARY,
        )
    });
    // A key is never told, neither when it is made nor when it is used.
    let shim = sealed();
    let key = String::from_utf8(shim.folder.read("vault.key")).expect("text");
    let answer = shim.args("--log=debug -- true").run().ok();
    let secret = key.trim().rsplit(':').next().expect("a key").to_owned();
    let answer = answer.hides(&secret);
    search("sealed", ".vault.enc", &answer.folder.read(".vault.enc"));
}

#[test]
fn nothing_is_told_when_all_is_well() {
    for words in ["-- true", "check", "check --json", "dump"] {
        let shim = Shim::new()
            .file("s/canary", CANARY)
            .env("SECRET_MANAGER_PATH", "s");
        let shim = shim.file(".vault", format!("A={CANARY}\nB=file:canary\nC=x${{file:canary}}\nD=exec:cat s/canary\nE=file:canary?as=file"));
        let answer = shim.env("ENVSHIM_LOG", "debug").args(words).run().ok();
        search(words, "stdout", &answer.bytes);
        search(words, "stderr", answer.err.as_bytes());
    }
}

#[test]
fn no_process_shows_it_and_no_core_holds_it() {
    let (_, most) = getrlimit(Resource::RLIMIT_CORE).expect("a limit");
    let vault = format!("B={CANARY}\nA=exec:sh -c 'touch running; exec sleep 20'\n");
    let shim = Shim::new().file(".vault", vault).args("-- true");
    let mut command = shim.command();
    // SAFETY: between fork and exec one system call is made.
    #[allow(unsafe_code, reason = "a limit of the child alone")]
    unsafe {
        command.pre_exec(move || Ok(setrlimit(Resource::RLIMIT_CORE, most, most)?));
    }
    let mut child = command.spawn().expect("envshim");
    wait_until("the helper runs", || shim.folder.join("running").exists());
    for file in ["cmdline", "environ", "comm", "status"] {
        let bytes = std::fs::read(format!("/proc/{}/{file}", child.id())).expect("a process");
        search("while it loads", file, &bytes);
    }
    kill(
        Pid::from_raw(i32::try_from(child.id()).expect("a pid")),
        Signal::SIGABRT,
    )
    .expect("a signal");
    let status = child.wait().expect("an end");
    assert_eq!(status.signal(), Some(Signal::SIGABRT as i32));
    assert!(!status.core_dumped());
    let left: Vec<PathBuf> = files(shim.folder.path());
    assert_eq!(left.len(), 2, "{left:?}");
}
