//! `--audit`: a line for each load, and never a value in it.

use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Child;

use envshim::format::json::{Json, parse};

use super::house::hcp::{App, CLIENT_ID, CLIENT_SECRET, Hcp, Kind};
use super::house::program::is_root;
use super::house::{Answer, Shim, set_mode};

fn lines(text: &[u8]) -> Vec<Json> {
    let text = std::str::from_utf8(text).expect("text");
    assert!(text.is_empty() || text.ends_with('\n'));
    let read = |line: &str| {
        parse(line.as_bytes())
            .ok()
            .unwrap_or_else(|| panic!("{line}"))
    };
    text.lines().map(read).collect()
}

fn one(answer: &Answer, name: &str) -> Json {
    let mut lines = lines(&answer.folder.read(name));
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn text<'a>(json: &'a Json, path: &str) -> &'a str {
    let mut at = json;
    for part in path.split('.') {
        at = match part.parse::<usize>() {
            Ok(n) => &at.list().expect("a list")[n],
            Err(_) => at.get(part).unwrap_or_else(|| panic!("{path}")),
        };
    }
    match at {
        Json::Null => "null",
        other => other.as_str().unwrap_or_else(|| panic!("{path}")),
    }
}

fn count(json: &Json, name: &str) -> usize {
    json.get(name).and_then(Json::list).expect("a list").len()
}

/// The line on one variable.
fn variable<'a>(json: &'a Json, name: &str) -> &'a Json {
    let all = json.get("variables").and_then(Json::list).expect("a list");
    let mut found = all.iter().filter(|line| text(line, "name") == name);
    found.next().unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn a_line_tells_who_got_what_from_where() {
    let hcp = Hcp::new(App::new(&[
        ("DB_PASSWORD", 3, Kind::Static("c4n4ry-db")),
        ("TWILIO", 7, Kind::Rotating(&[("key", "c4n4ry-rot")])),
    ]));
    let store = hcp.server.tls_url();
    let vault = format!(
        "HCP_CLIENT_ID={CLIENT_ID}\nHCP_CLIENT_SECRET='{CLIENT_SECRET}'\n\
         HCP_API_TOKEN_URL={store}/oauth2/token\nHCP_SECRETS_URL={}\n\
         URL='postgres://c4n4ry-user:${{hcp:DB_PASSWORD}}@${{env:HOST?default=c4n4ry-host}}/'\n\
         TOLD='exec:echo c4n4ry-argument'\n\
         PLAIN=c4n4ry-text\n\
         TAKEN=c4n4ry-new\n",
        hcp.url("secrets:open")
    );
    let answer = Shim::new()
        .file(".vault", vault)
        .env("SSL_CERT_FILE", hcp.authority.root())
        .env("TAKEN", "c4n4ry-old")
        .env("VAULT_TOKEN", "c4n4ry-token")
        .args("--audit log.jsonl -- /bin/sh -c")
        .arg("echo $$; : c4n4ry-word")
        .run()
        .ok();
    let bytes = answer.folder.read("log.jsonl");
    let all = String::from_utf8_lossy(&bytes).into_owned();
    assert!(!all.contains("c4n4ry"), "{all}");
    assert!(
        !all.contains(CLIENT_SECRET) && !all.contains("hcp-access-token"),
        "{all}"
    );
    let mode = answer
        .folder
        .join("log.jsonl")
        .metadata()
        .expect("a file")
        .mode();
    assert_eq!(mode & 0o7777, 0o600);

    let line = one(&answer, "log.jsonl");
    assert_eq!(text(&line, "envshim"), env!("CARGO_PKG_VERSION"));
    let pid: u64 = answer.out.trim().parse().expect("a number");
    assert_eq!(line.get("pid").and_then(Json::whole), Some(pid));
    assert!(text(&line, "time").ends_with('Z'));
    assert_eq!(text(&line, "command"), "run");
    assert_eq!(text(&line, "program"), "sh");
    assert_eq!(text(&line, "outcome"), "started");
    assert_eq!(text(&line, "source"), ".vault");
    assert!(text(&line, "reason").starts_with("`.vault` is there"));
    // An origin: no path and no query.
    assert_eq!(
        (count(&line, "stores"), text(&line, "stores.0")),
        (1, store.as_str())
    );
    assert_eq!(count(&line, "errors"), 0);

    let imported = variable(&line, "TWILIO_key");
    assert_eq!(text(imported, "place"), "import hcp:*");
    assert_eq!(text(imported, "provider"), "hcp");
    assert_eq!(text(imported, "references.0"), "hcp:*");
    assert_eq!(text(imported, "version"), "7");
    assert_eq!(text(imported, "decision"), "set");
    let mixed = variable(&line, "URL");
    assert_eq!(text(mixed, "place"), ".vault:5");
    assert_eq!(text(mixed, "references.0"), "hcp:DB_PASSWORD");
    assert_eq!(text(mixed, "references.1"), "env:HOST");
    let told = text(variable(&line, "TOLD"), "references.0");
    assert!(told.starts_with("exec:echo"), "{told}");
    assert_eq!(text(variable(&line, "PLAIN"), "provider"), "text");
    assert_eq!(count(variable(&line, "PLAIN"), "references"), 0);
    assert_eq!(
        text(variable(&line, "TAKEN"), "decision"),
        "already set, OTHER value stays"
    );
    assert_eq!(
        text(variable(&line, "VAULT_TOKEN"), "decision"),
        "kept from the program"
    );
}

