//! Django behind envshim, from a sealed file: under `manage.py runserver` with its reloader and under
//! gunicorn. The page is signed with the secret; how it ends is compared with no wrapper at all.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use envshim::format::json::quote;

use super::house::openbao::OpenBao;
use super::house::{Folder, Shim, envshim, python, repository, wait_until};
use super::vault::end_to_end::settings;

const SECRET: &str = "a$b#c 'd' \"e\"";
/// HMAC-SHA-256 of `hello` under SECRET.
const PAGE: &str =
    "hello, signed d83b277ee96c7608daed45caf33e196e1c76f5330fb98a2aed2e76f34b8bb574\n";

const RUNSERVER: &[&str] = &["python", "manage.py", "runserver", "127.0.0.1:0"];
const GUNICORN: &[&str] = &["gunicorn", "--workers=2", "--bind=127.0.0.1:0", "wsgi"];

/// The project with `.vault.enc` beside manage.py, and the key elsewhere.
fn site() -> (Folder, Folder) {
    site_with(&format!(
        "DJANGO_SECRET_KEY='{}'\n",
        SECRET.replace('\'', "\\'")
    ))
}

/// The same with another `.vault` in it.
fn site_with(vault: &str) -> (Folder, Folder) {
    let (site, keys) = (Folder::new(), Folder::new());
    for entry in std::fs::read_dir(repository().join("tests/django")).expect("the project") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, site.path().join(name)).expect("a copy");
        }
    }
    let key = Shim::new().args("keygen").run().ok().bytes;
    let key = keys.write("vault.key", key);
    site.write(".vault", vault);
    let mut seal = Command::new(envshim());
    seal.args(["seal", "--remove-plain", "--key-file"])
        .arg(&key);
    let sealed = seal.env_clear().current_dir(site.path()).status();
    assert!(sealed.expect("envshim").success());
    assert!(!site.join(".vault").exists());
    (site, keys)
}

/// A server, alone in its process group, which ends with it.
struct Server {
    child: Child,
    log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        killpg(self.pid(), Signal::SIGKILL).ok();
        drop(self.child.wait());
    }
}

impl Server {
    fn start(site: &Folder, name: &str, words: &[&str], variables: &[(&str, &str)]) -> Server {
        let bin = python().parent().expect("a folder").to_owned();
        let program = match words[0] {
            "envshim" => envshim().to_owned(),
            name => bin.join(name),
        };
        let log = site.join(name);
        let file = std::fs::File::create(&log).expect("a log");
        let child = Command::new(program)
            .args(&words[1..])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("PYTHONUNBUFFERED", "1")
            .envs(variables.iter().copied())
            .current_dir(site.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log"))
            .stderr(file)
            .process_group(0)
            .spawn()
            .expect("a server");
        Server { child, log }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).expect("a log")).into_owned()
    }

    /// What it answers, once it listens: both servers say where.
    fn page(&mut self) -> String {
        let mut address = None;
        wait_until("the server listens", || {
            let log = self.log();
            let ended = self.child.try_wait().expect("a status");
            assert!(ended.is_none(), "ended with {ended:?}: {log}");
            let rest = log.split_once("http://").map(|(_, rest)| rest);
            let end =
                rest.and_then(|r| r.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()));
            address = rest.zip(end).map(|(rest, end)| rest[..end].to_owned());
            address.is_some()
        });
        let mut stream = TcpStream::connect(address.expect("an address")).expect("a connection");
        let request = "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(" 200 OK"), "{head}\n{}", self.log());
        body.to_owned()
    }

    /// Sends TERM to the process that was started, and nobody else.
    fn stop(mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).expect("a living server");
        self.child.wait().expect("an end")
    }
}

/// Answers behind envshim as it does without, and ends as it does without.
fn behaves(words: &[&str]) {
    let (site, keys) = site();
    let mut bare = Server::start(&site, "bare", words, &[("DJANGO_SECRET_KEY", SECRET)]);
    assert_eq!(bare.page(), PAGE);

    let key = keys.join("vault.key");
    let mut shimmed = vec!["envshim", "--key-file", key.to_str().expect("text"), "--"];
    shimmed.extend(words);
    let mut server = Server::start(&site, "shimmed", &shimmed, &[]);
    assert_eq!(server.page(), PAGE);
    let command_line = |server: &Server| {
        std::fs::read(format!("/proc/{}/cmdline", server.pid())).expect("a command line")
    };
    let name = |line: Vec<u8>| line.split(|b| *b == 0).next().map(<[u8]>::to_vec);
    let started = name(command_line(&server)).expect("a name");
    assert!(!started.ends_with(b"envshim"), "envshim is gone");
    let said = server.log();
    assert!(
        !said.contains("envshim") && !said.contains(SECRET),
        "{said}"
    );

    let (with, without) = (server.stop(), bare.stop());
    assert_eq!(
        with.into_raw(),
        without.into_raw(),
        "{with} with, {without} without"
    );
}

/// The sealed file has an AppRole, and Vault has the secret.
#[test]
fn with_a_secret_of_vault() {
    let Some(bao) = OpenBao::start() else { return };
    let fields = format!("{{\"django_secret_key\": {}}}", quote(SECRET));
    bao.put("site/production", &fields);
    let entry = "DJANGO_SECRET_KEY=vault:site/production#django_secret_key\n";
    let (site, keys) = site_with(&format!("{}{entry}", settings(&bao)));
    let key = keys.join("vault.key");
    let shimmed = ["envshim", "--key-file", key.to_str().expect("text"), "--"];
    let mut server = Server::start(&site, "log", &[&shimmed, GUNICORN].concat(), &[]);
    assert_eq!(server.page(), PAGE);
    let environment = std::fs::read(format!("/proc/{}/environ", server.pid())).expect("its own");
    assert!(!String::from_utf8_lossy(&environment).contains("VAULT_"));
}

#[test]
fn under_runserver() {
    behaves(RUNSERVER);
}

#[test]
fn under_gunicorn() {
    behaves(GUNICORN);
}

#[test]
fn without_its_secrets_it_is_not_started() {
    let (site, _) = site();
    let words = [&["envshim", "--"], GUNICORN].concat();
    let mut server = Server::start(&site, "log", &words, &[]);
    assert_eq!(server.child.wait().expect("an end").code(), Some(125));
    assert!(!server.log().contains("gunicorn"), "{}", server.log());
}
