//! `get` and `has`: what a word means, and what is printed.

use crate::house::aws::Aws;
use crate::house::openbao::OpenBao;
use crate::house::pty::Pty;
use crate::house::{Answer, Shim};

fn get(shim: Shim, words: &str) -> Answer {
    shim.args("get").args(words).run()
}

#[test]
fn a_word_is_a_reference_a_variable_or_a_key() {
    let vault = "SECRET_MANAGER_PATH=secrets\nHOST=db\nURL=pg://${file:user}@${HOST}\nUSER=file:user\nBROKEN=file:none\n";
    let shim = || {
        Shim::new()
            .file(".vault", vault)
            .file("secrets/user", "app\n")
            .file("secrets/deep/er.json", r#"{"a":{"b":7}}"#)
            .file("secrets/HOST", "not this one")
    };
    for (word, want) in [
        ("file:user", "app"),
        ("file:deep/er.json#a.b", "7"),
        ("file:none?default=d", "d"),
        ("env:PATH#x?default=d", ""),
        ("URL", "pg://app@db"),
        // A variable of the source comes before a key.
        ("HOST", "db"),
        ("user", "app"),
        ("deep/er.json#a", r#"{"b":7}"#),
    ] {
        if want.is_empty() {
            get(shim(), word)
                .exits(125)
                .says("the secret has no fields");
            continue;
        }
        let answer = get(shim(), word).ok().quiet();
        assert_eq!(answer.out, want, "{word}");
    }
    // What is missing is answered with 1, trouble with 125, all of it in one run.
    let answer = get(shim(), "file:none nothing").exits(1);
    let answer = answer.says("envshim: error: file:none: there is no `secrets/none`\n");
    answer.says("envshim: error: nothing: there is no `secrets/nothing`\n");
    get(shim(), "file:none exec:false").exits(125);
    get(shim(), "BROKEN")
        .exits(125)
        .says(".vault:5: BROKEN: file:none");
    get(shim(), "fil:user")
        .exits(125)
        .says("there is no provider `fil`")
        .says("hint: did you mean file:?");
    let answer = get(shim(), "--default= none").ok().quiet();
    assert_eq!(answer.out, "");
    // A setting configures envshim; it is no variable.
    get(shim(), "SECRET_MANAGER_PATH").exits(1);
}

#[test]
fn the_store_of_keys() {
    let file = || {
        Shim::new()
            .file("s/user", "app")
            .env("SECRET_MANAGER_PATH", "s")
    };
    assert_eq!(get(file(), "user").ok().out, "app");
    let env = || {
        Shim::new()
            .env("SECRET_MANAGER_PREFIX", "APP_")
            .env("APP_DATABASE_PASSWORD", "x")
    };
    assert_eq!(get(env(), "database/password").ok().out, "x");
    assert_eq!(get(env(), "database.password").ok().out, "x");
    let typed = Shim::new()
        .env("SECRET_MANAGER_TYPE", "env")
        .env("A_B", "x");
    assert_eq!(get(typed, "a/b").ok().out, "x");

    get(Shim::new(), "a/b")
        .exits(125)
        .says("a/b: is no variable here, and the settings name no store of keys")
        .says("hint: write a reference");
    let two = file().env("VAULT_ADDR", "http://127.0.0.1:9");
    get(two, "user")
        .exits(125)
        .says("two stores of keys are configured: Vault and a file")
        .says("hint: set SECRET_MANAGER_TYPE=vault or file, or write a reference: vault:...");
    let said = file()
        .env("VAULT_ADDR", "http://127.0.0.1:9")
        .env("SECRET_MANAGER_TYPE", "FILE");
    assert_eq!(get(said, "user").ok().out, "app");
    // A region may well be there for the program.
    let region = file().env("AWS_REGION", "eu-central-1");
    assert_eq!(get(region, "user").ok().out, "app");
    // Without a store of keys a name is a variable that is not there.
    let plain = || Shim::new().file(".vault", "A=1\n");
    get(plain(), "B").exits(1).says("B: is no variable here");
    plain().args("has B").run().exits(1).quiet();
    plain().args("has b/c").run().exits(125);
    Shim::new().args("has B").run().exits(125);
    get(file().env("SECRET_MANAGER_TYPE", "fil"), "user")
        .exits(125)
        .says("there is no store `fil`");
}

#[test]
fn a_dump_answers_for_variables_and_the_vault_for_the_rest() {
    let shim = || {
        Shim::new()
            .file(".env.dump", "A=dumped\n")
            .file(".vault", "A=fresh\nB=2\nSECRET_MANAGER_PATH=s\n")
            .file("s/x", "file")
            .env("secrets_loaded", "1")
            .env("A", "mine")
    };
    assert_eq!(get(shim(), "A").ok().out, "dumped");
    assert_eq!(get(shim(), "B").ok().out, "2");
    assert_eq!(
        get(shim(), "A x").ok().out,
        "{\"A\":\"dumped\",\"x\":\"file\"}\n"
    );
    assert_eq!(get(shim(), "file:x").ok().out, "file");
    let sealed = Shim::new()
        .sealed("A=sealed\nSECRET_MANAGER_PATH=s\n")
        .file("s/x", "file");
    assert_eq!(
        get(sealed, "A file:x").ok().out,
        "{\"A\":\"sealed\",\"file:x\":\"file\"}\n"
    );
}

#[test]
fn a_variable_of_an_import() {
    let vault = "ENVSHIM_IMPORT=exec:cat app.json\n";
    let shim = || {
        Shim::new()
            .file(".vault", vault)
            .file("app.json", r#"{"db_password":"x","UP":"y"}"#)
    };
    assert_eq!(get(shim(), "UP").ok().out, "y");
    // Without a store of keys there is nothing else that it could be.
    assert_eq!(get(shim(), "db_password").ok().out, "x");
    let keyed = || {
        shim()
            .env("VAULT_ADDR", "http://127.0.0.1:9")
            .args("--timeout 1s")
    };
    get(keyed(), "db_password").exits(125);
    assert_eq!(get(keyed(), "UP").ok().out, "y");
    assert_eq!(
        get(shim().args("--names upper"), "DB_PASSWORD").ok().out,
        "x"
    );
}

#[test]
fn several_and_json() {
    let vault = "A=line\\n\nB='two\nlines'\nC=file:c\nSECRET_MANAGER_PATH=.\n";
    let shim = || Shim::new().file(".vault", vault).file("c", b"\xff");
    let answer = get(shim(), "B A").ok().quiet();
    assert_eq!(answer.out, "{\"B\":\"two\\nlines\",\"A\":\"line\\\\n\"}\n");
    assert_eq!(
        get(shim(), "--json B").ok().out,
        "{\"B\":\"two\\nlines\"}\n"
    );
    assert_eq!(get(shim(), "C").ok().bytes, b"\xff");
    get(shim(), "C A")
        .exits(125)
        .says("C: the value is not UTF-8, and JSON holds nothing else")
        .says("hint: get it alone, without --json: envshim get C > FILE");
}

#[test]
fn a_line_end_only_for_a_person() {
    let shim = Shim::new().file(".vault", "A=value\n");
    let mut command = shim.command();
    command.args(["get", "A"]);
    assert_eq!(Pty::spawn(command).end().exits(0).shown, "value\r\n");
    assert_eq!(get(shim, "A").ok().out, "value");
}

#[test]
fn has_says_nothing() {
    let shim = || {
        Shim::new().file(
            ".vault",
            "A=\nB=file:none?optional=1\nSECRET_MANAGER_PATH=.\n",
        )
    };
    let has = |words: &str| shim().args("has").args(words).run();
    for (words, code) in [
        ("A", 0),
        ("B", 1),
        ("A file:.vault", 0),
        ("A file:none", 1),
        // A default is no value of the store.
        ("file:none?default=x", 1),
        ("none", 1),
    ] {
        let answer = has(words).exits(code).quiet();
        assert_eq!(answer.out, "", "{words}");
    }
    has("exec:false")
        .exits(125)
        .says("`false` ended with status 1");
    has("").exits(125).says("`has` lacks its KEY...");
}

#[test]
fn every_reading_is_told_to_the_audit() {
    let shim = || {
        Shim::new()
            .file(".vault", "A=file:a?default=c4n4ry\nSECRET_MANAGER_PATH=.\n")
            .file("a", "c4n4ry")
    };
    for words in [
        "get A",
        "get file:a?default=c4n4ry",
        "has A",
        "export --format=sh",
        "explain A",
        "ls file:*",
    ] {
        let answer = shim().args("--audit log").args(words).run().ok();
        let log = String::from_utf8(answer.folder.read("log")).expect("text");
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(!log.contains("c4n4ry"), "{log}");
        let command = words.split(' ').next().expect("a word");
        assert!(log.contains(&format!("\"command\":\"{command}\"")), "{log}");
        assert!(log.contains("\"outcome\":\"done\""), "{log}");
        assert!(log.contains("\"file:a\"") || command == "ls", "{log}");
    }
    let answer = shim().args("--audit log get file:none").run().exits(1);
    let log = String::from_utf8(answer.folder.read("log")).expect("text");
    assert!(log.contains("\"outcome\":\"failed\""), "{log}");
}

#[test]
fn keys_of_vault_folders_and_leases() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put(
        "imip/production",
        r#"{"db_password": "c4n4ry", "PORT": "5432"}"#,
    );
    bao.put(
        "imip/production",
        r#"{"db_password": "c4n4ry", "PORT": "5433"}"#,
    );
    bao.put("imip/staging/web", r#"{"value": "x"}"#);
    let shim = || bao.shim().env("VAULT_TOKEN", &bao.root);
    assert_eq!(
        get(shim(), "imip/production/db_password").ok().quiet().out,
        "c4n4ry"
    );
    assert_eq!(
        get(shim(), "imip/production#PORT?version=1").ok().out,
        "5432"
    );
    let (answer, asked) =
        bao.asked_by(|| get(shim(), "imip/production/PORT imip/production/db_password"));
    answer.ok();
    assert_eq!(asked, ["read secret/data/imip/production"]);
    get(shim(), "imip/production/none")
        .exits(1)
        .says("has no field `none`");
    get(shim(), "imip/none/x").exits(1);
    // A name in capitals is looked for among the variables of an import.
    let imports = shim().env("VAULT_SECRET_PATH", "imip/production");
    assert_eq!(get(imports, "PORT").ok().out, "5433");

    let ls = |words: &str| shim().args("ls").args(words).run().ok().quiet();
    assert_eq!(ls("").out, "imip/\n");
    assert_eq!(ls("imip/").out, "production\nstaging/\n");
    assert_eq!(ls("vault:imip/production").out, "PORT\ndb_password\n");
    let json = ls("--json vault:imip/").out;
    assert!(
        json.starts_with("[{\"name\":\"production\",\"version\":\"2\",\"changed\":\"20"),
        "{json}"
    );
    assert!(
        json.ends_with("{\"name\":\"staging/\",\"version\":null,\"changed\":null}]\n"),
        "{json}"
    );
    let (_, asked) = bao.asked_by(|| ls("vault:imip/"));
    assert!(
        asked.iter().all(|what| what.contains("metadata")),
        "{asked:?}"
    );
    shim().args("ls vault:none/").run().exits(125);
    // Who may list need not see the versions.
    bao.policy("lists", "secret/metadata/imip/", "list");
    let token = bao.token(r#"{"policies": ["lists"]}"#);
    let shim = bao
        .shim()
        .env("VAULT_TOKEN", token)
        .args("ls --json vault:imip/");
    let answer = shim.run().ok();
    assert!(
        answer
            .out
            .starts_with("[{\"name\":\"production\",\"version\":null"),
        "{}",
        answer.out
    );
    let shim = bao.shim().env("VAULT_TOKEN", &bao.root);
    let mut command = shim.command();
    command.args(["ls", "vault:imip/"]);
    let shown = Pty::spawn(command).end().exits(0).shown;
    assert!(
        shown.starts_with("NAME        VERSION  AGE\r\nproduction  2        "),
        "{shown}"
    );
}

#[test]
fn names_versions_and_ages_of_aws() {
    for aws in [Aws::ministack(), Aws::moto()].into_iter().flatten() {
        aws.secret("imip/one", b"c4n4ry");
        aws.secret("imip/deep/two", br#"{"a":"c4n4ry"}"#);
        aws.secret("other", b"x");
        aws.parameter("/imip/p", "SecureString", "c4n4ry");
        aws.parameter("/imip/p", "SecureString", "c4n4ry2");
        let ls = |words: &str| {
            let answer = aws.shim().args("ls").args(words).run().ok().quiet();
            answer.hides("c4n4ry").out
        };
        assert_eq!(ls("aws:imip/*"), "deep/two\none\n");
        assert_eq!(ls("aws:*"), "imip/deep/two\nimip/one\nother\n");
        assert_eq!(ls("aws:imip/deep/two"), "a\n");
        assert_eq!(ls("ssm:/imip/"), "p\n");
        let json = ls("--json ssm:/imip/");
        let changed = json.strip_prefix("[{\"name\":\"p\",\"version\":\"2\",\"changed\":\"20");
        assert!(changed.is_some(), "{json}");
        let json = ls("--json aws:imip/*");
        assert!(!json.contains("null"), "{json}");

        let vault = "A=aws:imip/one\nB=ssm:/imip/p\n";
        for (name, version) in [("A", None), ("B", Some("\"2\""))] {
            let shim = aws.shim().file(".vault", vault).args("explain --json");
            let out = shim.args(name).run().ok().hides("c4n4ry").out;
            assert!(!out.contains("\"version\":null"), "{out}");
            assert!(out.contains("\"changed\":\"20"), "{out}");
            assert!(version.is_none_or(|version| out.contains(version)), "{out}");
        }
        // Which store of the two a key is of.
        let keyed = aws.shim().args("get imip/deep/two#a").run().ok();
        assert_eq!(keyed.out, "c4n4ry");
        let keyed = aws
            .shim()
            .env("SECRET_MANAGER_TYPE", "ssm")
            .args("get imip/p");
        assert_eq!(keyed.run().ok().out, "c4n4ry2");
    }
}
