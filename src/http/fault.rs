//! What can go wrong between here and a store, told apart as far as it can be, in our own words:
//! no text of a foreign library, no path, no query, no header (`words` has the sentences).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use crate::files;

/// A request that got no answer.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The origin that was asked: `https://vault.example:8200`.
    pub at: String,
    /// What went wrong in the last attempt.
    pub cause: Cause,
    /// How many attempts were made.
    pub tries: u32,
    /// The deadline of the whole load, where it ended the attempts.
    pub deadline: Option<Duration>,
}

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub enum Cause {
    /// The name is not known to the name servers.
    NameNotFound(String),
    /// The name servers gave no usable answer.
    NameServers(String),
    /// There is no `/etc/resolv.conf` to say which name servers to ask.
    NoNameServers(String),
    /// Nobody listens there.
    Refused(SocketAddr),
    /// There is no way to that address.
    Unreachable(SocketAddr, Errno),
    /// The Unix socket cannot be reached.
    Socket(PathBuf, Errno),
    /// Nothing happened for that long.
    Slow(Phase, Duration),
    /// The connection was closed.
    Closed(Phase),
    /// The body ended early.
    Cut {
        /// Bytes that came.
        got: usize,
        /// Bytes that were announced.
        of: Option<u64>,
    },
    /// The answer is not HTTP.
    Garbage,
    /// The answer is larger than a secret can sensibly be.
    TooLarge(usize),
    /// An `http://` address of a server that speaks TLS.
    SpeaksTls,
    /// An `https://` address of a server that does not speak TLS.
    NoTls,
    /// The certificate of the server is not accepted.
    Certificate(CertificateFault),
    /// The server wants a client certificate, or another one.
    ClientCertificate {
        /// One was sent.
        sent: bool,
    },
    /// The two sides find no common TLS; the code of the library.
    Handshake(String),
    /// The TLS settings cannot be used.
    Setting(SettingFault),
    /// The server sends the request elsewhere.
    Redirect(Redirect),
    /// The proxy is the problem, and why.
    Proxy(String, Box<ProxyFault>),
    /// The server asks for more patience than there is time.
    AskedToWait {
        /// The status of its answer.
        status: u16,
        /// How long it asked for.
        wait: Duration,
        /// What was left of the deadline.
        left: Duration,
    },
    /// There was no time left to ask at all.
    Deadline,
    /// A header cannot be sent: its value holds a line break or the like.
    Header(String),
    /// A request that the library does not take; the name of its rule.
    Request(&'static str),
}

/// Where in an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Looking up the name.
    Name,
    /// Opening the connection.
    Connect,
    /// Agreeing on TLS.
    Handshake,
    /// Sending the request.
    Request,
    /// Waiting for the answer.
    Answer,
    /// Reading the body.
    Body,
}

/// What is wrong with a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Signed by an authority that is not among the roots; where those came from.
    UnknownAuthority(String),
    /// Its time is over; for how long.
    Expired(Option<Duration>),
    /// Its time has not begun; a wrong clock looks like this.
    NotYet,
    /// It is for other names.
    OtherName(Vec<String>),
    /// Something else; the code of the library.
    Code(String),
}

/// What is wrong with a TLS or proxy setting.
#[derive(Clone, Debug)]
pub enum SettingFault {
    /// The file cannot be read.
    File(&'static str, files::Fault),
    /// There is nothing at that path.
    Missing(&'static str, PathBuf),
    /// No certificate in it.
    NoCertificates(&'static str),
    /// No private key in it, or one that needs a password.
    NoKey(&'static str),
    /// The key is not the certificate's.
    KeyMismatch(&'static str),
    /// A key of a kind that is not known.
    KeyKind(&'static str),
    /// Not a host name.
    ServerName(&'static str),
    /// Not the address of a proxy.
    ProxyAddress(&'static str),
    /// A proxy that speaks something else than HTTP.
    ProxyKind(&'static str),
}

/// What is wrong with a proxy.
#[derive(Clone, Debug)]
pub enum ProxyFault {
    /// It wants credentials, or other ones.
    Credentials,
    /// It does not let us through; its status.
    Refuses(u16),
    /// It cannot be reached or talked to.
    Unreachable(Cause),
}

/// What is wrong with a redirect.
#[derive(Clone, Debug)]
pub enum Redirect {
    /// To another origin, which must not see the token.
    Elsewhere(String),
    /// From https to http.
    ToClear(String),
    /// None is expected here, or one more.
    Unwanted(u16),
    /// Without a usable target.
    Nowhere(u16),
}

/// Why a text is not an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressFault {
    /// `https://` is missing.
    NoScheme,
    /// Neither `http` nor `https`.
    Scheme,
    /// `user:password@` in it.
    UserPart,
    /// No host, or letters that a host cannot have.
    Host,
    /// Not a port number.
    Port,
    /// A `#` in it.
    Fragment,
    /// Blanks or control characters in the path.
    Path,
}

impl Fault {
    /// The store was not reached or gave no whole answer, as against: it answered, or our settings
    /// are wrong. Only this lets `--fallback` start from a snapshot.
    pub fn unreachable(&self) -> bool {
        match &self.cause {
            Cause::Proxy(_, fault) => matches!(**fault, ProxyFault::Unreachable(_)),
            Cause::Certificate(_)
            | Cause::ClientCertificate { .. }
            | Cause::Setting(_)
            | Cause::Redirect(_)
            | Cause::SpeaksTls
            | Cause::NoTls
            | Cause::TooLarge(_)
            | Cause::Header(_)
            | Cause::Request(_) => false,
            _ => true,
        }
    }
}

impl Fault {
    /// Every other request to the same server would fail in the same way.
    pub(super) fn settles(&self) -> bool {
        let own = matches!(
            self.cause,
            Cause::Header(_) | Cause::Request(_) | Cause::TooLarge(_) | Cause::Redirect(_)
        );
        !own && self.cause.before_request()
    }
}

impl Cause {
    /// Another attempt may end differently.
    pub(super) fn passing(&self) -> bool {
        match self {
            Cause::NameServers(_)
            | Cause::Refused(_)
            | Cause::Unreachable(..)
            | Cause::Socket(..)
            | Cause::Slow(..)
            | Cause::Closed(_)
            | Cause::Cut { .. }
            | Cause::Garbage => true,
            Cause::Proxy(_, fault) => match &**fault {
                ProxyFault::Credentials => false,
                ProxyFault::Refuses(status) => *status >= 500,
                ProxyFault::Unreachable(cause) => cause.passing(),
            },
            _ => false,
        }
    }

    /// The request was never sent, so that it can be sent again whatever it does.
    pub(super) fn before_request(&self) -> bool {
        match self {
            Cause::Slow(phase, _) | Cause::Closed(phase) => {
                matches!(phase, Phase::Name | Phase::Connect | Phase::Handshake)
            }
            Cause::Cut { .. } | Cause::Garbage => false,
            _ => true,
        }
    }
}
