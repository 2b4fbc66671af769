//! What stands between us and a server: a relay that counts and delays, and proxies.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::server::{Seen, Server, answer, read_request};

/// Passes bytes on to `target` unseen, each way later by `delay`, and counts: connections, and
/// turns (how often the client speaks after it has listened), which are the round trips.
pub struct Relay {
    pub server: Server,
    turns: Arc<AtomicUsize>,
}

impl Relay {
    pub fn new(target: SocketAddr, delay: Duration) -> Relay {
        let turns = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&turns);
        let server = Server::raw(move |client, _| {
            let target = TcpStream::connect(target).expect("the target");
            relay(client, target, delay, Some(&count));
        });
        Relay { server, turns }
    }

    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// Round trips after the opening of the connections.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }
}

fn relay(client: TcpStream, target: TcpStream, delay: Duration, turns: Option<&Arc<AtomicUsize>>) {
    // Who spoke last: only the client's first words after the server's begin a turn.
    let client_last = Arc::new(Mutex::new(false));
    let (from, to) = (
        client.try_clone().expect("a clone"),
        target.try_clone().expect("a clone"),
    );
    let last = Arc::clone(&client_last);
    let count = turns.map(Arc::clone);
    let up = std::thread::spawn(move || {
        pump(from, to, delay, || {
            let mut last = last.lock().expect("a flag");
            if !*last && let Some(count) = &count {
                count.fetch_add(1, Ordering::SeqCst);
            }
            *last = true;
        });
    });
    pump(target, client, delay, || {
        *client_last.lock().expect("a flag") = false
    });
    drop(up.join());
}

fn pump(mut from: TcpStream, mut to: TcpStream, delay: Duration, each: impl Fn()) {
    to.set_nodelay(true).expect("nodelay");
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 {
            break;
        }
        each();
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

/// An HTTP proxy: `CONNECT` to anywhere, and whole addresses passed on to the same `target`.
pub struct Proxy {
    pub server: Server,
    asked: Arc<Mutex<Vec<Seen>>>,
}

impl Proxy {
    /// `answer` may refuse: a status for a request.
    pub fn new(
        target: SocketAddr,
        refuse: impl Fn(&Seen) -> Option<u16> + Send + Sync + 'static,
    ) -> Proxy {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let server = Server::raw(move |mut client, _| {
            let Some(seen) = read_request(&mut client) else {
                return;
            };
            log.lock().expect("the log").push(seen.clone());
            if let Some(status) = refuse(&seen) {
                drop(client.write_all(&answer(status, "", "no")));
                return;
            }
            let mut upstream = TcpStream::connect(target).expect("the target");
            if seen.line.starts_with("CONNECT ") {
                let yes = b"HTTP/1.1 200 Connection established\r\n\r\n";
                client.write_all(yes).expect("a client");
            } else {
                upstream.write_all(seen.head.as_bytes()).expect("a target");
            }
            relay(client, upstream, Duration::ZERO, None);
        });
        Proxy { server, asked }
    }

    /// What it was asked for.
    pub fn asked(&self) -> Vec<Seen> {
        self.asked.lock().expect("the log").clone()
    }
}
