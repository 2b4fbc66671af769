//! What the stores of one run share: proxies, roots, the line that shows what is waited for.
//!
//! Nothing is read or made before the first store asks for it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::credential::aws::Session;
use crate::failure::{Explain, Failure};
use crate::http::{Address, Authority, Exposure, Options, Proxies, SettingFault, Visits, Waiting};
use crate::provider::{Context, Lease, Loan};

/// What the stores of one run share.
#[derive(Default)]
pub struct Network {
    waiting: OnceLock<Option<Arc<Waiting>>>,
    proxies: OnceLock<Result<Arc<Proxies>, SettingFault>>,
    visits: OnceLock<Arc<Visits>>,
    /// The two stores of AWS are asked with the same credentials, which are found once.
    pub(super) aws: OnceLock<Result<Session, Failure>>,
    lent: Mutex<(Vec<Lease>, Vec<Loan>)>,
}

impl Network {
    /// The origins of the stores that were asked.
    pub fn asked(&self) -> Vec<String> {
        self.visits.get().map_or(Vec::new(), |visits| visits.list())
    }

    /// What the stores have lent: for people, and for those who renew it.
    pub fn lent(self) -> (Vec<Lease>, Vec<Loan>) {
        let lent = self.lent.into_inner();
        lent.unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what a store lends.
    pub(super) fn lend(&self, leases: Vec<Lease>, loan: Loan) {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        lent.0.extend(leases);
        lent.1.push(loan);
    }
}

/// An `http://` address that leads over a network.
struct InClear {
    variable: &'static str,
    origin: String,
    strict: bool,
}

impl Explain for InClear {
    fn what(&self) -> String {
        let rule = if self.strict {
            ", which --strict refuses"
        } else {
            ""
        };
        format!(
            "{}: secrets and credentials travel in clear to {}{rule}",
            self.variable, self.origin
        )
    }

    fn hint(&self) -> Option<String> {
        let https = self.origin.replacen("http:", "https:", 1);
        Some(format!("let the server speak TLS, and write {https}"))
    }
}

impl Context<'_> {
    /// How a client of a store asks, unless the store has settings of its own: until the deadline,
    /// through the proxies of the environment, with `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    pub fn options(&self) -> Result<Options, Failure> {
        let text = |name: &str| {
            let value = std::str::from_utf8(self.settings.variable(name)?).ok()?;
            Some(value.to_owned())
        };
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let set = |name| {
            let value = self.settings.variable(name);
            value.filter(|value| !value.is_empty())
        };
        let shared = self.network;
        let proxies = shared
            .proxies
            .get_or_init(|| Proxies::from_variables(text).map(Arc::new));
        let waiting = shared
            .waiting
            .get_or_init(|| Waiting::on(*self.report).map(Arc::new));
        let folders = set("SSL_CERT_DIR").unwrap_or_default();
        let folders = folders
            .split(|b| *b == b':')
            .filter(|part| !part.is_empty());
        let mut options = Options::new(self.deadline);
        options.proxies = proxies.clone()?;
        options.waiting = waiting.clone();
        options.visits = Some(Arc::clone(shared.visits.get_or_init(Arc::default)));
        options.tls.authority = Authority::System {
            file: set("SSL_CERT_FILE").map(path),
            folders: folders.map(path).collect(),
        };
        Ok(options)
    }

    /// Warns of an address to which secrets travel in clear, or refuses it. `variable` is the
    /// setting that has it.
    pub fn weigh(&self, address: &Address, variable: &'static str) -> Result<(), Failure> {
        if address.exposure() != Exposure::Clear {
            return Ok(());
        }
        let fault = InClear {
            variable,
            origin: address.origin(),
            strict: self.strict,
        };
        if self.strict {
            return Err(fault.into());
        }
        self.report.warn(&fault.what(), fault.hint().as_deref());
        Ok(())
    }
}
