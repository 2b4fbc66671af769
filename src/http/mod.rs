//! HTTP to the stores. The only user of ureq and rustls.
//!
//! What holds for every request:
//!
//! - It ends by the one deadline of the load; each attempt has its own limit below that.
//! - It goes where the address says: no redirect, except one within the same origin where the
//!   caller allows it (Vault); never from https to http, never with credentials to another host.
//! - The answer's body is a [`Secret`] of bounded size. Buffers are made at their size and wiped;
//!   header values that are secrets wipe themselves. (Inside rustls, a record of at most 16 KiB
//!   passes through memory that is not ours to wipe.)
//! - Failures are told apart ([`Cause`]) and told in our own words.
//!
//! ureq contributes message framing and the pool of connections. Sockets, TLS, proxies, name
//! look-ups and time are ours, because these are where a start-up fails, and the reasons must reach
//! the person who has to mend it.

mod address;
mod buffers;
mod exchange;
mod fault;
mod handshake;
mod line;
mod names;
mod proxy;
mod retry;
mod tls;
mod together;
mod tunnel;
mod visits;
mod waiting;
mod wire;
mod words;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ureq::http::HeaderMap;

use crate::clock::Deadline;
use crate::secret::Secret;

pub use address::{Address, Exposure};
pub use fault::{
    AddressFault, Cause, CertificateFault, Fault, Phase, ProxyFault, Redirect, SettingFault,
};
pub use proxy::Proxies;
pub use retry::{Policy, date};
pub use tls::{Authority, Identity, Pem, Tls};
pub use visits::Visits;
pub use waiting::Waiting;

use wire::{Dialler, NoLookUp, Roads};

/// The size of an answer that no store exceeds: Vault's own limit for a secret is 1 MiB.
pub const MOST: usize = 4 << 20;

/// What a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Read.
    Get,
    /// Ask or create.
    Post,
    /// Create or replace.
    Put,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

/// The value of a header.
pub enum Value {
    /// Nothing to hide.
    Plain(Cow<'static, str>),
    /// A token or the like; wiped after use.
    Secret(Secret),
}

/// One request.
pub struct Request {
    /// What to do.
    pub method: Method,
    /// Where.
    pub address: Address,
    /// Headers beyond host, length and user agent.
    pub headers: Vec<(Cow<'static, str>, Value)>,
    /// The body, whole.
    pub body: Option<Secret>,
    /// It may be done twice without harm, so it is sent again when no answer came.
    pub idempotent: bool,
    /// Follow one redirect within the origin.
    pub follow: bool,
}

impl Request {
    /// A read.
    pub fn get(address: Address) -> Request {
        Request {
            method: Method::Get,
            address,
            headers: Vec::new(),
            body: None,
            idempotent: true,
            follow: false,
        }
    }

