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

/// Cuts the pieces after the scheme at `#`, `?`, `&` and `=`, which count only in literal text.
fn draft<'a>(
    scheme: &str,
    pieces: impl Iterator<Item = (Piece, &'a [u8])>,
) -> Result<Draft, Fault> {
    let mut cutter = Cutter {
        part: Place::Locator,
        name: String::new(),
        raw: Vec::new(),
        words: Vec::new(),
        draft: Draft {
            scheme: scheme.to_owned(),
            locator: Phrase(Vec::new()),
            field: None,
            parameters: Vec::new(),
        },
    };
    for (piece, value) in pieces {
        match piece {
            Piece::Text(range) => {
                for byte in &value[range] {
                    cutter.take(*byte)?;
                }
            }
            Piece::Variable { name, default } => {
                cutter.flush()?;
                let variable = variable(value, name, default);
                cutter.words.push(Word::Variable(variable));
            }
            Piece::Braced(_) => return Err(Fault::Nested(scheme.to_owned())),
        }
    }
    cutter.close()?;
    Ok(cutter.draft)
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Locator,
    Field,
    Name,
    Value,
}

struct Cutter {
    part: Place,
    name: String,
    raw: Vec<u8>,
    words: Vec<Word>,
    draft: Draft,
}

impl Cutter {
    fn take(&mut self, byte: u8) -> Result<(), Fault> {
        let next = match (byte, self.part) {
            (b'#', Place::Locator) => Place::Field,
            (b'?', Place::Locator | Place::Field) | (b'&', Place::Value | Place::Name) => {
                Place::Name
            }
            (b'=', Place::Name) => Place::Value,
            _ => {
                self.raw.push(byte);
                return Ok(());
            }
        };
        if next != Place::Value && self.part == Place::Name {
            return Err(Fault::BadParameter(self.draft.scheme.clone()));
        }
        self.close_part()?;
        self.part = next;
        Ok(())
    }

    /// Decodes the literal text gathered so far.
    fn flush(&mut self) -> Result<(), Fault> {
        if !self.raw.is_empty() {
            self.words.push(Word::Text(percent_decoded(&self.raw)?));
            self.raw.clear();
        }
        Ok(())
    }

    fn close_part(&mut self) -> Result<(), Fault> {
        self.flush()?;
        let words = std::mem::take(&mut self.words);
        let scheme = || self.draft.scheme.clone();
        match self.part {
            Place::Locator if words.is_empty() => return Err(Fault::NoLocator(scheme())),
            Place::Locator => self.draft.locator = Phrase(words),
            Place::Field if words.is_empty() => return Err(Fault::NoField(scheme())),
            Place::Field => self.draft.field = Some(Phrase(words)),
            Place::Name => match words.as_slice() {
                [Word::Text(name)] if self.draft.parameters.iter().any(|(n, _)| n == name) => {
                    return Err(Fault::TwiceParameter(name.clone()));
                }
                [Word::Text(name)] => self.name.clone_from(name),
                _ => return Err(Fault::BadParameter(scheme())),
            },
            Place::Value => {
                let name = std::mem::take(&mut self.name);
                self.draft.parameters.push((name, Phrase(words)));
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.part == Place::Name {
            return Err(Fault::BadParameter(self.draft.scheme.clone()));
        }
        self.close_part()
    }
}

fn percent_decoded(raw: &[u8]) -> Result<String, Fault> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(*bytes.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push(high << 4 | low),
            _ => return Err(Fault::Percent),
        }
    }
    String::from_utf8(out).map_err(|_| Fault::Percent)
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

#[cfg(test)]
mod tests {
    use super::{Fault, Part, Template, parse, parse_exact};

    const SCHEMES: &[&str] = &["vault", "file", "env", "exec"];

