//! The HTTP room against real sockets: every way in which a store can fail, told apart.

mod faults;
mod memory;
mod names;
mod parallel;
mod proxies;
mod retries;
mod tls;

use std::net::TcpListener;
use std::time::Duration;

use envshim::clock::Deadline;
use envshim::failure::Explain;
use envshim::http::{Address, Answer, Cause, Client, Fault, Options, Policy, Request};

/// One attempt, with time enough on a busy machine.
fn once() -> Options {
    Options {
        policy: Policy::ONCE,
        ..Options::new(Deadline::after(Duration::from_secs(30)))
    }
}

/// One attempt, half a second for it: against servers that stall.
fn hasty() -> Options {
    Options {
        attempt: Duration::from_millis(500),
        ..once()
    }
}

/// Quick retries.
fn patient() -> Options {
    Options {
        policy: Policy {
            tries: 4,
            base: Duration::from_millis(5),
            cap: Duration::from_millis(20),
            also: &[],
            ..Policy::default()
        },
        ..once()
    }
}

fn address(url: &str) -> Address {
    match Address::parse(url) {
        Ok(address) => address,
        Err(fault) => panic!("{url}: {fault:?}"),
    }
}

fn get(options: Options, url: &str) -> Result<Answer, Fault> {
    Client::new(options).send(&Request::get(address(url)))
}

#[track_caller]
fn text(answer: Result<Answer, Fault>) -> String {
    match answer {
        Ok(answer) => String::from_utf8(answer.body.expose().to_vec()).expect("text"),
        Err(fault) => panic!("{fault:?}"),
    }
}

#[track_caller]
fn fault(answer: Result<Answer, Fault>) -> Fault {
    match answer {
        Ok(answer) => panic!("it answered with {}", answer.status),
        Err(fault) => fault,
    }
}

#[track_caller]
fn cause(answer: Result<Answer, Fault>) -> Cause {
    fault(answer).cause
}

/// What a user reads: the line and its hint.
fn spoken(fault: &Fault) -> String {
    let hint = fault.hint().unwrap_or_default();
    format!("{} | {hint}", fault.what())
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
