//! What a store lends for a time: credentials that were made for one start, and end.

use std::time::Duration;

use crate::clock::spoken;
use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::provider::{Context, row};
use crate::secret::Secret;

/// Credentials that end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which, as references name them: `vault:/database/creds/app`.
    pub what: String,
    /// How long they live if nobody renews them, in whole seconds.
    pub lives: Duration,
    /// The token they were made with lives no longer than that, and they die with it.
    pub token: Option<Duration>,
}

impl Lease {
    /// How long they live if nobody does anything.
    pub fn end(&self) -> Duration {
        self.token.map_or(self.lives, |token| token.min(self.lives))
    }

    /// `vault:/database/creds/app: these credentials end in 20 min, with the token of the login`.
    pub fn line(&self) -> String {
        let with = match self.token {
            Some(token) if token < self.lives => ", with the token of the login",
            _ => "",
        };
        let end = spoken(self.end());
        format!("{}: these credentials end in {end}{with}", self.what)
    }
}

/// All that one store has lent to one load, with what it takes to keep it: only its provider can
/// read it. It outlives the process that borrowed it.
pub struct Loan {
    /// The scheme of the provider.
    pub scheme: &'static str,
    /// Its own words.
    pub terms: Secret,
    /// When to renew it.
    pub again: Option<Duration>,
    /// When to load anew, for something in it will soon end for good.
    pub ends: Option<Duration>,
}

impl Loan {
    /// Loans as one document, for a process that comes later.
    pub fn write(loans: &[Loan]) -> Secret {
        let loan = |loan: &Loan| {
            let scheme = Secret::new(loan.scheme.as_bytes().to_vec());
            Json::List(vec![Json::Text(scheme), Json::Text(loan.terms.duplicate())])
        };
        Json::List(loans.iter().map(loan).collect()).compact()
    }

    /// Reads such a document.
    pub fn read(document: &Secret) -> Vec<Loan> {
        let json = json::parse(document.expose()).unwrap_or(Json::Null);
        let loan = |entry: &Json| {
            let [scheme, terms] = entry.list()? else {
                return None;
            };
            Some(Loan {
                scheme: row(scheme.as_str()?)?.scheme,
                terms: terms.text()?.duplicate(),
                again: None,
                ends: None,
            })
        };
        json.list()
            .unwrap_or_default()
            .iter()
            .filter_map(loan)
            .collect()
    }
}

/// What to do with a loan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tend {
    /// Make it last longer.
    Renew,
    /// Give it back.
    Revoke,
}

/// What became of a loan that was renewed.
pub struct Tended {
    /// The loan as it is now.
    pub loan: Loan,
    /// What could not be done.
    pub troubles: Vec<Failure>,
}

/// How a provider tends what it has lent.
pub type Tender = fn(Context<'_>, &Loan, Tend) -> Result<Tended, Failure>;

#[cfg(test)]
mod tests {
    use super::Lease;
    use std::time::Duration;

    #[test]
    fn a_lease_ends_with_the_token_that_made_it() {
        let seconds = Duration::from_secs;
        let lease = |lives, token: Option<u64>| Lease {
            what: "vault:/x".to_owned(),
            lives: seconds(lives),
            token: token.map(seconds),
        };
        for (lives, token, end, says) in [
            (60, None, 60, "vault:/x: these credentials end in 60 s"),
            (60, Some(90), 60, "vault:/x: these credentials end in 60 s"),
            (
                60,
                Some(20),
                20,
                "vault:/x: these credentials end in 20 s, with the token of the login",
            ),
        ] {
            let lease = lease(lives, token);
            assert_eq!(lease.end(), seconds(end));
            assert_eq!(lease.line(), says);
        }
    }
}
