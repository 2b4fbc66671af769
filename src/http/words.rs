//! The sentences for what went wrong, and what to do about it.

use crate::clock::spoken;
use crate::failure::Explain;
use crate::files::{self, spoken_size};

use super::fault::{
    AddressFault, Cause, CertificateFault, Fault, Phase, ProxyFault, Redirect, SettingFault,
};

impl Explain for Fault {
    fn what(&self) -> String {
        let mut text = format!("{}: {}", self.at, self.cause.what());
        if self.tries > 1 {
            text.push_str(&format!(" ({} attempts)", self.tries));
        }
        if let Some(whole) = self.deadline {
            text.push_str(&format!("; the time limit of {} is used up", spoken(whole)));
        }
        text
    }

    fn hint(&self) -> Option<String> {
        self.cause.hint(&self.at).or_else(|| {
            let passed = self.deadline.is_some();
            passed.then(|| "give it more time: --timeout 60s".to_owned())
        })
    }
}

impl Cause {
    fn what(&self) -> String {
        match self {
            Cause::NameNotFound(name) => format!("the name `{name}` is not known"),
            Cause::NameServers(name) => {
                format!("the name servers do not answer for `{name}`")
            }
            Cause::NoNameServers(name) => {
                format!("`{name}` cannot be looked up: there is no /etc/resolv.conf here")
            }
            Cause::Refused(address) => {
                format!("the connection is refused (nobody listens at {address})")
            }
            Cause::Unreachable(address, errno) => {
                format!("{address} cannot be reached: {}", files::reason(*errno))
            }
            Cause::Socket(path, errno) => {
                format!("the socket {}: {}", path.display(), files::reason(*errno))
            }
            Cause::Slow(phase, after) => {
                format!("{} for {}", phase.silence(), spoken(*after))
            }
            Cause::Closed(phase) => format!("the connection was closed {}", phase.moment()),
            Cause::Cut { got, of: Some(of) } => {
                format!("the answer was cut off after {got} of {of} bytes")
            }
            Cause::Cut { got, of: None } => format!("the answer was cut off after {got} bytes"),
            Cause::Garbage => "the answer is not HTTP".to_owned(),
            Cause::TooLarge(most) => format!("the answer is larger than {}", spoken_size(*most)),
            Cause::SpeaksTls => "the server speaks TLS, and the address says http".to_owned(),
            Cause::NoTls => "the server does not speak TLS, and the address says https".to_owned(),
            Cause::Certificate(fault) => fault.what(),
            Cause::ClientCertificate { sent: false } => {
                "the server wants a client certificate".to_owned()
            }
            Cause::ClientCertificate { sent: true } => {
                "the server does not accept our client certificate".to_owned()
            }
            Cause::Handshake(code) => format!("no common TLS ({code})"),
            Cause::Setting(fault) => fault.what(),
            Cause::Redirect(Redirect::Elsewhere(to)) => {
                format!("the server sends us to {to}, which must not see the credentials")
            }
            Cause::Redirect(Redirect::ToClear(to)) => {
                format!("the server sends us to {to}, where secrets travel in clear")
            }
            Cause::Redirect(Redirect::Unwanted(status)) => {
                format!("the server redirects (status {status}), and no redirect is expected here")
            }
            Cause::Redirect(Redirect::Nowhere(status)) => {
                format!("the server redirects (status {status}) without a usable address")
            }
            Cause::Proxy(proxy, fault) => match &**fault {
                ProxyFault::Credentials => format!("the proxy {proxy} wants credentials"),
                ProxyFault::Refuses(status) => {
                    format!("the proxy {proxy} does not let us through (status {status})")
                }
                ProxyFault::Unreachable(cause) => format!("the proxy {proxy}: {}", cause.what()),
            },
            Cause::AskedToWait { status, wait, left } => format!(
                "the server asks to wait {} (status {status}), and {} are left",
                spoken(*wait),
                spoken(*left)
            ),
            Cause::Deadline => "there was no time left to ask".to_owned(),
            Cause::Header(name) => {
                format!("the value for the header {name} holds a line break or a control character")
            }
            Cause::Request(rule) => format!("the request cannot be sent ({rule})"),
        }
    }

    fn hint(&self, at: &str) -> Option<String> {
        Some(match self {
            Cause::NameNotFound(name) => {
                format!("is `{name}` spelled right, and does this network know it?")
            }
            Cause::NameServers(_) | Cause::Slow(Phase::Name, _) => {
                "look at the name servers in /etc/resolv.conf and the network policy".to_owned()
            }
            Cause::NoNameServers(_) => {
                "run it where /etc/resolv.conf is mounted, or use a numeric address".to_owned()
            }
            Cause::Refused(_) => "is the server running, and is the port right?".to_owned(),
            Cause::Unreachable(..) | Cause::Slow(Phase::Connect, _) => {
                "look at the address, the routes and the firewall between here and there".to_owned()
            }
            Cause::Socket(path, _) => format!("is its server running? ls -l {}", path.display()),
            Cause::SpeaksTls => format!("write {}", at.replacen("http://", "https://", 1)),
            Cause::NoTls => format!(
                "is the port right? Only if the server really speaks plain http: {}",
                at.replacen("https://", "http://", 1)
            ),
            Cause::Certificate(fault) => return fault.hint(),
            Cause::ClientCertificate { .. } => {
                "name a client certificate and its key that this server accepts".to_owned()
            }
            Cause::Setting(fault) => return fault.hint(),
            Cause::Redirect(Redirect::Elsewhere(to)) => {
                format!("if that server is meant, make {to} the address")
            }
            Cause::Redirect(_) => "look at the address; it should be the store itself".to_owned(),
            Cause::Proxy(_, fault) => match &**fault {
                ProxyFault::Credentials => {
                    "write them into the proxy variable: http://user:password@proxy:port".to_owned()
                }
                _ => "if the store is reached directly, add its host to NO_PROXY".to_owned(),
            },
            Cause::AskedToWait { .. } => "try again later, or raise --timeout".to_owned(),
            Cause::Deadline => "give it more time: --timeout 60s".to_owned(),
            Cause::Header(_) => {
                "remove the line break; credentials are often pasted with one".to_owned()
            }
            _ => return None,
        })
    }
}

