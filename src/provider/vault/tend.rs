//! Keeping what Vault lends: the leases of a load, and the token that they hang on.
//!
//! A loan is renewed at two thirds of its life. When Vault grants less than half of what it granted
//! at first, the loan nears the end that its role sets for it: then new credentials are wanted.
//!
//! The processes that renew hold nothing of the load but the loan: where the server is, the token,
//! and the handles of the leases.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use crate::clock::since_boot;
use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::provider::vault::fault::Fault;
use crate::provider::vault::login::Session;
use crate::provider::vault::server::{As, Server};
use crate::provider::vault::settings::SETTINGS;
use crate::provider::{Context, Lease, Loan, Lookup, Tend, Tended};
use crate::secret::Secret;

/// Vault is not asked again before this.
const IN_NO_HURRY: Duration = Duration::from_millis(500);

/// Clocks are read in whole milliseconds.
const A_MOMENT: Duration = Duration::from_millis(10);

/// What Vault grants with a lease or a token.
pub(super) struct Grant {
    /// The handle of a lease; a token is its own.
    id: Option<Secret>,
    lives: Duration,
    renewable: bool,
}

impl Clone for Grant {
    fn clone(&self) -> Grant {
        Grant {
            id: self.id.as_ref().map(Secret::duplicate),
            ..*self
        }
    }
}

impl Grant {
    /// The lease of an answer, if it has one. KV v1 names a duration too, but no lease.
    pub(super) fn of_lease(top: &[(String, Json)]) -> Option<Grant> {
        let find = |name| top.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let id = find("lease_id").and_then(Json::text)?;
        let grant = Grant {
            id: Some(id.duplicate()),
            lives: Duration::from_secs(find("lease_duration").and_then(Json::whole)?),
            renewable: matches!(find("renewable"), Some(Json::Bool(true))),
        };
        (!id.expose().is_empty() && !grant.lives.is_zero()).then_some(grant)
    }

    /// The life of a token; one of root's does not end.
    pub(super) fn of_token(auth: &Json) -> Option<Grant> {
        let seconds = auth.get("lease_duration").and_then(Json::whole);
        Some(Grant {
            id: None,
            lives: Duration::from_secs(seconds.filter(|seconds| *seconds > 0)?),
            renewable: matches!(auth.get("renewable"), Some(Json::Bool(true))),
        })
    }
}

/// What one load borrows.
pub(super) struct Borrowed {
    /// The token is of our own login, and has no other use than this.
    own: bool,
    terms: Vec<Term>,
}

/// One lease, or the token.
struct Term {
    /// For people; the token has no name.
    what: String,
    id: Option<Secret>,
    /// What was granted at first.
    first: Duration,
    /// When it ends, on the clock of the machine.
    ends: Duration,
    /// Nobody can make it last longer.
    last: bool,
}

impl Term {
    fn of(what: String, grant: &Grant) -> Term {
        Term {
            what,
            id: grant.id.as_ref().map(Secret::duplicate),
            first: grant.lives,
            ends: since_boot() + grant.lives,
            last: !grant.renewable,
        }
    }

    fn left(&self) -> Duration {
        self.ends.saturating_sub(since_boot())
    }

    /// It is time to renew it.
    fn due(&self) -> bool {
        !self.last && self.left() <= self.first * 2 / 3
    }

    /// It is renewed no longer, or has not been for too long.
    fn ending(&self) -> bool {
        self.last || self.left() < self.first / 3
    }

    fn name(&self) -> String {
        match self.id {
            Some(_) => self.what.clone(),
            None => "the token".to_owned(),
        }
    }
}

impl Borrowed {
    /// Nothing yet but the token.
    pub(super) fn of(session: &Session) -> Borrowed {
        let token = session.grant.as_ref();
        Borrowed {
            own: session.fresh,
            terms: token
                .map(|grant| Term::of(String::new(), grant))
                .into_iter()
                .collect(),
        }
    }

    /// A lease.
    pub(super) fn add(&mut self, what: String, grant: &Grant) {
        self.terms.push(Term::of(what, grant));
    }

