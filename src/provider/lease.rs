//! What a store lends for a time: credentials that were made for one start, and end.

use std::time::Duration;

use crate::clock::spoken;

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
