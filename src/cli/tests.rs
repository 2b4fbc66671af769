use super::{COMMANDS, Command, Misuse, OPTIONS, help, read};
use crate::failure::Explain;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}

#[test]
fn cut_at_the_first_double_dash_as_bytes() {
    let odd = OsString::from_vec(vec![0xff, 0xfe]);
    let mut all = words("--dir=a --override -- prog -- --dir b");
    all.push(odd.clone());
    let got = read(all).unwrap();
    assert_eq!(got.command, Command::Run);
    assert_eq!(got.program.len(), 5);
    assert_eq!(got.program[4], odd);
    assert_eq!(got.options.len(), 2);
}

#[test]
fn commands_and_their_words() {
    for (line, command) in [
        ("run -- x", Command::Run),
        ("check", Command::Check),
        ("--dir x check --json", Command::Check),
        ("check -- prog", Command::Check),
        ("seal a", Command::Seal),
        ("--help", Command::Help),
        ("seal --help", Command::Help),
        ("-V", Command::Version),
    ] {
        assert_eq!(
            read(words(line)).map(|i| i.command).ok(),
            Some(command),
            "{line}"
        );
    }
}

#[test]
fn mistakes_say_what_to_write() {
    for (line, what, hint) in [
        (
            "python x.py",
            "`python` is not a command of envshim",
            "to start a program, write: envshim -- python x.py",
        ),
        (
            "python --token s3cr3t",
            "`python` is not a command of envshim",
            "to start a program, write: envshim -- python ...",
        ),
        (
            "chekc",
            "`chekc` is not a command of envshim",
            "did you mean `envshim check`? To start a program: envshim -- chekc",
        ),
        (
            "--drr x -- p",
            "there is no option `--drr`",
            "did you mean --dir?",
        ),
        (
            "--passwordd=s3cr3t -- p",
            "there is no option `--passwordd`",
            "envshim help options lists them; the program's own options go behind `--`",
        ),
        ("--dir", "--dir lacks its DIR", "write --dir DIR"),
        (
            "keygen --arg0 x",
            "`keygen` does not take --arg0",
            "it belongs to `run`",
        ),
        (
            "check extra",
            "there is a word too many for `check`",
            "envshim help check shows what it takes",
        ),
        (
            "keygen -- x",
            "`keygen` does not start a program",
            "to start a program, write: envshim -- program",
        ),
        (
            "--",
            "there is no program after `--`",
            "write: envshim -- python manage.py runserver",
        ),
        (
            "",
            "nothing to do",
            "write: envshim -- program, or envshim --help",
        ),
    ] {
        let misuse = read(words(line)).err().unwrap_or_else(|| panic!("{line}"));
        assert_eq!(
            (misuse.what().as_str(), misuse.hint().as_deref()),
            (what, Some(hint))
        );
    }
}

#[test]
fn the_tables_are_sound() {
    for row in COMMANDS {
        assert!(help(Some(row.name)).is_some());
    }
    let mut names: Vec<_> = OPTIONS.iter().map(|o| o.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), OPTIONS.len());
    assert_eq!(read(vec![]).err(), Some(Misuse::Nothing));
}
