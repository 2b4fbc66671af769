//! References: `scheme:locator[#field][?param=value&...]`, as the whole value of an entry or inside
//! `${...}`, among text and variables.
//!
//! What counts as one is decided on the text of the file alone, before anything is expanded: a
//! variable's content can fill a place in a reference, it can never make one. The grammar accepts any
//! scheme it is told of; which schemes exist is the provider table's knowledge.
//!
//! - A whole value is a reference when it starts with a known scheme and a colon, and what follows is
//!   neither empty, nor white space, nor `//` (so that URLs and prose stay text).
//! - `#`, `?`, `%` and `}` inside a locator, field or parameter are percent-encoded.
//! - `text:` takes the rest literally: nothing in it is expanded.

use crate::failure::{Explain, nearest};
use crate::format::template::{Piece, split};
use crate::secret::{Secret, SecretBuffer};

mod cut;

#[cfg(test)]
mod tests;

use cut::draft;

/// The scheme that makes a value plain text.
pub const TEXT: &str = "text";

/// A value as it stands in a file: text, variables and references in their order.
pub struct Template {
    /// The parts, joined when everything is known.
    pub parts: Vec<Part>,
    /// A scheme that this value nearly has: most likely a typing mistake, to be warned of.
    pub suspicion: Option<&'static str>,
}

/// One part of a value.
pub enum Part {
    /// Literal bytes.
    Text(Secret),
    /// `${NAME}` or `${NAME:-default}`.
    Variable(Variable),
    /// A reference, fetched from its store.
    Reference(Box<Draft>),
}

/// `${NAME}` or `${NAME:-default}`.
pub struct Variable {
    /// The name.
    pub name: String,
    /// What stands in for an unset variable.
    pub default: Option<Secret>,
}

impl Variable {
    /// As it was written.
    pub fn written(&self) -> Secret {
        let mut text = SecretBuffer::default();
        text.push(b"${");
        text.push(self.name.as_bytes());
        if let Some(default) = &self.default {
            text.push(b":-");
            text.push(default.expose());
        }
        text.push(b"}");
        text.finish()
    }
}

/// A reference whose parts may still hold variables.
pub struct Draft {
    /// The scheme: which provider.
    pub scheme: String,
    /// Where: a path, a name, a command.
    pub locator: Phrase,
    /// Which field of a structured secret.
    pub field: Option<Phrase>,
    /// `?name=value` pairs in their order.
    pub parameters: Vec<(String, Phrase)>,
}

/// Text with variables in it, percent-decoded already.
pub struct Phrase(pub Vec<Word>);

/// One piece of a [`Phrase`].
pub enum Word {
    /// Literal text.
    Text(String),
    /// A variable to fill in.
    Variable(Variable),
}

impl Word {
    fn variable(&self) -> Option<&str> {
        match self {
            Word::Text(_) => None,
            Word::Variable(variable) => Some(&variable.name),
        }
    }
}

/// A complete reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The scheme: which provider.
    pub scheme: String,
    /// Where: a path, a name, a command.
    pub locator: String,
    /// Which field of a structured secret.
    pub field: Option<String>,
    /// `?name=value` pairs in their order.
    pub parameters: Vec<(String, String)>,
}

