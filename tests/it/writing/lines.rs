//! `set` on the lines of a `.vault` and a `.vault.enc`, and on files.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use super::{set, texts};
use crate::house::pty::Pty;
use crate::house::{Answer, Folder, Shim, envshim, set_mode};

/// A sealed file with its key, and what else is in the folder.
fn sealed() -> Shim {
    Shim::new().sealed("# first\nA='1' # note\nexport B=\"two\nlines\"\n")
}

/// The same folder, another command.
fn next(answer: Answer) -> Shim {
    let mut shim = Shim::new().env("ENVSHIM_KEY_FILE", "vault.key");
    shim.folder = answer.folder;
    shim
}

fn opened(answer: Answer) -> (String, Answer) {
    let answer = next(answer).args("open").run().ok();
    (answer.out.clone(), answer)
}

#[test]
fn a_program_gets_what_was_set_byte_for_byte() {
    for sealed in [true, false] {
        let mut answer = match sealed {
            true => self::sealed().args("rekey").run().ok(),
            false => Shim::new().file(".vault", "A=1").args("version").run().ok(),
        };
        for value in texts() {
            answer = set(next(answer), "VALUE", &value).quiet_but_the_line_end();
            let read = next(answer)
                .env("HOME", "/h")
                .environment()
                .has("VALUE", &value);
            answer = read.has("A", "1");
        }
    }
}

impl Answer {
    /// A value of one line that ends with a line end is worth a word.
    fn quiet_but_the_line_end(self) -> Answer {
        assert!(
            self.err.is_empty() || self.err.contains("--trim"),
            "{}",
            self.err
        );
        self
    }
}

