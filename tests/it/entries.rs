//! The lines of a `.vault`: text, references and variables in all positions, imports, settings.

use std::os::unix::fs::symlink;

use super::house::program::shell;
use super::house::{Shim, envshim};

/// A `.vault` beside some secrets: `one` holds `1`, `json` an object, `odd` what shells stumble over.
fn vault(text: &str) -> Shim {
    Shim::new()
        .file(".vault", text)
        .file("s/one", "1\n")
        .file(
            "s/json",
            r#"{"user":"app","deep":{"er":"est"},"port":5432,"none":null,"on":true}"#,
        )
        .file("s/odd", "${HOME} $(id) `id` #x 'y' \"z\" \\n %41 file:one")
        .file("s/base64", "aGVsbG//\n7_6_AT8=\n")
        .env("SECRET_MANAGER_PATH", "s")
        .env("HOME", "/home/app")
}

/// The value of `A`.
#[track_caller]
fn gives(line: &str, value: &str) {
    vault(line).environment().has("A", value).quiet();
}

#[test]
fn a_whole_value_or_a_part_of_one() {
    for (line, value) in [
        ("A=file:one", "1"),
        ("A='file:one'", "1"),
        ("A=\"file:one\" # comment", "1"),
        ("export A = file:one", "1"),
        ("A=${file:one}", "1"),
        ("A='${file:one}'", "1"),
        ("A=a${file:one}b${file:one}c", "a1b1c"),
        (
            "A=postgres://${file:json#user}:${file:one}@db:${file:json#port}/x",
            "postgres://app:1@db:5432/x",
        ),
        ("A=file:json#deep.er", "est"),
        ("A=file:json#deep", r#"{"er":"est"}"#),
        ("A=file:json#on", "true"),
        ("A=file:o%6ee", "1"),
        ("A=file:./one", "1"),
        // What was fetched is never looked at again.
        (
            "A=file:odd",
            "${HOME} $(id) `id` #x 'y' \"z\" \\n %41 file:one",
        ),
        (
            "A=x${file:odd}",
            "x${HOME} $(id) `id` #x 'y' \"z\" \\n %41 file:one",
        ),
        // What merely looks alike is text.
        ("A=https://example.com/#x", "https://example.com/#x"),
        ("A=file://host/path", "file://host/path"),
        ("A=redis:6379", "redis:6379"),
        ("A=C:\\file", "C:\\file"),
        ("A=file:", "file:"),
        ("A='file: one'", "file: one"),
        ("A=FILE:one", "FILE:one"),
        ("A=x file:one", "x file:one"),
        ("A=${nothing:one}", "${nothing:one}"),
        ("A='${nothing:one'", "${nothing:one"),
        ("A=$HOME $ $$ 100%", "$HOME $ $$ 100%"),
        ("A=text:file:one", "file:one"),
        (
            "A='text:${HOME} ${file:one} %41'",
            "${HOME} ${file:one} %41",
        ),
        ("A=text:", ""),
        ("A=", ""),
        ("A=''", ""),
    ] {
        gives(line, value);
    }
}

#[test]
fn variables_are_expanded_as_python_dotenv_does() {
    for (text, value) in [
        ("A=${HOME}", "/home/app"),
        ("A='${HOME}'", "/home/app"),
        ("A=${HOME}/${NOTHING}/x", "/home/app//x"),
        ("A=${NOTHING:-default}", "default"),
        ("A=${NOTHING:-}", ""),
        ("A=${HOME:-default}", "/home/app"),
        ("B=b\nA=${B}${B}", "bb"),
        ("A=${B}\nB=b", ""),
        ("B=file:one\nA=<${B}>", "<1>"),
        (
            "B=file:odd\nA=${B}",
            "${HOME} $(id) `id` #x 'y' \"z\" \\n %41 file:one",
        ),
        // A variable can fill a place in a reference, it can never make one.
        ("B=one\nA=file:${B}", "1"),
        ("B=deep\nA=file:json#${B}.er", "est"),
        ("B=file:one\nA=${B}\nC=text:x", "1"),
        ("B=text:file:one\nA=${B}", "file:one"),
        ("B=x\nA=env:NOTHING?default=${B}", "x"),
        // The environment comes first, as in python-dotenv.
        ("HOME=other\nA=${HOME}", "/home/app"),
    ] {
        let shim = vault(text).env("SPARE", "file:one");
        shim.environment().has("A", value);
    }
    vault("A=${SPARE}")
        .env("SPARE", "file:one")
        .environment()
        .has("A", "file:one");
    vault("HOME=other\nA=${HOME}")
        .args("--override")
        .environment()
        .has("A", "other");
    // Wherever `--override` is said.
    vault("HOME=other\nA=${HOME}\nENVSHIM_OVERRIDE=1")
        .environment()
        .has("A", "other")
        .has("HOME", "other");
    vault("HOME=other\nA=${HOME}\nENVSHIM_OVERRIDE=1")
        .args("--override=no")
        .environment()
        .has("A", "/home/app");
    // A hash or a question mark in a variable is no part of the grammar.
    vault("A=file:${PIECE}")
        .env("PIECE", "o?x#y")
        .file("s/o?x#y", "odd")
        .environment()
        .has("A", "odd");
}

#[test]
fn parameters_that_all_take() {
    for (line, value) in [
        ("A=file:none?default=text", "text"),
        ("A=file:none?default=", ""),
        ("A=file:none?default=a%26b%3F%23%25", "a&b?#%"),
        ("A=file:none?default=a=b", "a=b"),
        ("A=file:one?default=text", "1"),
        ("A=file:json#nothing?default=text", "text"),
        ("A=file:json#none?default=text", "text"),
        ("A=<${file:none?default=a b}>", "<a b>"),
        ("A=<${file:none?optional=1}>", "<>"),
        ("A=file:none?optional=1&default=x", "x"),
        ("A=file:one?optional=0", "1"),
        ("A=file:none?default=aGk&decode=base64", "aGk"),
    ] {
        gives(line, value);
    }
    vault("A=file:base64?decode=base64")
        .environment()
        .has("A", b"hello\xff\xef\xfe\xbf\x01?");
    vault("A=file:none?optional=1\nB=${A:-unset}")
        .environment()
        .lacks("A");
    vault("A=file:none?optional=1")
        .env("A", "mine")
        .environment()
        .has("A", "mine")
        .quiet();
    // What is missing may be missing; what is broken may not.
    let shim = vault("A=file:s?default=x&optional=1").env("SECRET_MANAGER_PATH", ".");
    shim.refused().says("s: is a folder, not a file");
    vault("A=file:one#field?default=x")
        .refused()
        .says("the secret is a number, it has no fields and no `field`");
    vault("A=exec:false?default=x")
        .refused()
        .says("`false` ended with status 1");
    vault("A=file:one?decode=base64")
        .refused()
        .says("file:one: the value is not base64")
        .omits("aGVs");
}

#[test]
fn everything_that_is_wrong_is_told_in_one_run_with_its_place_and_cure() {
    let answer = vault(
        "OK=1\n\
         A=file:a%4\n\
         B=\"file:#x\"\n\
         C=file:one#\n\
         D=file:one?x\n\
         E=file:one?as=file&as=file\n\
         F=x${file:a${HOME}}\n\
         G=${flie:one}\n\
         H=x${file:one\n",
    );
    assert_eq!(
        answer.refused().err,
        "envshim: error: .vault:2:3: A: a `%` in a reference is not followed by two hexadecimal digits\n\
         envshim: hint: write `%25` for a percent sign, `%23` for `#`, `%3F` for `?`\n\
         envshim: error: .vault:3:4: B: the reference `file:` names nothing\n\
         envshim: hint: write file:NAME, or text:file: for the text itself\n\
         envshim: error: .vault:4:3: C: the `#` of the `file:` reference names no field\n\
         envshim: hint: write #NAME, or leave the `#` out for the whole secret (`%23` is a `#`)\n\
         envshim: error: .vault:5:3: D: a parameter of the `file:` reference is not of the form name=value\n\
         envshim: hint: write ?name=value&name=value (`%3F` is a `?`, `%26` an `&`)\n\
         envshim: error: .vault:6:3: E: the parameter `as` stands twice in one reference\n\
         envshim: hint: keep one of them\n\
         envshim: error: .vault:7:3: F: the reference `${file:...}` holds another `${...}`\n\
         envshim: hint: give it a line of its own, PART=file:..., and write ${PART} here\n\
         envshim: error: .vault:8:3: G: `${flie:...}` has an unknown scheme\n\
         envshim: hint: did you mean `${file:...}`?\n\
         envshim: error: .vault:9:3: H: the reference `${file:...` has no closing `}`\n\
         envshim: hint: close it, or begin the value with text: if it is text\n"
    );
    // What the grammar takes and the provider does not.
    let answer = vault(
        "A=file:../x\n\
         B=file:one?versoin=1\n\
         C=file:one?optinal=1\n\
         D=file:one?optional=perhaps\n\
         E=file:one?decode=hex\n\
         F=file:one?as=fd\n\
         G=x${file:one?as=file}\n\
         H=exec:op 'read\n\
         I=exec:op?timeout=soon\n\
         K=file:json\n\
         J=file:${K}\n",
    );
    assert_eq!(
        answer.refused().err,
        "envshim: error: .vault:1: A: file:../x: the path leaves the folder of the secrets\n\
         envshim: hint: write the full path, as in file:/run/secrets/x\n\
         envshim: error: .vault:2: B: file:one: there is no parameter `versoin`\n\
         envshim: hint: it takes default, optional, decode, as\n\
         envshim: error: .vault:3: C: file:one: there is no parameter `optinal`\n\
         envshim: hint: did you mean `optional`?\n\
         envshim: error: .vault:4: D: file:one: the parameter `optional` is not of the right form\n\
         envshim: hint: write ?optional=1\n\
         envshim: error: .vault:5: E: file:one: the parameter `decode` is not of the right form\n\
         envshim: hint: write ?decode=base64\n\
         envshim: error: .vault:6: F: file:one: the parameter `as` is not of the right form\n\
         envshim: hint: write ?as=file\n\
         envshim: error: .vault:7: G: a memory file cannot be a part of a value\n\
         envshim: hint: give the reference with ?as=file a variable of its own\n\
         envshim: error: .vault:8: H: exec:op ...: a quote is not closed\n\
         envshim: hint: close it; words with blanks stand in '...' or \"...\"\n\
         envshim: error: .vault:9: I: exec:op: the parameter `timeout` is not a time\n\
         envshim: hint: write ?timeout=10s\n\
         envshim: error: .vault:11: J: the reference depends on `K`, which is fetched itself\n\
         envshim: hint: write that part out, or take it from the environment\n"
    );
    // What is not there. One reason is told once, with all who wanted it.
    let answer = vault(
        "A=file:none\nB=file:json#usr\nC=file:one#x\nD=file:none\nE=x${file:none}\nF=env:HOEM",
    );
    assert_eq!(
        answer.refused().err,
        "envshim: error: .vault:1: A: file:none (also D, E): there is no `s/none`\n\
         envshim: hint: mount the secret there, or set SECRET_MANAGER_PATH; ?optional=1 allows that\n\
         envshim: error: .vault:2: B: file:json#usr: the secret has no field `usr`\n\
         envshim: hint: did you mean `user`? it has `user`, `deep`, `port`, `on`\n\
         envshim: error: .vault:3: C: file:one#x: the secret is a number, it has no fields and no `x`\n\
         envshim: hint: leave out `#x`\n\
         envshim: error: .vault:6: F: env:HOEM: `HOEM` is not set in the environment\n\
         envshim: hint: did you mean `HOME`? Or add ?default=text\n"
    );
}

#[test]
fn a_likely_slip_is_told_and_passed_on() {
    let answer = vault("A=flie:json#user")
        .environment()
        .has("A", "flie:json#user");
    assert_eq!(
        answer.err,
        "envshim: warning: .vault:1:3: A: the value looks like a reference but is passed on as text\n\
         envshim: hint: did you mean file:...? Write text:... if it is text\n"
    );
    vault("A=text:flie:json#user")
        .environment()
        .has("A", "flie:json#user")
        .quiet();
}

#[test]
fn duplicates_and_order() {
    let answer = vault("A=1\nB=2\nA=3\nC\nC2=${A}\n").environment();
    let strings = answer.strings();
    let at = |wanted: &[u8]| {
        strings
            .iter()
            .position(|string| *string == wanted)
            .expect("there")
    };
    assert!(at(b"HOME=/home/app") < at(b"B=2"));
    assert!(at(b"B=2") < at(b"A=3") && at(b"A=3") < at(b"C2=3"));
    answer.lacks("C");
    // The last one counts, whatever is wrong with those before it.
    vault("A=file:none\nA=1").environment().has("A", "1");
    // A name without `=` sets nothing, and takes nothing away.
    vault("HOME\nB=1").environment().has("HOME", "/home/app");
    // Any name that an environment can have.
    vault("a.b-c=1\n'x y'=2\n\u{e9}=3\n")
        .environment()
        .has("a.b-c", "1")
        .has("x y", "2")
        .has("\u{e9}", "3");
}

/// A `.vault` that imports, and some things to import.
fn imports(what: &str) -> Shim {
    vault(&format!("ENVSHIM_IMPORT={what}\n"))
        .file("s/app.json", r#"{"db-password":"1","apiKey":"2","PLAIN":"3","none":null,"port":5432,"deep":{"a":1}}"#)
        .file("s/clash.json", r#"{"a-b":"1","a.b":"2","C":"3"}"#)
        .file("s/loader.json", r#"{"LD_PRELOAD":"/x.so","PATH":"/x","A":"1"}"#)
        .file("s/odd.json", r#"{"A":"1","\u00e9":"2","--":"3"}"#)
        .file("s/more/FROM_FOLDER", "yes\n")
        .file("s/more/.hidden", "no\n")
        .file("s/more/deeper/NO", "no\n")
}

#[test]
fn imports_from_files() {
    let answer = imports("file:app.json").environment().quiet();
    let answer = answer
        .has("DB_PASSWORD", "1")
        .has("apiKey", "2")
        .has("PLAIN", "3")
        .has("port", "5432");
    answer
        .has("deep", r#"{"a":1}"#)
        .lacks("none")
        .lacks("NONE")
        .lacks("ENVSHIM_IMPORT");
    imports("file:more")
        .environment()
        .has("FROM_FOLDER", "yes")
        .lacks("hidden")
        .lacks("NO");
    imports(" file:more , file:app.json ,")
        .environment()
        .has("FROM_FOLDER", "yes")
        .has("PLAIN", "3");
    imports("file:app.json#deep")
        .environment()
        .has("a", "1")
        .lacks("PLAIN");
    imports("file:${WHICH}.json")
        .env("WHICH", "app")
        .environment()
        .has("PLAIN", "3");
    // All of the folder, or of the document, that the setting names.
    imports("file:*")
        .env("SECRET_MANAGER_PATH", "s/more")
        .environment()
        .has("FROM_FOLDER", "yes");
    imports("file:*")
        .env("SECRET_MANAGER_PATH", "s/app.json")
        .environment()
        .has("PLAIN", "3");
    let shim = vault("SECRET_MANAGER_TYPE=file\nSECRET_MANAGER_PATH=s/more");
    let shim = shim
        .file("s/more/FROM_FOLDER", "yes")
        .env("SECRET_MANAGER_PATH", "");
    shim.environment()
        .has("FROM_FOLDER", "yes")
        .lacks("SECRET_MANAGER_TYPE");
    // With the document as the folder, a locator is a field.
    let shim =
        vault("A=file:db\nB=file:deep#a").file("d.json", r#"{"db":"1","deep":"{\"a\":\"2\"}"}"#);
    shim.env("SECRET_MANAGER_PATH", "d.json")
        .environment()
        .has("A", "1")
        .has("B", "2");
}

#[test]
fn a_kubernetes_volume() {
    let shim = imports("file:/*")
        .file("k/..2026_11_22/DB_PASSWORD", "new")
        .file("k/..2026_11_22/tls.key", "key\n");
    symlink("..2026_11_22", shim.folder.join("k/..data")).expect("a link");
    for name in ["DB_PASSWORD", "tls.key"] {
        symlink(
            format!("..data/{name}"),
            shim.folder.path().join("k").join(name),
        )
        .expect("a link");
    }
    let path = shim.folder.join("k").display().to_string();
    // Kubernetes makes the folder so.
    shell(&shim.folder, "chmod 1777 k");
    let shim = shim.file(".vault", format!("ENVSHIM_IMPORT=file:{path}\n"));
    let answer = shim
        .environment()
        .has("DB_PASSWORD", "new")
        .has("TLS_KEY", "key");
    let loaded = answer.strings().len();
    assert_eq!(loaded, 2 + 4, "{:?}", answer.out);
}

#[test]
fn imports_from_programs_and_the_environment() {
    imports(r#"exec:cat s/app.json"#)
        .environment()
        .has("DB_PASSWORD", "1");
    imports(r#"exec:cat s/app.json#deep"#)
        .environment()
        .has("a", "1");
    imports("exec:echo text").refused().says(
        "import exec:echo ...: the secret has no fields, for it is not JSON (line 1, column 1)",
    );
    imports("exec:echo 1")
        .refused()
        .says("for it is not a JSON object");
    let shim = || {
        imports("env:*")
            .env("SECRET_MANAGER_PREFIX", "APP_")
            .env("APP_DB", "1")
            .env("APP_", "x")
            .env("XAPP_B", "2")
    };
    shim()
        .environment()
        .has("DB", "1")
        .has("APP_DB", "1")
        .lacks("B");
    let shim = vault("SECRET_MANAGER_TYPE=env\nA=env:DB")
        .env("SECRET_MANAGER_PREFIX", "APP_")
        .env("APP_DB", "1");
    shim.environment().has("DB", "1").has("A", "1");
    imports("env:*")
        .refused()
        .says("there is no prefix to import by")
        .says("hint: set SECRET_MANAGER_PREFIX");
    imports("env:HOME")
        .refused()
        .says("an import from the environment takes all that have the prefix");
}

#[test]
fn names_of_imported_variables() {
    imports("file:app.json")
        .args("--names=upper")
        .environment()
        .has("API_KEY", "2")
        .has("PORT", "5432")
        .lacks("apiKey");
    imports("file:app.json")
        .args("--names=keep")
        .environment()
        .has("db_password", "1")
        .has("apiKey", "2");
    imports("file:app.json")
        .args("--prefix=APP_")
        .environment()
        .has("APP_DB_PASSWORD", "1")
        .has("APP_PLAIN", "3")
        .lacks("PLAIN");
    let answer = imports("file:app.json").args("--prefix=1").refused();
    answer.says("no variable name can begin with the prefix `1`");
}

#[test]
fn imports_that_are_refused() {
    let answer = imports("file:clash.json").refused();
    assert_eq!(
        answer.err,
        "envshim: error: import file:clash.json: `a-b` and `a.b` both become `A_B`\n\
         envshim: hint: rename one in the store, or name each variable in a line of its own instead of the import\n"
    );
    let answer = imports("file:loader.json").refused();
    answer
        .says("import file:loader.json: `LD_PRELOAD` makes a program load other code, and is refused from an import")
        .says("hint: remove it from the store, or write it yourself: LD_PRELOAD=... in .vault")
        .says("`PATH` makes a program load other code");
    vault("LD_LIBRARY_PATH=/x")
        .environment()
        .has("LD_LIBRARY_PATH", "/x");
    let answer = imports("file:odd.json").refused();
    answer
        .says("no variable can be named after `\u{e9}`")
        .says("the name `--` has no letter");
    imports("file:none")
        .refused()
        .says("import file:none: there is no `s/none`");
    imports("file:none?optional=1").environment().quiet();
    imports("file:empty.json")
        .file("s/empty.json", "{}")
        .refused()
        .says("import file:empty.json: holds nothing to import");
    imports("file:empty.json?optional=1")
        .file("s/empty.json", "{}")
        .environment()
        .quiet();
    imports("file:app.json?default=x")
        .refused()
        .says("there is no parameter `default`")
        .says("hint: it takes optional");
    imports("file:app.json?as=file")
        .refused()
        .says("there is no parameter `as`");
    imports("flie:app.json")
        .refused()
        .says("import, item 1: there is no provider `flie`")
        .says("hint: did you mean file:?");
    imports("file:more, app")
        .refused()
        .says("import, item 2: is not a reference");
    imports("file:../x")
        .refused()
        .says("import file:../x: the path leaves the folder");
    // All of it in one run.
    let answer = imports("file:none, file:clash.json, file:nothing").refused();
    assert_eq!(
        answer.err.matches("envshim: error: import file:").count(),
        3,
        "{}",
        answer.err
    );
}

#[test]
fn entries_win_over_imports_and_later_imports_over_earlier_ones() {
    let shim =
        imports("file:app.json").file(".vault", "PLAIN=mine\nENVSHIM_IMPORT=file:app.json\n");
    shim.environment()
        .has("PLAIN", "mine")
        .has("apiKey", "2")
        .quiet();
    let shim = imports("file:app.json, file:late.json").file("s/late.json", r#"{"PLAIN":"late"}"#);
    shim.environment().has("PLAIN", "late").has("apiKey", "2");
    // One import, twice named, is one.
    imports("file:app.json,file:app.json")
        .environment()
        .has("PLAIN", "3");
}

#[test]
fn settings_in_the_file_configure_envshim_and_stay_with_it() {
    let shim = || vault("SECRET_MANAGER_PATH=t\nA=file:one\n").file("t/one", "t");
    shim()
        .env("SECRET_MANAGER_PATH", "")
        .environment()
        .has("A", "t");
    // The environment wins.
    shim()
        .environment()
        .has("A", "1")
        .has("SECRET_MANAGER_PATH", "s");
    let answer = vault("SECRET_MANAGER_PREFIX=APP_\nENVSHIM_NAMES=keep\nA=env:DB")
        .env("APP_DB", "1")
        .environment();
    answer
        .has("A", "1")
        .lacks("SECRET_MANAGER_PREFIX")
        .lacks("ENVSHIM_NAMES");
    // Given on by name.
    let shim = vault("SECRET_MANAGER_PREFIX=APP_\nA=1").args("--pass SECRET_MANAGER_PREFIX");
    shim.environment().has("SECRET_MANAGER_PREFIX", "APP_");
    // Wherever it stands, the last one counts.
    let shim =
        vault("A=file:one\nSECRET_MANAGER_PATH=none\nSECRET_MANAGER_PATH=t").file("t/one", "t");
    shim.env("SECRET_MANAGER_PATH", "")
        .environment()
        .has("A", "t");
    // Out of local stores.
    let shim = || vault("SECRET_MANAGER_PREFIX=exec:printf APP_\nA=env:DB").env("APP_DB", "1");
    shim()
        .environment()
        .has("A", "1")
        .lacks("SECRET_MANAGER_PREFIX");
    vault("SECRET_MANAGER_PREFIX=file:prefix\nA=env:DB")
        .file("s/prefix", "APP_\n")
        .env("APP_DB", "1")
        .environment()
        .has("A", "1");
    vault("SECRET_MANAGER_PREFIX=env:P\nA=env:DB")
        .env("P", "APP_")
        .env("APP_DB", "1")
        .environment()
        .has("A", "1");
    vault("P=APP\nSECRET_MANAGER_PREFIX=${P}_\nA=env:DB")
        .env("APP_DB", "1")
        .environment()
        .has("A", "1")
        .has("P", "APP");
    let answer = vault("SECRET_MANAGER_PREFIX=file:none\nA=1").refused();
    answer.says(".vault:1: SECRET_MANAGER_PREFIX: file:none: there is no `s/none`");
}

#[test]
fn settings_in_the_file_that_are_wrong() {
    let answer = vault(
        "A=1\nENVSHIM_NAMES=lower\nENVSHIM_PASS=\nENVSHIM_DIR=x\nENVSHIM_NAEMS=x\nENVSHIM_KEY=k\n",
    )
    .refused();
    assert_eq!(
        answer.err,
        "envshim: error: .vault:2: ENVSHIM_NAMES: the value is not of the right form\n\
         envshim: hint: write upper or keep\n\
         envshim: error: .vault:4: ENVSHIM_DIR cannot stand in a file\n\
         envshim: hint: set it in the environment: it is needed before the file is read\n\
         envshim: error: .vault:5: there is no setting `ENVSHIM_NAEMS`\n\
         envshim: hint: did you mean ENVSHIM_NAMES?\n\
         envshim: error: .vault:6: ENVSHIM_KEY cannot stand in a file\n\
         envshim: hint: set it in the environment: it is needed before the file is read\n"
    );
}

#[test]
fn bare_keys_of_env_references() {
    let shim = || vault("A=env:database/password").env("DATABASE_PASSWORD", "1");
    shim().environment().has("A", "1");
    let shim = vault("A=env:database/password")
        .env("SECRET_MANAGER_PREFIX", "P_")
        .env("P_DATABASE_PASSWORD", "2");
    shim.environment().has("A", "2");
    vault("A=env:JSON#a")
        .env("JSON", r#"{"a":"1"}"#)
        .environment()
        .has("A", "1");
    vault("A=env:EMPTY\nB=env:EMPTY?default=x")
        .env("EMPTY", "")
        .environment()
        .has("A", "")
        .has("B", "");
}

#[test]
fn programs_are_run_without_a_shell() {
    for (line, value) in [
        ("A=exec:printf %25s a;b|c", "a;b|c"),
        ("A=exec:printf '%25s' 'b  c'", "b  c"),
        ("A=exec:printf %25s $HOME", "$HOME"),
        ("A=exec:printf %25s \"${HOME}\"", "/home/app"),
        ("A=exec:sh -c 'printf \"$HOME\"'", "/home/app"),
        ("A=exec:printf 'a\\r\\n'", "a"),
        ("A=exec:printf 'a\\n\\n'", "a\n"),
        ("A=exec:true", ""),
        ("A=exec:cat", ""),
        ("A=exec:printf %25s ${WITH}", "a 'b' \"c\" \\d"),
    ] {
        vault(line)
            .env("WITH", "a 'b' \"c\" \\d")
            .environment()
            .has("A", value)
            .quiet();
    }
    // It may need what authenticates it; what opens the sealed file it never needs.
    let shim = vault("A=exec:sh -c 'echo $TOKEN$ENVSHIM_KEY$ENVSHIM_PASSWORD'");
    let shim = shim
        .env("TOKEN", "t")
        .env("ENVSHIM_KEY", "k")
        .env("ENVSHIM_PASSWORD", "p");
    shim.environment().has("A", "t");
    // What it complains of is seen.
    let answer = vault("A=exec:sh -c 'echo locked >&2; exit 3'").refused();
    answer
        .says("locked\n")
        .says("envshim: error: .vault:1: A: exec:sh ...: `sh` ended with status 3\n");
    vault("A=exec:sh -c 'kill -9 $$'")
        .refused()
        .says("`sh` was ended by signal 9");
    vault("A=exec:envshim-no-such-program")
        .refused()
        .says("`envshim-no-such-program` is not found in PATH");
    vault("A=exec:./.vault")
        .refused()
        .says("`./.vault` cannot be started: permission denied");
    vault("A=exec:head -c 17000000 /dev/zero")
        .refused()
        .says("printed more than 16 MiB");
    let line = format!("A=exec:{} --version", envshim().display());
    vault(&line)
        .environment()
        .has("A", concat!("envshim ", env!("CARGO_PKG_VERSION")));
}

/// What is wrong with the writing of a reference and what is wrong with its words are told together,
/// in the order of the file.
#[test]
fn mistakes_of_both_kinds_come_in_one_run() {
    let vault = "A=file:x?defualt=3\nB=a${fil:x}\nC=file:../x\nD=file:a%2\n";
    let answer = Shim::new()
        .file(".vault", vault)
        .args("-- true")
        .run()
        .exits(125);
    let errors: Vec<&str> = answer
        .err
        .lines()
        .filter(|line| line.contains("error:"))
        .collect();
    let names: Vec<bool> = ["A", "B", "C", "D"]
        .iter()
        .zip(&errors)
        .map(|(name, line)| line.contains(&format!(": {name}: ")))
        .collect();
    assert_eq!(names, [true; 4], "{}", answer.err);
}