    /// A request with a body.
    pub fn send(method: Method, address: Address, body: Secret) -> Request {
        Request {
            method,
            body: Some(body),
            idempotent: method == Method::Put,
            ..Request::get(address)
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: Value) -> Request {
        self.headers.push((name.into(), value));
        self
    }
}

/// What the server answered, whatever its status.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Secret,
    headers: HeaderMap,
}

impl Answer {
    /// A header by its name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// How a client asks.
pub struct Options {
    /// The end of the whole load.
    pub deadline: Deadline,
    /// The most that one attempt may take.
    pub attempt: Duration,
    /// The largest body that is taken.
    pub most: usize,
    /// When to ask again.
    pub policy: Policy,
    /// TLS settings.
    pub tls: Tls,
    /// The proxies of the run.
    pub proxies: Arc<Proxies>,
    /// All connections go to this Unix socket instead (`unix:///path` in `VAULT_ADDR`).
    pub socket: Option<PathBuf>,
    /// Shows what is waited for.
    pub waiting: Option<Arc<Waiting>>,
    /// Remembers who was asked.
    pub visits: Option<Arc<Visits>>,
}

impl Options {
    /// The usual ones.
    pub fn new(deadline: Deadline) -> Options {
        Options {
            deadline,
            attempt: Duration::from_secs(10),
            most: MOST,
            policy: Policy::default(),
            tls: Tls::default(),
            proxies: Arc::new(Proxies::none()),
            socket: None,
            waiting: None,
            visits: None,
        }
    }
}

/// Asks one store. Cheap to make: no file is read and no name looked up before a request needs it.
/// Clones share the connections.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    deadline: Deadline,
    attempt: Duration,
    most: usize,
    policy: Policy,
    proxies: Arc<Proxies>,
    socket: Option<PathBuf>,
    waiting: Option<Arc<Waiting>>,
    visits: Option<Arc<Visits>>,
}

impl Client {
    /// A client with these options.
    pub fn new(options: Options) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("envshim/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("")
            .max_response_header_size(buffers::INPUT - 4096)
            .max_idle_connections(together::MOST)
            .max_idle_connections_per_host(together::MOST)
            .build();
        let roads = Roads {
            socket: options.socket.clone(),
            proxies: Arc::clone(&options.proxies),
            tls: options.tls,
            names: names::Names::default(),
            ready: std::sync::Mutex::new(None),
        };
        Client {
            agent: ureq::Agent::with_parts(config, Dialler(Arc::new(roads)), NoLookUp),
            deadline: options.deadline,
            attempt: options.attempt,
            most: options.most,
            policy: options.policy,
            proxies: options.proxies,
            socket: options.socket,
            waiting: options.waiting,
            visits: options.visits,
        }
    }

    /// Where a request goes, for messages.
    fn place(&self, request: &Request) -> String {
        match &self.socket {
            Some(path) => format!("unix://{}", path.display()),
            None => request.address.origin(),
        }
    }

    /// Sends a request until there is an answer or no use in asking again. Any status is an answer,
    /// except a redirect that is not followed.
    pub fn send(&self, request: &Request) -> Result<Answer, Fault> {
        if let Some(visits) = &self.visits {
            visits.add(self.place(request));
        }
        let host = request.address.host();
        let _shown = self.waiting.as_ref().map(|w| w.start(host, &self.deadline));
        let fail = |cause, tries, late: bool| Fault {
            at: self.place(request),
            cause,
            tries,
            deadline: late.then(|| self.deadline.whole()),
        };
        let headers = exchange::headers(request).map_err(|cause| fail(cause, 0, false))?;
        let left = self.deadline.left();
        if left.is_zero() {
            return Err(fail(Cause::Deadline, 0, true));
        }
        for tries in 1.. {
            let limit = self.deadline.left().min(self.attempt);
            let outcome = self.follow(request, &headers, limit);
            let left = self.deadline.left();
            let throttled = matches!(&outcome, Ok(answer) if (self.policy.throttled)(answer));
            let most = if throttled {
                self.policy.patience
            } else {
                self.policy.tries
            };
            // Less is no time for another attempt.
            let more = tries < most && left > Duration::from_millis(50);
            let pause = match outcome {
                Ok(answer)
                    if !throttled && !self.policy.again(answer.status, request.idempotent) =>
                {
                    return Ok(answer);
                }
                Ok(answer) => {
                    let asked = answer.header("retry-after");
                    let asked = asked.and_then(|text| retry::retry_after(text, SystemTime::now()));
                    match asked {
                        Some(wait) if wait >= left => {
                            let status = answer.status;
                            let cause = Cause::AskedToWait { status, wait, left };
                            return Err(fail(cause, tries, false));
                        }
                        _ if !more => return Ok(answer),
                        Some(wait) => wait,
                        None => {
                            let pause = self.policy.pause_after(&answer, tries, throttled);
                            pause.min(left / 2)
                        }
                    }
                }
                Err(cause) => {
                    let harmless = request.idempotent || cause.before_request();
                    if !(more && harmless && cause.passing()) {
                        let late = left <= Duration::from_millis(50);
                        return Err(fail(cause, tries, late));
                    }
                    self.policy.pause(tries, false).min(left / 2)
                }
            };
            retry::wait(pause);
        }
        Err(fail(Cause::Deadline, 0, true))
    }
}