impl Phase {
    fn silence(self) -> &'static str {
        match self {
            Phase::Name => "the name servers are silent",
            Phase::Connect => "nobody answers there",
            Phase::Handshake => "the server is silent in the TLS handshake",
            Phase::Request => "the server does not take the request",
            Phase::Answer => "the server does not answer",
            Phase::Body => "the rest of the answer does not come",
        }
    }

    fn moment(self) -> &'static str {
        match self {
            Phase::Name | Phase::Connect => "at once",
            Phase::Handshake => "in the TLS handshake",
            Phase::Request => "while the request was sent",
            Phase::Answer => "before an answer came",
            Phase::Body => "in the middle of the answer",
        }
    }
}

impl CertificateFault {
    fn what(&self) -> String {
        match self {
            CertificateFault::UnknownAuthority(roots) => format!(
                "the server's certificate is signed by an authority that is not known here ({roots})"
            ),
            CertificateFault::Expired(Some(since)) => {
                format!("the server's certificate expired {} ago", spoken(*since))
            }
            CertificateFault::Expired(None) => "the server's certificate has expired".to_owned(),
            CertificateFault::NotYet => "the server's certificate is not valid yet".to_owned(),
            CertificateFault::OtherName(names) if names.is_empty() => {
                "the server's certificate names no host".to_owned()
            }
            CertificateFault::OtherName(names) => {
                format!("the server's certificate is for {}", names.join(", "))
            }
            CertificateFault::Code(code) => {
                format!("the server's certificate is not accepted ({code})")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            CertificateFault::UnknownAuthority(_) => {
                "name the file with its authority: VAULT_CACERT, AWS_CA_BUNDLE or SSL_CERT_FILE"
                    .to_owned()
            }
            CertificateFault::Expired(_) => {
                "renew it on the server; is the clock right here? date -u".to_owned()
            }
            CertificateFault::NotYet => "is the clock right here? date -u".to_owned(),
            CertificateFault::OtherName(_) => {
                "use an address with a name of the certificate, or VAULT_TLS_SERVER_NAME".to_owned()
            }
            CertificateFault::Code(_) => return None,
        })
    }
}

impl Explain for SettingFault {
    fn what(&self) -> String {
        match self {
            SettingFault::File(variable, fault) => format!("{variable}: {}", fault.what()),
            SettingFault::Missing(variable, path) => {
                format!("{variable}: there is no {}", path.display())
            }
            SettingFault::NoCertificates(variable) => {
                format!("{variable}: there is no certificate (PEM) in it")
            }
            SettingFault::NoKey(variable) => {
                format!("{variable}: there is no private key without a password (PEM) in it")
            }
            SettingFault::KeyMismatch(variable) => {
                format!("{variable}: the key does not belong to the certificate")
            }
            SettingFault::KeyKind(variable) => {
                format!("{variable}: the key is neither RSA, ECDSA (P-256, P-384) nor Ed25519")
            }
            SettingFault::ServerName(variable) => format!("{variable}: is not a host name"),
            SettingFault::ProxyAddress(variable) => {
                format!("{variable}: is not the address of a proxy")
            }
            SettingFault::ProxyKind(variable) => {
                format!("{variable}: is a kind of proxy that is not spoken here")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            SettingFault::File(_, fault) => fault.hint(),
            SettingFault::Missing(variable, _) => {
                Some(format!("mount the file, or unset {variable}"))
            }
            SettingFault::NoKey(_) => {
                Some("write it without a password: openssl pkey -in key.pem".to_owned())
            }
            SettingFault::ProxyAddress(_) => {
                Some("write http://[user:password@]host:port".to_owned())
            }
            SettingFault::ProxyKind(_) => Some("use an http:// or https:// proxy".to_owned()),
            _ => None,
        }
    }
}

impl Explain for AddressFault {
    fn what(&self) -> String {
        match self {
            AddressFault::NoScheme => "is not an address: `https://` is missing",
            AddressFault::Scheme => "is neither an https:// nor an http:// address",
            AddressFault::UserPart => {
                "has a user or password in it, which an address must not have"
            }
            AddressFault::Host => "has no usable host name",
            AddressFault::Port => "has a port that is not a number from 1 to 65535",
            AddressFault::Fragment => "has a `#` in it",
            AddressFault::Path => "has a blank or a control character in its path",
        }
        .to_owned()
    }

    fn hint(&self) -> Option<String> {
        Some("write it as https://host:port".to_owned())
    }
}
