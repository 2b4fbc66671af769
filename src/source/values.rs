//! A dotenv file of another program, as plain values: what that program would read, and nothing of
//! our own environment.

use std::path::{Path, PathBuf};

use crate::failure::{Explain, Failure, Failures, one_line};
use crate::files::{self, Accept};
use crate::format::dotenv;
use crate::format::reference::{self, Part};
use crate::secret::{Secret, SecretBuffer};
use crate::source::{MOST, document};

/// The variables of a file.
pub struct Values {
    /// Names and values, in the order of the file; the last one of a name.
    pub values: Vec<(String, Secret)>,
    /// Those that are left out, and why.
    pub left_out: Vec<(String, &'static str)>,
}

/// Why there are no values.
enum Fault {
    NotThere(PathBuf),
    Unknown(String),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotThere(path) => format!("{}: there is no such file", path.display()),
            Fault::Unknown(name) => format!("`${{{}}}` is no variable of the file", one_line(name)),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotThere(_) => "name the dotenv file".to_owned(),
            Fault::Unknown(name) => format!(
                "define {} above it in the file, or write the text itself",
                one_line(name)
            ),
        })
    }
}

/// Reads a file. `skip` says why a variable does not count; what is wrong with one that does not is
/// no mistake.
pub fn read(
    file: &Path,
    schemes: &[&'static str],
    skip: impl Fn(&str) -> Option<&'static str>,
) -> Result<Values, Failures> {
    let shown = file.display().to_string();
    let text = files::read(file, MOST, Accept::Pipe).map_err(Failure::from)?;
    let text = text.ok_or_else(|| Fault::NotThere(file.to_owned()))?.bytes;
    let literal = dotenv::is_literal(text.expose());
    let mut wrong = Failures::default();
    let mut known: Vec<(String, Secret)> = Vec::new();
    let mut left_out: Vec<(String, &'static str)> = Vec::new();
    for binding in document::bindings(&shown, text.expose())? {
        let Some(value) = &binding.value else {
            continue;
        };
        let name = binding.name;
        left_out.retain(|(other, _)| *other != name);
        let skipped = skip(&name);
        left_out.extend(skipped.map(|why| (name.clone(), why)));
        // One that does not count can still be named by those that do.
        let filled = filled(value, literal, &known, schemes);
        known.retain(|(other, _)| *other != name);
        match filled {
            Ok(Some(value)) => known.push((name, value)),
            Ok(None) if skipped.is_none() => {
                left_out.push((name, "a reference: its value is in a store already"));
            }
            Err(failure) if skipped.is_none() => {
                let place = format!("{shown}:{}:{}: {name}", binding.line, binding.column);
                wrong.0.push(failure.at(&place));
            }
            Ok(None) | Err(_) => {}
        }
    }
    known.retain(|(name, _)| !left_out.iter().any(|(other, _)| other == name));
    wrong.or(Values {
        values: known,
        left_out,
    })
}

/// A value with the variables of its file in it; none where it is a reference, or holds one.
fn filled(
    value: &Secret,
    literal: bool,
    known: &[(String, Secret)],
    schemes: &[&'static str],
) -> Result<Option<Secret>, Failure> {
    if literal {
        return Ok(Some(value.duplicate()));
    }
    let template = reference::parse(value.expose(), schemes)?;
    let mut whole = SecretBuffer::default();
    for part in template.parts {
        match part {
            Part::Text(text) => whole.push(text.expose()),
            Part::Reference(_) => return Ok(None),
            Part::Variable(variable) => {
                let there = known.iter().find(|(name, _)| *name == variable.name);
                match (there, variable.default) {
                    (Some((_, value)), _) => whole.push(value.expose()),
                    (None, Some(default)) => whole.push(default.expose()),
                    (None, None) => return Err(Fault::Unknown(variable.name).into()),
                }
            }
        }
    }
    Ok(Some(whole.finish()))
}
