//! dotenv files, ours against theirs: python-dotenv over generated files and over our dumps, and
//! `sh` over our dumps.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use envshim::format::dotenv::{Kind, Other, is_literal, read, write};
use envshim::format::template::{Piece, split};
use envshim::secret::Secret;

use self::generate::{Random, file, variables};
use self::oracle::{INHERITED, Variable, ask};
use crate::house;

mod generate;
mod oracle;
mod readers;

const FILES: usize = 24_000;
const DUMPS: usize = 200;
const VALUES: usize = 100;

/// Where envshim means to differ from python-dotenv. Nothing else may.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Intended {
    /// python-dotenv warns, skips the line and starts the program without the variable; a start
    /// with part of the secrets is worse than none, so envshim reports the line.
    BrokenLine,
    /// python-dotenv takes a NUL into a value, which then cannot be put into an environment.
    Nul,
    /// python-dotenv ends with a traceback that names no line; envshim names line and column.
    NotUtf8,
    /// python-dotenv takes UTF-16 without a mark for UTF-8 full of NULs; envshim names it.
    Utf16,
}

#[test]
fn generated_files_are_read_as_python_dotenv_reads_them() {
    let mut random = Random(0x5eed);
    let files: Vec<Vec<u8>> = (0..FILES).map(|_| file(&mut random)).collect();
    let mut answer = ask(&[], &files);
    let mut differences: BTreeMap<Intended, usize> = BTreeMap::new();
    let (mut agreements, mut bindings, mut expansions) = (0, 0, 0);
    for file in &files {
        let shown = file.escape_ascii();
        let theirs = answer.file();
        let expected = match &theirs {
            _ if is_utf16(file) => Some(Intended::Utf16),
            None => Some(Intended::NotUtf8),
            _ if file.contains(&0) => Some(Intended::Nul),
            Some(theirs) if theirs.errors > 0 => Some(Intended::BrokenLine),
            Some(_) => None,
        };
        match (read(file), expected, theirs) {
            (Err(faults), Some(intended), theirs) => {
                *differences.entry(intended).or_default() += 1;
                let kinds: Vec<&Kind> = faults.iter().map(|fault| &fault.kind).collect();
                let told = match intended {
                    Intended::Utf16 => kinds == [&Kind::Utf16],
                    Intended::NotUtf8 => kinds.contains(&&Kind::NotUtf8),
                    Intended::Nul => kinds.contains(&&Kind::Nul),
                    // After an open quote its rest is not told line by line.
                    Intended::BrokenLine => theirs.is_some_and(|theirs| {
                        let open = kinds.contains(&&Kind::OpenQuote);
                        kinds.len() == theirs.errors || (open && kinds.len() < theirs.errors)
                    }),
                };
                assert!(told, "{intended:?}: {faults:?}\n{shown}");
            }
            (Ok(ours), None, Some(theirs)) => {
                let ours: Vec<Variable> = (ours.into_iter())
                    .map(|b| (b.name, b.value.map(|value| value.expose().to_vec())))
                    .collect();
                assert_eq!(ours, theirs.bindings, "\n{shown}");
                let expanded = expand(&ours);
                assert_eq!(expanded, theirs.expanded, "\n{shown}");
                agreements += 1;
                bindings += ours.len();
                let last = |(name, value)| !ours.contains(&(name, value));
                expansions += expanded.into_iter().filter(|v| last(v.clone())).count();
            }
            (Ok(_), Some(intended), _) => panic!("taken in spite of {intended:?}\n{shown}"),
            (Err(faults), None, _) => panic!("refused: {faults:?}\n{shown}"),
            (Ok(_), None, None) => unreachable!("an undecodable file is expected to differ"),
        }
    }
    println!("{agreements} agree ({bindings} bindings, {expansions} expanded), {differences:?}");
    assert!(agreements > FILES / 2 && bindings > FILES && expansions > FILES / 10);
    let all = [
        Intended::BrokenLine,
        Intended::Nul,
        Intended::NotUtf8,
        Intended::Utf16,
    ];
    for class in all {
        assert!(differences.contains_key(&class), "never seen: {class:?}");
    }
}

