//! `hcp:NAME#key`: HCP Vault Secrets, and what speaks like it.
//!
//! Round trips: one for the access token; then all references at once, each secret opened once, or
//! for an import all secrets page by page. Opening a dynamic secret makes new credentials, so these
//! are opened one by one, each once, and never twice because an answer was lost.
//!
//! The service itself has ended on 2026-07-01. Its host is known, and its silence explained.

mod answers;

mod fault;

mod known;

mod place;

mod store;

use crate::failure::Failure;
use crate::format::naming;
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::provider::{
    Answer, Chosen, Keys, Listed, Provider, Row, Setting, Trouble, Wanted, fields_of,
};

use fault::Fault;
use known::Absent;
use store::Store;

const URL: &str = "HCP_SECRETS_URL";

pub(crate) const ROW: Row = Row {
    scheme: "hcp",
    title: "HCP Vault Secrets",
    example: "hcp:STRIPE_KEY",
    settings: SETTINGS,
    parameters: &["version"],
    imports: true,
    local: false,
    trusts_environment: true,
    marker: Some("hcp_loaded"),
    names: Policy::Default,
    shield: str::to_owned,
    check,
    keys: Some(Keys {
        chosen: |settings| Chosen::by(settings, &[URL, "HCP_APP"]),
        reference: of_key,
        all: "hcp:*",
        flat: true,
    }),
    implied: |settings| match (settings.text(URL), settings.text("SECRET_MANAGER_TYPE")) {
        (Some(_), _) | (None, Some("hcp")) => vec!["hcp:*".to_owned()],
        _ => Vec::new(),
    },
    tend: None,
    open: |context| Ok(Box::new(Store::open(context)?)),
    write: None,
};

const SETTINGS: &[Setting] = &[
    setting(
        URL,
        "the address that opens the secrets of an app; imports them all",
    ),
    setting(
        "HCP_API_TOKEN_URL",
        "where access tokens are given out, if not at HCP_AUTH_URL",
    ),
    setting("HCP_CLIENT_ID", "the service principal"),
    Setting {
        name: "HCP_CLIENT_SECRET",
        doc: "its secret",
        bootstrap: true,
    },
    setting(
        "HCP_CRED_FILE",
        "a credential file instead (default ~/.config/hcp/cred_file.json)",
    ),
    setting("HCP_ORGANIZATION_ID", "the organisation of HCP_APP"),
    setting("HCP_PROJECT_ID", "the project of HCP_APP"),
    setting("HCP_APP", "the app, where HCP_SECRETS_URL is not set"),
    setting("HCP_GEOGRAPHY", "the region: us (default) or eu"),
    setting("HCP_AUTH_URL", "the address of HCP's logins"),
    setting("HCP_API_ADDRESS", "host[:port] of HCP's API"),
    setting("HCP_API_HOST", "the older name of HCP_API_ADDRESS"),
    setting(
        "HCP_AUTH_TLS",
        "insecure or disabled, for tests of HCP_AUTH_URL",
    ),
    setting(
        "HCP_API_TLS",
        "insecure or disabled, for tests of HCP_API_ADDRESS",
    ),
];

const fn setting(name: &'static str, doc: &'static str) -> Setting {
    Setting {
        name,
        doc,
        bootstrap: false,
    }
}

/// `database/password` is `DATABASE_PASSWORD` here: names have no other letters.
fn of_key(key: &str) -> String {
    let (name, rest) = key.split_at(key.find(['#', '?']).unwrap_or(key.len()));
    let name = naming::variable(name, Policy::Default, "").unwrap_or_else(|_| name.to_owned());
    format!("hcp:{name}{rest}")
}

fn check(reference: &Reference, import: bool) -> Result<(), Failure> {
    let name = reference.locator.as_str();
    let all = import && name == "*";
    if !all && !naming::is_valid(name) {
        return Err(Fault::BadName(name.to_owned()).into());
    }
    match reference.parameter("version") {
        Some(_) if all => Err(Fault::VersionOfAll.into()),
        Some(version) if !version.bytes().all(|b| b.is_ascii_digit()) || version.is_empty() => {
            Err(Fault::BadVersion.into())
        }
        _ => Ok(()),
    }
}

impl Provider for Store {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        match self.gather(wanted) {
            Ok(known) => wanted
                .iter()
                .map(|one| known.answer(one, self.app.name.as_deref()))
                .collect(),
            Err(fault) => {
                let absent = Absent::of(fault);
                wanted.iter().map(|_| Err(absent.trouble())).collect()
            }
        }
    }

    fn list(&mut self, wanted: &Wanted<'_>, _: bool) -> Result<Vec<Listed>, Trouble> {
        if !known::is_all(wanted) {
            return fields_of(self, wanted);
        }
        self.names().map_err(|fault| Absent::of(fault).trouble())
    }
}
