//! Servers that do what a test tells them: answer, stall, cut, talk nonsense.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Bytes both ways, plain or in TLS.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A listener on loopback, with a thread for each connection.
pub struct Server {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

/// A request as it came.
#[derive(Clone)]
pub struct Seen {
    /// `GET /path HTTP/1.1`.
    pub line: String,
    /// The head, line included.
    pub head: String,
    pub body: Vec<u8>,
    /// How many requests came before it, over all connections.
    pub number: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).expect("a path")
    }
}

/// An answer with a length.
pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

impl Server {
    /// Gives each connection to `serve`, with its number.
    pub fn raw(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, ended) = (Arc::clone(&connections), Arc::clone(&stop));
        let serve = Arc::new(serve);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let number = count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream, number));
            }
        });
        Server {
            address,
            connections,
            seen: Arc::default(),
            stop,
            listener: Some(thread),
        }
    }

    /// Answers each request; connections are kept.
    pub fn http(reply: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Server {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let mut server = Server::raw(move |stream, _| talk(stream, &log, &reply));
        server.seen = seen;
        server
    }

    /// The same in TLS.
    pub fn https(
        config: Arc<rustls::ServerConfig>,
        reply: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Server {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let mut server = Server::raw(move |stream, _| {
            let tls = rustls::ServerConnection::new(Arc::clone(&config)).expect("TLS");
            talk(rustls::StreamOwned::new(tls, stream), &log, &reply);
        });
        server.seen = seen;
        server
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `https://localhost:port`.
    pub fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.port())
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the log").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.listener.take().map(JoinHandle::join));
    }
}

/// Serves requests on one connection until it ends.
pub fn talk(
    mut stream: impl Stream,
    log: &Mutex<Vec<Seen>>,
    reply: &(impl Fn(&Seen) -> Vec<u8> + ?Sized),
) {
    while let Some(mut seen) = read_request(&mut stream) {
        {
            let mut log = log.lock().expect("the log");
            seen.number = log.len();
            log.push(seen.clone());
        }
        let bytes = reply(&seen);
        if stream
            .write_all(&bytes)
            .and_then(|()| stream.flush())
            .is_err()
        {
            return;
        }
    }
}

/// One request; `None` at the end of the connection.
pub fn read_request(stream: &mut impl Stream) -> Option<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head in ASCII");
    let mut seen = Seen {
        line: head.lines().next().unwrap_or_default().to_owned(),
        head,
        body: Vec::new(),
        number: 0,
    };
    let length = seen
        .header("content-length")
        .map_or(0, |l| l.parse().expect("a length"));
    seen.body = vec![0; length];
    stream.read_exact(&mut seen.body).ok()?;
    Some(seen)
}
