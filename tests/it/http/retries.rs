//! When it asks again, and when it does not.

use std::time::{Duration, Instant};

use envshim::clock::Deadline;
use envshim::http::{Cause, Client, Method, Options, Policy, Request};
use envshim::secret::Secret;

use super::{address, cause, fault, get, once, patient, spoken, text};
use crate::house::server::{Server, answer, read_request};

#[test]
fn passing_statuses_are_asked_again() {
    for status in [429, 500, 502, 503, 504] {
        let server = Server::http(move |seen| match seen.number {
            0 | 1 => answer(status, "", "later"),
            _ => answer(200, "", "now"),
        });
        assert_eq!(text(get(patient(), &server.url())), "now", "{status}");
        assert_eq!(server.seen().len(), 3);
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn the_rest_is_an_answer() {
    for status in [200, 204, 400, 401, 403, 404, 412, 501] {
        let server = Server::http(move |_| answer(status, "", ""));
        let got = get(patient(), &server.url()).expect("an answer");
        assert_eq!((got.status, server.seen().len()), (status, 1));
    }
    // Vault: 412 means "not there yet".
    let server = Server::http(|seen| answer(if seen.number == 0 { 412 } else { 200 }, "", "x"));
    let policy = Policy {
        also: &[412],
        ..patient().policy
    };
    assert_eq!(
        text(get(
            Options {
                policy,
                ..patient()
            },
            &server.url()
        )),
        "x"
    );
}

#[test]
fn the_last_answer_is_given() {
    let server = Server::http(|_| answer(503, "", "sealed"));
    let got = get(patient(), &server.url()).expect("an answer");
    assert_eq!((got.status, got.body.expose()), (503, &b"sealed"[..]));
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn retry_after_is_honoured() {
    let server = Server::http(|seen| match seen.number {
        0 => answer(503, "Retry-After: 1\r\n", ""),
        _ => answer(200, "", "x"),
    });
    let begun = Instant::now();
    assert_eq!(text(get(patient(), &server.url())), "x");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn retry_after_beyond_the_deadline_fails_at_once() {
    for after in ["100", "Fri, 01 Jan 2100 00:00:00 GMT"] {
        let server = Server::http(move |_| answer(429, &format!("Retry-After: {after}\r\n"), ""));
        let begun = Instant::now();
        let got = fault(get(patient(), &server.url()));
        assert!(begun.elapsed() < Duration::from_secs(10));
        let Cause::AskedToWait {
            status: 429, wait, ..
        } = got.cause
        else {
            panic!("{got:?}")
        };
        assert!(wait >= Duration::from_secs(100));
        assert!(spoken(&got).contains("try again later, or raise --timeout"));
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn a_broken_connection_is_opened_again() {
    let server = Server::raw(|mut stream, number| {
        if read_request(&mut stream).is_some() && number >= 2 {
            std::io::Write::write_all(&mut stream, &answer(200, "", "x")).expect("a client");
        }
    });
    assert_eq!(text(get(patient(), &server.url())), "x");
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_is_not_used_again() {
    // Each connection serves one request and then closes, without saying so.
    let server = Server::raw(|mut stream, _| {
        read_request(&mut stream).expect("a request");
        std::io::Write::write_all(&mut stream, &answer(200, "", "x")).expect("a client");
    });
    let client = Client::new(once());
    for _ in 0..3 {
        let request = Request::get(address(&server.url()));
        assert_eq!(text(client.send(&request)), "x");
        // The close must have arrived; there is nothing to see from here but time.
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_must_not_be_done_twice_is_not_sent_twice() {
    let post = |server: &Server| {
        let body = Secret::new(b"{}".to_vec());
        Client::new(patient()).send(&Request::send(Method::Post, address(&server.url()), body))
    };
    let closes = Server::raw(|mut stream, _| drop(read_request(&mut stream)));
    assert!(matches!(cause(post(&closes)), Cause::Closed(_)));
    assert_eq!(closes.connections(), 1);
    let fails = Server::http(|_| answer(500, "", ""));
    assert_eq!(post(&fails).expect("an answer").status, 500);
    assert_eq!(fails.seen().len(), 1);
    // Here the server says that it has not begun.
    let busy = Server::http(|seen| answer(if seen.number == 0 { 429 } else { 200 }, "", "x"));
    assert_eq!(text(post(&busy)), "x");
}

#[test]
fn a_store_that_comes_up_late_is_waited_for() {
    let port = super::free_port();
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port");
        let (mut stream, _) = listener.accept().expect("a client");
        read_request(&mut stream).expect("a request");
        std::io::Write::write_all(&mut stream, &answer(200, "", "x")).expect("a client");
    });
    let options = Options {
        policy: Policy {
            tries: 1000,
            base: Duration::from_millis(10),
            cap: Duration::from_millis(50),
            also: &[],
            ..Policy::default()
        },
        deadline: Deadline::after(Duration::from_secs(10)),
        ..once()
    };
    assert_eq!(text(get(options, &format!("http://127.0.0.1:{port}"))), "x");
    late.join().expect("the server");
}
