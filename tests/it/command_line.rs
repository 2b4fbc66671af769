//! The command line: every option in every spelling, what is said of mistakes, exit codes, help.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, SystemTime};

use envshim::cli::{COMMANDS, OPTIONS, Opt};

use super::house::program::is_root;
use super::house::{Answer, Shim, set_mode};

/// What an option does, seen from outside: not there without it, there with it.
struct Effect {
    shim: Shim,
    value: &'static str,
    words: Vec<&'static str>,
    seen: fn(&Answer) -> bool,
}

const ENVIRONMENT: &[&str] = &["--", "env", "-0"];

const PARENT: &[&str] = &["--", "sh", "-c", "cat /proc/$PPID/comm"];

fn effect(option: &Opt) -> Option<Effect> {
    let vault = |text: &str| Shim::new().file(".vault", text);
    let found = |shim, value, words: &[&'static str], seen| {
        Some(Effect {
            shim,
            value,
            words: words.to_vec(),
            seen,
        })
    };
    let set = |shim, value, seen| found(shim, value, ENVIRONMENT, seen);
    let sealed = || {
        let shim = vault("A=1").env("ENVSHIM_KEY_FILE", "b.key");
        for words in [
            &["keygen", "a.key"][..],
            &["keygen", "b.key"],
            &["seal", "--key-file=a.key"],
        ] {
            let status = Shim::new()
                .command()
                .args(words)
                .current_dir(shim.folder.path())
                .status();
            assert!(status.expect("envshim").success());
        }
        shim
    };
    let supervised = |value, script, seen| {
        let words = ["--supervise", "--", "sh", "-c", script];
        found(vault("A=1"), value, &words, seen)
    };
    match option.name {
        "dir" => set(Shim::new().file("a/.vault", "A=1"), "a", |it| {
            it.variable("A") == Some(b"1")
        }),
        "password-file" => found(vault("A=1"), "./none", &["seal"], |it| {
            it.err.contains("./none: no such password file")
        }),
        "key-file" => found(vault("A=1"), "none", &["seal"], |it| {
            it.err.contains("none: no such key file")
        }),
        "salt-file" => {
            let token = "gAAAAABl".to_owned() + &"A".repeat(128);
            let shim = Shim::new()
                .file(".vault.enc", token)
                .env("ENVSHIM_PASSWORD", "x");
            found(shim, "none", &["open"], |it| {
                it.err.contains("none: no salt there")
            })
        }
        "max-age" => {
            let shim = vault("A=1").file(".env.dump", "A=0");
            age(&shim, ".env.dump", 7200);
            set(shim, "1h", |it| it.variable("A") == Some(b"1"))
        }
        "optional" => set(Shim::new(), "1", |it| it.code == Some(0)),
        "override" => set(vault("A=1").env("A", "0"), "1", |it| {
            it.variable("A") == Some(b"1")
        }),
        "pass" => set(vault("A=1").env("ENVSHIM_KEY", "k"), "ENVSHIM_KEY", |it| {
            it.variable("ENVSHIM_KEY") == Some(b"k")
        }),
        "scrub" => set(vault("A=1").env("B", "0"), "B", |it| {
            it.variable("B").is_none()
        }),
        "pristine" => set(vault("A=1").env("B", "0"), "1", |it| {
            it.variable("B").is_none()
        }),
        "reload" => set(vault("A=1").env("secrets_loaded", "1"), "1", |it| {
            it.variable("A").is_some()
        }),
        "dump" => set(vault("A=1"), "1", |it| it.folder.join(".env.dump").exists()),
        "import" => {
            let shim = vault("B=1")
                .file("app.json", r#"{"A":"1"}"#)
                .env("SECRET_MANAGER_PATH", ".");
            set(shim, "file:app.json", |it| it.variable("A").is_some())
        }
        "names" => set(imports(), "upper", |it| it.variable("A_B").is_some()),
        "prefix" => set(imports(), "P_", |it| it.variable("P_aB").is_some()),
        "resolve-env" => {
            let shim = vault("A=1")
                .file("b", "found")
                .env("SECRET_MANAGER_PATH", ".");
            set(shim.env("B", "file:b"), "1", |it| {
                it.variable("B") == Some(b"found")
            })
        }
        "file-env" => {
            let shim = vault("A=1").file("b", "found").env("B_FILE", "b");
            set(shim, "B", |it| it.variable("B") == Some(b"found"))
        }
        "file-owner" if !is_root() => None,
        "file-owner" => {
            let shim = vault("A=file:/etc/hostname?as=file&default=x");
            let words = ["--", "sh", "-c", "stat -L -c %u:%g \"$A\""];
            found(shim, "12345:54321", &words, |it| it.out == "12345:54321\n")
        }
        "arg0" => found(
            vault("A=1"),
            "zero",
            &["--", "cat", "/proc/self/cmdline"],
            |it| it.out.starts_with("zero\0"),
        ),
        "timeout" => set(vault("A=exec:sleep 0.2"), "20ms", |it| {
            it.err.contains("did not end within 20 ms")
        }),
        "audit" => set(vault("A=1"), "audit.jsonl", |it| {
            it.folder.join("audit.jsonl").exists()
        }),
        "strict" => {
            let shim = vault("A=1");
            set_mode(&shim.folder.join(".vault"), 0o644);
            set(shim, "1", |it| it.code == Some(125))
        }
        "default" => found(
            Shim::new().env("SECRET_MANAGER_PATH", "."),
            "d",
            &["get", "file:none"],
            |it| it.out == "d",
        ),
        "format" => found(vault("A=1"), "sh", &["export"], |it| {
            it.out == "export A='1'\n"
        }),
        "k8s-name" => found(
            vault("A=1").env("ENVSHIM_FORMAT", "k8s"),
            "web",
            &["export"],
            |it| it.out.contains("name: \"web\""),
        ),
        "json" => found(vault("A=1"), "1", &["check"], |it| it.out.starts_with('{')),
        "fresh" => found(sealed(), "1", &["seal"], |it| it.code == Some(0)),
        "remove-plain" => {
            let shim = sealed().env("ENVSHIM_KEY_FILE", "a.key");
            found(shim, "1", &["seal"], |it| {
                !it.folder.join(".vault").exists()
            })
        }
        "from-file" => found(vault("A=1\n").file("v", "x"), "v", &["set", "B"], |it| {
            it.folder.read(".vault") == b"A=1\nB=x\n"
        }),
        "trim" => found(vault("").stdin("x\n"), "1", &["set", "A"], |it| {
            it.folder.read(".vault") == b"A=x\n"
        }),
        "meta" => found(vault("").stdin("x"), "a=b", &["set", "A"], |it| {
            it.err.contains("--meta is for secrets")
        }),
        "if-version" => found(vault("").stdin("x"), "1", &["set", "A"], |it| {
            it.err.contains("--if-version is for secrets")
        }),
        "yes" => found(vault("A=file:/x").stdin("x"), "1", &["set", "A"], |it| {
            it.code == Some(0)
        }),
        "dry-run" => found(pushed(), "1", &["push", ".env", "file:o.json"], |it| {
            !it.folder.join("o.json").exists() && it.out.contains("WOULD BE")
        }),
        "each" => {
            let shim = pushed().file("d/a", "");
            found(shim, "1", &["push", ".env", "file:d"], |it| {
                it.folder.join("d/B").exists()
            })
        }
        "only" => found(pushed(), "B", &["push", ".env", "file:o.json"], |it| {
            it.folder.read("o.json") == b"{\"B\":\"2\"}\n"
        }),
        "except" => found(pushed(), "C", &["push", ".env", "file:o.json"], |it| {
            it.folder.read("o.json") == b"{\"B\":\"2\"}\n"
        }),
        "add-password" => {
            let shim = sealed().env("ENVSHIM_KEY_FILE", "a.key");
            found(shim, "1", &["rekey"], |it| {
                it.err.contains("there is no password or key")
            })
        }
        "add-password-file" => {
            let shim = sealed().env("ENVSHIM_KEY_FILE", "a.key").file("pw", "x");
            found(shim, "pw", &["rekey"], |it| slots(it, "password") == 1)
        }
        "add-key" => {
            let shim = sealed().env("ENVSHIM_KEY_FILE", "a.key");
            found(shim, "b.key", &["rekey"], |it| slots(it, "key") == 2)
        }
        "remove" => found(sealed(), "1", &["rekey"], |it| it.code == Some(125)),
        "log" => set(vault("A=1"), "debug", |it| {
            it.err.contains("envshim: debug: ")
        }),
        "log-format" => set(vault("A=1").env("ENVSHIM_LOG", "info"), "json", |it| {
            it.err.starts_with('{')
        }),
        "mask" => {
            let words = ["--", "sh", "-c", "echo $A"];
            found(vault("A=s3cr3t"), "1", &words, |it| it.out == "***\n")
        }
        "supervise" | "init" => found(vault("A=1"), "1", PARENT, |it| it.out == "envshim\n"),
        "map" => supervised("TERM:USR1", "kill -TERM $PPID; sleep 9", |it| {
            it.signal == Some(10)
        }),
        "stop-signal" => supervised("USR1", "kill -TERM $PPID; sleep 9", |it| {
            it.signal == Some(10)
        }),
        "stop-timeout" => supervised(
            "100ms",
            "trap '' TERM; kill -TERM $PPID; sleep 1; exit 4",
            |it| it.signal == Some(9),
        ),
        "drain" => supervised(
            "9s",
            "trap '' TERM; (sleep 0.3; touch done) >/dev/null 2>&1 & true",
            |it| it.folder.join("done").exists(),
        ),
        "signal-group" => supervised(
            "1",
            "trap : USR1; sh -c 'touch up; sleep 0.3; touch done' & \
             while [ ! -e up ]; do sleep 0.01; done; kill -USR1 $PPID; sleep 1",
            |it| !it.folder.join("done").exists(),
        ),
        "new-session" => supervised(
            "1",
            "set -- $(cat /proc/$$/stat); test $6 = $$ || exit 3",
            |it| it.code == Some(0),
        ),
        // A matter of milliseconds: `supervise::signals` has it.
        "dedupe" => None,
        "parent-death" => supervised("none", "kill -KILL $PPID; sleep 0.2; touch done", |it| {
            it.folder.join("done").exists()
        }),
        "exit-code-style" => supervised("128", "kill -TERM $$", |it| it.code == Some(143)),
        "ok-status" => supervised("7", "exit 7", |it| it.code == Some(0)),
        "reap-log" => supervised("1", "sh -c 'true & exit'; sleep 0.3", |it| {
            it.err.contains("envshim: reaped ")
        }),
        "notify" => {
            let shim = vault("A=1").env("NOTIFY_SOCKET", "/nonexistent");
            found(shim, "pass", &["--supervise", "--", "true"], |it| {
                it.err.is_empty()
            })
        }
        // `rotation` has what follows from them.
        "watch" => found(
            vault("A=1"),
            "1h",
            &["--", "sh", "-c", "test $(cat /proc/$PPID/comm) = envshim"],
            |it| it.code == Some(0),
        ),
        "on-change" => found(vault("A=1"), "signal:HUP", &["--", "true"], |it| {
            it.err.contains("which no signal changes")
        }),
        "splay" => found(vault("A=1"), "soon", &["--watch=1h", "--", "true"], |it| {
            it.err.contains("a time such as 30s")
        }),
        "reload-signal" => supervised(
            "USR1",
            "test -e done || { touch done; kill -USR1 $PPID; sleep 3; }; echo alive >&2",
            |it| it.err.contains("alive"),
        ),
        "help" => found(vault("A=1"), "", &["seal"], |it| {
            it.out.starts_with("envshim seal [options]")
        }),
        "version" => found(vault("A=1"), "", &["seal"], |it| {
            it.out.starts_with("envshim 0.")
        }),
        new => panic!("say here what --{new} does"),
    }
}

fn pushed() -> Shim {
    Shim::new()
        .file(".env", "B=2\nC=3\n")
        .env("SECRET_MANAGER_PATH", ".")
}

/// How many slots of a kind the sealed file has.
fn slots(answer: &Answer, kind: &str) -> usize {
    let text = String::from_utf8(answer.folder.read(".vault.enc")).expect("text");
    text.matches(&format!("\nslot {kind} ")).count()
}

fn imports() -> Shim {
    let vault = "ENVSHIM_IMPORT=file:app.json";
    Shim::new()
        .file(".vault", vault)
        .file("app.json", r#"{"aB":"1"}"#)
        .env("SECRET_MANAGER_PATH", ".")
}

fn age(shim: &Shim, name: &str, seconds: u64) {
    let file = std::fs::File::options()
        .write(true)
        .open(shim.folder.join(name))
        .expect("a file");
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
        .expect("a time");
}

fn run(shim: Shim, before: &[OsString], words: &[&str]) -> Answer {
    let shim = before.iter().fold(shim, Shim::arg);
    words.iter().fold(shim, Shim::arg).run()
}

#[test]
fn every_option_does_the_same_in_every_spelling() {
    for option in OPTIONS {
        let Some(plain) = effect(option) else {
            continue;
        };
        let name = option.name;
        let shows = |how: &str, answer: Answer, wanted: bool| {
            let seen = (plain.seen)(&answer);
            assert_eq!(seen, wanted, "{name} {how}\n{}\n{}", answer.out, answer.err);
        };
        let dashed = OsString::from(format!("--{name}"));
        let Effect { value, words, .. } = effect(option).expect("the same again");
        let again = || effect(option).expect("the same again").shim;
        shows("left out", run(again(), &[], &words), false);
        if option.value.is_some() {
            shows(
                "--name value",
                run(again(), &[dashed.clone(), value.into()], &words),
                true,
            );
        } else {
            shows("--name", run(again(), &[dashed], &words), true);
        }
        if ["help", "version"].contains(&name) {
            continue;
        }
        let joined = OsString::from(format!("--{name}={value}"));
        shows("--name=value", run(again(), &[joined], &words), true);
        let variable = option.variable();
        shows(
            "variable",
            run(again().env(&variable, value), &[], &words),
            true,
        );
        // An orchestrator sets what it has no value for to nothing.
        shows(
            "empty variable",
            run(again().env(&variable, ""), &[], &words),
            false,
        );

        let shim = again();
        let path = shim.folder.join(".vault");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let shim = shim.file(".vault", format!("{old}\n{variable}={value}\n"));
        if option.in_file {
            shows("in .vault", run(shim, &[], &words), true);
        } else if words == ENVIRONMENT && !["dir", "max-age", "reload", "strict"].contains(&name) {
            run(shim, &[], &words)
                .exits(125)
                .says(&format!("{variable} cannot stand in a file"));
        }
    }
}

#[test]
fn a_switch_can_be_switched_off() {
    for off in ["0", "no", "off", "False"] {
        let shim = Shim::new()
            .file(".vault", "A=1\nENVSHIM_OVERRIDE=yes")
            .env("A", "0");
        shim.arg(format!("--override={off}"))
            .environment()
            .has("A", "0");
        let shim = Shim::new()
            .file(".vault", "A=1")
            .env("A", "0")
            .env("ENVSHIM_OVERRIDE", off);
        shim.environment().has("A", "0");
    }
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let file = || imports().file(".vault", "ENVSHIM_IMPORT=file:app.json\nENVSHIM_PREFIX=F_");
    file().environment().has("F_aB", "1");
    let environment = || file().env("ENVSHIM_PREFIX", "E_");
    environment().environment().has("E_aB", "1").lacks("F_aB");
    environment()
        .args("--prefix C_")
        .environment()
        .has("C_aB", "1")
        .lacks("E_aB");
    // An empty prefix is a prefix: none.
    environment().args("--prefix=").environment().has("aB", "1");
    // The last one counts; lists grow.
    environment()
        .args("--prefix=A_ --prefix=B_")
        .environment()
        .has("B_aB", "1");
    let shim = Shim::new()
        .file(".vault", "A=1")
        .env("B", "1")
        .env("C", "1")
        .env("D", "1");
    shim.args("--scrub B --scrub")
        .arg("C , D")
        .environment()
        .lacks("B")
        .lacks("C")
        .lacks("D");
}

#[test]
fn a_value_of_the_wrong_form_is_told_with_the_right_one() {
    for (option, value, form) in [
        ("dir", "", "the path of a folder"),
        ("password-file", "", "the path of a file"),
        ("key-file", "", "the path of a file"),
        ("max-age", "tomorrow", "a time such as 30m, 1h or 2d"),
        ("max-age", "", "a time such as 30m, 1h or 2d"),
        ("timeout", "0", "a time such as 10s or 1m"),
        ("timeout", "-1s", "a time such as 10s or 1m"),
        ("optional", "perhaps", "yes or no"),
        ("names", "lower", "upper or keep"),
        ("file-owner", "root", "numbers, as in 1000 or 1000:1000"),
        ("file-owner", "1:", "numbers, as in 1000 or 1000:1000"),
        ("log", "loud", "error, warn, info or debug"),
        ("log-format", "xml", "text or json"),
    ] {
        let answer = Shim::new().arg(format!("--{option}={value}")).refused();
        let want = format!(
            "envshim: error: --{option}: the value is not of the right form\nenvshim: hint: write {form}\n"
        );
        assert_eq!(answer.err, want);
        if !value.is_empty() {
            let variable = format!("ENVSHIM_{}", option.to_uppercase().replace('-', "_"));
            let answer = Shim::new().env(&variable, value).refused();
            answer.says(&format!(
                "envshim: error: {variable}: the value is not of the right form"
            ));
        }
    }
    // All of them in one run, also when they are not text.
    let odd = OsString::from_vec(b"--timeout=\xff".to_vec());
    let answer = Shim::new().arg(odd).args("--names=x --log=y").refused();
    assert_eq!(
        answer.err.matches("envshim: error: ").count(),
        3,
        "{}",
        answer.err
    );
}

#[test]
fn exit_codes() {
    let nothing = || Shim::new().env("secrets_loaded", "1");
    nothing().args("-- true").run().exits(0);
    nothing().args("-- sh -c").arg("exit 3").run().exits(3);
    nothing()
        .args("-- envshim-no-such-program")
        .run()
        .exits(127);
    nothing().args("-- /").run().exits(126);
    Shim::new().refused();
    for words in [
        "",
        "--",
        "python x.py",
        "--drr",
        "--dir",
        "seal x y",
        "keygen -- true",
        "keygen --json",
        "help nothing",
    ] {
        Shim::new()
            .args(words)
            .run()
            .exits(125)
            .says("envshim: hint: ");
    }
    for words in [
        "--help",
        "-h",
        "help",
        "help options",
        "check --help",
        "--version",
        "-V",
        "version",
        "--dir x --help",
    ] {
        let answer = Shim::new().args(words).run().ok().quiet();
        assert!(!answer.out.is_empty());
    }
    // A check that finds a start to fail answers no.
    let answer = Shim::new().args("check").run().exits(1);
    answer.says("no secrets found");
    Shim::new().file(".vault", "A=1").args("check").run().ok();
    Shim::new()
        .file(".vault", "A=1")
        .args("check -- envshim-no-such-program")
        .run()
        .exits(1);
}

#[test]
fn words_that_are_not_text() {
    let odd = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    // They are the program's, byte for byte.
    let shim = Shim::new()
        .file(".vault", "A=1")
        .args("-- printf %s")
        .arg(odd(b"\xff--dir\xfe"));
    assert_eq!(shim.run().ok().bytes, b"\xff--dir\xfe");
    // A folder may have any name.
    let shim = Shim::new();
    let folder = shim.folder.path().join(odd(b"\xff"));
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join(".vault"), "A=1").expect("a file");
    set_mode(&folder.join(".vault"), 0o600);
    shim.arg("--dir")
        .arg(odd(b"\xff"))
        .environment()
        .has("A", "1");
    // What is no option and no command is an ordinary mistake.
    Shim::new()
        .arg(odd(b"\xff"))
        .run()
        .exits(125)
        .says("is not a command of envshim");
    Shim::new()
        .arg(odd(b"--\xff=x"))
        .run()
        .exits(125)
        .says("there is no option");
    Shim::new()
        .arg("seal")
        .arg(odd(b"\xff"))
        .run()
        .exits(125)
        .says("there is no such file");
}

#[test]
fn only_what_stands_before_the_first_double_dash_is_ours() {
    let shim = Shim::new()
        .file(".vault", "A=1")
        .args("-- printf %s, --help -- --dir=x");
    let answer = shim.arg("").run().ok();
    assert_eq!(answer.out, "--help,--,--dir=x,,");
}

#[test]
fn stdin_and_stdout_are_the_programs_alone() {
    let shim = Shim::new()
        .file(".vault", "A=exec:cat\nB=exec:echo b")
        .args("-- cat");
    let answer = shim.stdin(b"one\n\0two").run().ok().quiet();
    assert_eq!(answer.bytes, b"one\n\0two");
}

#[test]
fn a_variable_that_means_nothing_is_told() {
    let shim = || Shim::new().file(".vault", "A=1");
    let answer = shim()
        .env("ENVSHIM_TIMEOT", "5s")
        .environment()
        .has("A", "1");
    let answer = answer.has("ENVSHIM_TIMEOT", "5s");
    assert_eq!(
        answer.err,
        "envshim: warning: there is no setting `ENVSHIM_TIMEOT`\nenvshim: hint: did you mean ENVSHIM_TIMEOUT?\n"
    );
    shim()
        .env("ENVSHIM_SOMETHING", "1")
        .environment()
        .says("hint: envshim help options lists them");
    shim().env("ENVSHIM_SOMETHING", "").environment().quiet();
    // Images name their versions so.
    shim()
        .env("ENVSHIM_VERSION", "1.2")
        .env("ENVSHIM_HELP", "x")
        .environment()
        .quiet();
    shim()
        .env("ENVSHIM_PASSWORD", "p")
        .env("ENVSHIM_KEY", "k")
        .environment()
        .quiet();
}

#[test]
fn help_fits_a_terminal() {
    let page = |words: &str| Shim::new().args(words).run().ok().out;
    let first = page("--help");
    assert!(first.lines().count() <= 24, "{first}");
    assert_eq!(first, page("help"));
    let mut pages = vec![
        first,
        page("help options"),
        page("help references"),
        page("help commands"),
    ];
    pages.extend(
        COMMANDS
            .iter()
            .map(|row| page(&format!("help {}", row.name))),
    );
    for text in &pages {
        for line in text.lines() {
            assert!(
                line.chars().count() <= 80,
                "{} columns: {line}",
                line.chars().count()
            );
            assert_eq!(line.trim_end(), line);
        }
    }
    for option in OPTIONS
        .iter()
        .filter(|o| !["help", "version"].contains(&o.name))
    {
        assert!(pages[1].contains(&format!("--{}", option.name)));
        assert!(pages[1].contains(&option.variable()));
    }
    for row in envshim::provider::PROVIDERS {
        assert!(pages[2].contains(row.example));
        for setting in row.settings {
            assert!(pages[2].contains(setting.name));
        }
    }
    Shim::new()
        .args("help chekc")
        .run()
        .exits(125)
        .says("there is no help for `chekc`");
}

#[test]
fn a_closed_stdout_is_told() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("a device");
    let shim = Shim::new().args("--help");
    let output = shim.command().stdout(full).output().expect("an end");
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("envshim: error: stdout: cannot write: "),
        "{said}"
    );
}