#[test]
fn python_dotenv_reads_our_dumps() {
    let mut random = Random(0xd0_75);
    let folder = house::Folder::new();
    let (mut paths, mut dumps) = (Vec::new(), Vec::new());
    for n in 0..DUMPS {
        let variables = variables(&mut random, VALUES);
        let (text, differences) = write(
            variables
                .iter()
                .map(|(name, value)| (&**name, value, false)),
        );
        assert!(is_literal(text.expose()));
        let path = folder.write(&format!("{n}.env"), text.expose());
        paths.push(path.into_os_string().into_encoded_bytes());
        dumps.push((variables, differences));
    }
    let mut answer = ask(&["paths"], &paths);
    let (mut exact, mut listed) = (0, 0);
    for (variables, differences) in dumps {
        let mut seen: BTreeMap<String, Option<Vec<u8>>> = answer.variables().into_iter().collect();
        if seen.get("return") == Some(&None) {
            seen.remove("return");
        }
        for (name, value) in &variables {
            let found = seen.remove(name);
            let difference = differences.iter().find(|d| d.name == *name);
            if difference.is_some_and(|d| d.of(Other::Python).is_some()) {
                assert_eq!(found, None, "{name:?} was listed and is read all the same");
                listed += 1;
            } else {
                assert_eq!(found, Some(Some(value.expose().to_vec())), "{name:?}");
                exact += 1;
            }
        }
        assert!(seen.is_empty(), "names of nobody: {:?}", seen.keys());
    }
    println!("{exact} exact, {listed} listed as different");
    assert_eq!(exact + listed, DUMPS * VALUES);
    assert!(listed > 0 && listed < exact / 5);
}

#[test]
fn sh_reads_our_dumps() {
    let mut random = Random(0x5_11);
    let (mut exact, mut listed) = (0, 0);
    for _ in 0..20 {
        let variables = variables(&mut random, 40);
        let (text, differences) = write(
            variables
                .iter()
                .map(|(name, value)| (&**name, value, false)),
        );
        let folder = house::Folder::new();
        let seen = source(&folder.write(".env.dump", text.expose()));
        for (name, value) in &variables {
            let found = seen.get(name.as_bytes());
            let difference = differences.iter().find(|d| d.name == *name);
            if difference.is_some_and(|d| d.of(Other::Sh).is_some()) {
                assert_eq!(found, None, "{name:?} was listed and is read all the same");
                listed += 1;
            } else {
                let shown = value.expose().escape_ascii();
                assert_eq!(
                    found.map(Vec::as_slice),
                    Some(value.expose()),
                    "{name:?}: {shown}"
                );
                exact += 1;
            }
        }
    }
    println!("{exact} exact, {listed} listed as different");
    assert!(exact > 300 && listed > 0);
}

/// What no reader of a dump may do: run what stands in it.
#[test]
fn sh_runs_nothing_in_a_dump() {
    let folder = house::Folder::new();
    let trap = folder.join("trap");
    let run = format!("touch {}", trap.display());
    let variables = [
        format!("$({run})"),
        format!("it's $({run})"),
        format!("it's `{run}`"),
        format!("\r\\`{run}`"),
        format!("'; {run}; '"),
        format!("\"; {run}; \""),
        format!("\\\n{run}\n"),
    ];
    let mut variables: Vec<(String, Secret)> = (variables.into_iter().enumerate())
        .map(|(n, value)| (format!("V{n}"), Secret::new(value.into_bytes())))
        .collect();
    for name in [
        format!("`{run}`"),
        format!("a\n{run}\nb"),
        format!("$({run})"),
    ] {
        variables.push((name, Secret::new(b"1".to_vec())));
    }
    let (text, _) = write(
        variables
            .iter()
            .map(|(name, value)| (&**name, value, false)),
    );
    source(&folder.write(".env.dump", text.expose()));
    assert!(!trap.exists(), "a dump ran a command");
}

/// The variables of a shell that has sourced `path`; it must not have complained.
fn source(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let output = Command::new("sh")
        .args(["-c", "set -aeu; . \"$1\"; exec env -0", "sh"])
        .arg(path)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("sh");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}"
    );
    (output.stdout.split(|&byte| byte == 0))
        .filter_map(|entry| {
            let equals = entry.iter().position(|&byte| byte == b'=')?;
            Some((entry[..equals].to_vec(), entry[equals + 1..].to_vec()))
        })
        .collect()
}

/// python-dotenv's expansion over our pieces: what the file has set so far, then the environment.
fn expand(bindings: &[Variable]) -> Vec<Variable> {
    let mut expanded: Vec<Variable> = Vec::new();
    for (name, value) in bindings {
        let value = value.as_ref().map(|value| {
            let mut text = Vec::new();
            for piece in split(value) {
                match piece {
                    Piece::Text(range) => text.extend_from_slice(&value[range]),
                    Piece::Braced(range) => {
                        text.extend_from_slice(&value[range.start - 2..range.end + 1]);
                    }
                    Piece::Variable { name, default } => {
                        let wanted = &value[name];
                        let set = expanded.iter().find(|(name, _)| name.as_bytes() == wanted);
                        match set {
                            Some((_, found)) => text.extend(found.iter().flatten()),
                            None if wanted == INHERITED.0.as_bytes() => {
                                text.extend_from_slice(INHERITED.1.as_bytes());
                            }
                            None => text.extend_from_slice(&value[default.unwrap_or(0..0)]),
                        }
                    }
                }
            }
            text
        });
        match expanded.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => expanded.push((name.clone(), value)),
        }
    }
    expanded
}

