//! The files of the AWS tools: profiles out of `~/.aws/config` and `~/.aws/credentials`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::format::ini::{self, Ini};
use crate::secret::Secret;

use super::Look;
use super::fault::Fault;

/// More than any such file has.
const MOST: usize = 1 << 20;

/// What the files say.
#[derive(Default)]
pub(super) struct Profiles {
    config: Ini,
    credentials: Ini,
    /// One of the files is there.
    pub(super) found: bool,
    home: Option<PathBuf>,
}

impl Profiles {
    /// Reads both files; one that is not there is empty.
    pub(super) fn read(look: Look<'_>) -> Result<Profiles, Failure> {
        let path = |name: &str| {
            let path = look(name).filter(|path| !path.is_empty());
            path.map(|path| PathBuf::from(OsStr::from_bytes(path)))
        };
        let home = path("HOME");
        let file = |variable: &str, usual: &str| {
            let named = path(variable).map(|path| below_home(&path, home.as_deref()));
            named.or_else(|| Some(home.as_ref()?.join(usual)))
        };
        let config = open(file("AWS_CONFIG_FILE", ".aws/config"))?;
        let credentials = open(file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"))?;
        Ok(Profiles {
            found: config.is_some() || credentials.is_some(),
            config: config.unwrap_or_default(),
            credentials: credentials.unwrap_or_default(),
            home,
        })
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The section of a profile in the config file.
    fn section(&self, profile: &str) -> Option<&str> {
        let of = |section: &str| profile_of(section) == Some(profile);
        self.config.sections().find(|section| of(section))
    }

    /// There is such a profile.
    pub(super) fn has(&self, profile: &str) -> bool {
        self.credentials.has(profile) || self.section(profile).is_some()
    }

    /// The names of all profiles.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let config = self.config.sections().filter_map(profile_of);
        for name in config.chain(self.credentials.sections()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// A value of a profile; the credentials file counts before the config file.
    pub(super) fn value(&self, profile: &str, key: &str) -> Option<&Secret> {
        let config = || self.config.value(self.section(profile)?, key);
        self.credentials.value(profile, key).or_else(config)
    }

    /// A value as text.
    pub(super) fn text(&self, profile: &str, key: &str) -> Option<&str> {
        std::str::from_utf8(self.value(profile, key)?.expose()).ok()
    }

    /// A value of the `[services NAME]` that a profile names.
    pub(super) fn service(&self, profile: &str, key: &str) -> Option<&str> {
        let services = self.text(profile, "services")?;
        self.config.text(&format!("services {services}"), key)
    }

    /// A value of a login through the browser: of its `[sso-session NAME]`, or of the profile.
    pub(super) fn sso(&self, profile: &str, key: &str) -> Option<&str> {
        let session = self.text(profile, "sso_session");
        let shared = |name| self.config.text(&format!("sso-session {name}"), key);
        session.and_then(shared).or_else(|| self.text(profile, key))
    }
}

/// The profile that a section of the config file is.
fn profile_of(section: &str) -> Option<&str> {
    if section == "default" {
        return Some(section);
    }
    let name = section.strip_prefix("profile")?;
    let name = name.starts_with([' ', '\t']).then(|| name.trim_ascii())?;
    let bare = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    Some(bare('"').or_else(|| bare('\'')).unwrap_or(name))
}

fn open(path: Option<PathBuf>) -> Result<Option<Ini>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let Some(contents) = files::read(&path, MOST, Accept::Regular)? else {
        return Ok(None);
    };
    let ini = ini::parse(contents.bytes.expose()).map_err(|fault| Fault::Ini(path, fault))?;
    Ok(Some(ini))
}

/// `~/x` as people write it into a setting.
fn below_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
