//! `lint`: what it finds, and that it finds nothing where there is nothing.

use crate::house::program::shell;
use crate::house::{Answer, Shim, set_mode};

fn lint(shim: Shim, words: &str) -> Answer {
    shim.args("lint").args(words).run()
}

#[test]
fn a_file_without_findings() {
    let text = "# A comment\nA=1\nexport B='two words'\nC=\"$5 ${A}\" # c\n\nD=\n";
    let plain = "A=1\nD=\n";
    let answer = lint(Shim::new().file(".env", plain), "").ok().quiet();
    assert_eq!(answer.out, "");
    let answer = lint(Shim::new().file(".env", text), "").exits(1).quiet();
    assert_eq!(
        answer.out,
        ".env:4: C: sh expands a dollar sign without braces; put the value into single quotes\n\
         .env:3: B: docker run --env-file refuses a blank before `=`, and reads 1 more line differently; \
         envshim export --format docker writes what it reads\n\
         .env:4: C: node (dotenv, --env-file) expands nothing in it\n"
    );
    assert_eq!(
        lint(Shim::new().file(".env", plain), "--json").ok().out,
        "[]\n"
    );
    // What is envshim's alone is nobody else's to read.
    let vault = "VAULT_ADDR='https://vault'\nA=vault:app#a\nB=\"<${file:b}>\"\nC=text:'x y\n";
    lint(Shim::new().file(".vault", vault), "").ok();
}

#[test]
fn what_other_readers_see() {
    let of = |text: &str, reader: &str| -> String {
        let out = lint(Shim::new().file(".env", text), "").quiet().out;
        let lines = out.lines().filter(|line| line.contains(reader));
        lines.map(|line| format!("{line}\n")).collect()
    };
    for (text, want) in [
        ("A='$5'\nB=\"${A}\"\nC=${A:-x}#y\n", ""),
        (
            "A='${B}'\n",
            ".env:1: A: Docker Compose expands nothing in it; put the value into double quotes\n",
        ),
        (
            "A=1\nP=pa$$word\nQ=$A\n",
            ".env:2: P: Docker Compose expands a dollar sign that we do not, and reads 1 more line differently; put the value into single quotes\n",
        ),
        (
            "A=$A\nB=x\t# c\nC=${a.b}\n",
            ".env:3: C: Docker Compose refuses the file: it cannot expand `${` here\n",
        ),
        (
            "A='x\\\\y'\n",
            ".env:1: A: Docker Compose reads a backslash in another way\n",
        ),
        (
            "A\nB=1\n",
            ".env:1: A: Docker Compose takes it from its own environment\n",
        ),
    ] {
        assert_eq!(of(text, "Docker Compose"), want, "{text:?}");
    }
    for (text, want) in [
        ("A='x # y'\nB=\"1\\n2\"\nC='$5'\nexport D=x y\n", ""),
        (
            "A=x#y\nB=\"${A}\"\n",
            ".env:1: A: node (dotenv, --env-file) sees the beginning of a comment elsewhere, and reads 1 more line differently; put the value into single quotes\n",
        ),
        (
            "A='it\\'s'\n",
            ".env:1: A: node (dotenv, --env-file) reads a backslash in another way\n",
        ),
        (
            "A[0]=1\n",
            ".env:1: A[0]: node (dotenv, --env-file) does not see it\n",
        ),
        // Node.js itself, of which the package knows nothing.
        (
            "A= \nB=1\n",
            ".env:1: A: node (dotenv, --env-file) reads another value, and reads 1 more line differently\n",
        ),
    ] {
        assert_eq!(of(text, "node "), want, "{text:?}");
    }
    // What is envshim's alone is not held against them.
    let vault = "A=vault:a#b\nB='${file:b}'\nC=\"x${file:c}\"\n";
    assert_eq!(lint(Shim::new().file(".vault", vault), "").out, "");
}

#[test]
fn mistakes_and_doubles() {
    let vault = "A=1\nB=valt:app#x\nC=file:#x\nA=2\nP=${P}:x\nP=${P}:y\n";
    let answer = lint(Shim::new().file(".vault", vault), "").exits(1);
    let lines: Vec<&str> = answer.out.lines().collect();
    for want in [
        ".vault:1: A: is set again in line 4, and the last one counts",
        ".vault:2: B: looks like a reference and is text; did you mean vault:...?",
        ".vault:3: C: the reference `file:` names nothing; write file:NAME, or text:file: for the text itself",
    ] {
        assert!(lines.contains(&want), "{want}\n{}", answer.out);
    }
    assert!(!answer.out.contains(": P: is set again"), "{}", answer.out);
    let answer = lint(Shim::new().file("x.env", "A='open\n"), "x.env").exits(1);
    assert!(
        answer
            .out
            .starts_with("x.env:1: column 3: the quote opened here is not closed; "),
        "{}",
        answer.out
    );
    let answer = lint(Shim::new(), "").exits(125);
    answer.says("envshim: error: there is no `.vault` or `.env` or `.env.dump`\n");
    lint(Shim::new(), "none")
        .exits(125)
        .says("none: there is no such file");
    let sealed = Shim::new().sealed("A=1\n");
    lint(sealed, ".vault.enc")
        .exits(125)
        .says(".vault.enc: is sealed");
}

