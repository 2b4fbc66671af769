//! Connections for ureq: how a request gets to its server, and the bytes of one connection.
//!
//! The route is decided here and nowhere else: a Unix socket if the client has one, a proxy if the
//! variables name one for this address, else directly.

use std::fmt;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers as UreqBuffers, ConnectionDetails, Connector, NextTimeout, Transport,
};

use super::address::Address;
use super::buffers::Buffers;
use super::fault::{Cause, Phase, ProxyFault};
use super::handshake::Sealed;
use super::line::{Line, Open};
use super::names::{Names, share, with_port};
use super::proxy::{Proxies, Proxy};
use super::tls::{Ready, Tls};
use super::tunnel::{self, Forward};

/// A typed cause on its way through ureq's error.
#[derive(Debug)]
pub(super) struct Carried(pub(super) Cause);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("see the cause")
    }
}

impl std::error::Error for Carried {}

fn carry(cause: Cause) -> Error {
    Error::Other(Box::new(Carried(cause)))
}

/// The cause in an error of ureq; what it leaves open belongs to `phase`.
pub(super) fn cause(error: Error, phase: Phase) -> Cause {
    match error {
        Error::Other(inner) => match inner.downcast::<Carried>() {
            Ok(carried) => carried.0,
            Err(_) => Cause::Request("other"),
        },
        Error::Timeout(_) => Cause::Slow(phase, Duration::ZERO),
        Error::Io(_) => Cause::Closed(phase),
        Error::Protocol(_) => Cause::Garbage,
        Error::LargeResponseHeader(_, most) => Cause::TooLarge(most),
        Error::BodyStalled => Cause::Closed(phase),
        Error::Http(_) | Error::BadUri(_) => Cause::Request("http"),
        _ => Cause::Request("ureq"),
    }
}

/// Opens connections.
pub(super) struct Roads {
    pub(super) socket: Option<PathBuf>,
    pub(super) proxies: Arc<Proxies>,
    pub(super) tls: Tls,
    pub(super) names: Names,
    /// Made at the first https request.
    pub(super) ready: Mutex<Option<Arc<Ready>>>,
}

impl fmt::Debug for Roads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roads")
    }
}

impl Roads {
    /// The TLS configuration; whoever comes first makes it.
    fn ready(&self) -> Result<Arc<Ready>, Cause> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = &*ready {
            return Ok(Arc::clone(ready));
        }
        let made = Arc::new(self.tls.prepare().map_err(Cause::Setting)?);
        *ready = Some(Arc::clone(&made));
        Ok(made)
    }

    fn open(&self, to: &Address, until: Instant) -> Result<Wire, Cause> {
        // Settings that cannot be used are told before anything is sent.
        let ready = if to.https() {
            Some(self.ready()?)
        } else {
            None
        };
        let mut forward = None;
        let line: Box<dyn Line> = if let Some(path) = &self.socket {
            let socket = UnixStream::connect(path)
                .and_then(Open::unix)
                .map_err(|error| Cause::Socket(path.clone(), errno(&error)))?;
            Box::new(socket)
        } else if let Some(proxy) = self.proxies.choose(to) {
            let failed = |fault| Cause::Proxy(proxy.name(), Box::new(fault));
            let line = self
                .reach(proxy, until)
                .map_err(|cause| failed(ProxyFault::Unreachable(cause)))?;
            if to.https() {
                tunnel::connect(line, proxy, to, until).map_err(failed)?
            } else {
                forward = Some(Forward::new(proxy, to));
                line
            }
        } else {
            self.dial(to.host(), to.port(), until)?
        };
        let line = match ready {
            None => line,
            Some(ready) => seal(line, &ready, to.host(), until)?,
        };
        Ok(Wire {
            line,
            forward,
            fresh: true,
            buffers: Buffers::default(),
        })
    }

    /// A line to the proxy itself.
    fn reach(&self, proxy: &Proxy, until: Instant) -> Result<Box<dyn Line>, Cause> {
        let line = self.dial(&proxy.host, proxy.port, until)?;
        if !proxy.https {
            return Ok(line);
        }
        let ready = self.ready()?;
        // The name that the user set is the store's, not the proxy's.
        let ready = Ready {
            config: Arc::clone(&ready.config),
            server_name: None,
            roots: ready.roots.clone(),
            identity: ready.identity,
        };
        seal(line, &ready, &proxy.host, until)
    }

    /// Looks the name up and tries its addresses in order.
    fn dial(&self, host: &str, port: u16, until: Instant) -> Result<Box<dyn Line>, Cause> {
        let addresses = with_port(self.names.look_up(host, until)?, port);
        let begun = Instant::now();
        let mut told = None;
        for (index, address) in addresses.iter().enumerate() {
            let limit = share(index, addresses.len(), until);
            if limit.is_zero() {
                return Err(Cause::Slow(Phase::Connect, begun.elapsed()));
            }
            match TcpStream::connect_timeout(address, limit).and_then(Open::tcp) {
                Ok(line) => {
                    if index > 0 {
                        self.names.prefer(host, address.ip());
                    }
                    return Ok(Box::new(line));
                }
                Err(error) => {
                    let cause = match errno(&error) {
                        Errno::ECONNREFUSED => Cause::Refused(*address),
                        _ if error.kind() == std::io::ErrorKind::TimedOut => {
                            Cause::Slow(Phase::Connect, begun.elapsed())
                        }
                        errno => Cause::Unreachable(*address, errno),
                    };
                    // The first that tells most: "no route for IPv6" must not hide "refused".
                    if matches!(told, None | Some(Cause::Unreachable(..))) {
                        told = Some(cause);
                    }
                }
            }
        }
        Err(told.unwrap_or_else(|| Cause::NameNotFound(host.to_owned())))
    }
}