#[test]
fn one_line_changes_and_the_rest_stays() {
    let answer = set(sealed().env("ENVSHIM_LOG", "info"), "B", "x y");
    let answer = answer.says("envshim: `.vault.enc`: B is set\n");
    let (text, answer) = opened(answer);
    assert_eq!(text, "# first\nA='1' # note\nexport B='x y'\n");
    let answer = set(next(answer).env("ENVSHIM_LOG", "info"), "C", "new");
    let (text, answer) = opened(answer.says("C is added"));
    assert_eq!(text, "# first\nA='1' # note\nexport B='x y'\nC=new\n");
    // The same again writes nothing.
    let before = answer.folder.read(".vault.enc");
    let answer = set(next(answer).env("ENVSHIM_LOG", "info"), "C", "new");
    let answer = answer.says("C has this value already");
    assert_eq!(answer.folder.read(".vault.enc"), before);
    // A plain file comes first at a start, so it is the one that is set; its mode stays.
    let shim = next(answer)
        .file(".vault", "A=0\n")
        .env("ENVSHIM_LOG", "info");
    set_mode(&shim.folder.join(".vault"), 0o640);
    let answer =
        set(shim, "A", "2").says("`.vault.enc` does not have it yet; envshim seal brings it there");
    assert_eq!(answer.folder.read(".vault"), b"A=2\n");
    let mode = answer
        .folder
        .join(".vault")
        .metadata()
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn twenty_at_once_lose_nothing() {
    for file in [".vault.enc", ".vault"] {
        let shim = match file {
            ".vault" => Shim::new().file(".vault", "A=1\n"),
            _ => sealed(),
        };
        let children: Vec<(usize, Child)> = (0..20)
            .map(|n| {
                let mut command = shim.command();
                command
                    .args(["set", &format!("V{n}")])
                    .env("ENVSHIM_KEY_FILE", "vault.key");
                let mut child = command.spawn().expect("envshim");
                use std::io::Write;
                let mut stdin = child.stdin.take().expect("stdin");
                stdin
                    .write_all(format!("value {n}").as_bytes())
                    .expect("a value");
                (n, child)
            })
            .collect();
        for (n, child) in children {
            let output = child.wait_with_output().expect("an end");
            assert!(
                output.status.success(),
                "{n}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let mut answer = shim.env("ENVSHIM_KEY_FILE", "vault.key").environment();
        for n in 0..20 {
            answer = answer.has(&format!("V{n}"), format!("value {n}"));
        }
        answer.has("A", "1");
    }
}

#[test]
fn two_that_set_the_same_name_do_not_both_believe_to_be_first() {
    let shim = Shim::new().file(".vault", "A=1\n");
    let spawn = || {
        let mut command = shim.command();
        command.args(["set", "N"]);
        command.spawn().expect("envshim")
    };
    let mut children: Vec<Child> = (0..10).map(|_| spawn()).collect();
    for (n, child) in children.iter_mut().enumerate() {
        use std::io::Write;
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(format!("{n}").as_bytes()).expect("a value");
    }
    let mut done = Vec::new();
    for (n, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().expect("an end");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => done.push(n.to_string()),
            Some(125) => assert!(
                said.contains("somebody else has changed it meanwhile"),
                "{said}"
            ),
            other => panic!("{other:?} {said}"),
        }
    }
    let text = String::from_utf8(shim.folder.read(".vault")).expect("text");
    let last = text.lines().last().and_then(|line| line.strip_prefix("N="));
    assert!(
        done.iter().any(|n| Some(n.as_str()) == last),
        "{text} {done:?}"
    );
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn what_a_line_cannot_be() {
    let answer = set_refused(sealed(), "VALUE", b"\xff\x00");
    answer.says(".vault.enc: VALUE: a dotenv file holds text");
    let answer = set_refused(sealed(), "VALUE", b"");
    answer
        .says("stdin gives no value")
        .says("--from-file /dev/null sets an empty value");
    let shim = sealed().args("set VALUE --from-file /dev/null").run().ok();
    next(shim).environment().has("VALUE", "");
    let shim = Shim::new().file(".vault", "A=file:/etc/hostname\nB=x${env:C}\n");
    let answer = set_refused(shim, "A", b"s3cr3t").says(".vault: A: is a reference (file:...)");
    let answer = set_refused(next(answer), "B", b"s3cr3t").says("is a reference (env:...)");
    let answer = next(answer).args("set A --yes").stdin("s3cr3t").run().ok();
    assert!(answer.folder.read(".vault").starts_with(b"A=s3cr3t\n"));
    set_refused(Shim::new(), "A", b"x")
        .says(".vault.enc: there is no such file, and no .vault either")
        .says("hint: make one: envshim init");
    for option in ["--if-version=1", "--meta=a=b"] {
        let shim = sealed().args(option);
        set_refused(shim, "A", b"x").says("is for secrets in a store");
    }
    // The older format is only read.
    let shim = Shim::new().file(".vault.enc", "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bdZWJXQjaCksXKoM9lBTvWH38cakDgeFlFz00Yl5cFb7Q==");
    let answer = set_refused(shim.env("ENVSHIM_PASSWORD", "x"), "A", b"x");
    assert!(
        answer.err.contains("wrong password") || answer.err.contains("old format"),
        "{}",
        answer.err
    );
}

#[track_caller]
fn set_refused(shim: Shim, key: &str, value: &[u8]) -> Answer {
    let answer = shim.args("set").arg(key).stdin(value).run().exits(125);
    answer.says("envshim: hint: ")
}

#[test]
fn a_value_is_never_taken_from_the_command_line() {
    for words in [
        &["set", "A=s3cr3t"][..],
        &["set", "A", "s3cr3t"],
        &["set", "vault:app#key=s3cr3t"],
        &["set", "s3 cr3t"],
        &["set", "--value=s3cr3t", "A"],
    ] {
        let shim = words.iter().fold(sealed(), |shim, word| shim.arg(word));
        let answer = shim.stdin("x").run().exits(125);
        answer.hides("s3cr3t").says("envshim: hint: ");
    }
}

#[test]
fn a_line_end_is_told_and_can_be_dropped() {
    let answer = set(sealed(), "A", "s3cr3t\n");
    let answer = answer.says("A: the value ends with a line end, which is a part of it");
    let answer = next(answer.hides("s3cr3t"))
        .environment()
        .has("A", "s3cr3t\n");
    let answer = next(answer)
        .args("set --trim A")
        .stdin("x\r\n")
        .run()
        .ok()
        .quiet();
    let answer = next(answer).environment().has("A", "x");
    // A file is taken as it is.
    let shim = next(answer).file("value", "y\n\n");
    let answer = shim.args("set A --from-file value").run().ok().quiet();
    next(answer).environment().has("A", "y\n\n");
}

/// On a terminal of its own, with the value typed.
fn on_terminal(folder: &Folder, words: &[&str]) -> Pty {
    let mut command = Command::new(envshim());
    command
        .args(words)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("ENVSHIM_KEY_FILE", "vault.key")
        .current_dir(folder.path());
    Pty::spawn(command)
}

#[test]
fn a_person_is_asked_twice_for_the_value_and_once_before_it_is_lost() {
    let shim = sealed();
    let mut terminal = on_terminal(&shim.folder, &["set", "NEW"]);
    terminal.expect("value for NEW: ");
    assert!(!terminal.echoes());
    terminal.send("s3cr3t\n");
    terminal.expect("the same again: ");
    terminal.send("s3cr3t\n");
    terminal.expect("NEW is added");
    let ended = terminal.end().exits(0);
    assert!(!ended.shown.contains("s3cr3t"));
    for (answer, code, kept) in [("n\n", 125, true), ("\n", 125, true), ("y\n", 0, false)] {
        let mut terminal = on_terminal(&shim.folder, &["set", "NEW"]);
        for question in ["value for NEW: ", "the same again: "] {
            terminal.expect(question);
            terminal.send("other\n");
        }
        terminal.expect(".vault.enc: NEW has another value; write over it? [y/N] ");
        terminal.send(answer);
        terminal.end().exits(code);
        let mut command = shim.command();
        let out = command
            .arg("open")
            .env("ENVSHIM_KEY_FILE", "vault.key")
            .output()
            .expect("envshim");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(text.contains("NEW=s3cr3t"), kept, "{text}");
    }
    // Asked as well where the value comes through a pipe and a person looks on; --yes asks nothing.
    let file = shim.folder.write("value", "third");
    let aside = |words: &[&str]| {
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "\"$0\" \"$@\" < value",
                envshim().to_str().expect("a path"),
            ])
            .args(words)
            .env("ENVSHIM_KEY_FILE", "vault.key")
            .current_dir(shim.folder.path());
        Pty::spawn(command)
    };
    let mut terminal = aside(&["set", "NEW"]);
    terminal.expect("write over it? [y/N] ");
    terminal.send("n\n");
    terminal.expect("nothing is written");
    terminal.end().exits(125);
    aside(&["set", "--yes", "NEW"]).end().exits(0);
    assert!(file.exists());
}

#[test]
fn files_are_written_whole_and_for_their_owner() {
    let mut answer = Shim::new().args("version").run().ok();
    let here = |answer: Answer| {
        let mut shim = Shim::new().env("SECRET_MANAGER_PATH", ".");
        shim.folder = answer.folder;
        shim
    };
    let mut values = texts();
    values.push((0..=255).collect());
    for value in values {
        answer = set(here(answer), "file:one", &value);
        assert_eq!(answer.folder.read("one"), value);
        let mode = answer
            .folder
            .join("one")
            .metadata()
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    answer = set(here(answer), "file:app.json#db.password", "p\"1");
    answer = set(here(answer), "file:app.json#port", "5432");
    assert_eq!(
        answer.folder.read("app.json"),
        b"{\"db.password\":\"p\\\"1\",\"port\":\"5432\"}\n"
    );
    // A setting that names a JSON file has its fields for files.
    let mut shim = Shim::new().env("SECRET_MANAGER_PATH", "app.json");
    shim.folder = answer.folder;
    answer = set(shim, "file:port", "1");
    assert_eq!(
        answer.folder.read("app.json"),
        b"{\"db.password\":\"p\\\"1\",\"port\":\"1\"}\n"
    );
    // Bytes by way of base64.
    answer = set(here(answer), "file:coded?decode=base64", b"\xff\x00\n");
    assert_eq!(answer.folder.read("coded"), b"/wAK");
    answer = set_refused(here(answer), "file:one#field", b"x").says("it is not JSON");
    answer = set_refused(here(answer), "file:../x", b"x").says("leaves the folder");
    answer = set_refused(here(answer), "file:none/x", b"x").says("no such file or directory");
    let mut shim = Shim::new();
    shim.folder = answer.folder;
    set_refused(shim, "file:two", b"x").says("no folder is named");
}

#[test]
fn files_take_twenty_fields_at_once() {
    let shim = Shim::new().file("app.json", "{\"kept\": 1}");
    let children: Vec<Child> = (0..20)
        .map(|n| {
            let mut command = shim.command();
            command
                .args([
                    "set",
                    &format!("file:app.json#f{n}"),
                    "--from-file",
                    "/proc/version",
                ])
                .env("SECRET_MANAGER_PATH", ".")
                .stdin(Stdio::null());
            command.spawn().expect("envshim")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("an end");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8(shim.folder.read("app.json")).expect("text");
    for n in 0..20 {
        assert!(text.contains(&format!("\"f{n}\":")), "{text}");
    }
    assert!(text.contains("\"kept\":1"));
}

#[test]
fn stores_that_are_only_read_say_so() {
    for (key, title) in [
        ("env:A", "the environment is only read"),
        ("exec:op read x", "a program is only read"),
        ("hcp:A", "HCP Vault Secrets is only read"),
    ] {
        set_refused(Shim::new(), key, b"x")
            .says(title)
            .says("these take values: ");
    }
    set_refused(Shim::new(), "valt:a#b", b"x").says("did you mean vault:...?");
    set_refused(Shim::new(), "database/password", b"x")
        .says("database/password: is no variable here, and the settings name no store of keys");
    set_refused(Shim::new().env("SECRET_MANAGER_TYPE", "env"), "a/b", b"x").says("is only read");
    set_refused(Shim::new(), "vault:a#b?version=3", b"x").says("?version= names a version");
    set_refused(Shim::new().args("--meta a=b"), "file:/x", b"x").says("keeps no metadata");
}

/// A bare key means what it means to `get`.
#[test]
fn keys_of_the_store_that_settings_choose() {
    let shim = |folder: Option<Folder>| {
        let mut shim = Shim::new()
            .env("SECRET_MANAGER_PATH", ".")
            .env("SECRET_MANAGER_TYPE", "file");
        shim.folder = folder.unwrap_or(shim.folder);
        shim
    };
    let made = shim(None);
    std::fs::create_dir(made.folder.join("database")).expect("a folder");
    let answer = set(made.env("ENVSHIM_LOG", "info"), "database/password", "v");
    let answer = answer.says("`file:database/password` is created");
    assert_eq!(answer.folder.read("database/password"), b"v");
    let answer = set(shim(Some(answer.folder)), "PASSWORD", "w").quiet();
    let answer = shim(Some(answer.folder))
        .args("get PASSWORD database/password")
        .run()
        .ok();
    assert!(
        answer.out.contains("\"w\"") && answer.out.contains("\"v\""),
        "{}",
        answer.out
    );
    // Where there is a file with lines, a name is a line of it.
    let shim = shim(Some(answer.folder)).file(".vault", "A=1\n");
    let answer = set(shim, "PASSWORD", "x").quiet();
    assert_eq!(answer.folder.read(".vault"), b"A=1\nPASSWORD=x\n");
    assert_eq!(answer.folder.read("PASSWORD"), b"w");
}
