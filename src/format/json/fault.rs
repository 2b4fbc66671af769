//! What is wrong with a document: a position and a kind, never a piece of it.

use crate::failure::Explain;

/// Why a document is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: Kind,
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but blanks.
    Empty,
    /// A byte that is not UTF-8.
    NotUtf8,
    /// Something else where a value belongs.
    Value,
    /// Something else where a field's name belongs.
    Name,
    /// No colon after a name.
    Colon,
    /// Neither a comma nor the closing bracket after a value.
    Comma,
    /// The document ends inside a list, an object or a text.
    Unclosed,
    /// A line break or another control character inside a text.
    Control,
    /// A backslash before a letter that has no meaning there.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// `01`, `1.`, `-`: almost a number.
    Number,
    /// Too many lists and objects in each other.
    Deep,
    /// Something after the end of the value.
    Trailing,
}

impl Explain for Fault {
    fn what(&self) -> String {
        let why = match self.kind {
            Kind::Empty => "there is nothing in it",
            Kind::NotUtf8 => "a byte is not UTF-8",
            Kind::Value => "a value belongs here",
            Kind::Name => "the name of a field belongs here",
            Kind::Colon => "a `:` belongs here",
            Kind::Comma => "a `,` or the closing bracket belongs here",
            Kind::Unclosed => "what is opened is not closed",
            Kind::Control => "a text holds a line break or a control character",
            Kind::Escape => "the escape after this backslash does not exist",
            Kind::Surrogate => "the escape is half of a surrogate pair",
            Kind::Number => "this is no number as JSON writes them",
            Kind::Deep => "more than 64 lists and objects stand in each other",
            Kind::Trailing => "there is more after its end",
        };
        format!(
            "not JSON at line {}, column {}: {why}",
            self.line, self.column
        )
    }

    fn hint(&self) -> Option<String> {
        let hint = match self.kind {
            Kind::NotUtf8 => "store it as UTF-8",
            Kind::Name => "write names in double quotes, and no comma after the last field",
            Kind::Value => "write text in double quotes, and no comma after the last value",
            Kind::Control => "write `\\n` for a line break inside a text",
            Kind::Escape => "write `\\\\` for a backslash",
            Kind::Surrogate => "write both halves, or the character itself",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
