//! Names of secrets become names of variables.
//!
//! - A name that is a valid variable name stays as it is; any other becomes upper snake case.
//!   [`Policy::Upper`] brings all names into upper snake case, [`Policy::Keep`] leaves all letters
//!   as they are and replaces only what no variable name can have.
//! - Upper snake case parts words where people do: `dbPassword` -> `DB_PASSWORD`, `APIKey` ->
//!   `API_KEY`, `OAuth2Token` -> `OAUTH2_TOKEN`.
//! - Punctuation and blanks part words: `_` stands for a run of them, `__` for exactly `--`, with
//!   which .NET writes `:` in Azure (`ConnectionStrings--Default`; with `keep` it becomes the
//!   `ConnectionStrings__Default` that .NET reads). At both ends they are dropped.
//! - A digit cannot come first: `2fa-key` -> `_2FA_KEY`, or `APP_2FA_KEY` with a prefix.
//! - Letters outside ASCII and control characters are an error: any replacement would be a guess.

use crate::failure::{Explain, one_line};

mod loader;

#[cfg(test)]
mod tests;

pub use loader::{is_loader, obeyed_by};

/// What happens to the letters of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Valid names stay, others become upper snake case.
    #[default]
    Default,
    /// All names become upper snake case.
    Upper,
    /// Letters stay as they are.
    Keep,
}

impl Policy {
    /// Reads `ENVSHIM_NAMES`.
    pub fn parse(text: &str) -> Option<Policy> {
        match text {
            "upper" => Some(Policy::Upper),
            "keep" => Some(Policy::Keep),
            _ => None,
        }
    }
}

/// Why no variable can have this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unnameable {
    /// Nothing but punctuation.
    Empty(String),
    /// The name has this character, for which nothing can stand.
    Character(String, char),
    /// The prefix itself is no valid name.
    Prefix(String),
}

impl Explain for Unnameable {
    fn what(&self) -> String {
        match self {
            Unnameable::Empty(name) => format!(
                "the name `{}` has no letter for a variable name",
                one_line(name)
            ),
            Unnameable::Character(name, c) if c.is_control() => format!(
                "no variable can be named after `{}`: it has the control character U+{:04X}",
                one_line(name),
                u32::from(*c)
            ),
            Unnameable::Character(name, c) => {
                format!(
                    "no variable can be named after `{}`: it has `{c}`",
                    one_line(name)
                )
            }
            Unnameable::Prefix(prefix) => {
                format!(
                    "no variable name can begin with the prefix `{}`",
                    one_line(prefix)
                )
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Unnameable::Empty(_) | Unnameable::Character(..) => {
                "rename it in the store, or name each variable in a line of its own instead of the import".into()
            }
            Unnameable::Prefix(_) => {
                "begin with a letter, go on with letters, digits and `_`, as in ENVSHIM_PREFIX=APP_".into()
            }
        })
    }
}

/// The variable for a secret of this name. `prefix` is put in front as it is.
pub fn variable(name: &str, policy: Policy, prefix: &str) -> Result<String, Unnameable> {
    if !prefix.is_empty() && !is_valid(prefix) {
        return Err(Unnameable::Prefix(prefix.to_owned()));
    }
    let stays = policy != Policy::Upper && is_valid(name);
    let words = if stays {
        name.to_owned()
    } else {
        words(name, policy != Policy::Keep)?
    };
    let digit = words.starts_with(|c: char| c.is_ascii_digit());
    let guard = if digit && prefix.is_empty() { "_" } else { "" };
    Ok([prefix, guard, &words].concat())
}

/// The name with `_` for punctuation, in upper snake case if `upper`.
fn words(name: &str, upper: bool) -> Result<String, Unnameable> {
    if let Some(c) = name.chars().find(|c| !c.is_ascii() || c.is_ascii_control()) {
        return Err(Unnameable::Character(name.to_owned(), c));
    }
    let inner = name.trim_matches(separates);
    let letters = inner.as_bytes();
    let mut out = String::with_capacity(inner.len() + 4);
    let mut gap = 0..0;
    for (at, c) in inner.char_indices() {
        if separates(c) {
            gap.end = at + 1;
            continue;
        }
        match inner.get(gap.clone()) {
            Some("--") => out.push_str("__"),
            Some("") if upper && word_begins(letters, at) => out.push('_'),
            Some("") | None => {}
            Some(_) => out.push('_'),
        }
        gap = at + 1..at + 1;
        out.push(if upper { c.to_ascii_uppercase() } else { c });
    }
    if out.is_empty() {
        return Err(Unnameable::Empty(name.to_owned()));
    }
    Ok(out)
}

fn separates(c: char) -> bool {
    c == ' ' || (c.is_ascii_punctuation() && c != '_')
}

/// A capital begins a word after a small letter (`dbPassword`). Before a small letter it also does
/// after a digit (`OAuth2Token`), and after two capitals (`APIKey`) or a digit and a capital
/// (`K8SToken`); `OAuth` is one word.
fn word_begins(letters: &[u8], at: usize) -> bool {
    let is = |n: Option<usize>, class: fn(&u8) -> bool| {
        n.and_then(|n| letters.get(n)).is_some_and(class)
    };
    let capital: fn(&u8) -> bool = u8::is_ascii_uppercase;
    let block: fn(&u8) -> bool = |b| b.is_ascii_uppercase() || b.is_ascii_digit();
    let (before, earlier) = (at.checked_sub(1), at.checked_sub(2));
    if !is(Some(at), capital) {
        return false;
    }
    is(before, u8::is_ascii_lowercase)
        || (is(Some(at + 1), u8::is_ascii_lowercase)
            && (is(before, u8::is_ascii_digit) || (is(before, capital) && is(earlier, block))))
}

/// `[A-Za-z_][A-Za-z0-9_]*`: a name that every shell and every program can read.
pub fn is_valid(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Two secrets of one import that end in one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The name of both.
    pub variable: String,
    /// The first secret, as the store names it.
    pub first: String,
    /// The other one.
    pub second: String,
}

impl Explain for Clash {
    fn what(&self) -> String {
        let Clash {
            variable,
            first,
            second,
        } = self;
        format!(
            "`{}` and `{}` both become `{variable}`",
            one_line(first),
            one_line(second)
        )
    }

    fn hint(&self) -> Option<String> {
        let kept = |name| variable(name, Policy::Keep, "").ok();
        Some(if kept(&self.first) == kept(&self.second) {
            "rename one in the store, or name each variable in a line of its own instead of the import".into()
        } else {
            "set ENVSHIM_NAMES=keep, or rename one in the store".into()
        })
    }
}

/// All clashes among pairs of a secret's name and its variable, in the order of the pairs; of more
/// than two with one variable, each with the first.
pub fn clash(pairs: &[(&str, &str)]) -> Vec<Clash> {
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_unstable_by(|a, b| (pairs[*a].1, a).cmp(&(pairs[*b].1, b)));
    let mut found = Vec::new();
    let mut first = 0;
    for (n, &at) in order.iter().enumerate() {
        if n == 0 || pairs[at].1 != pairs[first].1 {
            first = at;
        } else {
            found.push((at, first));
        }
    }
    found.sort_unstable();
    found
        .into_iter()
        .map(|(second, first)| Clash {
            variable: pairs[first].1.to_owned(),
            first: pairs[first].0.to_owned(),
            second: pairs[second].0.to_owned(),
        })
        .collect()
}
