//! `push`: a dotenv file into a store, repeatable, with a word on everything.

use envshim::format::json;

use super::texts;
use crate::house::aws::{Aws, text as boto};
use crate::house::openbao::{OpenBao, text};
use crate::house::{Answer, Shim};

const FILE: &str = "A=1\nexport B=\"two\nlines\"\nC='its'\nC=\"$A ${A}\" # note\nVAULT_NAMESPACE=\nR=vault:x#y\n#D=1\nE\n";

fn push(shim: Shim, words: &str) -> Shim {
    shim.args("push").args(words)
}

#[test]
fn the_table_says_what_would_be_done_and_then_what_is() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put("app", r#"{"B": "old", "kept": "1"}"#);
    let shim = || {
        bao.shim()
            .env("VAULT_TOKEN", &bao.root)
            .file(".env", "A=1\nB=2\nC=${A}x\nR=vault:x#y\nAWS_REGION=r\nF=\n")
    };
    let dry = push(shim(), ".env vault:app --dry-run").run().ok().quiet();
    let rows: Vec<&str> = dry.out.lines().collect();
    assert_eq!(
        rows,
        [
            "VARIABLE    INTO         WOULD BE",
            "A           vault:app#A  created",
            "B           vault:app#B  changed (version 1 now)",
            "C           vault:app#C  created",
            "F           vault:app#F  created",
            "R           -            left out: a reference: its value is in a store already",
            "AWS_REGION  -            left out: configures envshim; --only pushes it",
        ]
    );
    let done = push(shim(), ".env vault:app").run().ok().quiet();
    assert!(
        done.out
            .contains("A           vault:app#A  created, version 2\n"),
        "{}",
        done.out
    );
    assert!(
        done.out
            .contains("B           vault:app#B  changed, version 2\n"),
        "{}",
        done.out
    );
    let there = bao.call(
        "secrets.kv.v2.read_secret_version",
        r#"{"path": "app", "raise_on_deleted_version": false}"#,
    );
    for (name, value) in [
        ("A", "1"),
        ("B", "2"),
        ("C", "1x"),
        ("F", ""),
        ("kept", "1"),
    ] {
        assert_eq!(text(&there, &format!("data.data.{name}")), value);
    }
    // Again: nothing is written.
    let again = push(shim(), ".env vault:app").run().ok().quiet();
    assert!(
        again
            .out
            .contains("A           vault:app#A  there already, version 2\n"),
        "{}",
        again.out
    );
    // One path for each, those that are asked for.
    let each = push(shim(), ".env vault:each --each --except A,F")
        .run()
        .ok()
        .quiet();
    assert!(
        each.out
            .contains("A           -             left out: not asked for\n"),
        "{}",
        each.out
    );
    assert!(
        each.out
            .contains("B           vault:each/B  created, version 1\n"),
        "{}",
        each.out
    );
    let slash = push(shim(), ".env vault:each/ --only AWS_REGION")
        .run()
        .ok()
        .quiet();
    assert!(
        slash
            .out
            .contains("AWS_REGION  vault:each/AWS_REGION  created, version 1\n"),
        "{}",
        slash.out
    );
    let start = bao
        .shim()
        .env("VAULT_TOKEN", &bao.root)
        .file(".vault", "ENVSHIM_IMPORT=vault:each/\n");
    start.environment().has("B", "2").has("C", "1x").lacks("A");
}

#[test]
fn every_text_of_a_dotenv_file_arrives() {
    let Some(aws) = Aws::moto() else { return };
    // Through a sealed-file line, which is written so that it is read back.
    let mut answer = Shim::new()
        .file(".vault", "X=1\n")
        .args("version")
        .run()
        .ok();
    for (n, value) in texts()
        .into_iter()
        .enumerate()
        .filter(|(_, value)| value.len() < 4096)
    {
        let mut shim = Shim::new();
        shim.folder = answer.folder;
        answer = super::set(shim, &format!("V{n}"), value);
    }
    let mut shim = aws.shim();
    shim.folder = answer.folder;
    let answer = push(shim, ".vault aws:texts").run().ok();
    let mut shim = aws.shim();
    shim.folder = answer.folder;
    push(shim, ".vault ssm:/texts/").run().ok();
    for (n, value) in texts()
        .into_iter()
        .enumerate()
        .filter(|(_, value)| value.len() < 4096)
    {
        let name = format!("/texts/V{n}");
        let arguments = format!(
            "{{\"Name\": {}, \"WithDecryption\": true}}",
            json::quote(&name)
        );
        let there = aws.call("ssm", "get_parameter", &arguments);
        assert_eq!(boto(&there, "Parameter.Value").as_bytes(), value);
    }
    let there = aws.call(
        "secretsmanager",
        "get_secret_value",
        r#"{"SecretId": "texts"}"#,
    );
    let Ok(fields) = json::parse(boto(&there, "SecretString").as_bytes()) else {
        panic!("no JSON")
    };
    for (n, value) in texts()
        .into_iter()
        .enumerate()
        .filter(|(_, value)| value.len() < 4096)
    {
        assert_eq!(boto(&fields, &format!("V{n}")).as_bytes(), value);
    }
}