impl Reference {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Display for Reference {
    /// As people write it, without what may hold a secret itself: parameters (`?default=`), and the
    /// arguments of a program, which follow a blank or stand in quotes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ends = |c: char| c.is_whitespace() || matches!(c, '\'' | '"');
        match self.locator.split_once(ends) {
            None => write!(f, "{}:{}", self.scheme, self.locator)?,
            Some((program, _)) => write!(f, "{}:{program} ...", self.scheme)?,
        }
        match &self.field {
            Some(field) => write!(f, "#{field}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a reference.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// `%` that is not followed by two hexadecimal digits, or decodes to no text.
    Percent,
    /// Nothing between the scheme and `#` or `?`.
    NoLocator(String),
    /// `#` without a name.
    NoField(String),
    /// A parameter without `=`, or without a name.
    BadParameter(String),
    /// The same parameter twice.
    TwiceParameter(String),
    /// `${` inside a reference that stands in `${...}` itself.
    Nested(String),
    /// `${scheme:...` without its `}`.
    Unclosed(String),
    /// `${scheme:...}` with a scheme that does not exist but nearly does.
    UnknownScheme(String, &'static str),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Percent => {
                "a `%` in a reference is not followed by two hexadecimal digits".into()
            }
            Fault::NoLocator(scheme) => format!("the reference `{scheme}:` names nothing"),
            Fault::NoField(scheme) => {
                format!("the `#` of the `{scheme}:` reference names no field")
            }
            Fault::BadParameter(scheme) => {
                format!("a parameter of the `{scheme}:` reference is not of the form name=value")
            }
            Fault::TwiceParameter(name) => {
                format!("the parameter `{name}` stands twice in one reference")
            }
            Fault::Nested(scheme) => {
                format!("the reference `${{{scheme}:...}}` holds another `${{...}}`")
            }
            Fault::Unclosed(scheme) => {
                format!("the reference `${{{scheme}:...` has no closing `}}`")
            }
            Fault::UnknownScheme(scheme, _) => format!("`${{{scheme}:...}}` has an unknown scheme"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Percent => "write `%25` for a percent sign, `%23` for `#`, `%3F` for `?`".into(),
            Fault::NoLocator(scheme) => {
                format!("write {scheme}:NAME, or text:{scheme}: for the text itself")
            }
            Fault::NoField(_) => {
                "write #NAME, or leave the `#` out for the whole secret (`%23` is a `#`)".into()
            }
            Fault::BadParameter(_) => {
                "write ?name=value&name=value (`%3F` is a `?`, `%26` an `&`)".into()
            }
            Fault::TwiceParameter(_) => "keep one of them".into(),
            Fault::Nested(scheme) => {
                format!("give it a line of its own, PART={scheme}:..., and write ${{PART}} here")
            }
            Fault::Unclosed(_) => "close it, or begin the value with text: if it is text".into(),
            Fault::UnknownScheme(_, near) => format!("did you mean `${{{near}:...}}`?"),
        })
    }
}

/// Reads a value. `schemes` are the known ones, without [`TEXT`].
pub fn parse(value: &[u8], schemes: &[&'static str]) -> Result<Template, Fault> {
    let whole = scheme_of(value);
    match whole {
        Some((TEXT, rest)) => return Ok(Template::literal(Secret::new(rest.to_vec()))),
        Some((scheme, rest)) if schemes.contains(&scheme) => {
            let draft = draft(scheme, split(rest).into_iter().map(|piece| (piece, rest)))?;
            return Ok(Template {
                parts: vec![Part::Reference(Box::new(draft))],
                suspicion: None,
            });
        }
        _ => {}
    }
    let mut parts = Vec::new();
    for piece in split(value) {
        parts.push(match piece {
            Piece::Text(range) => {
                half(value, &range, schemes)?;
                Part::Text(secret(value, range))
            }
            Piece::Variable { name, default } => Part::Variable(variable(value, name, default)),
            Piece::Braced(range) => inner(&value[range], schemes)?,
        });
    }
    let suspicion = whole.and_then(|(scheme, rest)| {
        rest.contains(&b'#')
            .then(|| nearest(scheme, schemes.iter().copied()))
            .flatten()
            .and_then(|near| schemes.iter().copied().find(|known| *known == near))
    });
    Ok(Template { parts, suspicion })
}

/// Reads a reference that must be one: an item of an import list, an argument of a command.
/// `None` when the text is not of the form at all.
pub fn parse_exact(text: &str) -> Option<Result<Reference, Fault>> {
    let (scheme, rest) = scheme_of(text.as_bytes())?;
    let whole = [(Piece::Text(0..rest.len()), rest)];
    Some(draft(scheme, whole.into_iter()).map(|draft| draft.fill(&mut |_| String::new())))
}

/// Reads a value in which only variables count: python-dotenv's own expansion.
pub fn parse_plain(value: &[u8]) -> Template {
    let part = |piece| match piece {
        Piece::Text(range) => Part::Text(secret(value, range)),
        Piece::Variable { name, default } => Part::Variable(variable(value, name, default)),
        Piece::Braced(range) => Part::Text(braced(value.get(range).unwrap_or_default())),
    };
    Template {
        parts: split(value).into_iter().map(part).collect(),
        suspicion: None,
    }
}

impl Template {
    /// The names of the variables in it, also in its references.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        fn words(phrase: &Phrase) -> impl Iterator<Item = &str> {
            phrase.0.iter().filter_map(Word::variable)
        }
        self.parts.iter().flat_map(|part| match part {
            Part::Text(_) => Vec::new(),
            Part::Variable(variable) => vec![variable.name.as_str()],
            Part::Reference(draft) => {
                let parameters = draft.parameters.iter().map(|(_, phrase)| phrase);
                let phrases = [&draft.locator].into_iter().chain(&draft.field);
                phrases.chain(parameters).flat_map(words).collect()
            }
        })
    }

