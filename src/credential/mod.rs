//! Credentials: how envshim shows a store who it is.
//!
//! A store's credentials may be in several places, and each place is a [`Link`]. A [`chain`] is a
//! table of links, asked in order; the first that has credentials ends it. What the others said is
//! kept, so that the error of a chain without an answer lists every place and why it was not one.

pub mod hcp;

pub mod sigv4;

pub mod pem;

pub mod jwt;

pub mod aws;

pub mod azure;

pub mod google;

use crate::failure::Failure;
use crate::secret::Secret;

/// Looks a setting up.
pub type Look<'a> = &'a (dyn Fn(&str) -> Option<&'a [u8]> + 'a);

/// A setting as text.
fn text<'a>(look: Look<'a>, name: &str) -> Option<&'a str> {
    let value = std::str::from_utf8(look(name)?).ok()?.trim_ascii();
    (!value.is_empty()).then_some(value)
}

/// A setting that is secret. Blanks around it come from copying.
fn secret(look: Look<'_>, name: &str) -> Option<Secret> {
    let value = look(name)?.trim_ascii();
    (!value.is_empty()).then(|| Secret::new(value.to_vec()))
}

/// A place where credentials may be. `C` is what a link may look at, `T` what it finds.
pub struct Link<C: ?Sized, T> {
    /// Its name for people: `environment`, `IMDS`.
    pub name: &'static str,
    /// Looks.
    pub ask: fn(&C) -> Result<T, Pass>,
}

/// Why a link has no credentials.
pub enum Pass {
    /// Nobody put any there; the next link is asked. In a few words: `unset`, `no file`; with none
    /// at all it is not worth a mention.
    Silent(String),
    /// It was set up and does not work. Somebody meant it, so no other link stands in for it.
    Broken(Failure),
}

/// A chain that found nothing.
pub enum Unanswered {
    /// No link is set up.
    Nobody(Tried),
    /// This link is, and does not work.
    Broken {
        /// Its name.
        link: &'static str,
        /// What is wrong with it.
        failure: Failure,
    },
}

/// What was tried: the names of links, and why each was passed over.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tried(Vec<(&'static str, String)>);

impl Tried {
    /// Adds a place that had nothing.
    pub fn add(&mut self, link: &'static str, why: String) {
        self.0.push((link, why));
    }

    /// `environment: unset; profile: no file; IMDS: no answer within 1 s`.
    pub fn shown(&self) -> String {
        let said: Vec<String> = self
            .0
            .iter()
            .filter(|(_, why)| !why.is_empty())
            .map(|(link, why)| format!("{link}: {why}"))
            .collect();
        said.join("; ")
    }
}

/// Asks the links in order. Gives what the first one has, with its name.
pub fn chain<C: ?Sized, T>(
    links: &[Link<C, T>],
    context: &C,
) -> Result<(&'static str, T), Unanswered> {
    let mut tried = Tried::default();
    for link in links {
        match (link.ask)(context) {
            Ok(found) => return Ok((link.name, found)),
            Err(Pass::Silent(why)) => tried.add(link.name, why),
            Err(Pass::Broken(failure)) => {
                return Err(Unanswered::Broken {
                    link: link.name,
                    failure,
                });
            }
        }
    }
    Err(Unanswered::Nobody(tried))
}

#[cfg(test)]
mod tests {
    use super::{Link, Pass, Unanswered, chain};
    use crate::failure::{Exit, Failure};

    const LINKS: &[Link<u8, u8>] = &[
        Link {
            name: "first",
            ask: |n| (*n == 1).then_some(1).ok_or(Pass::Silent("unset".into())),
        },
        Link {
            name: "second",
            ask: |n| match n {
                2 => Err(Pass::Broken(Failure {
                    what: "it is cut".into(),
                    hint: None,
                    exit: Exit::Ours,
                })),
                n => (*n == 3).then_some(3).ok_or(Pass::Silent("no file".into())),
            },
        },
    ];

    #[test]
    fn the_first_that_has_some_ends_it() {
        assert!(matches!(chain(LINKS, &1), Ok(("first", 1))));
        assert!(matches!(chain(LINKS, &3), Ok(("second", 3))));
    }

    #[test]
    fn what_was_tried_is_kept() {
        let Err(Unanswered::Nobody(tried)) = chain(LINKS, &0) else {
            panic!("nobody has any")
        };
        assert_eq!(tried.shown(), "first: unset; second: no file");
    }

    #[test]
    fn a_broken_link_ends_it() {
        let Err(Unanswered::Broken { link, failure }) = chain(LINKS, &2) else {
            panic!("the second is broken")
        };
        assert_eq!((link, failure.what.as_str()), ("second", "it is cut"));
    }
}
