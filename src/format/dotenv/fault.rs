//! What can be wrong with a dotenv file. A fault holds positions and nothing of the text: what
//! looks like a name in a broken line may be the middle of a key.

use crate::failure::Explain;

/// One mistake and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1; a byte order mark does not count.
    pub column: u32,
    /// What is wrong there.
    pub kind: Kind,
}

/// The kinds of mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The whole file is in the other Unicode encoding (Windows editors, PowerShell's `>`).
    Utf16,
    /// A byte that is not part of a UTF-8 character.
    NotUtf8,
    /// A NUL byte.
    Nul,
    /// The line begins with `=`, or its quoted name is empty.
    NoName,
    /// `export` and nothing after it.
    NoExport,
    /// Text follows the name.
    NoEquals {
        /// It looks like YAML: `NAME: value`.
        colon: bool,
    },
    /// A quote without its second half; the place is the quote.
    OpenQuote,
    /// Something other than a comment stands after the closing quote; the place is its beginning.
    AfterQuote {
        /// Line and column of the opening quote.
        opened: (u32, u32),
    },
    /// A value of a dump that cannot be decoded.
    NotBase64,
    /// A dump of a later version of envshim.
    LaterDump,
}

impl Fault {
    /// Line and column, for `FILE:LINE:COLUMN` in front of [`Explain::what`].
    pub fn place(&self) -> (u32, u32) {
        (self.line, self.column)
    }
}

/// Without the place: the caller knows the file's name and puts all three in front.
impl Explain for Fault {
    fn what(&self) -> String {
        match &self.kind {
            Kind::Utf16 => "the file is UTF-16, not UTF-8".to_owned(),
            Kind::NotUtf8 => "the byte here is not UTF-8 text".to_owned(),
            Kind::Nul => "a NUL byte, which no environment variable can hold".to_owned(),
            Kind::NoName => "there is no name before `=`".to_owned(),
            Kind::NoExport => "nothing follows `export`".to_owned(),
            Kind::NoEquals { .. } => "text follows the name, but no `=`".to_owned(),
            Kind::OpenQuote => "the quote opened here is not closed".to_owned(),
            Kind::AfterQuote { opened: (line, _) } if *line == self.line => {
                "text follows the closing quote".to_owned()
            }
            Kind::AfterQuote {
                opened: (line, column),
            } => format!("text follows the closing quote; it was opened at {line}:{column}"),
            Kind::NotBase64 => "this is not base64".to_owned(),
            Kind::LaterDump => "a later envshim wrote this dump".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match &self.kind {
                Kind::Utf16 => "convert it: iconv -f UTF-16 -t UTF-8",
                Kind::NotUtf8 => "save the file as UTF-8",
                Kind::Nul => "remove it",
                Kind::NoName => "write NAME=value",
                Kind::NoExport => "write export NAME=value, or remove the line",
                Kind::NoEquals { colon: true } => "write NAME=value, with `=` in place of `:`",
                Kind::NoEquals { colon: false } => {
                    "write NAME=value; quote a value of several lines; begin a comment with #"
                }
                Kind::OpenQuote => "close it, or write the value on one line",
                Kind::AfterQuote { .. } => {
                    "put a backslash before a quote inside the value, or # before a comment"
                }
                Kind::NotBase64 => "write the dump anew: envshim dump",
                Kind::LaterDump => "install that version, or write the dump anew: envshim dump",
            }
            .to_owned(),
        )
    }
}
