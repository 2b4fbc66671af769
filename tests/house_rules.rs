//! Rules that a compiler does not check: the order of the rooms, one owner for `unsafe`, sound
//! tables, documents that agree with the tables, and the list of places where secrets are exposed.
#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the house list is for the program"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use envshim::cli;
use envshim::format::reference;
use envshim::provider::PROVIDERS;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file with its text, and the room it belongs to.
fn sources() -> Vec<(PathBuf, String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join("src")];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(&folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let within = path.strip_prefix(repository().join("src")).unwrap();
                let room = within.iter().next().unwrap().to_str().unwrap();
                found.push((path.clone(), room.trim_end_matches(".rs").to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// The rooms in the order of their `mod` lines.
fn rooms() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("src/lib.rs")).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    lines.map(str::to_owned).collect()
}

/// The room that a `crate::` path on this line leads to. Comments may name any room.
fn imported(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or("");
    let paths = code.split("crate::").skip(1);
    paths
        .map(|path| {
            path.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or("")
                .to_owned()
        })
        .filter(|room| !room.is_empty())
        .collect()
}

#[test]
fn a_room_uses_only_rooms_above_it() {
    let rooms = rooms();
    assert!(rooms.len() > 10, "{rooms:?}");
    let height: BTreeMap<&str, usize> = rooms.iter().map(String::as_str).zip(0..).collect();
    let mut wrong = Vec::new();
    for (path, room, text) in sources() {
        let Some(own) = height.get(room.as_str()) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for other in imported(line) {
                if height.get(other.as_str()).is_some_and(|other| other > own) {
                    wrong.push(format!(
                        "{}:{}: {room} uses {other}",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The search itself finds what it looks for.
    assert_eq!(imported("use crate::run::x; // crate::cli"), ["run"]);
}

#[test]
fn unsafe_has_one_owner() {
    let mut count = 0;
    for (path, room, text) in sources() {
        let code = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or(""));
        let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
        let mut at = 0;
        let mut here = 0;
        for line in code {
            if at < tests
                && (line.contains("unsafe {")
                    || line.contains("unsafe fn")
                    || line.contains("unsafe impl"))
            {
                here += 1;
            }
            at += line.len() + 1;
        }
        assert!(
            here == 0 || room == "sys" || room == "main",
            "{}: unsafe outside of sys",
            path.display()
        );
        count += here;
    }
    // Raised only with a reason: start and signals 11, terminals 6, allocator 16, look-ups 2, entry 2,
    // a parent's signals without names, fork, waits, descriptors and memory 16, bytes looked for by sixteens 1,
    // attributes of files 1.
    assert!(count <= 55, "{count} unsafe blocks");
}

#[test]
fn long_files_give_their_reason() {
    for (path, _, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= 400 || text.contains("//! Long because"),
            "{}: {lines} lines; split it by noun, or say why at its top (`//! Long because`)",
            path.display()
        );
    }
}

#[test]
fn secrets_are_exposed_where_that_is_the_work() {
    let work = [
        "secret",
        "files",
        "helper",
        "format",
        "credential",
        "provider",
        "resolve",
        "environment",
        "sealed",
        "prompt",
        "helper",
        "http",
        "source",
    ];
    let mut elsewhere = BTreeMap::new();
    for (_, room, text) in sources() {
        if !work.contains(&room.as_str()) {
            *elsewhere.entry(room).or_insert(0) += text.matches(".expose()").count();
        }
    }
    elsewhere.retain(|_, count| *count > 0);
    // `run` prints what `open`, `keygen`, `get` and `export` were asked for, hands plain text to be
    // sealed, to the editor and to be proofread, reads files for `lint`, and looks for a line end at
    // the end of a value.
    // `migrate` reads and writes what it translates. `supervise` tells its relays what to mask.
    let known = BTreeMap::from([("run".to_owned(), 36), ("supervise".to_owned(), 1)]);
    for (room, count) in elsewhere {
        let most = known.get(&room).copied().unwrap_or(0);
        assert!(
            count <= most,
            "{room}: {count} times `.expose()`, known are {most}"
        );
    }
}

#[test]
fn the_table_of_providers_is_sound() {
    let mut schemes: Vec<&str> = PROVIDERS.iter().map(|row| row.scheme).collect();
    schemes.push(reference::TEXT);
    let count = schemes.len();
    schemes.sort_unstable();
    schemes.dedup();
    assert_eq!(schemes.len(), count, "two providers share a scheme");
    let mut settings = BTreeMap::new();
    for row in PROVIDERS {
        let parsed = reference::parse_exact(row.example);
        let example = parsed
            .and_then(Result::ok)
            .unwrap_or_else(|| panic!("{}: {}", row.scheme, row.example));
        assert_eq!(example.scheme, row.scheme);
        for setting in row.settings {
            assert!(
                !setting.doc.is_empty(),
                "{} is not documented",
                setting.name
            );
            let known = settings.insert(setting.name, row.scheme);
            assert!(
                known.is_none(),
                "{} belongs to {known:?} and {}",
                setting.name,
                row.scheme
            );
        }
    }
}

/// A table of the README, made from the tables of the code.
fn table(name: &str) -> Option<String> {
    let row = |cells: &[&str]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let head = |cells: &[&str]| row(cells) + &row(&vec!["---"; cells.len()]);
    let mut text;
    match name {
        "commands" => {
            text = head(&["command", "does"]);
            for command in cli::COMMANDS {
                let usage = format!("`{} {}`", command.name, command.words.replace('|', "\\|"));
                text += &row(&[usage.replace(" `", "`").as_str(), command.doc]);
            }
        }
        "options" => {
            text = head(&["option", "variable", "in `.vault`", "does"]);
            for option in cli::OPTIONS
                .iter()
                .filter(|o| !["help", "version"].contains(&o.name))
            {
                let value = option
                    .value
                    .map_or(String::new(), |value| format!(" {value}"));
                let usage = format!("`--{}{value}`", option.name);
                let variable = format!("`{}`", option.variable());
                text += &row(&[
                    &usage,
                    &variable,
                    if option.in_file { "yes" } else { "" },
                    option.doc,
                ]);
            }
        }
        "providers" => {
            text = head(&["reference", "reads", "parameters", "imports"]);
            for provider in PROVIDERS {
                let parameters: Vec<String> = provider
                    .parameters
                    .iter()
                    .map(|p| format!("`?{p}=`"))
                    .collect();
                let imports = if provider.imports { "yes" } else { "" };
                text += &row(&[
                    &format!("`{}`", provider.example),
                    provider.title,
                    &parameters.join(" "),
                    imports,
                ]);
            }
        }
        "settings" => {
            text = head(&["setting", "says", ""]);
            for setting in PROVIDERS.iter().flat_map(|provider| provider.settings) {
                let kept = if setting.bootstrap {
                    "kept from the program"
                } else {
                    ""
                };
                text += &row(&[&format!("`{}`", setting.name), setting.doc, kept]);
            }
        }
        _ => return None,
    }
    Some(text)
}

/// The tables between `<!-- table: NAME -->` and `<!-- end -->` are those of the code.
/// `ENVSHIM_UPDATE=1` writes them.
#[test]
fn the_readme_agrees_with_the_tables() {
    let path = repository().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (open, close) = ("<!-- table: ", "<!-- end -->");
    let mut parts = readme.split(open);
    let mut made = parts.next().unwrap().to_owned();
    let mut names = Vec::new();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").unwrap();
        let (_, after) = rest.split_once(close).unwrap();
        let text = table(name).unwrap_or_else(|| panic!("there is no table `{name}`"));
        made += &format!("{open}{name} -->\n{text}{close}{after}");
        names.push(name);
    }
    assert_eq!(names, ["providers", "settings", "commands", "options"]);
    if std::env::var_os("ENVSHIM_UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
    } else {
        assert!(
            readme == made,
            "run: ENVSHIM_UPDATE=1 cargo test --test house_rules readme"
        );
    }
}

/// Every dependency has its reason in the manifest and in the README.
#[test]
fn every_dependency_is_argued_for() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let normal = manifest
        .split("[dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let mut argued = false;
    for line in normal.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            let name = line.split(' ').next().unwrap();
            assert!(argued, "Cargo.toml: `{name}` has no comment above it");
            assert!(
                readme.contains(&format!("| `{name}` |")),
                "README.md: `{name}` is not in the table"
            );
        }
        argued = line.starts_with('#');
    }
}

/// No machine path, no registry host, no other host's name than examples.
#[test]
fn the_project_speaks_of_itself_alone() {
    let output = std::process::Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "ls-files"])
        .output()
        .expect("git");
    let home = std::env::var("HOME").unwrap_or_default();
    for name in String::from_utf8(output.stdout).unwrap().lines() {
        let Ok(text) = std::fs::read_to_string(repository().join(name)) else {
            continue;
        };
        assert!(
            home.len() < 3 || !text.contains(&format!("{home}/")),
            "{name} names a path of this machine"
        );
    }
}