#[test]
fn what_is_half_done_is_told_and_can_be_gone_on_with() {
    let Some(bao) = OpenBao::start() else { return };
    let rules = r#"path "secret/data/app/*" { capabilities = ["read"] }
        path "secret/data/app/A" { capabilities = ["create", "read", "update"] }"#;
    let policy = |rules: &str| {
        let arguments = format!("{{\"name\": \"some\", \"policy\": {}}}", json::quote(rules));
        bao.call("sys.create_or_update_policy", &arguments);
    };
    policy(rules);
    let token = bao.token(r#"{"policies": ["some"]}"#);
    let shim = || {
        bao.shim()
            .env("VAULT_TOKEN", &token)
            .file(".env", "A=1\nB=s3cr3t\n")
    };
    let answer = push(shim(), ".env vault:app/")
        .run()
        .exits(125)
        .hides("s3cr3t");
    assert_eq!(
        answer.out,
        "VARIABLE  INTO         IS\n\
         A         vault:app/A  created, version 1\n\
         B         vault:app/B  not written\n"
    );
    let answer =
        answer.says("B: vault:app/B: no policy of this login allows writing `secret/data/app/B`");
    drop(answer);
    policy(r#"path "secret/data/app/*" { capabilities = ["create", "read", "update"] }"#);
    let answer = push(shim(), ".env vault:app/").run().ok().quiet();
    assert!(
        answer
            .out
            .contains("A         vault:app/A  there already, version 1\n"),
        "{}",
        answer.out
    );
    assert!(
        answer
            .out
            .contains("B         vault:app/B  created, version 1\n"),
        "{}",
        answer.out
    );
    // What cannot even be read is not begun.
    policy(r#"path "secret/data/app/A" { capabilities = ["create", "read", "update"] }"#);
    let shim = shim().file(".env", "A=2\nB=2\n");
    let answer = push(shim, ".env vault:app/").run().exits(125);
    assert!(
        answer.out.contains("A         vault:app/A  not begun\n"),
        "{}",
        answer.out
    );
}

#[test]
fn a_signal_ends_it_between_two_secrets_and_it_says_where() {
    let shim = Shim::new().file(
        ".env",
        (0..2000).map(|n| format!("V{n}={n}\n")).collect::<String>(),
    );
    std::fs::create_dir(shim.folder.join("out")).expect("a folder");
    let shim = shim
        .env("SECRET_MANAGER_PATH", ".")
        .args("push .env file:out/");
    let child = shim.spawn();
    let first = shim.folder.join("out/V20");
    crate::house::wait_until("the first files", || first.exists());
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id() as i32),
        nix::sys::signal::Signal::SIGTERM,
    )
    .expect("a signal");
    let output = child.wait_with_output().expect("an end");
    let out = String::from_utf8(output.stdout).expect("text");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("envshim: error: ended by a signal; "),
        "{said}"
    );
    let there = std::fs::read_dir(shim.folder.join("out"))
        .expect("a folder")
        .count();
    let told = out.lines().filter(|line| line.ends_with("created")).count();
    assert_eq!(told, there, "{out}");
    assert_eq!(out.lines().count(), 2001);
    let again = push(rebuilt(shim), ".env file:out/").run().ok();
    assert!(
        again
            .out
            .lines()
            .filter(|line| line.ends_with("there already"))
            .count()
            >= there
    );
    assert_eq!(
        std::fs::read_dir(again.folder.join("out"))
            .expect("a folder")
            .count(),
        2000
    );
}

/// The same folder, without the words.
fn rebuilt(shim: Shim) -> Shim {
    let mut new = Shim::new().env("SECRET_MANAGER_PATH", ".");
    new.folder = shim.folder;
    new
}

#[track_caller]
fn refused(shim: Shim, words: &str) -> Answer {
    push(shim, words).run().exits(125).says("envshim: hint: ")
}

#[test]
fn mistakes_are_told_before_anything_is_asked() {
    let shim = || {
        Shim::new()
            .file(".env", FILE)
            .env("SECRET_MANAGER_PATH", ".")
    };
    refused(shim(), ".env").says("`push` lacks its FILE REF");
    refused(shim(), "none file:o.json").says("none: there is no such file");
    refused(shim(), ".env o.json").says("is not a reference to a store");
    refused(shim(), ".env file:o.json#field").says("names a field");
    refused(shim(), ".env file:o.json --only A,NONE").says(".env: there is no `NONE` in it");
    refused(shim(), ".env env:X").says("is only read");
    let odd = Shim::new()
        .file(".env", "A=${NONE}s3cr3t\n")
        .env("SECRET_MANAGER_PATH", ".");
    let odd =
        refused(odd, ".env file:o.json").says(".env:1:3: A: `${NONE}` is no variable of the file");
    odd.hides("s3cr3t");
    refused(Shim::new().file(".env", "# nothing\n"), ".env file:/o.json")
        .says("there is nothing in it to push");
    // As it is: the last line of a name counts, a bare dollar sign is one.
    let answer = push(shim(), ".env file:o.json").run().ok();
    assert_eq!(
        answer.folder.read("o.json"),
        b"{\"A\":\"1\",\"B\":\"two\\nlines\",\"C\":\"$A 1\"}\n"
    );
}
