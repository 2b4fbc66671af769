//! A source, read: entries in their order, each with its place.

use crate::failure::{Explain, Failure, Failures};
use crate::format::dotenv;
use crate::format::reference::{self, Part, Template};
use crate::report::Report;
use crate::settings::IMPORT;
use crate::source::{Choice, Kind};

/// A line of a document.
pub struct Entry {
    /// The variable.
    pub name: String,
    /// Its value; none for a name without `=`, which sets nothing. What is wrong with it is told
    /// together with what else is wrong with the document, in the order of its lines.
    pub value: Result<Option<Template>, Failure>,
    /// 1-based.
    pub line: u32,
    /// It becomes a memory file.
    pub as_file: bool,
}

impl Entry {
    /// Its value, where that is text and nothing else.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        match self.value.as_ref().ok()?.as_ref()?.parts.as_slice() {
            [Part::Text(text)] => Some(text.expose()),
            _ => None,
        }
    }
}

/// The entries of a source.
pub struct Document {
    /// Where they come from, and why from there.
    pub choice: Choice,
    /// In the order of the file; a later one of the same name replaces an earlier one.
    pub entries: Vec<Entry>,
    /// Imports are wanted too.
    pub imports: bool,
}

impl Document {
    /// Is there an entry of this name that has a value?
    pub fn sets(&self, name: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.name == name && !matches!(entry.value, Ok(None)))
    }

    /// Drops the entries that these names can do without; those that `stays` names stay.
    pub fn keep_only(&mut self, names: &[String], stays: impl Fn(&str) -> bool) {
        let mut needed: Vec<String> = names.to_vec();
        let mut kept: Vec<Entry> = Vec::new();
        // A name is looked up in the entries above.
        for entry in std::mem::take(&mut self.entries).into_iter().rev() {
            if stays(&entry.name) || needed.contains(&entry.name) {
                if let Ok(Some(template)) = &entry.value {
                    needed.extend(template.variables().map(str::to_owned));
                }
                kept.push(entry);
            }
        }
        kept.reverse();
        self.entries = kept;
    }
}

/// The document has no line that does anything.
struct Hollow(String);

impl Explain for Hollow {
    fn what(&self) -> String {
        format!("{}: holds no variable", self.0)
    }
    fn hint(&self) -> Option<String> {
        Some("write NAME=value lines into it".to_owned())
    }
}

/// Reads the chosen source. `schemes` are those that count as references in a `.vault`.
pub fn read(
    choice: Choice,
    schemes: &[&'static str],
    report: &Report,
) -> Result<Document, Failures> {
    let whole = choice.bytes.is_some();
    let document = peruse(choice, schemes, report)?;
    let empty = |entry: &Entry| matches!(entry.value, Ok(None));
    if whole && document.entries.iter().all(empty) {
        return Err(Hollow(document.choice.file).into());
    }
    Ok(document)
}

/// The same of a source that need not hold any variable.
pub fn peruse(
    mut choice: Choice,
    schemes: &[&'static str],
    report: &Report,
) -> Result<Document, Failures> {
    let Some(bytes) = choice.bytes.take() else {
        return Ok(Document {
            choice,
            entries: Vec::new(),
            imports: true,
        });
    };
    let text = bytes.expose();
    let literal = choice.kind == Kind::Dump && dotenv::is_literal(text);
    let bindings = bindings(&choice.file, text)?;
    let mut entries = Vec::with_capacity(bindings.len());
    for binding in bindings {
        let place = || {
            format!(
                "{}:{}:{}: {}",
                choice.file, binding.line, binding.column, binding.name
            )
        };
        let value = match binding.value {
            None => Ok(None),
            Some(value) if literal => Ok(Some(Template::literal(value))),
            // An import is a list of references, and stays one.
            Some(value) if choice.kind == Kind::Dump || binding.name == IMPORT => {
                Ok(Some(reference::parse_plain(value.expose())))
            }
            Some(value) => reference::parse(value.expose(), schemes)
                .map(Some)
                .map_err(|fault| Failure::from(fault).at(&place())),
        };
        let template = value.as_ref().ok().and_then(Option::as_ref);
        if let Some(near) = template.and_then(|template| template.suspicion) {
            report.warn(
                &format!(
                    "{}: the value looks like a reference but is passed on as text",
                    place()
                ),
                Some(&format!(
                    "did you mean {near}:...? Write text:... if it is text"
                )),
            );
        }
        entries.push(Entry {
            name: binding.name,
            value,
            line: binding.line,
            as_file: binding.as_file,
        });
    }
    Ok(Document {
        choice,
        entries,
        imports: true,
    })
}

/// The lines of a file, as they stand there.
pub fn bindings(file: &str, text: &[u8]) -> Result<Vec<dotenv::Binding>, Failures> {
    dotenv::read(text).map_err(|faults| {
        let explained = faults.into_iter().map(|fault| {
            let (line, column) = fault.place();
            Failure::from(fault).at(&format!("{file}:{line}:{column}"))
        });
        Failures(explained.collect())
    })
}

/// Is this a file that a start could read? Asked before it is sealed, when mending it is easy.
pub fn proofread(file: &str, text: &[u8]) -> Result<(), Failures> {
    let bindings = bindings(file, text)?;
    if bindings.iter().all(|binding| binding.value.is_none()) {
        return Err(Hollow(file.to_owned()).into());
    }
    Ok(())
}
