//! `export`: what the program that reads it gets, for each form.

use std::io::Write;
use std::process::{Command, Stdio};

use base64ct::{Base64, Encoding};
use envshim::format::json::{self, Json};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use proptest::test_runner::FileFailurePersistence;

use crate::house::{Answer, Folder, Shim, podman, python, repository};

/// Values that are hard to carry.
fn hard() -> Vec<Vec<u8>> {
    let long = "x".repeat(60_000);
    [
        "plain",
        "",
        " white \t space ",
        "two\nlines\nand an end\n\n",
        "\n",
        "cr\r\nlf\r\r.",
        "$ $$ ${HOME} ${HOME:-x} $(id) `id` %41 \\n \\",
        "'single' \"double\" #hash = * ? ~ ! ; & | < > ( )",
        "'",
        "''\\'",
        "\\",
        "<<EOF\nx\nEOF",
        "::add-mask::x %25",
        "gr\u{fc}\u{df}e \u{1f511} \u{85}\u{2028}",
        "{\"a\": [1, 2.5, null]}",
        "1234",
        "yes",
        "\x01\x02\x7f\x1b[31m",
        &long,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// A `.vault` whose variables `V0`, `V1`, ... have these values.
fn shim(values: &[Vec<u8>]) -> Shim {
    let mut vault = String::from("SECRET_MANAGER_PATH=secrets\n");
    let mut shim = Shim::new();
    for (n, value) in values.iter().enumerate() {
        vault.push_str(&format!("V{n}=file:v{n}\n"));
        // One line end is dropped.
        let content = [value.as_slice(), b"\n"].concat();
        shim = shim.file(&format!("secrets/v{n}"), content);
    }
    shim.file(".vault", vault)
}

fn export(values: &[Vec<u8>], format: &str) -> Answer {
    shim(values).args("export --format").args(format).run()
}

/// What a reader of Python gets out of this.
#[track_caller]
fn read(reader: &str, text: &[u8]) -> Vec<Vec<u8>> {
    let mut child = Command::new(python())
        .arg(repository().join("tests/it/oracle/export.py"))
        .arg(reader)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let mut stdin = child.stdin.take().expect("stdin");
    let input = text.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("an end");
    drop(writer.join());
    assert!(output.status.success(), "{reader}");
    let Ok(found) = json::parse(&output.stdout) else {
        panic!("{reader}")
    };
    let value = |n: usize| {
        let encoded = found.get(&format!("V{n}")).and_then(Json::as_str)?;
        Base64::decode_vec(encoded).ok()
    };
    (0..).map_while(value).collect()
}

#[track_caller]
fn same(found: &[Vec<u8>], want: &[Vec<u8>]) {
    let shown = |value: &Vec<u8>| value.escape_ascii().to_string();
    let show = |values: &[Vec<u8>]| values.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(show(found), show(want));
}

#[test]
fn json_and_kubernetes() {
    let values = hard();
    same(
        &read("json", &export(&values, "json").ok().quiet().bytes),
        &values,
    );
    let all: Vec<u8> = (0..=254).collect();
    let values = [values, vec![all, b"\xff".to_vec()]].concat();
    let answer = shim(&values)
        .args("export --format k8s --k8s-name web")
        .run();
    same(&read("k8s", &answer.ok().quiet().bytes), &values);
    let answer = export(&[b"\xff".to_vec()], "json").exits(125);
    answer
        .says("envshim: error: V0: json cannot hold it: not UTF-8\n")
        .says("envshim: hint: take another --format, or name the others: envshim export --format json NAME...\n");
}

#[test]
fn dotenv() {
    let values = hard();
    let answer = export(&values, "dotenv").ok();
    same(&read("dotenv", &answer.bytes), &values);
    // It is what `dump` writes.
    let dumped = shim(&values).args("dump").run().ok();
    assert_eq!(dumped.folder.read(".env.dump"), answer.bytes);
    let odd = export(&[b"\xff".to_vec()], "dotenv").ok();
    odd.says("`V0`: skipped by python-dotenv, Docker Compose, sh (not UTF-8 text)");
}

/// The values that a shell has after reading the export.
fn by_shell(name: &[&str], text: &[u8]) -> Vec<Vec<u8>> {
    let folder = Folder::new();
    folder.write("export", text);
    let script = "eval \"$(cat export)\" && exec env -0";
    let output = Command::new(name[0])
        .args(&name[1..])
        .args(["-c", script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap_or_else(|e| panic!("{name:?}: {e}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer = Answer::new(output, folder);
    let value = |n: usize| answer.variable(&format!("V{n}")).map(<[u8]>::to_vec);
    (0..).map_while(value).collect()
}

#[test]
fn shells() {
    let bytes: Vec<u8> = (1..=254).collect();
    let values = [hard(), vec![bytes, b"\xff\xfe".to_vec()]].concat();
    let answer = export(&values, "sh").ok().quiet();
    let mut names = vec![
        &["dash"][..],
        &["bash", "--norc"],
        &["bash", "--norc", "--posix"],
    ];
    if podman::available() {
        // It is installed for the images.
        names.push(&["busybox", "sh"]);
    }
    for name in names {
        same(&by_shell(name, &answer.bytes), &values);
    }
    let shim = Shim::new().file(".vault", "UID=1\nA-B=2\nC=3\n");
    let answer = shim.args("export --format sh").run().exits(125);
    answer
        .says("error: UID: sh cannot hold it: a name that shells keep for themselves\n")
        .says("error: A-B: sh cannot hold it: no name there\n");
    let shim = Shim::new().file(".vault", "UID=1\nA-B=2\nC=3\n");
    let answer = shim.args("export --format sh C").run().ok().quiet();
    assert_eq!(answer.out, "export C='3'\n");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_value_survives_a_shell(values in proptest::collection::vec("[^\0\r]{0,40}", 1..5)) {
        let values: Vec<Vec<u8>> = values.into_iter().map(String::into_bytes).collect();
        let answer = export(&values, "sh").ok();
        for name in ["dash", "bash"] {
            prop_assert_eq!(by_shell(&[name], &answer.bytes), values.clone());
        }
        let answer = export(&values, "k8s --k8s-name web").ok();
        prop_assert_eq!(read("k8s", &answer.bytes), values);
    }
}

#[test]
fn containers() {
    let fits = |value: &Vec<u8>| {
        let quote = [b"'", b"\"", b"`"]
            .iter()
            .any(|quote| value.starts_with(*quote));
        !value.contains(&b'\n') && !value.contains(&b'\r') && !quote
    };
    let values: Vec<Vec<u8>> = hard().into_iter().filter(fits).collect();
    assert!(values.len() > 10);
    let answer = export(&values, "docker").ok().quiet();
    for (value, why) in [
        (&b"two\nlines"[..], "a value with a line end"),
        (
            b"'quoted'",
            "a value that begins with a quote, which some versions take off",
        ),
        (&[b'x'; 65_534], "longer than 64 KiB"),
        (b"\xff", "not UTF-8"),
    ] {
        let refused = export(&[value.to_vec(), b"fits".to_vec()], "docker").exits(125);
        assert_eq!(refused.out, "");
        refused.says(&format!("error: V0: docker cannot hold it: {why}\n"));
    }
    if !podman::available() {
        return;
    }
    podman::images();
    let file = answer.folder.write("env.list", &answer.bytes);
    let file = format!("--env-file={}", file.display());
    let start = [
        "run",
        "--rm",
        "--network=none",
        &file,
        podman::BUSYBOX,
        "env",
        "-0",
    ];
    let output = podman::podman(&start).output().expect("podman");
    let answer = Answer::new(output, Folder::new()).ok();
    let value = |n: usize| answer.variable(&format!("V{n}")).map(<[u8]>::to_vec);
    same(&(0..).map_while(value).collect::<Vec<_>>(), &values);
}

#[test]
fn github() {
    let values = hard();
    let start = || {
        let shim = shim(&values).file("github.env", "BEFORE=1\n");
        let file = shim.folder.join("github.env");
        shim.env("GITHUB_ENV", file)
            .args("--log=info export --format github")
    };
    let answer = start().run().ok();
    let written = answer.folder.read("github.env");
    let written = written.strip_prefix(b"BEFORE=1\n").expect("what was there");
    same(&read("github", written), &values);
    // Every value is hidden, one command a line, before anything is written.
    let masks: Vec<&str> = answer.out.lines().collect();
    let hidden: Vec<Vec<u8>> = masks
        .iter()
        .map(|line| line.strip_prefix("::add-mask::").expect("a mask"))
        .map(|data| {
            data.replace("%0D", "\r")
                .replace("%0A", "\n")
                .replace("%25", "%")
        })
        .map(String::into_bytes)
        .collect();
    let long: Vec<Vec<u8>> = values
        .iter()
        .filter(|v| v.trim_ascii().len() > 3)
        .cloned()
        .collect();
    same(&hidden, &long);
    let answer = answer.says("shorter than 4 characters, so GitHub's log shows it: V1, V4, ");
    // Another delimiter every time.
    let again = start().run().ok().folder.read("github.env");
    assert_ne!(again, answer.folder.read("github.env"));

    let answer = export(&values, "github").exits(125);
    let answer =
        answer.says("envshim: error: GITHUB_ENV is not set: this is no step of a GitHub Action\n");
    assert_eq!(answer.out, "");
    let shim = Shim::new()
        .file(".vault", "NODE_OPTIONS=x\nGITHUB_SHA=1\n")
        .env("GITHUB_ENV", "x");
    let answer = shim.args("export --format github").run().exits(125);
    answer
        .says("NODE_OPTIONS: github cannot hold it: a name that runners keep for themselves")
        .says("GITHUB_SHA: github cannot hold it: ");
}

#[test]
fn names_and_sources() {
    let shim = || {
        Shim::new()
            .file(".vault", "A=1\nB=${A}2\nC=file:none\n")
            .env("A", "mine")
    };
    // What the source gives, whatever is set already.
    let answer = shim().args("export --format=json B A").run().ok().quiet();
    assert_eq!(answer.out, "{\"A\":\"1\",\"B\":\"mine2\"}\n");
    let answer = shim().args("export --format=json").run().exits(125);
    assert_eq!(answer.out, "");
    shim()
        .args("export --format=json A BB")
        .run()
        .exits(1)
        .says("error: BB: .vault gives no such variable\n");
    let answer = shim().file(".env.dump", "D=4\n").env("secrets_loaded", "1");
    assert_eq!(
        answer.args("export --format=json").run().ok().out,
        "{\"D\":\"4\"}\n"
    );
    shim()
        .args("export")
        .run()
        .exits(125)
        .says("envshim: error: an export needs a form\nenvshim: hint: write --format dotenv, sh, json, docker, github or k8s\n");
    let memory = Shim::new().file(".vault", "A=env:PATH?as=file\n");
    let answer = memory.args("export --format sh").run().exits(125);
    answer.says("A: sh cannot hold it: the content of a memory file (?as=file)");
    let none = Shim::new().args("export --format sh").run().exits(125);
    none.says("no secrets found");
}
