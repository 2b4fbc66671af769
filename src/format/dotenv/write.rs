//! The writer of dumps; the table of forms stands in the module above.

use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use super::{BASE64, DOLLAR, FILE, GUARD, HEADER, NOTHING, space};
use crate::format::template::{Piece, split};
use crate::secret::{Secret, SecretBuffer};

/// Another program that reads dotenv files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// python-dotenv, as `load_dotenv()` reads a file.
    Python,
    /// Docker Compose, `env_file:` and `--env-file`.
    Compose,
    /// A POSIX shell: `. ./.env.dump`.
    Sh,
}

impl Other {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Other::Python => "python-dotenv",
            Other::Compose => "Docker Compose",
            Other::Sh => "sh",
        }
    }
}

/// Why another reader does not get the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The value is not UTF-8, or holds a NUL.
    NotText,
    /// The name is none to that reader, which passes over it (or stops before it).
    Name,
    /// The name is none to that reader, which refuses the file for it.
    Refused,
    /// That reader takes the name up to a colon for another variable.
    Cut,
    /// The value holds a carriage return.
    CarriageReturn,
    /// The value holds a backtick where only double quotes can hold it.
    Backtick,
    /// The value is the content of a memory file.
    File,
}

/// A variable that at least one other reader sees differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The variable.
    pub name: String,
    /// Who, and why; never empty.
    pub readers: Vec<(Other, Why)>,
}

impl Difference {
    /// Why that reader differs, if it does.
    pub fn of(&self, reader: Other) -> Option<Why> {
        let found = self.readers.iter().find(|(other, _)| *other == reader);
        found.map(|(_, why)| *why)
    }

    /// One line for a warning, with the name in front.
    pub fn line(&self) -> String {
        let same = |a: &(Other, Why), b: &(Other, Why)| a.1 == b.1;
        let parts: Vec<String> = (self.readers.chunk_by(same))
            .map(|group| {
                let readers: Vec<&str> = group.iter().map(|(other, _)| other.name()).collect();
                let readers = readers.join(", ");
                match group[0].1 {
                    Why::NotText => format!("skipped by {readers} (not UTF-8 text)"),
                    Why::Name => format!("skipped by {readers} (not a name there)"),
                    Why::Refused => format!("makes {readers} refuse the file (not a name there)"),
                    Why::Cut => format!("cut by {readers} (a name ends at `:` there)"),
                    Why::CarriageReturn => format!("skipped by {readers} (a carriage return)"),
                    Why::Backtick => format!("skipped by {readers} (a backtick beside quotes)"),
                    Why::File => format!("skipped by {readers} (a memory file)"),
                }
            })
            .collect();
        format!("`{}`: {}", self.name, parts.join("; "))
    }
}

/// The text of a dump with all `variables`, and what other readers would see differently.
///
/// A variable is its name, its value, and whether that is the content of a memory file. The names are
/// valid variable names: not empty, no `=`, no NUL; no name twice.
pub fn write<'a>(
    variables: impl Iterator<Item = (&'a str, &'a Secret, bool)>,
) -> (Secret, Vec<Difference>) {
    let mut text = SecretBuffer::default();
    text.push(HEADER);
    text.push(b" values are literal, nothing in them is expanded\n");
    let mut not_for_sh = SecretBuffer::default();
    let mut differences = Vec::new();
    for (name, value, as_file) in variables {
        let value = value.expose();
        let key = Key::of(name);
        let form = if as_file { Form::File } else { Form::of(value) };
        let readers = readers(name, key, form, value);
        // A base64 line is a comment, which harms nobody.
        let harmless = key == Key::Encoded || matches!(form, Form::Encoded | Form::File);
        let sh = readers.iter().any(|(other, _)| *other == Other::Sh);
        let out = if sh && !harmless {
            &mut not_for_sh
        } else {
            &mut text
        };
        line(out, (name, key), (value, form));
        if !readers.is_empty() {
            let name = name.to_owned();
            differences.push(Difference { name, readers });
        }
    }
    if !not_for_sh.as_bytes().is_empty() {
        text.push(b"# sh would misread what follows, and stops here\n");
        text.push(GUARD);
        text.push(b"\n");
        text.push(not_for_sh.as_bytes());
    }
    (text.finish(), differences)
}

/// How a name is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Plain,
    Quoted,
    Encoded,
}

impl Key {
    fn of(name: &str) -> Key {
        let odd = name.contains('#') || space::within(name.as_bytes());
        if !odd && !name.starts_with('\'') {
            Key::Plain
        } else if !name.contains(['\'', '\r']) {
            Key::Quoted
        } else {
            Key::Encoded
        }
    }
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Single,
    Double,
    Encoded,
    File,
}

