//! Which source speaks: the first one found, and why, in the same words wherever that is told.

use std::fs::File;
use std::time::{Duration, SystemTime};

use envshim::format::json::parse;

use super::house::{Answer, Shim, set_mode};

/// A shim with a file for each name, which says which it is.
fn with(files: &[&str]) -> Shim {
    let write = |shim: Shim, name: &&str| shim.file(name, format!("SOURCE={name}\n"));
    files.iter().fold(Shim::new(), write)
}

/// Sets the time of the last change back.
fn aged(shim: Shim, name: &str, minutes: u64) -> Shim {
    let file = File::options()
        .write(true)
        .open(shim.folder.join(name))
        .expect("a file");
    let then = SystemTime::now() - Duration::from_secs(60 * minutes);
    file.set_modified(then).expect("a time");
    shim
}

#[test]
fn the_first_one_found_decides() {
    let all = [".env.dump", "env.dump", ".vault"];
    for n in 0..all.len() {
        with(&all[n..])
            .environment()
            .has("SOURCE", all[n])
            .has("secrets_loaded", "1")
            .quiet();
    }
    with(&[".vault"])
        .sealed("SOURCE=sealed")
        .environment()
        .has("SOURCE", "sealed");
    with(&[".vault"])
        .sealed("SOURCE=sealed")
        .file(".vault", "SOURCE=.vault")
        .environment()
        .has("SOURCE", ".vault");

    // The environment alone can say where secrets are.
    let store = || {
        Shim::new()
            .file("app.json", r#"{"SOURCE":"store"}"#)
            .env("SECRET_MANAGER_PATH", ".")
    };
    store()
        .env("ENVSHIM_IMPORT", "file:app.json")
        .environment()
        .has("SOURCE", "store");
    store()
        .env("ENVSHIM_IMPORT", "file:app.json")
        .file(".vault", "A=1")
        .environment()
        .has("SOURCE", "store")
        .has("A", "1");
    let folder = Shim::new()
        .file("all/SOURCE", "folder\n")
        .env("SECRET_MANAGER_PATH", "all");
    folder
        .env("SECRET_MANAGER_TYPE", "file")
        .environment()
        .has("SOURCE", "folder");
    // A variable that merely says where a store is imports nothing by itself.
    store().refused().says("no secrets found");
}

#[test]
fn nothing_found_names_the_places_and_the_way_out() {
    let answer = Shim::new().refused();
    assert_eq!(
        answer.err,
        "envshim: error: no secrets found: there is no `.env.dump`, `.vault`, `.vault.enc`, `config/.env.dump`, \
         `config/.vault` or `config/.vault.enc`, and the environment names no store\n\
         envshim: hint: write NAME=value lines into .vault, then run envshim seal; --optional starts without secrets\n"
    );
    let answer = Shim::new().file("else/x", "").args("--dir else").refused();
    answer.says("there is no `else/.env.dump`, `else/.vault` or `else/.vault.enc`, and");
    let answer = Shim::new().args("--dir none").refused();
    answer.says("error: --dir none: there is no such folder");
    let answer = Shim::new().file("none", "").args("--dir none").refused();
    answer.says("error: --dir none: there is no such folder");
}

#[test]
fn optional_starts_without_a_source_but_not_with_a_broken_one() {
    let answer = Shim::new().args("--optional").environment().quiet();
    answer.lacks("secrets_loaded");
    Shim::new()
        .args("--optional --dir none")
        .environment()
        .lacks("secrets_loaded");
    Shim::new()
        .args("--optional")
        .file(".vault", "A=1")
        .environment()
        .has("A", "1");
    Shim::new()
        .args("--optional")
        .file(".vault", "A='1")
        .refused();
    Shim::new().args("--optional").file(".vault", "").refused();
    Shim::new()
        .args("--optional")
        .file(".vault", "A=file:/none/at/all")
        .refused();
}

#[test]
fn the_folder() {
    with(&["config/.vault"])
        .environment()
        .has("SOURCE", "config/.vault");
    with(&["config/.env.dump", ".vault"])
        .environment()
        .has("SOURCE", ".vault");
    with(&["config/.vault"]).args("--dir .").refused();
    with(&["a/b/.vault", ".vault"])
        .args("--dir a/b")
        .environment()
        .has("SOURCE", "a/b/.vault");
    with(&["a/b/.vault", ".vault"])
        .env("ENVSHIM_DIR", "a/b")
        .environment()
        .has("SOURCE", "a/b/.vault");
    let shim = with(&["a/.vault"]);
    let path = shim.folder.join("a");
    shim.arg("--dir")
        .arg(path)
        .environment()
        .has("SOURCE", "a/.vault");
}

#[test]
fn an_old_dump_is_passed_over_with_the_reason() {
    let old = |files: &[&str]| aged(with(files), ".env.dump", 180).args("--max-age 1h");
    let why = "`.env.dump` is passed over, for it is 3 h old and --max-age is 60 min";
    old(&[".env.dump", ".vault"])
        .environment()
        .has("SOURCE", ".vault")
        .quiet();
    let answer = old(&[".env.dump", ".vault"])
        .env("ENVSHIM_LOG", "info")
        .environment();
    answer.says(&format!("envshim: {why}\n"));
    // The next dump may be young enough.
    old(&[".env.dump", "env.dump"])
        .environment()
        .has("SOURCE", "env.dump");
    // Nothing else: that is an error, and the reason is in it.
    let answer = old(&[".env.dump"]).refused();
    answer
        .says("no secrets found: there is no `.vault` or `.vault.enc`")
        .says(why);
    old(&[".env.dump"])
        .args("--optional")
        .environment()
        .lacks("SOURCE");
    // What comes after it in the same folder speaks, not what lies elsewhere.
    old(&[".env.dump", "config/.vault"]).refused().says(why);

    aged(with(&[".env.dump"]), ".env.dump", 50)
        .args("--max-age 1h")
        .environment()
        .has("SOURCE", ".env.dump");
    aged(with(&[".env.dump"]), ".env.dump", 50_000)
        .environment()
        .has("SOURCE", ".env.dump");
    // A clock that was set back makes no dump old.
    let shim = with(&[".env.dump"]);
    let file = File::options()
        .write(true)
        .open(shim.folder.join(".env.dump"))
        .expect("a file");
    file.set_modified(SystemTime::now() + Duration::from_secs(7200))
        .expect("a time");
    shim.args("--max-age 1m")
        .environment()
        .has("SOURCE", ".env.dump");
    // Zero: no dump is ever young enough.
    aged(with(&[".env.dump", ".vault"]), ".env.dump", 1)
        .args("--max-age 0")
        .environment()
        .has("SOURCE", ".vault");
}

#[test]
fn a_source_that_fails_is_never_a_reason_to_try_the_next() {
    let broken =
        |name: &str, content: &str| with(&[".env.dump", "env.dump", ".vault"]).file(name, content);
    for content in ["", "A='1\n", "\u{0}", "# nothing\n", "A b\n"] {
        broken(".env.dump", content)
            .refused()
            .says("error: .env.dump:");
        let shim = with(&["env.dump", ".vault"]).file("env.dump", content);
        shim.refused().says("error: env.dump:");
        let shim = with(&[".vault", "config/.vault"])
            .file(".vault", content)
            .env("ENVSHIM_IMPORT", "env:X");
        shim.refused().says("error: .vault:");
    }
    let shim = with(&[".vault", "config/.vault"]).file(".vault", "A=1\nB=file:/none\n");
    shim.refused()
        .says("error: .vault:2: B: file:/none: there is no `/none`");
    // A folder in the place of a file is not nothing.
    let shim = with(&[".env.dump/x", ".vault"]);
    shim.refused()
        .says("error: .env.dump: is a folder, not a file");
    let shim = Shim::new()
        .sealed("A=1")
        .file("config/.vault", "A=1")
        .file(".vault.enc", "rubbish");
    shim.refused().says("error: .vault.enc:");
}

#[test]
fn a_load_happens_once() {
    let marked = || with(&[".vault"]).env("secrets_loaded", "1");
    marked()
        .environment()
        .lacks("SOURCE")
        .has("secrets_loaded", "1")
        .quiet();
    // Also where nothing could be loaded: the one before this has seen to it.
    Shim::new().env("secrets_loaded", "1").environment().quiet();
    with(&[".vault"])
        .file(".vault", "A='")
        .env("secrets_loaded", "1")
        .environment()
        .quiet();
    marked()
        .args("--reload")
        .environment()
        .has("SOURCE", ".vault");
    marked()
        .env("ENVSHIM_RELOAD", "1")
        .environment()
        .has("SOURCE", ".vault")
        .has("secrets_loaded", "1");
    for other in ["0", "", "true", "11"] {
        let shim = with(&[".vault"]).env("secrets_loaded", other);
        shim.environment()
            .has("SOURCE", ".vault")
            .has("secrets_loaded", "1");
    }
    // What authenticates envshim is kept from the program all the same.
    marked()
        .env("ENVSHIM_KEY", "k")
        .environment()
        .lacks("ENVSHIM_KEY");
    // A file cannot claim it.
    Shim::new()
        .file(".vault", "secrets_loaded=no\nA=1")
        .environment()
        .has("secrets_loaded", "1")
        .has("A", "1");
}

#[test]
fn a_nested_envshim_costs_nothing_and_changes_nothing() {
    let shim = with(&[".vault"])
        .file("count", "")
        .file(".vault", "A=exec:sh -c 'echo x >> count; echo 1'");
    let shim = shim
        .env("A_B", "c")
        .arg("--")
        .arg(super::house::envshim())
        .arg("--")
        .arg(super::house::envshim());
    let answer = shim.environment().has("A", "1").has("A_B", "c").quiet();
    assert_eq!(answer.folder.read("count"), b"x\n");
}

#[test]
fn the_reason_is_told_in_one_sentence_everywhere() {
    let key = "\"reason\":";
    for (make, reason) in [
        (
            (|| with(&[".env.dump", ".vault"])) as fn() -> Shim,
            "`.env.dump` is there: it comes first, and nothing is fetched",
        ),
        (
            || with(&["env.dump", ".vault"]),
            "`env.dump` is there: it comes first, and nothing is fetched",
        ),
        (
            || with(&["config/.vault"]),
            "`config/.vault` is there: there is no dump before it",
        ),
        (
            || Shim::new().sealed("A=1"),
            "`.vault.enc` is there: there is neither a dump nor a plain .vault before it",
        ),
        (
            || Shim::new().env("ENVSHIM_FILE_ENV", "*"),
            "there is no file, but the environment says where the secrets are",
        ),
        (
            || Shim::new().env("secrets_loaded", "1"),
            "secrets_loaded=1 is set: an envshim before this one has loaded them",
        ),
        (
            || Shim::new().args("--optional"),
            "there is no source, and --optional allows that",
        ),
        (
            || aged(with(&[".env.dump", ".vault"]), ".env.dump", 180).args("--max-age 2h"),
            "`.vault` is there; `.env.dump` is passed over, for it is 3 h old and --max-age is 2 h",
        ),
    ] {
        let answer = make().args("check").run().ok();
        assert!(
            answer.out.starts_with(&format!("source: {reason}\n")),
            "{}",
            answer.out
        );
        let answer = make().args("check --json").run().ok();
        let quoted = envshim::format::json::quote(reason);
        assert!(
            answer.out.contains(&format!("{key}{quoted}")),
            "{}",
            answer.out
        );
        make()
            .env("ENVSHIM_LOG", "debug")
            .environment()
            .says(&format!("envshim: debug: {reason}\n"));
    }
}

#[test]
fn what_is_said_at_each_level() {
    let shim = |level: &str| {
        let shim = with(&[".vault"]).file(".vault", "A=1\nB=2\nENVSHIM_NAMES=keep\n");
        shim.env("A", "other").env("ENVSHIM_LOG", level)
    };
    shim("error").environment().quiet();
    shim("off").environment().quiet();
    let warned = shim("warn").environment();
    assert_eq!(warned.err, shim("").environment().err);
    assert!(
        warned
            .err
            .starts_with("envshim: warning: already set to another value, which stays: A\n")
    );
    assert_eq!(warned.err.lines().count(), 2);
    // Settings are not counted: they are none of the program's variables.
    shim("info")
        .environment()
        .says("envshim: 2 variables from `.vault`\n")
        .omits("debug");
    let answer = shim("debug").environment();
    answer
        .says("envshim: debug: B: set (.vault:2, text)\n")
        .says("A: already set, OTHER value stays");
    with(&[".vault"])
        .args("--log=info")
        .environment()
        .says("envshim: 1 variable from `.vault`\n");
}

/// Level, message and hint of every line of a JSON log.
fn logged(answer: &Answer) -> Vec<(String, String, Option<String>)> {
    let line = |line: &str| {
        let json = parse(line.as_bytes()).unwrap_or_else(|_| panic!("not JSON: {line}"));
        let text = |name: &str| Some(json.get(name)?.as_str()?.to_owned());
        let time = text("time").expect("a time");
        assert_eq!(
            (time.len(), &time[..2], &time[10..11], &time[19..]),
            (20, "20", "T", "Z")
        );
        (
            text("level").expect("a level"),
            text("message").expect("a message"),
            text("hint"),
        )
    };
    answer.err.lines().map(line).collect()
}

#[test]
fn json_lines() {
    let shim = || with(&[".vault"]).args("--log-format json");
    let answer = shim().args("--log debug").env("SOURCE", "x").environment();
    let lines = logged(&answer);
    let levels: Vec<&str> = lines.iter().map(|(level, ..)| level.as_str()).collect();
    assert_eq!(levels, ["debug", "warning", "info", "debug"]);
    assert_eq!(lines[2].1, "1 variable from `.vault`");
    assert_eq!(
        lines[1].2.as_deref(),
        Some("unset them, or start with --override to let the loaded values win")
    );

    let lines = logged(&shim().file(".vault", "A='1\nB b\n").refused());
    assert_eq!(lines[0].0, "error");
    assert_eq!(
        lines[0].1,
        ".vault:1:3: the quote opened here is not closed"
    );
    assert_eq!(
        lines[0].2.as_deref(),
        Some("close it, or write the value on one line")
    );
    // Names are quoted, whatever they hold.
    let shim = shim().file(".vault", "'A\"\n\\\u{1b}\u{e9}'=file:/none\n");
    let lines = logged(&shim.refused());
    assert!(lines[0].1.contains("A\"\n\\\u{1b}\u{e9}"), "{}", lines[0].1);
    // Also what is wrong with the command line, and with the log's own settings.
    let json = || Shim::new().env("ENVSHIM_LOG_FORMAT", "json");
    assert_eq!(logged(&json().args("--drr x").run().exits(125)).len(), 1);
    assert_eq!(
        logged(&json().env("ENVSHIM_TIMEOUT", "x").refused()).len(),
        1
    );
    assert_eq!(logged(&json().env("ENVSHIM_LOG", "x").refused()).len(), 1);
    let answer = with(&[".vault"])
        .env("ENVSHIM_LOG_FORMAT", "json")
        .args("-- envshim-no-such-program");
    assert_eq!(logged(&answer.run().exits(127)).len(), 1);
}

#[test]
fn a_name_cannot_begin_a_line_of_its_own() {
    let shim = Shim::new().file(".vault", "'A\nenvshim: error: \u{1b}[31m'=file:/none\n");
    let answer = shim.refused();
    assert_eq!(answer.err.lines().count(), 2, "{}", answer.err);
    assert!(!answer.err.contains('\u{1b}'));
    let answer = Shim::new().arg("--dir").arg("a\nb").refused();
    assert_eq!(answer.err.lines().count(), 2, "{}", answer.err);
}

#[test]
fn check_tells_all_and_shows_nothing() {
    let shim = || {
        let vault = "A=s3cr3t\nB=file:b\nC=${env:HOME}x\nD=file:none?optional=1\nENVSHIM_NAMES=keep\nSECRET_MANAGER_PATH=.\n";
        Shim::new()
            .file(".vault", vault)
            .file("b", "s3cr3t")
            .env("B", "mine")
            .env("HOME", "/h")
            .env("ENVSHIM_KEY", "s3cr3t")
    };
    let answer = shim().args("check -- env").run().ok().hides("s3cr3t");
    assert_eq!(
        answer.out,
        "source: `.vault` is there: there is no dump before it\n\
         program: /usr/bin/env\n\
         VARIABLE     SOURCE       PROVIDER  VERSION  DECISION\n\
         ENVSHIM_KEY  environment  -         -        kept from the program\n\
         A            .vault:1     text      -        set\n\
         B            .vault:2     file      -        already set, OTHER value stays\n\
         C            .vault:3     env       -        set\n\
         D            .vault:4     file      -        not set: optional, and missing\n"
    );
    let answer = shim()
        .args("check --json -- env")
        .run()
        .ok()
        .hides("s3cr3t");
    let json =
        parse(answer.bytes.trim_ascii()).unwrap_or_else(|_| panic!("not JSON: {}", answer.out));
    assert_eq!(
        json.get("variables")
            .and_then(|list| list.list())
            .map(<[_]>::len),
        Some(5)
    );
    assert_eq!(
        json.get("program").and_then(|path| path.as_str()),
        Some("/usr/bin/env")
    );

    // A start that would fail: the same words as the start itself has.
    let broken = || shim().file(".vault", "A=file:/none\nB=file:/nothing#x\n");
    let started = broken().refused().err;
    let checked = broken().args("check").run().exits(1);
    assert_eq!(checked.err, started);
    let answer = broken().args("check --json").run().exits(1);
    let json =
        parse(answer.bytes.trim_ascii()).unwrap_or_else(|_| panic!("not JSON: {}", answer.out));
    let errors = json
        .get("errors")
        .and_then(|list| list.list())
        .expect("errors");
    assert_eq!(errors.len(), 2);
    assert_eq!(
        errors[0].get("error").and_then(|text| text.as_str()),
        Some(".vault:1: A: file:/none: there is no `/none`")
    );
    assert!(
        errors[0]
            .get("hint")
            .and_then(|text| text.as_str())
            .is_some()
    );
}

#[test]
fn a_file_that_others_can_read() {
    for name in [".env.dump", ".vault"] {
        let shim = || {
            let shim = with(&[name]);
            set_mode(&shim.folder.join(name), 0o644);
            shim
        };
        let answer = shim().environment().has("SOURCE", name);
        assert_eq!(
            answer.err,
            format!(
                "envshim: warning: {name}: every user of this machine can read it\nenvshim: hint: chmod 600 {name}\n"
            )
        );
        let answer = shim().args("--strict").refused();
        answer.says(&format!(
            "envshim: error: {name}: every user of this machine can read it\n"
        ));
        let shim = shim();
        set_mode(&shim.folder.join(name), 0o640);
        shim.args("--strict").environment().quiet();
    }
    let shim = Shim::new().sealed("A=1");
    set_mode(&shim.folder.join(".vault.enc"), 0o644);
    shim.args("--strict").environment().quiet();
}
