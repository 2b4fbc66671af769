//! Variables in the forms that other programs read. What a form cannot hold is refused by name: a
//! program never gets a part of its secrets, nor another value than the one that is stored.
//!
//! | form | read by | cannot hold |
//! |---|---|---|
//! | `sh` | `eval "$(...)"` in POSIX shells | a NUL; names that shells keep for themselves |
//! | `json` | anything | bytes that are not UTF-8 |
//! | `docker` | `docker run --env-file`, podman | a line end, a NUL, 64 KiB; a value in quotes (some versions take them off); bytes that are not UTF-8 |
//! | `github` | the file that `$GITHUB_ENV` names | a NUL; bytes that are not UTF-8; names that runners keep for themselves |
//! | `k8s` | `kubectl apply -f -` | 1 MiB in all; names with other letters than `A-Za-z0-9-._` |
//!
//! The form `dotenv` is that of dumps ([`super::dotenv`]).

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{dotenv, json, naming};
use crate::failure::{Explain, one_line};
use crate::secret::{Secret, SecretBuffer};

#[cfg(test)]
mod tests;

/// A form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The form of dumps.
    Dotenv,
    /// `export NAME='value'`.
    Sh,
    /// One object.
    Json,
    /// `NAME=value`, raw.
    Docker,
    /// `NAME<<delimiter`.
    Github,
    /// A Secret as YAML.
    K8s,
}

impl Format {
    /// All of them, for people.
    pub const ALL: &'static str = "dotenv, sh, json, docker, github or k8s";

    /// Reads `--format`.
    pub fn parse(text: &str) -> Option<Format> {
        match text {
            "dotenv" => Some(Format::Dotenv),
            "sh" | "bash" | "shell" => Some(Format::Sh),
            "json" => Some(Format::Json),
            "docker" => Some(Format::Docker),
            "github" => Some(Format::Github),
            "k8s" => Some(Format::K8s),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Dotenv => "dotenv",
            Format::Sh => "sh",
            Format::Json => "json",
            Format::Docker => "docker",
            Format::Github => "github",
            Format::K8s => "k8s",
        }
    }
}

/// A variable to be written.
pub struct Variable<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a Secret,
    /// A program finds the path of a memory file in it, with this content.
    pub as_file: bool,
}

/// A variable that a form cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    name: String,
    format: Format,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Name,
    Kept,
    Memory,
    NotText,
    Nul,
    LineEnd,
    Quotes,
    TooLong,
    TooMuch,
}

impl Explain for Refused {
    fn what(&self) -> String {
        let format = self.format.name();
        let why = match (self.why, self.format) {
            (Why::Name, _) => "no name there",
            (Why::Kept, Format::Github) => "a name that runners keep for themselves",
            (Why::Kept, _) => "a name that shells keep for themselves",
            (Why::Memory, _) => {
                "the content of a memory file (?as=file), whose path is another one at every start"
            }
            (Why::NotText, _) => "not UTF-8",
            (Why::Nul, _) => "a value with a NUL",
            (Why::LineEnd, _) => "a value with a line end",
            (Why::Quotes, _) => "a value that begins with a quote, which some versions take off",
            (Why::TooLong, _) => "longer than 64 KiB",
            (Why::TooMuch, _) => "beyond 1 MiB in all",
        };
        format!("{}: {format} cannot hold it: {why}", one_line(&self.name))
    }

    fn hint(&self) -> Option<String> {
        let format = self.format.name();
        Some(format!(
            "take another --format, or name the others: envshim export --format {format} NAME..."
        ))
    }
}

/// A line of `docker run --env-file` must be shorter.
const LINE: usize = 64 << 10;

/// A Secret must not be larger.
const SECRET: usize = 1 << 20;

/// Fewer characters than this are in every second line of a log.
pub const TOO_SHORT: usize = 4;

