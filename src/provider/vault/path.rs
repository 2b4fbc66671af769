//! Paths: what a locator names, and the requests that can mean.
//!
//! `app/web` lies in the mount of the settings; `/kv/app/web` is the whole path, mount first, and
//! its engine may be any. A KV v2 engine wants `data/` or `metadata/` behind its mount, which
//! people leave out and other tools write; both are understood.

use crate::format::reference::Reference;
use crate::provider::vault::fault::Fault;

/// The kinds of engine that differ in their requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A versioned KV engine.
    V2,
    /// Any other: what is asked for is the path itself.
    Plain,
}

/// A path as a reference gives it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The mount; unknown for a whole path.
    pub(super) mount: Option<String>,
    /// The path in the mount, or the whole one; no slash at either end.
    pub(super) rest: String,
}

/// What is wanted of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The fields of a secret, of a version of it.
    Read(Option<u32>),
    /// The names in a folder.
    List,
}

/// One thing to ask for; equal ones are asked once.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) path: Path,
    pub(super) what: What,
}

/// A request that may answer an [`Ask`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Route {
    pub(super) mount: String,
    pub(super) kind: Kind,
    pub(super) rest: String,
}

/// Second words of whole paths that only engines without KV have.
const DYNAMIC: &[&str] = &[
    "cert",
    "creds",
    "generate",
    "issue",
    "key",
    "roleset",
    "static-account",
    "static-cred",
    "static-creds",
    "sts",
    "token",
];

/// First words of whole paths that are no mounts of KV engines.
const OWN: &[&str] = &["auth", "cubbyhole", "identity", "sys"];

/// `a/b/c` is the field `c` of the path `a/b`; a word is a path. What says its field itself, or
/// ends like a folder, is taken as it is.
pub(super) fn of_key(key: &str) -> String {
    let said = key.contains(['#', '?']) || key.ends_with('/');
    match key.trim_end_matches('/').rsplit_once('/') {
        Some((path, field)) if !said && !path.is_empty() => format!("vault:{path}#{field}"),
        _ => format!("vault:{key}"),
    }
}

impl Path {
    /// Reads a locator. `true` with it where it names a folder.
    pub(super) fn of(reference: &Reference, mount: &str) -> Result<(Path, bool), Fault> {
        let locator = reference.locator.as_str();
        let words: Vec<&str> = locator.split('/').filter(|word| !word.is_empty()).collect();
        let odd = |word: &&str| word.ends_with('.') || word.chars().any(char::is_control);
        if words.iter().any(odd) {
            return Err(Fault::OddPath);
        }
        if locator.starts_with('/') {
            if words.is_empty() {
                return Err(Fault::OddPath);
            }
            let whole = Path {
                mount: None,
                rest: words.join("/"),
            };
            return Ok((whole, locator.ends_with('/')));
        }
        let mount = mount.trim_matches('/');
        let rest = match words.as_slice() {
            ["*"] => String::new(),
            words => words.join("/"),
        };
        // As `vault read` and other tools write it.
        let written = rest
            .strip_prefix(mount)
            .and_then(|rest| rest.strip_prefix("/data/"));
        let inner = Path {
            mount: Some(mount.to_owned()),
            rest: written.map(str::to_owned).unwrap_or(rest),
        };
        let folder = inner.rest.is_empty() || locator.ends_with('/');
        Ok((inner, folder))
    }

    /// What this path shares with others whose engine is the same: its mount, as far as it is known.
    pub(super) fn group(&self) -> &str {
        match &self.mount {
            Some(mount) => mount,
            None => self.rest.split('/').next().unwrap_or_default(),
        }
    }

    /// The whole path, as far as it can be said without knowing the engine.
    pub(super) fn whole(&self) -> String {
        match &self.mount {
            Some(mount) => joined(&[mount, &self.rest]),
            None => self.rest.clone(),
        }
    }

    /// The name at the end.
    pub(super) fn child(&self, name: &str) -> Path {
        Path {
            mount: self.mount.clone(),
            rest: joined(&[&self.rest, name]),
        }
    }