#[test]
fn keygen_writes_a_file_for_its_owner_and_never_over_another() {
    use std::os::unix::fs::PermissionsExt;
    let answer = Shim::new().args("--log=info keygen vault.key").run().ok();
    assert_eq!(answer.out, "");
    let key = answer.folder.read("vault.key");
    let mode = answer
        .folder
        .join("vault.key")
        .metadata()
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(!answer.err.contains(String::from_utf8_lossy(&key).trim()));
    let answer = answer.says("`vault.key` holds key ");

    let mut shim = Shim::new().args("keygen vault.key");
    shim.folder = answer.folder;
    let answer = shim
        .run()
        .exits(125)
        .says("vault.key: is there already, and is not overwritten");
    assert_eq!(answer.folder.read("vault.key"), key);

    let shim = Shim::new().args("keygen link").file("there", "x");
    std::os::unix::fs::symlink("nowhere", shim.folder.join("link")).expect("a link");
    let answer = shim.run().exits(125).says("link: is there already");
    assert!(!answer.folder.join("nowhere").exists());

    let answer = Shim::new().args("keygen none/vault.key").run().exits(125);
    answer.says("none/vault.key: cannot be written: no such file or directory");

    // It seals and opens.
    let shim = Shim::new()
        .file(".vault", "A=1")
        .env("ENVSHIM_KEY_FILE", "k")
        .file("k", &key);
    let answer = shim.args("seal").run().ok();
    let mut shim = Shim::new().args("open --key-file=k");
    shim.folder = answer.folder;
    assert_eq!(shim.run().ok().out, "A=1");
    // And printed it is the same kind of thing.
    let printed = Shim::new().args("keygen").run().ok().bytes;
    assert_eq!(printed.len(), key.len());
    assert_ne!(printed, key);
}
