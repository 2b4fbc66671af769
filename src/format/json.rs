//! JSON (RFC 8259): a reader into a tree that wipes itself, and a compact writer.
//!
//! Invariants: every text and every number is a [`Secret`] from its first copy on; a number keeps
//! the characters it was written with; a fault holds a position and a kind, never a piece of the
//! document; nesting is bounded, so that neither reading nor dropping can exhaust the stack.
//!
//! Stricter than some readers: a lone half of a surrogate pair, `NaN`, `Infinity`, comments and
//! trailing commas are faults. Of two fields with one name the last one counts, as in Python,
//! JavaScript and Go.

use crate::secret::{Secret, SecretBuffer};

mod fault;

mod pick;

mod put;

mod read;

#[cfg(test)]
mod tests;

pub use fault::{Fault, Kind};
pub use pick::{NoField, pick};
pub use read::parse;

/// A JSON value. Names of fields are printed in hints and tables and are no secrets.
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written: `1.10` stays `1.10`.
    Number(Secret),
    /// Text, decoded; always UTF-8.
    Text(Secret),
    /// A list.
    List(Vec<Json>),
    /// An object in the order of the document; [`parse`] leaves every name once.
    Object(Vec<(String, Json)>),
}

/// The top-level fields of an object, ready to become variables.
pub struct Fields {
    /// Name and rendered value, in the order of the document.
    pub present: Vec<(String, Secret)>,
    /// Fields that are `null`: no variable comes of them.
    pub null: Vec<String>,
}

impl Json {
    /// The field of an object with exactly this name.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields.iter().find(|f| f.0 == name).map(|f| &f.1),
            _ => None,
        }
    }

    /// The text, where the value is text.
    pub fn text(&self) -> Option<&Secret> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text as a string, for what is no secret: names, codes, page tokens.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.text()?.expose()).ok()
    }

    /// The entries, where the value is a list.
    pub fn list(&self) -> Option<&[Json]> {
        match self {
            Json::List(entries) => Some(entries),
            _ => None,
        }
    }

    /// A whole number, written as a number or (64-bit integers of Google's APIs) as text.
    pub fn whole(&self) -> Option<u64> {
        let (Json::Number(digits) | Json::Text(digits)) = self else {
            return None;
        };
        let digits = digits.expose();
        // `parse` takes a plus sign, which neither form has.
        let first = digits.first().filter(|b| b.is_ascii_digit());
        first.and(std::str::from_utf8(digits).ok()?.parse().ok())
    }

    /// The value of a variable: text as it is, a number as it was written, everything else as
    /// compact JSON (`true`, `null`, `{"a":[1,2]}`).
    pub fn render(&self) -> Secret {
        match self {
            Json::Text(value) | Json::Number(value) => value.duplicate(),
            other => other.compact(),
        }
    }

    /// The value as JSON without blanks, in the order of the document.
    pub fn compact(&self) -> Secret {
        let mut out = SecretBuffer::default();
        self.write(&mut out);
        out.finish()
    }

    fn write(&self, out: &mut SecretBuffer) {
        match self {
            Json::Null => out.push(b"null"),
            Json::Bool(true) => out.push(b"true"),
            Json::Bool(false) => out.push(b"false"),
            Json::Number(digits) => out.push(digits.expose()),
            Json::Text(text) => write_text(text.expose(), out),
            Json::List(entries) => {
                out.push(b"[");
                for (n, entry) in entries.iter().enumerate() {
                    out.push(if n == 0 { b"" } else { b"," });
                    entry.write(out);
                }
                out.push(b"]");
            }
            Json::Object(fields) => {
                out.push(b"{");
                for (n, (name, value)) in fields.iter().enumerate() {
                    out.push(if n == 0 { b"" } else { b"," });
                    write_text(name.as_bytes(), out);
                    out.push(b":");
                    value.write(out);
                }
                out.push(b"}");
            }
        }
    }

    /// The top-level fields, each rendered; `None` where the value is no object.
    pub fn object_fields(self) -> Option<Fields> {
        let Json::Object(fields) = self else {
            return None;
        };
        let mut out = Fields {
            present: Vec::with_capacity(fields.len()),
            null: Vec::new(),
        };
        for (name, value) in fields {
            match value {
                Json::Null => out.null.push(name),
                Json::Text(value) | Json::Number(value) => out.present.push((name, value)),
                other => out.present.push((name, other.compact())),
            }
        }
        Some(out)
    }
}

/// A string as a JSON literal, quotes included.
pub fn quote(text: &str) -> String {
    let mut out = SecretBuffer::with_capacity(text.len() + 2);
    write_text(text.as_bytes(), &mut out);
    string(out.finish())
}

fn write_text(text: &[u8], out: &mut SecretBuffer) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b"\"");
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|b| matches!(b, b'"' | b'\\' | 0..0x20 | 0x7f))
    {
        let (plain, special) = rest.split_at(at);
        out.push(plain);
        let [byte, tail @ ..] = special else { break };
        match byte {
            b'"' => out.push(b"\\\""),
            b'\\' => out.push(b"\\\\"),
            b'\n' => out.push(b"\\n"),
            b'\r' => out.push(b"\\r"),
            b'\t' => out.push(b"\\t"),
            byte => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.push(b"\\u00");
                out.push(&digits);
            }
        }
        rest = tail;
    }
    out.push(rest);
    out.push(b"\"");
}

/// Bytes that are known to be UTF-8, without a copy.
fn string(bytes: Secret) -> String {
    String::from_utf8(std::mem::take(&mut *bytes.into_bytes())).unwrap_or_default()
}