    /// Hands it to those who keep it. A token alone is worth nothing once everything is read.
    pub(super) fn remember(&self, context: &Context<'_>, server: &Server) {
        let token = self.terms.iter().find(|term| term.id.is_none());
        let leases = self.terms.iter().filter(|term| term.id.is_some());
        let leases: Vec<Lease> = leases
            .map(|term| Lease {
                what: term.what.clone(),
                lives: term.first,
                token: token.map(|token| token.first),
            })
            .collect();
        if leases.is_empty() {
            return;
        }
        let settings = SETTINGS
            .iter()
            .filter(|row| !row.bootstrap || row.name == "VAULT_HEADERS");
        let settings = settings.map(|row| (row.name, context.settings.setting(row.name)));
        let variables = VARIABLES
            .iter()
            .map(|name| (*name, context.settings.variable(name)));
        let settings = settings.chain(variables).filter_map(|(name, value)| {
            let value = value?;
            Some((name.to_owned(), text(&anywhere(name, value))))
        });
        let terms = Terms {
            settings: settings.collect(),
            token: server.token.as_ref().map(Secret::duplicate),
            own: self.own,
            terms: &self.terms,
        };
        context.network.lend(leases, terms.loan());
    }
}

/// A loan, about to be written down.
struct Terms<'a> {
    settings: Vec<(String, Json)>,
    token: Option<Secret>,
    own: bool,
    terms: &'a [Term],
}

impl Terms<'_> {
    fn loan(self) -> Loan {
        let member = |name: &str, value| (name.to_owned(), value);
        let number =
            |time: Duration| Json::Number(Secret::new(time.as_millis().to_string().into_bytes()));
        let optional = |secret: Option<Secret>| secret.map_or(Json::Null, Json::Text);
        let terms = self.terms.iter().map(|term| {
            Json::Object(vec![
                member("what", text(term.what.as_bytes())),
                member("id", optional(term.id.as_ref().map(Secret::duplicate))),
                member("first", number(term.first)),
                member("ends", number(term.ends)),
                member("last", Json::Bool(term.last)),
            ])
        });
        let all = Json::Object(vec![
            member("settings", Json::Object(self.settings)),
            member("token", optional(self.token)),
            member("own", Json::Bool(self.own)),
            member("terms", Json::List(terms.collect())),
        ]);
        let again = self.terms.iter().filter(|term| !term.last);
        let again = again.map(|term| match term.due() {
            true => (term.left() / 4).max(IN_NO_HURRY),
            false => term.left().saturating_sub(term.first * 2 / 3) + A_MOMENT,
        });
        // New ones are wanted while the old ones still serve.
        let ends = self.terms.iter().filter(|term| term.ending());
        let ends = ends.map(|term| term.left() * 2 / 3);
        Loan {
            scheme: super::ROW.scheme,
            terms: all.compact(),
            again: again.min(),
            ends: ends.min(),
        }
    }
}

/// What a connection depends on beside our own settings.
const VARIABLES: &[&str] = &[
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Settings that are paths, which must lead to the same file from another folder.
const PATHS: &[&str] = &[
    "VAULT_CACERT",
    "VAULT_CAPATH",
    "VAULT_CLIENT_CERT",
    "VAULT_CLIENT_KEY",
    "SSL_CERT_FILE",
];

fn anywhere<'a>(name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
    let path = Path::new(OsStr::from_bytes(value));
    match std::path::absolute(path) {
        Ok(whole) if PATHS.contains(&name) => whole.into_os_string().into_vec().into(),
        _ => value.into(),
    }
}

fn text(bytes: &[u8]) -> Json {
    Json::Text(Secret::new(bytes.to_vec()))
}

fn read(json: &Json) -> Option<Term> {
    let time = |name| Some(Duration::from_millis(json.get(name)?.whole()?));
    Some(Term {
        what: json.get("what")?.as_str()?.to_owned(),
        id: json.get("id").and_then(Json::text).map(Secret::duplicate),
        first: time("first")?,
        ends: time("ends")?,
        last: matches!(json.get("last"), Some(Json::Bool(true))),
    })
}

/// The settings of the load, as they are written in the loan.
struct Settings<'a> {
    fields: &'a Json,
    outer: &'a dyn Lookup,
}