fn seal(
    line: Box<dyn Line>,
    ready: &Ready,
    host: &str,
    until: Instant,
) -> Result<Box<dyn Line>, Cause> {
    let begun = Instant::now();
    match Sealed::new(line, ready, host, until) {
        Ok(line) => Ok(Box::new(line)),
        Err(broken) => Err(broken.during(Phase::Handshake, begun)),
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn moment(timeout: NextTimeout) -> Instant {
    let now = Instant::now();
    // Without a limit (which no caller asks for): a day.
    let day = Duration::from_secs(86_400);
    now + if timeout.after.is_not_happening() {
        day
    } else {
        (*timeout.after).min(day)
    }
}

/// [`Roads`] as ureq takes them.
#[derive(Debug)]
pub(super) struct Dialler(pub(super) Arc<Roads>);

impl Connector for Dialler {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Wire>, Error> {
        let until = moment(details.timeout);
        let to = Address::parse(&details.uri.to_string())
            .map_err(|_| carry(Cause::Request("address")))?;
        self.0.open(&to, until).map(Some).map_err(carry)
    }
}

/// ureq looks names up before it knows the route; here the route comes first.
#[derive(Debug)]
pub(super) struct NoLookUp;

impl Resolver for NoLookUp {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// One connection.
pub(super) struct Wire {
    line: Box<dyn Line>,
    forward: Option<Forward>,
    /// The next bytes out begin a request.
    fresh: bool,
    buffers: Buffers,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn UreqBuffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let begun = Instant::now();
        let until = moment(timeout);
        let bytes = self.buffers.output_bytes(amount);
        let sent = match &self.forward {
            Some(forward) if self.fresh => self.line.write(&forward.rewrite(bytes), until),
            _ => self.line.write(bytes, until),
        };
        self.fresh = false;
        sent.map_err(|broken| carry(broken.during(Phase::Request, begun)))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let begun = Instant::now();
        self.fresh = true;
        let until = moment(timeout);
        let space = self.buffers.input_append_buf();
        let count = self
            .line
            .read(space, until)
            .map_err(|broken| carry(broken.during(Phase::Answer, begun)))?;
        // A TLS alert or handshake where HTTP was expected.
        if !self.line.sealed() && matches!(space.get(..count), Some([0x15 | 0x16, 3, ..])) {
            return Err(carry(Cause::SpeaksTls));
        }
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.line.quiet()
    }

    fn is_tls(&self) -> bool {
        self.line.sealed()
    }
}
