//! What holds for every row of the table of providers, and the promises of those without network.

use std::time::{Duration, Instant};

use envshim::format::reference::parse_exact;
use envshim::provider::{PROVIDERS, schemes};

use super::house::contract::{KEPT, Store, keeps_its_promises};
use super::house::{Answer, Shim, wait_until};

#[test]
fn the_table_is_sound() {
    let mut known = schemes();
    known.sort_unstable();
    assert_eq!(
        known, KEPT,
        "a row whose chapter does not call the contract, or the other way round"
    );
    known.dedup();
    assert_eq!(known.len(), PROVIDERS.len(), "a scheme is there twice");
    assert!(!known.contains(&"text"));
    let mut settings: Vec<&str> = Vec::new();
    for row in PROVIDERS {
        assert!(
            row.scheme
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "{}",
            row.scheme
        );
        assert!(row.scheme.starts_with(|c: char| c.is_ascii_lowercase()));
        assert!(!row.title.is_empty());
        // The example is of this row, is a reference, and is one that the provider takes.
        let reference = match parse_exact(row.example) {
            Some(Ok(reference)) => reference,
            _ => panic!("{} is not a reference", row.example),
        };
        assert_eq!(reference.scheme, row.scheme);
        assert!((row.check)(&reference, false).is_ok(), "{}", row.example);
        for (name, _) in &reference.parameters {
            let common = ["default", "optional", "decode", "as"].contains(&name.as_str());
            assert!(
                common || row.parameters.contains(&name.as_str()),
                "{}",
                row.example
            );
        }
        // What makes a variable's text stand for itself leaves ordinary text alone.
        assert_eq!((row.shield)("app-1/db_2.x"), "app-1/db_2.x");
        for setting in row.settings {
            let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            assert!(setting.name.chars().all(upper), "{}", setting.name);
            assert!(
                !setting.name.starts_with("ENVSHIM_"),
                "{} is an option's",
                setting.name
            );
            assert!(
                !setting.doc.is_empty() && !setting.doc.ends_with('.'),
                "{}",
                setting.name
            );
            settings.push(setting.name);
        }
    }
    let count = settings.len();
    settings.sort_unstable();
    settings.dedup();
    assert_eq!(settings.len(), count, "a setting has two rows");
}

#[test]
fn every_setting_is_taken_out_of_the_file() {
    for setting in PROVIDERS.iter().flat_map(|row| row.settings) {
        // A type is one of a few words; any text will do for the others.
        let value = if setting.name.ends_with("_TYPE") {
            "file"
        } else {
            "x"
        };
        let shim = Shim::new().file(".vault", format!("{}={value}\nA=1\n", setting.name));
        let answer = shim.args("check").run();
        assert!(
            !answer.out.contains(&format!("\n{} ", setting.name)),
            "{}",
            answer.out
        );
    }
}

/// Variables of the environment.
struct Variables;

impl Store for Variables {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        use std::os::unix::ffi::OsStrExt;
        let value = |bytes| std::ffi::OsStr::from_bytes(bytes);
        secrets.iter().fold(Shim::new(), |shim, (name, bytes)| {
            shim.env(name, value(bytes))
        })
    }

    fn reference(&self, name: &str) -> String {
        format!("env:{name}")
    }

    fn holds(&self, value: &[u8]) -> bool {
        !value.contains(&0)
    }

    fn asked(&self, _: &Answer, _: &str) -> Option<usize> {
        None
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        None
    }

    fn folder(&self) -> Option<String> {
        None
    }

    fn missing(&self) -> Option<&'static str> {
        Some("{}: `none` is not set in the environment\n")
    }
}

#[test]
fn the_environment_keeps_its_promises() {
    keeps_its_promises(&Variables);
}

/// Files of a folder.
struct Files;

impl Store for Files {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        let file = |name: &str| format!("secrets/{name}");
        // One line end is dropped, so that one more is written.
        let put = |shim: Shim, (name, bytes): &(&str, &[u8])| {
            shim.file(&file(name), [bytes, b"\n".as_slice()].concat())
        };
        secrets
            .iter()
            .fold(Shim::new().env("SECRET_MANAGER_PATH", "secrets"), put)
    }

    fn reference(&self, name: &str) -> String {
        format!("file:{name}")
    }

    fn holds(&self, value: &[u8]) -> bool {
        // Editors on Windows end a file so.
        !value.contains(&0) && !value.ends_with(b"\r")
    }

    fn asked(&self, _: &Answer, _: &str) -> Option<usize> {
        None
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        None
    }

    fn missing(&self) -> Option<&'static str> {
        Some("{}: there is no `secrets/none`\n")
    }
}