impl Lookup for Settings<'_> {
    fn setting(&self, name: &str) -> Option<&[u8]> {
        Some(self.fields.get(name)?.text()?.expose())
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.setting(name)
    }

    fn names(&self) -> Vec<&str> {
        self.outer.names()
    }
}

/// Renews a loan, or gives it back.
pub(super) fn tend(context: Context<'_>, loan: &Loan, act: Tend) -> Result<Tended, Failure> {
    let json = json::parse(loan.terms.expose()).map_err(|_| Fault::OddLoan)?;
    let fields = json.get("settings").ok_or(Fault::OddLoan)?;
    let settings = Settings {
        fields,
        outer: context.settings,
    };
    let context = Context {
        settings: &settings,
        ..context
    };
    let mut server = Server::of(&context)?;
    server.token = json
        .get("token")
        .and_then(Json::text)
        .map(Secret::duplicate);
    let own = matches!(json.get("own"), Some(Json::Bool(true)));
    let terms = json.get("terms").and_then(Json::list).unwrap_or_default();
    let mut terms: Vec<Term> = terms.iter().filter_map(read).collect();
    let mut troubles = Vec::new();
    match act {
        Tend::Revoke => revoke(&mut server, own, &terms, &mut troubles),
        Tend::Renew => {
            for term in terms.iter_mut().filter(|term| term.due()) {
                troubles.extend(renew(&mut server, term).err());
            }
        }
    }
    let Json::Object(members) = &json else {
        return Err(Fault::OddLoan.into());
    };
    let settings = members.iter().find(|(name, _)| name == "settings");
    let settings = match settings {
        Some((_, Json::Object(settings))) => settings.iter().filter_map(|(name, value)| {
            Some((name.clone(), Json::Text(value.text()?.duplicate())))
        }),
        _ => return Err(Fault::OddLoan.into()),
    };
    let loan = Terms {
        settings: settings.collect(),
        token: server.token.take(),
        own,
        terms: &terms,
    };
    Ok(Tended {
        loan: loan.loan(),
        troubles,
    })
}

/// Makes one term last longer. A trouble that passes leaves it as it is; one that does not ends it.
fn renew(server: &mut Server, term: &mut Term) -> Result<(), Failure> {
    let seconds = term.first.as_secs().max(1);
    let mut body = vec![(
        "increment",
        Json::Number(Secret::new(seconds.to_string().into_bytes())),
    )];
    let path = match &term.id {
        Some(id) => {
            body.push(("lease_id", Json::Text(id.duplicate())));
            "sys/leases/renew"
        }
        None => "auth/token/renew-self",
    };
    let answer = server.post(path, As::Us, body, true)?;
    match answer.status {
        200 => {}
        400 | 403 | 404 => {
            term.last = true;
            return Err(Fault::NotRenewed(term.name()).into());
        }
        _ => return Err(server.ailment(&answer).into()),
    }
    let content = server.content(&answer)?;
    let granted = match &content {
        _ if term.id.is_none() => content.get("auth").and_then(Grant::of_token),
        Json::Object(top) => Grant::of_lease(top),
        _ => None,
    };
    match granted {
        Some(grant) => {
            term.ends = since_boot() + grant.lives;
            term.last = !grant.renewable || grant.lives < term.first / 2;
            Ok(())
        }
        None => {
            term.last = true;
            Err(Fault::NotRenewed(term.name()).into())
        }
    }
}

/// With a token of ours everything goes that was made with it; with another's, lease by lease.
fn revoke(server: &mut Server, own: bool, terms: &[Term], troubles: &mut Vec<Failure>) {
    let mut give_back = |path: &str, body| match server.post(path, As::Us, body, false) {
        Ok(answer) if matches!(answer.status, 200 | 204) => None,
        Ok(answer) => Some(Fault::NotRevoked(answer.status).into()),
        Err(fault) => Some(Failure::from(fault)),
    };
    if own {
        troubles.extend(give_back("auth/token/revoke-self", Vec::new()));
        return;
    }
    for id in terms.iter().filter_map(|term| term.id.as_ref()) {
        let body = vec![("lease_id", Json::Text(id.duplicate()))];
        troubles.extend(give_back("sys/leases/revoke", body));
    }
}