#[test]
fn failures_are_lines_too() {
    let failed = |shim: Shim, said: &str| {
        let answer = shim.args("--audit log").refused().says(said);
        let line = one(&answer, "log");
        assert_eq!(text(&line, "outcome"), "failed");
        assert_eq!(text(&line, "program"), "touch");
        assert!(text(&line, "errors.0").contains(said));
        line
    };
    let line = failed(
        Shim::new().file(".vault", "A=file:./none\nB=env:NONE\n"),
        "A: file:./none: there is no ",
    );
    assert_eq!(count(&line, "errors"), 2);
    assert_eq!(text(&line, "source"), ".vault");
    let line = failed(Shim::new(), "no secrets found");
    assert_eq!(text(&line, "source"), "null");
    failed(Shim::new().file(".vault", "A='x"), "is not closed");
    failed(
        Shim::new().file(".vault", "A=1").args("--timeout soon"),
        "--timeout",
    );

    // A program that is not there was not started.
    let answer = Shim::new()
        .file(".vault", "A=1")
        .args("--audit log -- not-there c4n4ry")
        .run()
        .exits(127);
    let line = one(&answer, "log");
    assert_eq!(
        (text(&line, "outcome"), text(&line, "program")),
        ("failed", "not-there")
    );
}

#[test]
fn other_loads_are_told_as_what_they_are() {
    let shim = || {
        Shim::new()
            .file(".vault", "A=file:a\nSECRET_MANAGER_PATH=.")
            .file("a", "c4n4ry")
    };
    let answer = shim().args("--audit log dump").run().ok();
    let line = one(&answer, "log");
    assert_eq!(
        (text(&line, "command"), text(&line, "outcome")),
        ("dump", "done")
    );
    assert_eq!(text(variable(&line, "A"), "references.0"), "file:a");
    let answer = shim().args("--audit log check").run().ok();
    assert!(answer.out.contains("A         .vault:1"), "{}", answer.out);
    let line = one(&answer, "log");
    assert_eq!(
        (text(&line, "command"), text(&line, "outcome")),
        ("check", "done")
    );
    assert_eq!(text(&line, "program"), "null");
    let answer = Shim::new()
        .file(".vault", "A=env:NONE")
        .args("check")
        .env("ENVSHIM_AUDIT", "log")
        .run()
        .exits(1);
    assert_eq!(text(&one(&answer, "log"), "outcome"), "failed");
    // A nested envshim loads nothing, and says so.
    let answer = shim()
        .env("secrets_loaded", "1")
        .env("ENVSHIM_AUDIT", "log")
        .environment();
    let line = one(&answer, "log");
    assert!(text(&line, "reason").contains("secrets_loaded=1"));
    assert_eq!(count(&line, "variables"), 0);
    // Commands that load nothing write nothing.
    let answer = Shim::new()
        .args("seal")
        .env("ENVSHIM_AUDIT", "log")
        .run()
        .exits(125);
    assert!(!answer.folder.join("log").exists());
}

