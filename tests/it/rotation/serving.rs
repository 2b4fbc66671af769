//! gunicorn serves requests from a database whose users come and go: none of the requests fails.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::super::house::openbao::OpenBao;
use super::super::house::postgres::Postgres;
use super::super::house::{Shim, python, wait_until};
use super::Running;

/// Logs in with what the file says now, and answers with whom.
const APPLICATION: &str = r#"
import json, os, subprocess

def application(environ, start_response):
    with open(os.environ["DATABASE"]) as file:
        database = json.load(file)
    found = subprocess.run(
        ["psql", "--no-psqlrc", "-Atqc", "select current_user", os.environ["ADDRESS"]],
        env={"PATH": os.environ["PATH"], "PGUSER": database["username"], "PGPASSWORD": database["password"]},
        capture_output=True, text=True)
    start_response("200 OK" if found.returncode == 0 else "500 No", [("Content-Type", "text/plain")])
    return [found.stdout.encode() or found.stderr.encode()]
"#;

/// The status line and the body.
fn get(port: u16) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.lines().next()?.to_owned(), body.trim().to_owned()))
}

fn port(it: &Running) -> Option<u16> {
    let told = it.err();
    let (_, rest) = told.split_once("Listening at: http://127.0.0.1:")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[test]
fn no_request_fails_while_users_of_the_database_come_and_go() {
    let (Some(bao), Some(postgres)) = (OpenBao::start(), Postgres::start()) else {
        return;
    };
    // A third of it is for the next one to come, also on a busy machine.
    bao.database(&postgres, "app", "6s", "11s");
    let vault = format!(
        "DATABASE=vault:/database/creds/app?as=file\nADDRESS=postgresql://127.0.0.1:{}/postgres\n",
        postgres.port
    );
    let bin = python().parent().expect("a folder").display().to_string();
    let shim = Shim::new()
        .env("PATH", format!("{bin}:/usr/bin:/bin"))
        .env("VAULT_ADDR", bao.url())
        .env("VAULT_CACERT", bao.authority.root())
        .env("VAULT_TOKEN", &bao.root)
        .file("wsgi.py", APPLICATION)
        .file(".vault", vault)
        .args("--on-change signal:HUP -- python -m gunicorn --workers=2 --bind=127.0.0.1:0 wsgi");
    let mut it = Running::start(shim);
    wait_until("gunicorn", || {
        port(&it).is_some_and(|port| get(port).is_some())
    });
    let port = port(&it).expect("a port");
    let mut users: Vec<String> = Vec::new();
    let begun = Instant::now();
    while users.len() < 3 {
        let (status, user) = get(port).expect("an answer");
        assert!(status.ends_with("200 OK"), "{status}: {user}\n{}", it.err());
        if users.last() != Some(&user) {
            users.push(user);
        }
        // They live for eleven seconds each.
        assert!(begun.elapsed() < Duration::from_secs(60), "{users:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(it.err().contains("Handling signal: hup"), "{}", it.err());
    it.stops(0);
    let left = || postgres.ask("select count(*) from pg_roles where rolname like 'v-%'");
    wait_until("nobody left", || left().as_deref() == Some("0"));
}