#[test]
fn who_can_read_it() {
    let shim = || Shim::new().file(".env", "A=c4n4ry\n");
    for (mode, want) in [
        (0o600, None),
        (0o640, Some(".env: its group can read it; chmod 600 .env\n")),
        (
            0o644,
            Some(".env: every user of this machine can read it; chmod 600 .env\n"),
        ),
    ] {
        let shim = shim();
        set_mode(&shim.folder.join(".env"), mode);
        let answer = lint(shim, "").hides("c4n4ry");
        assert_eq!(answer.out, want.unwrap_or_default());
        assert_eq!(answer.code, Some(i32::from(want.is_some())));
    }
}

#[test]
fn what_git_does_with_it() {
    let shim = || {
        let shim = Shim::new()
            .file("a b/.vault", "A=1\n")
            .file("a b/.env.dump", "A=1\n");
        shell(&shim.folder, "git init -q .");
        shim
    };
    let dir = |shim: Shim| shim.arg("--dir").arg("a b").args("lint").run();
    let answer = dir(shim()).exits(1).quiet();
    assert_eq!(
        answer.out,
        "a b/.vault: git does not ignore it; echo '/.vault' >> .gitignore\n\
         a b/.env.dump: git does not ignore it; echo '/.env.dump' >> .gitignore\n"
    );
    let ignored = shim().file("a b/.gitignore", ".vault\n.env.dump\n");
    dir(ignored).ok().quiet();
    let tracked = shim().file(".gitignore", ".env.dump\n");
    shell(&tracked.folder, "git add 'a b/.vault'");
    let answer = dir(tracked).exits(1).quiet();
    assert!(
        answer
            .out
            .starts_with("a b/.vault: git keeps it; git rm --cached a b/.vault; "),
        "{}",
        answer.out
    );
}

/// A repository whose configuration names a program for every occasion there is, and lacks an object
/// that git would fetch.
fn hostile() -> Shim {
    let shim = Shim::new()
        .file("deep/.env", "A=1\n")
        .file("run", "#!/bin/sh\n: >\"$0-$1\"\nexit 1\n");
    shell(
        &shim.folder,
        "chmod +x run && git init -q . && git init -q --bare other
         git config core.fsmonitor \"$PWD/run monitor\"
         git config core.hooksPath \"$PWD/hooks\"
         mkdir hooks && printf '#!/bin/sh\\n\"%s/run\" hook\\n' \"$PWD\" >hooks/post-index-change
         chmod +x hooks/post-index-change
         git -c core.fsmonitor=false update-index --add --cacheinfo \
             100644,1234567890123456789012345678901234567890,deep/.gitignore
         git -c core.fsmonitor=false update-index --skip-worktree deep/.gitignore
         git config core.repositoryFormatVersion 1
         git config extensions.partialClone origin
         git config protocol.allow always
         git config remote.origin.promisor true
         git config remote.origin.url \"$PWD/other\"
         git config remote.origin.uploadpack \"$PWD/run fetch\"
         rm -f run-*",
    );
    shim
}

fn ran(folder: &crate::house::Folder) -> String {
    let found = std::fs::read_dir(folder.path()).expect("a folder");
    let names = found.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("text"));
    let mut names: Vec<String> = names.filter(|name| name.starts_with("run-")).collect();
    names.sort();
    names.join(" ")
}

#[test]
fn a_repository_runs_no_program_of_its_own() {
    let shim = hostile().args("lint deep/.env");
    let answer = shim.run().exits(1).quiet();
    assert!(
        answer.out.starts_with("deep/.env: git does not ignore it;"),
        "{}",
        answer.out
    );
    assert_eq!(ran(&answer.folder), "");
    // Git as such runs them.
    let ask =
        "git ls-files --others --exclude-standard -- deep >out 2>&1; git status >out 2>&1; true";
    shell(&answer.folder, ask);
    let ran = ran(&answer.folder);
    assert!(
        ran.contains("run-monitor") || ran.contains("run-2"),
        "{ran}"
    );
    assert!(ran.contains("run-fetch"), "{ran}");
}

#[test]
fn a_hook_of_git_asks_about_its_own_place() {
    let shim = Shim::new().file("a b/.env", "A=1\n");
    shell(&shim.folder, "git init -q . && git add 'a b/.env'");
    // As git has it when it runs a hook.
    let shim = shim
        .env("GIT_DIR", ".git")
        .env("GIT_INDEX_FILE", ".git/index")
        .env("GIT_PREFIX", "");
    let answer = shim.arg("lint").arg("a b/.env").run().exits(1).quiet();
    assert!(answer.out.contains("git keeps it;"), "{}", answer.out);
}
