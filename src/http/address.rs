//! Addresses of stores: read strictly, compared by origin, shown without path and query.
//!
//! A URL may carry a secret in its user part or its query, so an [`Address`] has no `Debug` or
//! `Display`; [`Address::origin`] is what messages show.

use std::net::{IpAddr, Ipv6Addr};

use super::fault::AddressFault;

/// Where a request goes: `http` or `https`, a host, a port, a path with its query.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    https: bool,
    host: String,
    port: u16,
    path: String,
}

/// Who can read along when a request to an address travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exposure {
    /// Nobody: TLS.
    Sealed,
    /// In clear, but it does not leave the machine (loopback, the host's metadata service).
    Local,
    /// In clear over a network: the caller warns, and `--strict` refuses.
    Clear,
}

impl Address {
    /// Reads `https://host[:port][/path][?query]`. A user part and a fragment are refused.
    pub fn parse(text: &str) -> Result<Address, AddressFault> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressFault::NoScheme)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(AddressFault::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(AddressFault::UserPart);
        }
        let (host, port) = split_port(authority).ok_or(AddressFault::Host)?;
        let port = match port {
            None if https => 443,
            None => 80,
            Some(digits) => port_number(digits).ok_or(AddressFault::Port)?,
        };
        Ok(Address {
            https,
            host: host_name(host).ok_or(AddressFault::Host)?,
            port,
            path: path_and_query(path)?,
        })
    }

    /// The same origin with another path (and query); `path` starts with `/`.
    pub fn with_path(&self, path: &str) -> Result<Address, AddressFault> {
        Ok(Address {
            path: path_and_query(path)?,
            ..self.clone()
        })
    }

    /// Where a `Location` header leads, seen from here.
    pub(super) fn join(&self, location: &str) -> Result<Address, AddressFault> {
        if location.starts_with("//") {
            let scheme = if self.https { "https:" } else { "http:" };
            Address::parse(&format!("{scheme}{location}"))
        } else if location.starts_with('/') {
            self.with_path(location)
        } else {
            Address::parse(location)
        }
    }

    /// TLS is asked for.
    pub fn https(&self) -> bool {
        self.https
    }

    /// The host: a name in lower case, or a numeric address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where it is the scheme's own.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path with its query; it starts with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `https://host[:port]`, for messages and for comparing.
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// `host[:port]`, the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual {
            bracketed(&self.host)
        } else {
            format!("{}:{}", bracketed(&self.host), self.port)
        }
    }

    /// The whole of it, for the wire.
    pub(super) fn text(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// Who can read along.
    pub fn exposure(&self) -> Exposure {
        if self.https {
            Exposure::Sealed
        } else if is_local(&self.host) {
            Exposure::Local
        } else {
            Exposure::Clear
        }
    }
}

/// `[v6]` for a numeric IPv6 address, the host itself otherwise.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// `host:port`, `[v6]:port`, or without a port. `None` where it cannot be told apart.
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after {
            "" => Some((host, None)),
            after => Some((host, Some(after.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        None => Some((authority, None)),
        Some((_, port)) if port.contains(':') => None,
        Some((host, "")) => Some((host, None)),
        Some((host, port)) => Some((host, Some(port))),
    }
}

pub(super) fn port_number(digits: &str) -> Option<u16> {
    let digits_only = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|&p: &u16| digits_only && p > 0)
}

/// A host as it is compared: lower case, numeric IPv6 in its one canonical form.
pub(super) fn host_name(host: &str) -> Option<String> {
    if host.contains(':') {
        return host.parse::<Ipv6Addr>().ok().map(|ip| ip.to_string());
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let good = !host.is_empty() && host.len() <= 254 && host.bytes().all(fits);
    good.then(|| host.to_ascii_lowercase())
}

fn path_and_query(path: &str) -> Result<String, AddressFault> {
    if path.contains('#') {
        return Err(AddressFault::Fragment);
    }
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(AddressFault::Path);
    }
    Ok(match path.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'/') => path.to_owned(),
        Some(_) => format!("/{path}"),
    })
}

