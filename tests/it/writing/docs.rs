//! The transcripts in `docs/writing.md`, run: what a new user types, and sees.

use std::process::{Command, Stdio};

use crate::house::aws::Aws;
use crate::house::azure::Azure;
use crate::house::google::Drongo;
use crate::house::openbao::OpenBao;
use crate::house::{Folder, Shim, envshim, repository};

/// The commands of a section with what they print, by the kind of store they want.
fn transcripts() -> Vec<(String, Vec<(String, String)>)> {
    let path = repository().join("docs/writing.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("<!-- run: ") {
            sections.push((kind.trim_end_matches(" -->").to_owned(), Vec::new()));
        } else if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            let (_, steps) = sections.last_mut().expect("a kind of store first");
            match line.strip_prefix("$ ") {
                Some(command) => steps.push((command.to_owned(), String::new())),
                None => {
                    let (_, printed) = steps.last_mut().expect("a command first");
                    printed.push_str(line);
                    printed.push('\n');
                }
            }
        }
    }
    sections
}

/// `...` stands for anything on its line.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("...");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (n, part) in parts.iter().enumerate() {
        if n + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

fn run(folder: &Folder, settings: &[(String, String)], command: &str) -> String {
    let bin = envshim().parent().expect("a folder").display().to_string();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .env_clear()
        .env("PATH", format!("{bin}:/usr/bin:/bin"))
        .env("ENVSHIM_LOG", "info")
        .envs(settings.iter().cloned())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    String::from_utf8(output.stdout).expect("text")
}

fn sections_of(kind: &str, shim: &Shim) {
    let settings: Vec<(String, String)> = shim
        .command()
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned())))
        .filter(|(name, _)| name != "PATH")
        .collect();
    let mut count = 0;
    for (_, steps) in transcripts().into_iter().filter(|(known, _)| known == kind) {
        let folder = Folder::new();
        for (command, want) in steps {
            let got = run(&folder, &settings, &command);
            let (got_lines, want_lines): (Vec<&str>, Vec<&str>) =
                (got.lines().collect(), want.lines().collect());
            let same = got_lines.len() == want_lines.len()
                && want_lines
                    .iter()
                    .zip(&got_lines)
                    .all(|(want, got)| fits(want, got));
            assert!(same, "$ {command}\nwanted:\n{want}\ngot:\n{got}");
            count += 1;
        }
    }
    assert!(count > 3, "{kind}: {count} commands");
}

#[test]
fn the_transcripts_of_files() {
    sections_of("sealed", &Shim::new());
}

#[test]
fn the_transcripts_of_vault() {
    let Some(bao) = OpenBao::start() else { return };
    sections_of("vault", &bao.shim().env("VAULT_TOKEN", &bao.root));
}

#[test]
fn the_transcripts_of_aws() {
    let Some(aws) = Aws::ministack() else { return };
    sections_of("aws", &aws.shim());
}

#[test]
fn the_transcripts_of_google() {
    let Some(drongo) = Drongo::start() else {
        return;
    };
    sections_of("google", &drongo.shim());
}

#[test]
fn the_transcripts_of_azure() {
    sections_of("azure", &Azure::new().shim());
}

#[test]
fn every_transcript_is_run() {
    for (kind, _) in transcripts() {
        assert!(
            ["sealed", "vault", "aws", "azure", "google"].contains(&kind.as_str()),
            "{kind}"
        );
    }
    assert!(fits("a ... c", "a b c") && fits("a", "a") && !fits("a ... c", "a b"));
}
