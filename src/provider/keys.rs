//! Keys: names without a scheme, for the store that the settings choose.

use super::Lookup;

/// How a store is asked for a bare key, as in `envshim get database/password`.
pub struct Keys {
    /// Whether the settings say that this is the store of keys.
    pub chosen: fn(&dyn Lookup) -> Chosen,
    /// The reference for a key.
    pub reference: fn(&str) -> String,
    /// What `ls` lists where nothing is said.
    pub all: &'static str,
    /// A variable is a key of its own, so that a name in capitals is asked for as one.
    pub flat: bool,
}

/// How clearly settings choose a store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chosen {
    /// Not at all.
    No,
    /// They would do for it, and may well stand there for the program itself.
    Perhaps,
    /// Nothing else uses them.
    Yes,
}

impl Chosen {
    /// [`Chosen::Yes`] where one of these is set.
    pub fn by(settings: &dyn Lookup, names: &[&str]) -> Chosen {
        if names.iter().any(|name| settings.setting(name).is_some()) {
            Chosen::Yes
        } else {
            Chosen::No
        }
    }
}