/// Loopback, link-local, and the metadata services of the clouds: such requests are never sent
/// through a proxy, and plain HTTP to them does not leave the host.
pub(super) fn is_local(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            // Azure's wire server and Alibaba's metadata service have addresses of their own.
            ip.is_loopback()
                || ip.is_link_local()
                || matches!(ip.octets(), [168, 63, 129, 16] | [100, 100, 100, 200])
        }
        Ok(IpAddr::V6(ip)) => {
            let mapped = ip.to_ipv4_mapped();
            // fd00:ec2::/32 holds the metadata services of AWS.
            mapped.is_some_and(|v4| is_local(&v4.to_string()))
                || ip.is_loopback()
                || (ip.segments()[0] & 0xffc0) == 0xfe80
                || ip.segments()[..2] == [0xfd00, 0x0ec2]
        }
        Err(_) => is_localhost(host) || host == "metadata.google.internal",
    }
}

/// `localhost` and the names below it always mean this machine (RFC 6761).
pub(super) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::{Address, Exposure};
    use crate::http::fault::AddressFault;

    #[test]
    fn addresses_are_read() {
        for (text, origin, path) in [
            ("https://Vault.Example", "https://vault.example", "/"),
            ("https://v:443/a?b", "https://v", "/a?b"),
            ("http://v:8200/v1/x", "http://v:8200", "/v1/x"),
            ("HTTP://[::1]:80?x=1", "http://[::1]", "/?x=1"),
            (
                "https://[2001:DB8::0]:8200",
                "https://[2001:db8::]:8200",
                "/",
            ),
        ] {
            let Ok(address) = Address::parse(text) else {
                panic!("{text}")
            };
            assert_eq!((address.origin().as_str(), address.path()), (origin, path));
            let Ok(again) = Address::parse(&address.text()) else {
                panic!("{text}")
            };
            assert!(again == address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, want) in [
            ("vault:8200", AddressFault::NoScheme),
            ("ftp://v", AddressFault::Scheme),
            ("https://user:pass@v", AddressFault::UserPart),
            ("https://", AddressFault::Host),
            ("https://a b", AddressFault::Host),
            ("https://b\u{fc}cher.example", AddressFault::Host),
            ("https://::1", AddressFault::Host),
            ("https://v:0", AddressFault::Port),
            ("https://v:+1", AddressFault::Port),
            ("https://v:65536", AddressFault::Port),
            ("https://v/#x", AddressFault::Fragment),
            ("https://v/a b", AddressFault::Path),
            ("https://v/a\r\nX: y", AddressFault::Path),
        ] {
            assert!(Address::parse(text).err() == Some(want), "{text}");
        }
    }

    #[test]
    fn exposure() {
        for (text, want) in [
            ("https://v", Exposure::Sealed),
            ("http://v", Exposure::Clear),
            ("http://10.0.0.1", Exposure::Clear),
            ("http://127.9.9.9:8200", Exposure::Local),
            ("http://[::1]", Exposure::Local),
            ("http://[::ffff:127.0.0.1]", Exposure::Local),
            ("http://localhost.", Exposure::Local),
            ("http://localhost.example", Exposure::Clear),
            ("http://169.254.169.254", Exposure::Local),
            ("http://[fd00:ec2::254]", Exposure::Local),
            ("http://metadata.google.internal", Exposure::Local),
        ] {
            let Ok(address) = Address::parse(text) else {
                panic!("{text}")
            };
            assert_eq!(address.exposure(), want, "{text}");
        }
    }

    #[test]
    fn locations_are_joined() {
        let Ok(from) = Address::parse("https://v:8200/v1/a") else {
            panic!("an address")
        };
        for (location, want) in [
            ("/v1/b?c", "https://v:8200/v1/b?c"),
            ("//w/x", "https://w/x"),
            ("http://v:8200/v1/b", "http://v:8200/v1/b"),
        ] {
            let text = from.join(location).map(|to| to.text());
            assert!(text.as_deref() == Ok(want), "{location}");
        }
        assert!(from.join("b").is_err());
    }
}
