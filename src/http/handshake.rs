//! TLS over a line, and what the library's codes mean.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConnection};

use super::fault::{Cause, CertificateFault};
use super::line::{Broken, Line};
use super::tls::Ready;

/// TLS over another line.
pub(super) struct Sealed {
    tls: ClientConnection,
    below: Box<dyn Line>,
    sent_identity: bool,
    roots: String,
    /// What came from below and is not taken in yet: sealed bytes, no secrets.
    scratch: Vec<u8>,
    waiting: std::ops::Range<usize>,
}

impl Sealed {
    /// Makes the handshake.
    pub(super) fn new(
        below: Box<dyn Line>,
        settings: &Ready,
        host: &str,
        until: Instant,
    ) -> Result<Sealed, Broken> {
        let name = match &settings.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.strip_suffix('.').unwrap_or(host).to_owned())
                .map_err(|_| Broken::Tls(Cause::Request("host name")))?,
        };
        let tls = ClientConnection::new(Arc::clone(&settings.config), name)
            .map_err(|error| Broken::Tls(cause(&error, false, &settings.roots)))?;
        let mut sealed = Sealed {
            tls,
            below,
            sent_identity: settings.identity,
            roots: settings.roots.clone(),
            scratch: vec![0; 18 * 1024],
            waiting: 0..0,
        };
        while sealed.tls.is_handshaking() {
            sealed.flush(until)?;
            if sealed.tls.is_handshaking() && sealed.take_in(until)? == 0 {
                return Err(Broken::Closed);
            }
        }
        sealed.flush(until)?;
        Ok(sealed)
    }

    /// Sends what TLS has to say.
    fn flush(&mut self, until: Instant) -> Result<(), Broken> {
        while self.tls.wants_write() {
            let mut out = Vec::new();
            self.tls.write_tls(&mut out).map_err(|_| Broken::Closed)?;
            self.below.write(&out, until)?;
        }
        Ok(())
    }

    /// Takes in what comes from below; 0 at its end. Called only when nothing is left to read, so
    /// that the library's buffers never fill up.
    fn take_in(&mut self, until: Instant) -> Result<usize, Broken> {
        if self.waiting.is_empty() {
            self.waiting = 0..self.below.read(&mut self.scratch, until)?;
        }
        let mut bytes = self.scratch.get(self.waiting.clone()).unwrap_or_default();
        let count = self.tls.read_tls(&mut bytes).map_err(|_| Broken::Closed)?;
        self.waiting.start += count;
        if let Err(error) = self.tls.process_new_packets() {
            // The alert that tells the server why; it may be gone already.
            self.flush(until).ok();
            return Err(Broken::Tls(cause(&error, self.sent_identity, &self.roots)));
        }
        Ok(count)
    }
}

impl Line for Sealed {
    fn read(&mut self, into: &mut [u8], until: Instant) -> Result<usize, Broken> {
        let mut ended = false;
        loop {
            match self.tls.reader().read(into) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock && !ended => {}
                // The end without a goodbye: somebody may have cut the answer short.
                Err(_) => return Err(Broken::Closed),
            }
            ended = self.take_in(until)? == 0;
            self.flush(until)?;
        }
    }

    fn write(&mut self, mut bytes: &[u8], until: Instant) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let count = self.tls.writer().write(bytes).map_err(|_| Broken::Closed)?;
            bytes = bytes.get(count..).unwrap_or_default();
            if let Err(broken) = self.flush(until) {
                // A server that does not like our certificate says so and hangs up.
                return Err(match self.take_in(Instant::now()) {
                    Err(said @ Broken::Tls(_)) => said,
                    _ => broken,
                });
            }
        }
        Ok(())
    }

    fn quiet(&mut self) -> bool {
        // TLS 1.3 sends session tickets when it likes; they are no answer.
        let now = Instant::now();
        loop {
            match self.take_in(now) {
                Ok(count) if count > 0 => {}
                Err(Broken::Late) => break,
                _ => return false,
            }
        }
        let state = self.tls.process_new_packets();
        state.is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed())
    }

    fn sealed(&self) -> bool {
        true
    }
}

/// What the library's codes mean for the person who reads them.
fn cause(error: &rustls::Error, sent_identity: bool, roots: &str) -> Cause {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(fault) => Cause::Certificate(certificate(fault, roots)),
        E::InvalidMessage(_) => Cause::NoTls,
        E::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => Cause::ClientCertificate {
            sent: sent_identity,
        },
        // What a server says that knows another authority of the same name.
        E::AlertReceived(AlertDescription::DecryptError) if sent_identity => {
            Cause::ClientCertificate { sent: true }
        }
        E::AlertReceived(alert) => Cause::Handshake(code(&format!("alert {alert:?}"))),
        E::PeerIncompatible(why) => Cause::Handshake(code(&format!("{why:?}"))),
        E::PeerMisbehaved(why) => Cause::Handshake(code(&format!("{why:?}"))),
        _ => Cause::Handshake("TLS".to_owned()),
    }
}

fn certificate(fault: &CertificateError, roots: &str) -> CertificateFault {
    use CertificateError as E;
    match fault {
        // A bad signature is what another authority of the same name looks like.
        E::UnknownIssuer | E::BadSignature => CertificateFault::UnknownAuthority(roots.to_owned()),
        E::Expired => CertificateFault::Expired(None),
        E::ExpiredContext { not_after, .. } => {
            let at = UNIX_EPOCH + Duration::from_secs(not_after.as_secs());
            CertificateFault::Expired(SystemTime::now().duration_since(at).ok())
        }
        E::NotValidYet | E::NotValidYetContext { .. } => CertificateFault::NotYet,
        E::NotValidForName => CertificateFault::OtherName(Vec::new()),
        E::NotValidForNameContext { presented, .. } => {
            let names = presented.iter().take(5).map(|name| shown(name)).collect();
            CertificateFault::OtherName(names)
        }
        other => CertificateFault::Code(code(&format!("{other:?}"))),
    }
}

/// `DnsName("vault.example")`, `IpAddress(10.0.0.1)` as the library writes it, without its dress; a stranger wrote the
/// name, so it is cut and cleaned.
fn shown(name: &str) -> String {
    let bare = name.split_once('(').map_or(name, |(_, inner)| inner);
    let bare = bare.trim_matches(['"', ')']);
    bare.chars()
        .filter(|c| c.is_ascii_graphic())
        .take(80)
        .collect()
}

/// A code of the library: letters and digits, and not much of it.
fn code(text: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '(' | ')');
    text.chars().filter(fits).take(60).collect()
}