    /// Text in which nothing is expanded.
    pub fn literal(value: Secret) -> Template {
        Template {
            parts: vec![Part::Text(value)],
            suspicion: None,
        }
    }
}

impl Draft {
    /// The reference with every variable filled in.
    pub fn fill(self, look_up: &mut impl FnMut(Variable) -> String) -> Reference {
        let mut fill = |phrase: Phrase| {
            let mut text = String::new();
            for word in phrase.0 {
                match word {
                    Word::Text(literal) => text.push_str(&literal),
                    Word::Variable(variable) => text.push_str(&look_up(variable)),
                }
            }
            text
        };
        Reference {
            scheme: self.scheme,
            locator: fill(self.locator),
            field: self.field.map(&mut fill),
            parameters: self
                .parameters
                .into_iter()
                .map(|(name, value)| (name, fill(value)))
                .collect(),
        }
    }
}

/// `scheme` and what follows its colon, where the value has the form of a reference.
fn scheme_of(value: &[u8]) -> Option<(&str, &[u8])> {
    let colon = value.iter().take(16).position(|b| *b == b':')?;
    let (scheme, rest) = value.split_at(colon);
    let rest = rest.get(1..)?;
    let scheme = std::str::from_utf8(scheme).ok()?;
    let named = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let text = rest.is_empty()
        || rest.starts_with(b"//")
        || rest.starts_with(b" ")
        || rest.starts_with(b"\t");
    (named && (!text || scheme == TEXT)).then_some((scheme, rest))
}

/// Text in which a reference begins that does not end there: it would reach the program as it stands.
fn half(value: &[u8], range: &std::ops::Range<usize>, schemes: &[&str]) -> Result<(), Fault> {
    let text = value.get(range.clone()).unwrap_or_default();
    let opened = text.windows(2).enumerate().filter(|(_, two)| two == b"${");
    for (at, _) in opened {
        match scheme_of(value.get(range.start + at + 2..).unwrap_or_default()) {
            Some((scheme, _)) if schemes.contains(&scheme) => {
                let more = value
                    .get(range.end..)
                    .unwrap_or_default()
                    .starts_with(b"${");
                let fault = if more { Fault::Nested } else { Fault::Unclosed };
                return Err(fault(scheme.to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// `${...}` that is no variable: a reference if its scheme is known, else text.
fn inner(content: &[u8], schemes: &[&'static str]) -> Result<Part, Fault> {
    let literal = || Part::Text(braced(content));
    let Some((scheme, rest)) = scheme_of(content) else {
        return Ok(literal());
    };
    if !schemes.contains(&scheme) {
        let near = nearest(scheme, schemes.iter().copied());
        return match schemes.iter().copied().find(|known| Some(*known) == near) {
            Some(near) => Err(Fault::UnknownScheme(scheme.to_owned(), near)),
            None => Ok(literal()),
        };
    }
    let whole = [(Piece::Text(0..rest.len()), rest)];
    draft(scheme, whole.into_iter()).map(|draft| Part::Reference(Box::new(draft)))
}

/// `${content}` as text.
fn braced(content: &[u8]) -> Secret {
    let mut text = SecretBuffer::with_capacity(content.len() + 3);
    text.push(b"${");
    text.push(content);
    text.push(b"}");
    text.finish()
}

fn secret(value: &[u8], range: std::ops::Range<usize>) -> Secret {
    Secret::new(value.get(range).unwrap_or_default().to_vec())
}

fn variable(
    value: &[u8],
    name: std::ops::Range<usize>,
    default: Option<std::ops::Range<usize>>,
) -> Variable {
    let name = value.get(name).unwrap_or_default();
    Variable {
        name: String::from_utf8_lossy(name).into_owned(),
        default: default.map(|range| secret(value, range)),
    }
}
