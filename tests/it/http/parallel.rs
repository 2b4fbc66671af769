//! Many at once, and what is said while waiting.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use envshim::clock::Deadline;
use envshim::http::{Client, Options, Policy, Request, Waiting};

use super::{address, get, once, text};
use crate::house::server::{Server, answer};
use crate::house::wait_until;
use crate::house::wire::Relay;

fn requests(url: &str, count: usize) -> Vec<Request> {
    (0..count)
        .map(|n| Request::get(address(&format!("{url}/{n}"))))
        .collect()
}

#[test]
fn order_and_bound() {
    let server = Server::http(|seen| answer(200, "", seen.path()));
    for (count, bound, most) in [
        (0, 8, 0),
        (1, 8, 1),
        (40, 8, 8),
        (40, 1, 1),
        (100, 1000, 64),
    ] {
        let before = server.connections();
        let outcomes = Client::new(once()).together(&requests(&server.url(), count), bound);
        assert_eq!(outcomes.len(), count);
        for (n, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(text(outcome), format!("/{n}"));
        }
        let opened = server.connections() - before;
        assert!(opened <= most, "{opened} of {most}");
    }
}

#[test]
fn one_failure_leaves_the_others_alone() {
    let server = Server::http(|seen| match seen.path() {
        "/3" => b"nonsense\r\n\r\n".to_vec(),
        path => answer(200, "", path),
    });
    let outcomes = Client::new(once()).together(&requests(&server.url(), 8), 4);
    let failed: Vec<usize> = (0..8).filter(|n| outcomes[*n].is_err()).collect();
    assert_eq!(failed, [3]);
}

#[test]
fn a_dead_store_is_asked_once_and_not_a_hundred_times() {
    let url = format!("http://127.0.0.1:{}", super::free_port());
    let policy = Policy {
        tries: 3,
        base: Duration::from_millis(200),
        cap: Duration::from_millis(200),
        also: &[],
        ..Policy::default()
    };
    let client = Client::new(Options { policy, ..once() });
    let begun = Instant::now();
    let outcomes = client.together(&requests(&url, 100), 2);
    assert_eq!(outcomes.len(), 100);
    assert!(outcomes.iter().all(Result::is_err));
    // One after the other they would take 50 times 200 ms.
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn clones_share_the_connections() {
    let server = Server::http(|_| answer(200, "", "x"));
    let client = Client::new(once());
    for _ in 0..10 {
        let request = Request::get(address(&server.url()));
        assert_eq!(text(client.clone().send(&request)), "x");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn round_trips_are_shared() {
    let server = Server::http(|_| answer(200, "", "x"));
    let relay = Relay::new(server.address, Duration::from_millis(50));
    let begun = Instant::now();
    let outcomes = Client::new(once()).together(&requests(&relay.server.url(), 64), 16);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(relay.turns(), 64);
    assert!(relay.connections() <= 16);
    // One after the other they would take 64 times 100 ms.
    assert!(
        begun.elapsed() < Duration::from_millis(3200),
        "{:?}",
        begun.elapsed()
    );
}

/// Other tests have threads too, so it is looked at in a process that runs this one alone.
#[test]
fn no_thread_is_left() {
    if std::env::var_os("ENVSHIM_TEST_ALONE").is_none() {
        let alone = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "http::parallel::no_thread_is_left"])
            .env("ENVSHIM_TEST_ALONE", "1")
            .output()
            .expect("this program");
        assert!(
            alone.status.success(),
            "{}",
            String::from_utf8_lossy(&alone.stdout)
        );
        return;
    }
    let server = Server::http(|_| answer(200, "", "x"));
    let options = Options {
        waiting: Some(Arc::new(Waiting::new(|_| ()))),
        ..once()
    };
    // A name that needs a look-up, whatever comes of it.
    drop(Client::new(options).together(&requests("http://store.invalid", 2), 2));
    let client = Client::new(once());
    for outcome in client.together(&requests(&server.url(), 32), 16) {
        assert_eq!(text(outcome), "x");
    }
    // The kernel takes a moment to take a joined thread off its list.
    wait_until("no thread is left", || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
        let mut names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.all(|name| !["fetch\n", "waiting\n", "look-up\n"].contains(&name.as_str()))
    });
}

#[test]
fn says_what_it_waits_for() {
    let server =
        Server::raw(|mut stream, _| drop(std::io::copy(&mut stream, &mut std::io::sink())));
    let said = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&said);
    let waiting = Waiting::new(move |line| {
        log.lock().expect("a log").push(line.map(str::to_owned));
    });
    let options = Options {
        waiting: Some(Arc::new(waiting)),
        attempt: Duration::from_millis(2600),
        deadline: Deadline::after(Duration::from_secs(30)),
        ..once()
    };
    assert!(get(options, &server.url()).is_err());
    let said = said.lock().expect("a log").clone();
    assert_eq!(
        said,
        [Some("waiting for 127.0.0.1 (2 s of 30 s)".to_owned()), None]
    );
}