#[test]
fn stderr_is_a_place_too() {
    let answer = Shim::new()
        .file(".vault", "A=c4n4ry")
        .args("--log error --audit - -- true")
        .run()
        .ok()
        .hides("c4n4ry");
    let line = lines(answer.err.as_bytes()).remove(0);
    assert_eq!(text(&line, "outcome"), "started");
}

#[test]
fn no_line_no_start() {
    let shim = || Shim::new().file(".vault", "A=1");
    let full = "envshim: error: --audit /dev/full: cannot be written: no space left on device\n\
                envshim: hint: make room on the disk; nothing is started without its line\n";
    shim().args("--audit /dev/full").refused().says(full);
    shim()
        .args("--audit nowhere/log")
        .refused()
        .says("--audit nowhere/log: cannot be opened: no such file or directory");
    shim()
        .args("--audit .")
        .refused()
        .says("--audit .: cannot be opened: is a directory");
    let pipe = shim();
    nix::unistd::mkfifo(&pipe.folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    pipe.args("--audit pipe")
        .refused()
        .says("--audit pipe: cannot be opened");
    // The reason why nothing was started comes first, and that it is lost comes with it.
    shim()
        .file(".vault", "A=env:NONE")
        .args("--audit /dev/full")
        .refused()
        .says("A: env:NONE: `NONE` is not set")
        .says(full);
    let answer = shim().args("--audit /dev/full dump").run().exits(125);
    assert!(answer.err.contains(full), "{}", answer.err);
}

#[test]
fn a_full_disk_in_the_middle_of_a_line() {
    if !is_root() {
        return;
    }
    // A file system of one page, of which a little is left.
    let shim = Shim::new();
    let many: String = (0..40).map(|n| format!("VARIABLE_{n}=x\n")).collect();
    shim.folder.write(".vault", many);
    let script = "mount -t tmpfs -o size=4096 none disk && head -c 3000 /dev/zero | tr '\\0' '\\n' > disk/log && \
                  exec \"$@\"";
    std::fs::create_dir(shim.folder.join("disk")).unwrap();
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(super::house::envshim())
        .args(["--audit", "disk/log", "--", "touch", "started"])
        .current_dir(shim.folder.path())
        .output()
        .expect("unshare");
    let answer = Answer::new(output, shim.folder).exits(125);
    assert!(!answer.folder.join("started").exists());
    answer.says("--audit disk/log: only a part of the line was written");
}

#[test]
fn nobody_leads_the_log_elsewhere() {
    if !is_root() {
        return;
    }
    let shim = Shim::new().file(".vault", "A=1");
    let shared = shim.folder.join("shared");
    std::fs::create_dir(&shared).unwrap();
    set_mode(&shared, 0o1777);
    let target = shim.folder.write("target", "");
    symlink(&target, shared.join("log")).unwrap();
    std::os::unix::fs::lchown(shared.join("log"), Some(65_534), Some(65_534)).unwrap();
    let answer = shim
        .args("--audit shared/log")
        .refused()
        .says("shared/log: cannot be opened");
    assert_eq!(answer.folder.read("target"), b"");
}

#[test]
fn many_starts_share_a_file() {
    // Long lines: a page and more each.
    let many: String = (0..150).map(|n| format!("VARIABLE_{n}=text\n")).collect();
    let shim = Shim::new()
        .file(".vault", many)
        .args("--audit log -- sh -c")
        .arg("echo $$");
    let mut pids = Vec::new();
    for _ in 0..5 {
        let children: Vec<Child> = (0..16).map(|_| shim.spawn()).collect();
        for child in children {
            let output = child.wait_with_output().expect("an end");
            assert!(output.status.success());
            let pid = String::from_utf8(output.stdout).expect("text");
            pids.push(pid.trim().parse::<u64>().expect("a number"));
        }
    }
    let lines = lines(&shim.folder.read("log"));
    let mut told: Vec<u64> = lines
        .iter()
        .map(|line| line.get("pid").and_then(Json::whole).expect("a pid"))
        .collect();
    for line in &lines {
        assert_eq!(count(line, "variables"), 150);
    }
    pids.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, pids);
}
