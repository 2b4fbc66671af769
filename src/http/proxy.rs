//! Which requests go through which proxy, decided from the usual variables: one proxy per scheme,
//! and a complete `NO_PROXY` (names with their sub-domains, addresses, CIDR ranges, ports).
//!
//! What stays on this machine (loopback, metadata services) is never sent through a proxy.

use std::net::IpAddr;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::secret::Secret;

use super::address::{Address, bracketed, host_name, is_local, port_number, split_port};
use super::fault::SettingFault;

/// One proxy.
pub(super) struct Proxy {
    /// TLS to the proxy itself.
    pub(super) https: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(super) credentials: Option<Secret>,
}

impl Proxy {
    /// `host:port`, for messages.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// Reads `[http[s]://][user[:password]@]host[:port][/]`.
    fn parse(text: &str, variable: &'static str) -> Result<Proxy, SettingFault> {
        let bad = || SettingFault::ProxyAddress(variable);
        let (https, rest) = match text.split_once("://") {
            None => (false, text),
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" => (false, rest),
                "https" => (true, rest),
                _ => return Err(SettingFault::ProxyKind(variable)),
            },
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The last `@`: a password may hold one.
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        let (host, port) = split_port(authority).ok_or_else(bad)?;
        let port = match port {
            Some(digits) => port_number(digits).ok_or_else(bad)?,
            None if https => 443,
            None => 80,
        };
        let host = host_name(host).ok_or_else(bad)?;
        let credentials = match user {
            Some(user) if !user.is_empty() => Some(basic(user).ok_or_else(bad)?),
            _ => None,
        };
        Ok(Proxy {
            https,
            host,
            port,
            credentials,
        })
    }
}

/// `Basic ...` for a user part of a URL.
fn basic(user: &str) -> Option<Secret> {
    let mut pair = percent_decoded(user)?;
    if !user.contains(':') {
        pair.push(b':');
    }
    let encoded = Zeroizing::new(Base64::encode_string(&pair));
    let mut value = Vec::with_capacity("Basic ".len() + encoded.len());
    value.extend_from_slice(b"Basic ");
    value.extend_from_slice(encoded.as_bytes());
    Some(Secret::new(value))
}

fn percent_decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // One more for the colon that may follow.
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    let mut bytes = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            byte => byte,
        });
    }
    Some(out)
}

/// The proxies of a run.
#[derive(Default)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    except: Vec<Exception>,
}

impl Proxies {
    /// No proxy at all.
    pub fn none() -> Proxies {
        Proxies::default()
    }

    /// Reads the usual variables, lower case first. `HTTP_PROXY` does not count under CGI, where
    /// any client can set it (httpoxy).
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Proxies, SettingFault> {
        let set = |name: &'static str| {
            let value = variable(name).map(Zeroizing::new)?;
            let text = value.trim();
            (!text.is_empty()).then(|| (name, Zeroizing::new(text.to_owned())))
        };
        let first = |names: &[&'static str]| {
            let found = names.iter().find_map(|name| set(name));
            found
                .map(|(name, text)| Proxy::parse(&text, name))
                .transpose()
        };
        let http = match set("REQUEST_METHOD") {
            Some(_) => first(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            None => first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
        };
        let except = set("no_proxy").or_else(|| set("NO_PROXY"));
        Ok(Proxies {
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            http,
            except: except.map_or(Vec::new(), |(_, text)| exceptions(&text)),
        })
    }

    /// One proxy for everything (`VAULT_PROXY_ADDR`); what stays on this machine goes directly.
    pub fn only(text: &str, variable: &'static str) -> Result<Proxies, SettingFault> {
        Ok(Proxies {
            https: Some(Proxy::parse(text, variable)?),
            http: Some(Proxy::parse(text, variable)?),
            except: Vec::new(),
        })
    }

    /// The proxy for an address.
    pub(super) fn choose(&self, to: &Address) -> Option<&Proxy> {
        let proxy = if to.https() { &self.https } else { &self.http };
        let direct = is_local(to.host()) || self.except.iter().any(|except| except.covers(to));
        proxy.as_ref().filter(|_| !direct)
    }

    /// The host and port of the proxy for an address, for `check`.
    pub fn name_for(&self, to: &Address) -> Option<String> {
        self.choose(to).map(Proxy::name)
    }
}

/// One entry of `NO_PROXY`.
enum Exception {
    Everything,
    /// A host and all below it, on one port or on every port.
    Host(String, Option<u16>),
    Range(IpAddr, u32, Option<u16>),
}

fn exceptions(text: &str) -> Vec<Exception> {
    text.split([',', ' ', '\t', '\n'])
        .filter(|word| !word.is_empty())
        .filter_map(exception)
        .collect()
}

/// An entry that means nothing covers nothing, as everywhere.
fn exception(word: &str) -> Option<Exception> {
    if word == "*" {
        return Some(Exception::Everything);
    }
    if let Some((ip, bits)) = word.split_once('/') {
        let ip: IpAddr = ip.trim_matches(['[', ']']).parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        return (bits <= most).then_some(Exception::Range(ip, bits, None));
    }
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Some(single(ip, None));
    }
    let (host, port) = split_port(word)?;
    let port = match port {
        Some(digits) => Some(port_number(digits)?),
        None => None,
    };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(single(ip, port));
    }
    let host = host.strip_prefix('*').unwrap_or(host);
    let host = host.strip_prefix('.').unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    Some(Exception::Host(host_name(host)?, port))
}

fn single(ip: IpAddr, port: Option<u16>) -> Exception {
    Exception::Range(ip, if ip.is_ipv4() { 32 } else { 128 }, port)
}

impl Exception {
    fn covers(&self, to: &Address) -> bool {
        let on = |port: &Option<u16>| port.is_none_or(|port| port == to.port());
        match self {
            Exception::Everything => true,
            Exception::Host(name, port) => {
                let host = to.host().strip_suffix('.').unwrap_or(to.host());
                let below = host.strip_suffix(name.as_str());
                on(port) && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Exception::Range(base, bits, port) => {
                on(port) && to.host().parse().is_ok_and(|ip| within(ip, *base, *bits))
            }
        }
    }
}

/// `ip` has the first `bits` bits of `base`; an IPv4 address in IPv6 clothes counts as IPv4.
fn within(ip: IpAddr, base: IpAddr, bits: u32) -> bool {
    match (ip.to_canonical(), base) {
        (IpAddr::V4(ip), IpAddr::V4(base)) => {
            let differ = ip.to_bits() ^ base.to_bits();
            bits == 0 || differ >> (32 - bits) == 0
        }
        (_, IpAddr::V6(base)) => {
            let IpAddr::V6(ip) = ip else { return false };
            let differ = ip.to_bits() ^ base.to_bits();
            bits == 0 || differ >> (128 - bits) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
