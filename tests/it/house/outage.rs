//! A server's bad days: a gate in front of a real server that is shut, says nothing, or cuts
//! connections, for as long as a test likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

/// What becomes of connections, those that there are and new ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Weather {
    /// They are passed on.
    Fine,
    /// Nobody listens, and what was open is reset.
    Shut,
    /// They are taken, and nothing is said.
    Silent,
    /// They are taken, and reset.
    Reset,
    /// They are reset in the middle of the server's words.
    Cut,
    /// The test is over.
    Gone,
}

const ALL: [Weather; 6] = [
    Weather::Fine,
    Weather::Shut,
    Weather::Silent,
    Weather::Reset,
    Weather::Cut,
    Weather::Gone,
];

/// So many of the server's bytes come through before a cut: a handshake, and no answer.
const CUT: usize = 2000;

/// How many milliseconds it takes at most until a change of the weather is felt.
const TICK: u8 = 5;

fn tick() {
    std::thread::sleep(Duration::from_millis(TICK.into()));
}

/// A listener at an address of its own, before a server that always runs.
pub struct Gate {
    pub address: SocketAddr,
    state: Arc<State>,
    keeper: Option<JoinHandle<()>>,
}

struct State {
    weather: AtomicU8,
    /// How many connections have felt each weather.
    felt: Mutex<[usize; ALL.len()]>,
    open: AtomicUsize,
}

impl State {
    fn weather(&self) -> Weather {
        ALL[usize::from(self.weather.load(Ordering::SeqCst))]
    }

    fn feel(&self, weather: Weather) {
        self.felt.lock().expect("counts")[weather as usize] += 1;
    }
}

impl Gate {
    pub fn before(server: SocketAddr) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            weather: AtomicU8::new(Weather::Fine as u8),
            felt: Mutex::default(),
            open: AtomicUsize::new(0),
        });
        let kept = Arc::clone(&state);
        let keeper = std::thread::spawn(move || keep(listener, address, server, &kept));
        Gate {
            address,
            state,
            keeper: Some(keeper),
        }
    }

    /// From now on.
    pub fn set(&self, weather: Weather) {
        self.state.weather.store(weather as u8, Ordering::SeqCst);
    }

    /// How many connections have felt it so far; those to a gate that is shut cannot be counted.
    pub fn felt(&self, weather: Weather) -> usize {
        self.state.felt.lock().expect("counts")[weather as usize]
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.set(Weather::Gone);
        drop(self.keeper.take().map(JoinHandle::join));
    }
}

/// Listens until the end of the test, but for the time that it is shut.
fn keep(first: TcpListener, address: SocketAddr, server: SocketAddr, state: &Arc<State>) {
    let mut listener = Some(first);
    loop {
        match state.weather() {
            Weather::Gone => break,
            Weather::Shut => listener = None,
            _ if listener.is_none() => listener = TcpListener::bind(address).ok(),
            _ => {}
        }
        let client = listener.as_ref().and_then(|listener| {
            listener.set_nonblocking(true).expect("a mode");
            listener.accept().ok()
        });
        let Some((client, _)) = client else {
            tick();
            continue;
        };
        client.set_nonblocking(false).expect("a mode");
        let state = Arc::clone(state);
        state.open.fetch_add(1, Ordering::SeqCst);
        std::thread::spawn(move || {
            pass(client, server, &state);
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
    // A socket that is left would be the next test's, where tests share a process.
    while state.open.load(Ordering::SeqCst) > 0 {
        tick();
    }
}

/// Passes bytes on both ways, as the weather permits.
fn pass(mut client: TcpStream, server: SocketAddr, state: &State) {
    let Ok(mut server) = TcpStream::connect(server) else {
        return reset(&client);
    };
    let mut said = 0;
    let mut before = Weather::Fine;
    loop {
        let now = state.weather();
        if now != before {
            state.feel(now);
            before = now;
        }
        match now {
            Weather::Fine => {}
            Weather::Cut if said < CUT => {}
            Weather::Silent => {
                tick();
                continue;
            }
            _ => return reset(&client),
        }
        let (up, down) = {
            let on = |stream| PollFd::new(stream, PollFlags::POLLIN);
            let mut fds = [on(client.as_fd()), on(server.as_fd())];
            poll(&mut fds, PollTimeout::from(TICK)).ok();
            let ready = |fd: &PollFd<'_>| fd.any().unwrap_or_default();
            (ready(&fds[0]), ready(&fds[1]))
        };
        if up && hand_on(&mut client, &mut server).is_none() {
            return;
        }
        if down {
            let Some(count) = hand_on(&mut server, &mut client) else {
                return;
            };
            said += count;
        }
    }
}

/// The bytes that were there to be passed on; `None` at the end.
fn hand_on(from: &mut TcpStream, to: &mut TcpStream) -> Option<usize> {
    let mut bytes = [0; 16 * 1024];
    let count = from.read(&mut bytes).ok().filter(|count| *count > 0)?;
    to.write_all(&bytes[..count]).ok().map(|()| count)
}

/// A close without a good-bye.
fn reset(stream: &TcpStream) {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(stream, sockopt::Linger, &at_once).expect("linger");
}