#[test]
fn files_keep_their_promises() {
    keeps_its_promises(&Files);
}

/// A helper that prints a file and counts how often it was asked.
struct Programs;

impl Store for Programs {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        let helper = "echo $1 >> asked\ncat secrets/$1 && echo\n";
        let put = |shim: Shim, (name, bytes): &(&str, &[u8])| {
            shim.file(&format!("secrets/{name}"), bytes)
        };
        secrets.iter().fold(Shim::new().file("helper", helper), put)
    }

    fn reference(&self, name: &str) -> String {
        format!("exec:sh helper {name}")
    }

    fn shown(&self, _: &str) -> String {
        // Arguments may hold what nobody should read.
        "exec:sh ...".to_owned()
    }

    fn holds(&self, value: &[u8]) -> bool {
        !value.contains(&0) && !value.ends_with(b"\r")
    }

    fn asked(&self, answer: &Answer, name: &str) -> Option<usize> {
        let asked = String::from_utf8(answer.folder.read("asked")).expect("text");
        Some(asked.lines().filter(|line| *line == name).count())
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        Some((Shim::new(), "exec:sleep 60".to_owned()))
    }

    fn folder(&self) -> Option<String> {
        None
    }

    fn missing(&self) -> Option<&'static str> {
        None
    }
}

#[test]
fn programs_keep_their_promises() {
    keeps_its_promises(&Programs);
}

/// Processes whose command line holds this word.
fn running(word: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let line = |path: std::path::PathBuf| std::fs::read(path.join("cmdline")).unwrap_or_default();
    let word = word.as_bytes();
    processes
        .filter(|entry| {
            line(entry.path())
                .windows(word.len())
                .any(|part| part == word)
        })
        .count()
}

#[test]
fn no_helper_is_left_behind() {
    // The helper itself, what it has started, and one that will not end by being asked to.
    for (seconds, command) in [
        ("86111", "sleep 86111"),
        ("86112", "sh -c 'sleep 86112; true'"),
        (
            "86113",
            "sh -c 'trap \"\" TERM; sleep 86113 & echo half; wait'",
        ),
        ("86114", "sh -c 'sh -c \"sleep 86114; true\"; true'"),
    ] {
        let shim = Shim::new()
            .file(".vault", format!("A=exec:{command}\n"))
            .args("--timeout 400ms");
        let begin = Instant::now();
        shim.refused().says("did not end within 400 ms");
        assert!(begin.elapsed() < Duration::from_secs(3));
        wait_until(&format!("{command} ends"), || running(seconds) == 0);
    }
    // Each has its own limit, below that of the load.
    let shim = Shim::new().file(
        ".vault",
        "A=exec:sleep 86115?timeout=100ms\nB=exec:sleep 0.3\n",
    );
    shim.refused()
        .says(".vault:1: A: exec:sleep ...: `sleep` did not end within 100 ms")
        .omits("B:");
    wait_until("sleep ends", || running("86115") == 0);
    // One that fails takes the others with it.
    let shim = Shim::new()
        .file(".vault", "A=exec:false\nB=exec:sleep 86116\n")
        .args("--timeout 1s");
    shim.refused();
    wait_until("sleep ends", || running("86116") == 0);
}

#[test]
fn helpers_run_at_once() {
    let lines: String = (0..16)
        .map(|n| format!("A{n}=exec:sh -c 'sleep 0.3; echo {n}'\n"))
        .collect();
    let begin = Instant::now();
    Shim::new()
        .file(".vault", lines)
        .environment()
        .has("A0", "0")
        .has("A15", "15");
    assert!(
        begin.elapsed() < Duration::from_millis(2400),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_helper_that_closes_its_output_has_until_the_deadline() {
    let shim = Shim::new().file(
        ".vault",
        "A=exec:sh -c 'echo x; exec >&-; sleep 0.1; exit 3'\n",
    );
    shim.refused().says("`sh` ended with status 3");
    let shim = Shim::new().file(
        ".vault",
        "A=exec:sh -c 'echo x; exec >&-; exec sleep 86117'\n",
    );
    shim.args("--timeout 200ms")
        .refused()
        .says("did not end within 200 ms");
    wait_until("sleep ends", || running("86117") == 0);
}