fn is_utf16(file: &[u8]) -> bool {
    file.starts_with(b"\xff\xfe")
        || file.starts_with(b"\xfe\xff")
        || (file.len() > 1 && file[..2].contains(&0))
}

/// A line as people write them, of which some mean something else to `sh` and to docker.
fn line(random: &mut Random, n: usize) -> String {
    const PIECES: &[&str] = &[
        "a", "b", "word", "7", " ", "$", "$A", "${A}", "${A:-x}", "\\", "\\n", "\\\\", "\\\"",
        "\\'", "`id`", "#", " #c", "~", "é", "*", "(", ";", "&", "\u{a0}", "!", "{a,b}", "=", ":",
        "%", "'", "\"", "/", "<", "|", "\t", "[a]", "^", "?",
    ];
    let plain = random.one_in(2);
    let count = random.below(6);
    let of = if plain { &PIECES[..4] } else { PIECES };
    let value: String = (0..count).map(|_| random.of(of)).collect();
    let quote = random.of(&["", "'", "\""]);
    let export = if random.one_in(5) { "export " } else { "" };
    let equals = random.of(&["=", "=", "=", "=", "=", "= ", " ="]);
    let end = random.of(&["", "", "", " # c", "#c", " ", "\r"]);
    format!("{export}V{n}{equals}{quote}{value}{quote}{end}\n")
}

/// What `docker run --env-file` takes from a file, by the rules in its documentation.
fn docker_reads(text: &str) -> BTreeMap<String, Vec<u8>> {
    let mut values = BTreeMap::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if let Some((name, value)) = line.split_once('=')
            && !line.starts_with('#')
            && !name.contains([' ', '\t'])
        {
            values.insert(name.to_owned(), value.as_bytes().to_vec());
        }
    }
    values
}

#[test]
fn what_lint_says_nothing_of_others_read_as_we_do() {
    use envshim::format::dotenv::{Reader, others};

    let folder = house::Folder::new();
    let mut random = Random(0x11f7);
    let mut clean: Vec<(usize, String)> = Vec::new();
    let mut docker = 0;
    for n in 0..4000 {
        let lines = 1 + random.below(3);
        let text: String = (0..lines).map(|n| line(&mut random, n)).collect();
        let Ok(odd) = others(text.as_bytes(), |_| true) else {
            continue;
        };
        let Ok(bindings) = read(text.as_bytes()) else {
            unreachable!()
        };
        if !odd.iter().any(|odd| odd.reader == Reader::Docker) {
            docker += 1;
            let theirs = docker_reads(&text);
            assert_eq!(theirs.len(), bindings.len(), "{text:?}");
            for binding in &bindings {
                let value = binding.value.as_ref().map(|value| value.expose().to_vec());
                assert_eq!(theirs.get(&binding.name), value.as_ref(), "{text:?}");
            }
        }
        if !odd.iter().any(|odd| odd.reader == Reader::Sh) {
            folder.write(&format!("f{n}"), &text);
            clean.push((n, text));
        }
    }
    assert!(
        clean.len() > 500 && docker > 100,
        "{} {docker}",
        clean.len()
    );
    for shell in ["dash", "bash"] {
        let script = "for f in f*; do (set -a; A=1; . \"./$f\"; env -0 > \"$f.out\") || exit; done";
        let mut command = Command::new(shell);
        command.args(["-c", script]).current_dir(folder.path());
        let output = command.env_clear().env("PATH", "/usr/bin:/bin").output();
        let output = output.expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
        for (n, text) in &clean {
            let found = folder.read(&format!("f{n}.out"));
            let strings: Vec<&[u8]> = found.split(|byte| *byte == 0).collect();
            for binding in read(text.as_bytes()).ok().into_iter().flatten() {
                let Some(value) = binding.value else { continue };
                // A is 1 to all of them.
                let text_of = String::from_utf8_lossy(value.expose()).into_owned();
                let value = text_of.replace("${A}", "1").replace("${A:-x}", "1");
                let string = format!("{}={value}", binding.name);
                assert!(
                    strings.contains(&string.as_bytes()),
                    "{shell} {text:?} {string:?}"
                );
            }
            std::fs::remove_file(folder.join(&format!("f{n}.out"))).expect("removed");
        }
    }
}