/// The variables in a form; `name` is that of a Secret, `delimiter` ends a value for GitHub and must
/// not stand in one. Or everything that the form cannot hold.
pub fn write(
    format: Format,
    variables: &[Variable<'_>],
    name: &str,
    delimiter: &str,
) -> Result<Secret, Vec<Refused>> {
    let refused = refused(format, variables);
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut out = SecretBuffer::default();
    match format {
        Format::Dotenv => {
            let all = variables.iter();
            return Ok(dotenv::write(all.map(|v| (v.name, v.value, v.as_file))).0);
        }
        Format::Sh => {
            for variable in variables {
                push(&mut out, &["export ", variable.name, "='"]);
                for (n, part) in variable.value.expose().split(|b| *b == b'\'').enumerate() {
                    out.push(if n == 0 { b"" } else { b"'\\''" });
                    out.push(part);
                }
                out.push(b"'\n");
            }
        }
        Format::Json => {
            let fields = variables.iter().map(|variable| {
                let value = json::Json::Text(variable.value.duplicate());
                (variable.name.to_owned(), value)
            });
            out.push(json::Json::Object(fields.collect()).compact().expose());
            out.push(b"\n");
        }
        Format::Docker => {
            for variable in variables {
                push(&mut out, &[variable.name, "="]);
                out.push(variable.value.expose());
                out.push(b"\n");
            }
        }
        Format::Github => {
            for variable in variables {
                push(&mut out, &[variable.name, "<<", delimiter, "\n"]);
                out.push(variable.value.expose());
                push(&mut out, &["\n", delimiter, "\n"]);
            }
        }
        Format::K8s => {
            let head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ";
            push(&mut out, &[head, &json::quote(name), "\ntype: Opaque\n"]);
            push(
                &mut out,
                &["data:", if variables.is_empty() { " {}" } else { "" }, "\n"],
            );
            for variable in variables {
                push(&mut out, &["  \"", variable.name, "\": \""]);
                base64(&mut out, variable.value.expose());
                out.push(b"\"\n");
            }
        }
    }
    Ok(out.finish())
}

/// The commands that hide values from GitHub's logs, and the names whose values are too short to be
/// hidden. They are for stdout, where the runner looks for them.
pub fn masks<'a>(variables: &[Variable<'a>]) -> (Secret, Vec<&'a str>) {
    let mut out = SecretBuffer::default();
    let mut short = Vec::new();
    for variable in variables {
        let value = variable.value.expose();
        if value.trim_ascii().len() < TOO_SHORT {
            short.push(variable.name);
            continue;
        }
        out.push(b"::add-mask::");
        let mut plain = 0;
        for (at, byte) in value.iter().enumerate() {
            let written: &[u8] = match byte {
                b'%' => b"%25",
                b'\r' => b"%0D",
                b'\n' => b"%0A",
                _ => continue,
            };
            out.push(value.get(plain..at).unwrap_or_default());
            out.push(written);
            plain = at + 1;
        }
        out.push(value.get(plain..).unwrap_or_default());
        out.push(b"\n");
    }
    (out.finish(), short)
}

/// A name that a Secret of Kubernetes can have.
pub fn is_k8s_name(name: &str) -> bool {
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let parts = name.split('.').all(|part| {
        part.starts_with(end) && part.ends_with(end) && part.chars().all(|c| end(c) || c == '-')
    });
    parts && name.len() <= 253
}

fn refused(format: Format, variables: &[Variable<'_>]) -> Vec<Refused> {
    let mut all = 0;
    let each = variables.iter().filter_map(|variable| {
        all += variable.value.expose().len();
        let why = match fault(format, variable) {
            None if format == Format::K8s && all > SECRET => Why::TooMuch,
            why => why?,
        };
        Some(Refused {
            name: variable.name.to_owned(),
            format,
            why,
        })
    });
    each.collect()
}

fn fault(format: Format, variable: &Variable<'_>) -> Option<Why> {
    let (name, value) = (variable.name, variable.value.expose());
    let text = std::str::from_utf8(value).is_ok();
    let paths = matches!(format, Format::Sh | Format::Docker | Format::Github);
    let nul = !matches!(format, Format::Dotenv | Format::Json | Format::K8s) && value.contains(&0);
    if variable.as_file && paths {
        return Some(Why::Memory);
    }
    let own = match format {
        Format::Dotenv => None,
        Format::Json => (!text).then_some(Why::NotText),
        Format::Sh if !naming::is_valid(name) => Some(Why::Name),
        Format::Sh => (!dotenv::sh_takes(name)).then_some(Why::Kept),
        Format::Docker => docker(name, value),
        Format::Github => github(name),
        Format::K8s => (!is_key(name)).then_some(Why::Name),
    };
    let utf8 = matches!(format, Format::Docker | Format::Github) && !text;
    own.or(nul.then_some(Why::Nul))
        .or(utf8.then_some(Why::NotText))
}

fn docker(name: &str, value: &[u8]) -> Option<Why> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '*';
    if name.is_empty() || name.starts_with('#') || name.contains(odd) {
        return Some(Why::Name);
    }
    if value.contains(&b'\n') || value.contains(&b'\r') {
        return Some(Why::LineEnd);
    }
    if value.starts_with(b"'") || value.starts_with(b"\"") || value.starts_with(b"`") {
        return Some(Why::Quotes);
    }
    (name.len() + 1 + value.len() + 1 >= LINE).then_some(Why::TooLong)
}

fn github(name: &str) -> Option<Why> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '=' | '<');
    if name.is_empty() || name.contains(odd) {
        return Some(Why::Name);
    }
    let upper = name.to_ascii_uppercase();
    let kept = ["GITHUB_", "RUNNER_"]
        .iter()
        .any(|own| upper.starts_with(own));
    (kept || upper == "NODE_OPTIONS").then_some(Why::Kept)
}

/// A key in the data of a Secret.
fn is_key(name: &str) -> bool {
    let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    name.bytes().all(letters)
        && (1..=253).contains(&name.len())
        && name != "."
        && !name.starts_with("..")
}

fn push(out: &mut SecretBuffer, parts: &[&str]) {
    for part in parts {
        out.push(part.as_bytes());
    }
}

fn base64(out: &mut SecretBuffer, bytes: &[u8]) {
    let mut text = Zeroizing::new(vec![0; Base64::encoded_len(bytes)]);
    // The buffer has the length that the encoder asked for, so it cannot be too small.
    if let Ok(text) = Base64::encode(bytes, &mut text) {
        out.push(text.as_bytes());
    }
}
