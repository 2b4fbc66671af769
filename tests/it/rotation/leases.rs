//! Leases of a real OpenBao on a real PostgreSQL: renewed while the program runs, replaced when they
//! end, given back when it has ended.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::super::house::openbao::OpenBao;
use super::super::house::postgres::Postgres;
use super::super::house::{Shim, wait_until};
use super::Running;

/// A role `app` whose users live for `ttl`, renewed for `most` in all.
fn role(ttl: &str, most: &str) -> Option<(OpenBao, Postgres)> {
    let (bao, postgres) = (OpenBao::start()?, Postgres::start()?);
    bao.database(&postgres, "app", ttl, most);
    bao.policy("app", "database/creds/app", "read");
    Some((bao, postgres))
}

/// The users that the server has made and not taken back.
fn users(postgres: &Postgres) -> usize {
    let count = postgres.ask("select count(*) from pg_roles where rolname like 'v-%'");
    count.and_then(|count| count.parse().ok()).expect("a count")
}

/// Logs in again and again, each time anew, and says with whom; an error is a line too.
fn program(postgres: &Postgres) -> String {
    format!(
        "trap 'exit 3' TERM; echo \"start $PGUSER\"; while :; do \
         psql --no-psqlrc -Atqc 'select 1' 'postgresql://127.0.0.1:{}/postgres' >/dev/null 2>&1 || echo FAILED; \
         sleep 0.2; done",
        postgres.port
    )
}

fn shim(bao: &OpenBao, postgres: &Postgres, options: &str) -> Shim {
    let (role, secret) = bao.approle(r#"{"token_policies": ["app"], "token_ttl": "1h"}"#);
    bao.shim()
        .env("VAULT_ROLE_ID", role)
        .env("VAULT_SECRET_ID", secret)
        .file(
            ".vault",
            "PGUSER=vault:/database/creds/app#username\nPGPASSWORD=vault:/database/creds/app#password\n",
        )
        .args(options)
        .args("-- sh -c")
        .arg(program(postgres))
}

#[test]
fn they_are_renewed_and_given_back() {
    let Some((bao, postgres)) = role("4s", "1h") else {
        return;
    };
    let mut it = Running::start(shim(&bao, &postgres, "--supervise"));
    wait_until("the program", || it.out().starts_with("start v-"));
    let begun = Instant::now();
    // Without renewal they would have ended twice.
    wait_until("nine seconds", || begun.elapsed() > Duration::from_secs(9));
    assert_eq!(it.out().lines().count(), 1, "{}\n{}", it.out(), it.err());
    assert_eq!(users(&postgres), 1);
    it.stops(3);
    wait_until("nobody left", || users(&postgres) == 0);
    assert_eq!(it.err(), "");
}

#[test]
fn a_crash_gives_them_back_too() {
    let Some((bao, postgres)) = role("1h", "1h") else {
        return;
    };
    let mut it = Running::start(shim(&bao, &postgres, "--supervise"));
    wait_until("the program", || it.out().starts_with("start v-"));
    assert_eq!(users(&postgres), 1);
    let child = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", it.pid()));
    let child: i32 = child.expect("children").trim().parse().expect("one child");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), Signal::SIGKILL).expect("killed");
    assert_eq!(it.end().code(), None);
    wait_until("nobody left", || users(&postgres) == 0);
}

#[test]
fn the_program_gets_new_ones_before_they_end() {
    let Some((bao, postgres)) = role("4s", "7s") else {
        return;
    };
    let options = "--on-change restart --stop-timeout 2s";
    let mut it = Running::start(shim(&bao, &postgres, options));
    for count in 2..=3 {
        wait_until("the next program", || {
            it.out().matches("start v-").count() == count
        });
    }
    let out = it.out();
    let mut names: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("start "))
        .collect();
    names.dedup();
    assert_eq!(names.len(), 3, "{out}");
    assert!(!out.contains("FAILED"), "{out}\n{}", it.err());
    // Those of the programs before it were given back at once.
    wait_until("one user", || users(&postgres) == 1);
    it.stops(3);
    wait_until("nobody left", || users(&postgres) == 0);
}

/// A look at what may have changed makes no new users.
#[test]
fn looks_leave_leases_alone() {
    let Some((bao, postgres)) = role("1h", "1h") else {
        return;
    };
    bao.policy("app", "*", "read");
    bao.put("app", r#"{"a": "1"}"#);
    let vault = "A=vault:app#a\nPGUSER=vault:/database/creds/app#username\n\
                 PGPASSWORD=vault:/database/creds/app#password\n";
    let shim = shim(&bao, &postgres, "--watch 1s").file(".vault", vault);
    let mut it = Running::start(shim);
    wait_until("the program", || it.out().starts_with("start v-"));
    let looks = || {
        let asked = bao.asked();
        asked
            .iter()
            .filter(|line| *line == "read secret/metadata/app")
            .count()
    };
    wait_until("three looks", || looks() >= 3);
    assert_eq!(users(&postgres), 1);
    bao.put("app", r#"{"a": "2"}"#);
    wait_until("another program", || {
        it.out().matches("start v-").count() == 2
    });
    wait_until("one user", || users(&postgres) == 1);
    it.stops(3);
    wait_until("nobody left", || users(&postgres) == 0);
}