    /// The requests that the words alone suggest, most likely first.
    pub(super) fn guesses(&self, what: What) -> Vec<Route> {
        let route = |mount: &str, kind, rest: &str| Route {
            mount: mount.to_owned(),
            kind,
            rest: rest.to_owned(),
        };
        let versioned = matches!(what, What::Read(Some(_)));
        let (mount, rest) = match &self.mount {
            Some(mount) => (mount.as_str(), self.rest.as_str()),
            None => self.rest.split_once('/').unwrap_or((&self.rest, "")),
        };
        let plain = route(mount, Kind::Plain, rest);
        if self.mount.is_none() && what != What::List {
            let second = rest.split('/').next().unwrap_or_default();
            let explicit = second == "data" && rest.contains('/');
            if explicit || rest.is_empty() || OWN.contains(&mount) || DYNAMIC.contains(&second) {
                return vec![plain];
            }
        }
        let mut routes = vec![route(mount, Kind::V2, rest)];
        // Only a KV v2 engine has versions.
        if !versioned {
            routes.push(plain);
        }
        routes
    }

    /// The one request where the mount is known.
    pub(super) fn route(&self, mount: &str, kind: Kind) -> Option<Route> {
        let rest = match &self.mount {
            Some(own) if own == mount => self.rest.as_str(),
            Some(_) => return None,
            None if self.rest == mount => "",
            None => self.rest.strip_prefix(mount)?.strip_prefix('/')?,
        };
        // A whole path may have the `data/` of KV v2 already.
        let rest = match kind {
            Kind::V2 if self.mount.is_none() => rest.strip_prefix("data/").unwrap_or(rest),
            _ => rest,
        };
        Some(Route {
            mount: mount.to_owned(),
            kind,
            rest: rest.to_owned(),
        })
    }
}

impl Route {
    /// The path of the request, as policies name it.
    pub(super) fn policy(&self, what: What) -> String {
        let between = match (self.kind, what) {
            (Kind::Plain, _) => "",
            (Kind::V2, What::Read(_)) => "data",
            (Kind::V2, What::List) => "metadata",
        };
        joined(&[&self.mount, between, &self.rest])
    }

    /// The request: path and query, behind `/v1/`.
    pub(super) fn request(&self, what: What) -> String {
        let mut text = encoded(&self.policy(what));
        match what {
            What::List => text.push_str("/?list=true"),
            What::Read(Some(version)) => text.push_str(&format!("?version={version}")),
            What::Read(None) => {}
        }
        text
    }
}

fn joined(parts: &[&str]) -> String {
    let full: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    full.join("/")
}

/// A path for the wire; its slashes stay.
pub(super) fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Path, What, encoded};
    use crate::format::reference::Reference;

    fn read(locator: &str) -> (Path, bool) {
        let reference = Reference {
            scheme: "vault".to_owned(),
            locator: locator.to_owned(),
            field: None,
            parameters: Vec::new(),
        };
        Path::of(&reference, "secret").ok().expect("a path")
    }

    #[test]
    fn a_path_becomes_the_requests_it_can_mean() {
        for (locator, want) in [
            ("app", "secret/data/app secret/app"),
            ("a//b/", "secret/data/a/b secret/a/b"),
            ("secret/data/a/b", "secret/data/a/b secret/a/b"),
            ("/kv/app", "kv/data/app kv/app"),
            ("/kv/data/app", "kv/data/app"),
            ("/database/creds/role", "database/creds/role"),
            ("/aws/sts/role", "aws/sts/role"),
            ("/cubbyhole/x", "cubbyhole/x"),
            ("/kv/data", "kv/data/data kv/data"),
        ] {
            let what = What::Read(None);
            let routes = read(locator).0.guesses(what);
            let texts: Vec<String> = routes.iter().map(|r| r.request(what)).collect();
            assert_eq!(texts.join(" "), want, "{locator}");
        }
        let folder = read("/app/");
        assert!(folder.1);
        assert_eq!(
            folder.0.guesses(What::List)[0].request(What::List),
            "app/metadata/?list=true"
        );
        assert!(read("*").1);
    }

    #[test]
    fn odd_characters_are_encoded() {
        assert_eq!(encoded("a b/ä+?%"), "a%20b/%C3%A4%2B%3F%25");
    }
}