impl Form {
    fn of(value: &[u8]) -> Form {
        if value.contains(&0) || std::str::from_utf8(value).is_err() {
            return Form::Encoded;
        }
        let escaped = value.ends_with(b"\\")
            || value.iter().any(|byte| matches!(byte, b'\'' | b'\r'))
            || value.windows(2).any(|two| two == b"\\\\");
        // Only python-dotenv looks for variables in single quotes, and only for whole ones.
        let variable = |piece: &Piece| matches!(piece, Piece::Variable { .. });
        if escaped || (value.contains(&b'$') && split(value).iter().any(variable)) {
            Form::Double
        } else {
            Form::Single
        }
    }
}

/// Who reads this line differently.
fn readers(name: &str, key: Key, form: Form, value: &[u8]) -> Vec<(Other, Why)> {
    let all = |why| {
        vec![
            (Other::Python, why),
            (Other::Compose, why),
            (Other::Sh, why),
        ]
    };
    match form {
        Form::Encoded => return all(Why::NotText),
        Form::File => return all(Why::File),
        Form::Single | Form::Double => {}
    }
    if key == Key::Encoded {
        return all(Why::Name);
    }
    let mut readers = Vec::new();
    // Compose never looks for quotes round a name, and goes by its first strange character.
    match name.chars().find(|&c| !compose_takes(c)) {
        Some(':') if key == Key::Plain => readers.push((Other::Compose, Why::Cut)),
        None if key == Key::Plain => {}
        _ => readers.push((Other::Compose, Why::Refused)),
    }
    let misread = |byte| form == Form::Double && value.contains(&byte);
    if !sh_takes(name) {
        readers.push((Other::Sh, Why::Name));
    } else if misread(b'\r') {
        readers.push((Other::Sh, Why::CarriageReturn));
    } else if misread(b'`') {
        readers.push((Other::Sh, Why::Backtick));
    }
    readers
}

fn compose_takes(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']')
}

/// A name of POSIX shells, and none that dash or bash keep for themselves: they refuse to set it,
/// end over it, or give it another value.
pub(in crate::format) fn sh_takes(name: &str) -> bool {
    const KEPT: [&str; 20] = [
        "_",
        "BASHOPTS",
        "BASHPID",
        "BASH_ARGV0",
        "BASH_VERSINFO",
        "DIRSTACK",
        "EPOCHREALTIME",
        "EPOCHSECONDS",
        "EUID",
        "FUNCNAME",
        "GROUPS",
        "HISTCMD",
        "LINENO",
        "OPTIND",
        "PPID",
        "RANDOM",
        "SECONDS",
        "SHELLOPTS",
        "SRANDOM",
        "UID",
    ];
    let mut letters = name.bytes();
    letters
        .next()
        .is_some_and(|first| first == b'_' || first.is_ascii_alphabetic())
        && letters.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && !KEPT.contains(&name)
}

/// One variable.
fn line(out: &mut SecretBuffer, (name, key): (&str, Key), (value, form): (&[u8], Form)) {
    let name = name.as_bytes();
    if key == Key::Encoded || matches!(form, Form::Encoded | Form::File) {
        out.push(if form == Form::File { FILE } else { BASE64 });
        if name.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            out.push(b"=");
            encode(out, name);
        } else {
            out.push(name);
        }
        out.push(b"=");
        encode(out, value);
        out.push(b"\n");
        return;
    }
    let quote: &[u8] = if key == Key::Quoted { b"'" } else { b"" };
    for part in [quote, name, quote, b"="] {
        out.push(part);
    }
    if form == Form::Single {
        for part in [b"'", value, b"'\n"] {
            out.push(part);
        }
        return;
    }
    out.push(b"\"");
    let mut plain = 0;
    for (at, byte) in value.iter().enumerate() {
        let written: &[u8] = match byte {
            b'\\' => b"\\\\",
            b'"' => b"\\\"",
            b'\r' => b"\\r",
            b'$' => DOLLAR,
            _ => continue,
        };
        out.push(&value[plain..at]);
        out.push(written);
        plain = at + 1;
    }
    out.push(&value[plain..]);
    if value.ends_with(b"\\") {
        out.push(NOTHING);
    }
    out.push(b"\"\n");
}

fn encode(out: &mut SecretBuffer, bytes: &[u8]) {
    let mut text = Zeroizing::new(vec![0; Base64Unpadded::encoded_len(bytes)]);
    // The buffer has the length that the encoder asked for, so it cannot be too small.
    if let Ok(text) = Base64Unpadded::encode(bytes, &mut text) {
        out.push(text.as_bytes());
    }
}
