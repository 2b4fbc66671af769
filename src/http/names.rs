//! Name look-ups that end in time.
//!
//! The C library's look-up cannot be interrupted (musl takes 5 s without a name server), so it runs
//! on a thread of its own and we stop waiting. A thread that is still out is asked again by the
//! next attempt instead of starting a second one, and joined when it answers: so when a request has
//! succeeded, no look-up for its host is alive any more. Numeric addresses and `localhost` need no look-up at all.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sys;

use super::address::is_localhost;
use super::fault::{Cause, Phase};

/// Names that were looked up, and those that are being looked up.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<String, Arc<Mutex<Entry>>>>);

#[derive(Default)]
enum Entry {
    #[default]
    New,
    Asking(Asking),
    Known(Vec<IpAddr>),
    /// The name servers know no such name; a hundred requests need not ask a hundred times.
    Unknown,
}

/// A look-up that is out: where its answer comes, and its thread.
struct Asking {
    answer: Receiver<io::Result<Vec<IpAddr>>>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// The addresses of `host`, in the order in which to try them.
    pub(super) fn look_up(&self, host: &str, until: Instant) -> Result<Vec<IpAddr>, Cause> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![ip]);
        }
        if is_localhost(host) {
            return Ok(vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]);
        }
        let entry = Arc::clone(locked(&self.0).entry(host.to_owned()).or_default());
        // Requests to one host at the same time wait here for one look-up.
        let mut entry = locked(&entry);
        match &*entry {
            Entry::Known(ips) => return Ok(ips.clone()),
            Entry::Unknown => return Err(Cause::NameNotFound(host.to_owned())),
            _ => {}
        }
        let begun = Instant::now();
        let asking = match std::mem::take(&mut *entry) {
            Entry::Asking(asking) => asking,
            _ => ask(host),
        };
        let answer = asking
            .answer
            .recv_timeout(until.saturating_duration_since(begun));
        if let Err(RecvTimeoutError::Timeout) = answer {
            *entry = Entry::Asking(asking);
            return Err(Cause::Slow(Phase::Name, begun.elapsed()));
        }
        // It has nothing more to do; a thread that panicked has ended as well.
        asking.thread.map(JoinHandle::join).transpose().ok();
        match answer {
            Ok(Ok(ips)) if !ips.is_empty() => {
                *entry = Entry::Known(ips.clone());
                Ok(ips)
            }
            Ok(Err(error)) => {
                let cause = cause(host, &error);
                if let Cause::NameNotFound(_) = cause {
                    *entry = Entry::Unknown;
                }
                Err(cause)
            }
            Ok(Ok(_)) | Err(_) => Err(Cause::NameServers(host.to_owned())),
        }
    }

    /// This address answered: the next connection begins with it.
    pub(super) fn prefer(&self, host: &str, answered: IpAddr) {
        let entry = locked(&self.0).get(host).map(Arc::clone);
        if let Some(entry) = entry
            && let Entry::Known(ips) = &mut *locked(&entry)
        {
            ips.sort_by_key(|ip| *ip != answered);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(host: &str) -> Asking {
    static PLAIN: Once = Once::new();
    PLAIN.call_once(sys::look_up_without_plugins);
    let (sender, answer) = sync_channel(1);
    let (name, reply) = (host.to_owned(), sender.clone());
    let thread = std::thread::Builder::new()
        .name("look-up".to_owned())
        .spawn(move || {
            // Nobody listening any more is no failure.
            reply.send(system_look_up(&name)).ok();
        });
    if thread.is_err() {
        // No thread to be had (a limit of the container): ask here, without a limit of time.
        sender.send(system_look_up(host)).ok();
    }
    Asking {
        answer,
        thread: thread.ok(),
    }
}

fn system_look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in (host, 0).to_socket_addrs()?.map(|address| address.ip()) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    Ok(ips)
}

/// The standard library keeps the code of `getaddrinfo` only in its text, which is `gai_strerror`
/// of the two C libraries, in English (no locale is ever set here). Anything else counts as "try
/// again", which costs time and never a wrong answer.
fn cause(host: &str, error: &io::Error) -> Cause {
    const UNKNOWN: [&str; 5] = [
        "Name or service not known",           // glibc EAI_NONAME
        "No address associated with hostname", // glibc EAI_NODATA
        "Name does not resolve",               // musl EAI_NONAME
        "Name has no usable address",          // musl EAI_NODATA
        "Non-recoverable failure",             // EAI_FAIL: no valid name
    ];
    let text = error.to_string();
    if UNKNOWN.iter().any(|unknown| text.contains(unknown)) {
        Cause::NameNotFound(host.to_owned())
    } else if !Path::new("/etc/resolv.conf").exists() {
        Cause::NoNameServers(host.to_owned())
    } else {
        Cause::NameServers(host.to_owned())
    }
}

/// How long the address at `index` of `count` may take to answer: the last one all that is left,
/// an earlier one half of it, so that a dead first address does not use up the time.
pub(super) fn share(index: usize, count: usize, until: Instant) -> Duration {
    let left = until.saturating_duration_since(Instant::now());
    if index + 1 == count { left } else { left / 2 }
}

/// The addresses with their port.
pub(super) fn with_port(ips: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    ips.into_iter()
        .map(|ip| SocketAddr::new(ip, port))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Names;
    use crate::http::fault::Cause;
    use std::time::{Duration, Instant};

    #[test]
    fn numbers_and_localhost_need_no_look_up() {
        let names = Names::default();
        let past = Instant::now();
        for host in ["127.0.0.1", "::1", "localhost", "vault.localhost"] {
            assert!(names.look_up(host, past).is_ok(), "{host}");
        }
    }

    #[test]
    fn invalid_names_end_soon() {
        let until = Instant::now() + Duration::from_secs(20);
        let Err(cause) = Names::default().look_up("nobody.invalid", until) else {
            panic!("it has an address")
        };
        // Which of these depends on the network that the tests run in.
        assert!(matches!(
            cause,
            Cause::NameNotFound(_) | Cause::NameServers(_) | Cause::NoNameServers(_)
        ));
    }
}
