//! Completions in real shells, and the manual page.

use std::process::{Command, Stdio};

use envshim::cli::{COMMANDS, OPTIONS};

use crate::house::program::shell;
use crate::house::pty::Pty;
use crate::house::{Folder, Shim, envshim, without};

/// A folder with a file, a folder and a `bin` that holds envshim.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("notes and more.txt", "");
    folder.write("sub/x", "");
    folder.write("bin/x", "");
    std::os::unix::fs::symlink(envshim(), folder.join("bin/envshim")).expect("a link");
    folder
}

/// A program in that folder that finds envshim, and of which no file of a user says anything.
fn program(folder: &Folder, name: &str) -> Command {
    let mut command = Command::new(name);
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder.path())
        .env("TERM", "dumb")
        .env("LC_ALL", "C.UTF-8")
        .current_dir(folder.path());
    command
}

fn output(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a shell");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && err.is_empty(), "{err}");
    String::from_utf8(output.stdout).expect("text")
}

/// What is typed, and the only thing that can follow.
const ONLY: &[(&str, &str)] = &[
    ("envshim expl", "explain"),
    ("envshim check --js", "--json"),
    ("envshim --over", "--override"),
    ("envshim --log de", "debug"),
    ("envshim export --format k", "k8s"),
    ("envshim completions f", "fish"),
    ("envshim help opt", "options"),
    ("envshim -- envsh", "envshim"),
    ("envshim --dir su", "sub"),
];

/// The last word of a line, completed.
fn completed(line: &str, with: &str) -> String {
    let (before, _) = line.rsplit_once(' ').expect("words");
    format!("{before} {with}")
}

#[test]
fn bash_completes() {
    let folder = folder();
    let ask = |line: &str| {
        let words = line.split(' ').map(|word| format!("'{word}'"));
        let words: Vec<String> = words.collect();
        // Outside of a completion bash has no options to set.
        let script = format!(
            "eval \"$(envshim completions bash)\"\n\
             COMP_WORDS=({}) COMP_CWORD={}\n\
             _envshim\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1
        );
        let mut bash = program(&folder, "bash");
        bash.args(["--norc", "-c", &script]);
        output(bash)
    };
    for (line, want) in ONLY {
        assert_eq!(ask(line), format!("{want}\n"), "{line}");
    }
    // bash takes `--format=s` apart.
    assert_eq!(ask("envshim export --format = s"), "sh\n");
    assert_eq!(ask("envshim seal note"), "notes and more.txt\n");
    let first = ask("envshim ");
    for row in COMMANDS {
        assert!(first.lines().any(|line| line == row.name), "{}", row.name);
        let options = ask(&format!("envshim {} --", row.name));
        for option in OPTIONS {
            let offered = options.lines().any(|l| l == format!("--{}", option.name));
            let taken = option.commands.contains(&row.command);
            assert_eq!(offered, taken, "{} --{}", row.name, option.name);
        }
    }
}

#[test]
fn bash_completes_what_a_person_types() {
    let folder = folder();
    let mut bash = program(&folder, "bash");
    bash.args(["--norc", "-i"]).env("PS1", "> ");
    let mut pty = Pty::spawn(bash);
    pty.send("bind 'set enable-bracketed-paste off'; eval \"$(envshim completions bash)\"; echo rea''dy\n");
    pty.expect("ready");
    for (line, want) in ONLY {
        pty.send(format!("{line}\t"));
        pty.expect(&completed(line, want));
        pty.send("\x15");
    }
    pty.send("envshim -- envshim seal note\t");
    pty.expect("envshim -- envshim seal notes\\ and\\ more.txt");
}

#[test]
fn zsh_completes_what_a_person_types() {
    if without("shells") {
        return;
    }
    let folder = folder();
    let mut zsh = program(&folder, "zsh");
    zsh.args(["-f", "-i"]);
    let mut pty = Pty::spawn(zsh);
    pty.send("bindkey -e; unset zle_bracketed_paste; autoload -U compinit; compinit -u -D; source <(envshim completions zsh); echo rea''dy\n");
    pty.expect("ready\r\n");
    let lines = ONLY.iter().copied();
    for (line, want) in lines.chain([
        ("envshim seal note", "notes\\ and\\ more.txt"),
        ("envshim -- cat note", "notes\\ and\\ more.txt"),
        ("envshim explain --over", "--override"),
        ("envshim --dir sub export --format doc", "docker"),
    ]) {
        pty.send(format!("{line}\t"));
        pty.expect(&completed(line, want));
        pty.send("\x15");
    }
}

#[test]
fn zsh_loads_it_from_a_folder() {
    if without("shells") {
        return;
    }
    let folder = folder();
    let script = Shim::new().args("completions zsh").run().ok().bytes;
    folder.write("functions/_envshim", script);
    let mut zsh = program(&folder, "zsh");
    zsh.args(["-f", "-i"]);
    let mut pty = Pty::spawn(zsh);
    pty.send("bindkey -e; unset zle_bracketed_paste; fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -D; echo rea''dy\n");
    pty.expect("ready\r\n");
    for (line, want) in ONLY {
        pty.send(format!("{line}\t"));
        pty.expect(&completed(line, want));
        pty.send("\x15");
    }
}

#[test]
fn fish_completes() {
    if without("shells") {
        return;
    }
    let folder = folder();
    let ask = |line: &str| {
        let script = format!("envshim completions fish | source; complete -C '{line}'");
        let mut fish = program(&folder, "fish");
        fish.args(["--no-config", "-c", &script]);
        output(fish)
    };
    for (line, want) in ONLY {
        let answer = ask(line);
        let words: Vec<&str> = answer
            .lines()
            .map(|line| line.split('\t').next().unwrap_or_default())
            .map(|word| word.trim_end_matches('/'))
            .collect();
        assert_eq!(words, [*want], "{line}");
    }
    assert!(ask("envshim seal note").starts_with("notes"));
    let first = ask("envshim ");
    for row in COMMANDS {
        let line = format!("{}\t{}", row.name, row.doc);
        assert!(first.lines().any(|found| found == line), "{}", row.name);
    }
    // The options of a command, and of no other.
    let options = ask("envshim keygen --");
    assert!(options.contains("--log\t") && !options.contains("--json\t"));
}

#[test]
fn an_unknown_shell_is_told() {
    let answer = Shim::new().args("completions tcsh").run().exits(125);
    answer
        .says("envshim: error: there are no completions for `tcsh`")
        .says("envshim: hint: write: envshim completions bash, zsh or fish");
}

#[test]
fn the_manual_page_is_one_without_warnings() {
    let answer = Shim::new().args("man").run().ok().quiet();
    for row in COMMANDS {
        let term = format!(".B \"{}", row.name);
        assert!(answer.out.contains(&term), "{}", row.name);
    }
    if without("shells") {
        return;
    }
    let folder = folder();
    folder.write("envshim.1", &answer.out);
    shell(
        &folder,
        "groff -man -Tutf8 -P-cbou -ww envshim.1 > text 2> warnings; test ! -s warnings",
    );
    let plain = String::from_utf8(folder.read("text")).expect("text");
    for option in OPTIONS {
        assert!(
            plain.contains(&format!("--{}", option.name)),
            "{}",
            option.name
        );
    }
    for row in envshim::provider::PROVIDERS {
        assert!(plain.contains(row.example), "{}", row.example);
        for setting in row.settings {
            assert!(plain.contains(setting.name), "{}", setting.name);
        }
    }
}
