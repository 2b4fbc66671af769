//! What went wrong, in three parts: what, why, and what to do.
//!
//! Each room has a small enum with data, not prose, and implements [`Explain`] beside it. At the
//! border of the room it becomes a [`Failure`], which `report` prints. Voice: lower case, no final
//! period, present tense, names in back quotes, never a value, never a response body. A hint is a
//! thing to type, set or grant; where there is nothing to do, there is no hint.

/// Exit status of envshim itself. The program's own status is passed on unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// A check or a question answered with no.
    No = 1,
    /// envshim failed before the program was started.
    Ours = 125,
    /// The program was found but cannot be executed.
    CannotRun = 126,
    /// The program was not found.
    NotFound = 127,
}

/// An error that can be read aloud to the person who has to mend it.
pub trait Explain {
    /// What failed and why, on one line, with the place first.
    fn what(&self) -> String;
    /// What to type, set or grant now.
    fn hint(&self) -> Option<String> {
        None
    }
    /// The exit status that tells scripts the same.
    fn exit(&self) -> Exit {
        Exit::Ours
    }
}

/// An explained error, ready to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What failed and why.
    pub what: String,
    /// What to do now.
    pub hint: Option<String>,
    /// The exit status.
    pub exit: Exit,
}

impl Failure {
    /// Puts the place (a variable and its reference, or file:line:column) in front.
    pub fn at(mut self, place: &str) -> Self {
        self.what = format!("{place}: {}", self.what);
        self
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure {
            what: error.what(),
            hint: error.hint(),
            exit: error.exit(),
        }
    }
}

/// Everything that one run found wrong, in the order of the document: a restart loop must not
/// reveal one mistake per minute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures(pub Vec<Failure>);

impl Failures {
    /// `Ok` with the value where nothing was collected.
    pub fn or<T>(self, value: T) -> Result<T, Failures> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// The exit status of the first one.
    pub fn exit(&self) -> Exit {
        self.0.first().map_or(Exit::Ours, |first| first.exit)
    }
}

impl<E: Into<Failure>> From<E> for Failures {
    fn from(error: E) -> Self {
        Failures(vec![error.into()])
    }
}

/// A foreign name, made fit for one line: a line break in it cannot begin a line of its own.
pub fn one_line(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}

/// The name in `known` that `typed` was most likely meant to be: at most a third of its letters
/// differ (and at most three).
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (typed.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(typed, name), name))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// Optimal string alignment distance, without regard to letter case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let swap = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + swap);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn nearest_finds_typos_and_refuses_guesses() {
        let known = ["check", "dump", "seal", "open", "keygen"];
        assert_eq!(nearest("chekc", known), Some("check"));
        assert_eq!(nearest("SEAL", known), Some("seal"));
        assert_eq!(nearest("python", known), None);
        assert_eq!(distance("ca", "abc"), 3);
        assert_eq!(distance("ngnix", "nginx"), 1);
    }
}