    /// The parts in a notation for tests: `T(text) V(name) R(reference?parameters)`.
    fn shape(value: &str) -> Result<String, Fault> {
        let Template { parts, .. } = parse(value.as_bytes(), SCHEMES)?;
        Ok(parts
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => format!("T({})", String::from_utf8_lossy(text.expose())),
                Part::Variable(v) => format!("V({})", v.name),
                Part::Reference(draft) => {
                    let r = draft.fill(&mut |v| format!("<{}>", v.name));
                    format!("R({r}|{:?})", r.parameters)
                }
            })
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn references_and_their_look_alikes() {
        for (value, want) in [
            ("vault:a/b#c", "R(vault:a/b#c|[])"),
            (
                "vault:a?version=3&default=x=y",
                "R(vault:a|[(\"version\", \"3\"), (\"default\", \"x=y\")])",
            ),
            (
                "file:/run/a b.key?as=file",
                "R(file:/run/a ...|[(\"as\", \"file\")])",
            ),
            ("vault:a%23b%7D#c%3Fd", "R(vault:a#b}#c?d|[])"),
            ("vault:${STAGE}/app#k${N}", "R(vault:<STAGE>/app#k<N>|[])"),
            ("a${vault:p#f}b${X}c", "T(a) R(vault:p#f|[]) T(b) V(X) T(c)"),
            ("https://host/x#y", "T(https://host/x#y)"),
            ("file:///etc/passwd", "T(file:///etc/passwd)"),
            ("redis:6379", "T(redis:6379)"),
            (r"C:\vault:x", r"T(C:\vault:x)"),
            ("vault:", "T(vault:)"),
            ("file: see below", "T(file: see below)"),
            ("text:vault:a${X}", "T(vault:a${X})"),
            ("text:", "T()"),
            ("x vault:a", "T(x vault:a)"),
            ("${unknown:thing}", "T(${unknown:thing})"),
            ("pa$$w0rd$", "T(pa$$w0rd$)"),
            ("exec:op read op://a/b", "R(exec:op read op://a/b|[])"),
        ] {
            assert_eq!(shape(value).as_deref(), Ok(want), "{value}");
        }
    }

    #[test]
    fn every_fault_has_its_name() {
        let vault = || "vault".to_owned();
        for (value, want) in [
            ("vault:a%2", Fault::Percent),
            ("vault:a%FF", Fault::Percent),
            ("vault:#f", Fault::NoLocator(vault())),
            ("vault:a#", Fault::NoField(vault())),
            ("vault:a#?x=1", Fault::NoField(vault())),
            ("vault:a?x", Fault::BadParameter(vault())),
            ("vault:a?x=1&", Fault::BadParameter(vault())),
            ("vault:a?=1", Fault::BadParameter(vault())),
            ("vault:a?x&y=1", Fault::BadParameter(vault())),
            ("vault:a?x=1&x=2", Fault::TwiceParameter("x".into())),
            ("x${vault:${Y}/a#b}", Fault::Nested(vault())),
            ("vault:a${file:b}", Fault::Nested(vault())),
            ("x${vault:a#b", Fault::Unclosed(vault())),
            ("x${Y}${vault:a", Fault::Unclosed(vault())),
            (
                "${vualt:a#b}",
                Fault::UnknownScheme("vualt".into(), "vault"),
            ),
        ] {
            assert_eq!(shape(value), Err(want), "{value}");
        }
    }

    #[test]
    fn near_misses_are_suspicious() {
        let suspicion = |value: &str| {
            parse(value.as_bytes(), SCHEMES)
                .ok()
                .and_then(|t| t.suspicion)
        };
        assert_eq!(suspicion("vualt:a#b"), Some("vault"));
        assert_eq!(suspicion("redis:a#b"), None);
        assert_eq!(suspicion("vualt:a"), None);
    }

    #[test]
    fn exact_references_keep_dollar_signs() {
        let reference = parse_exact("vault:a${b}#c")
            .and_then(Result::ok)
            .map(|r| r.to_string());
        assert_eq!(reference.as_deref(), Some("vault:a${b}#c"));
        assert!(parse_exact("nothing").is_none());
    }
}
