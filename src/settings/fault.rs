//! What is wrong with what envshim was told.

use crate::cli::{OPTIONS, Opt};
use crate::failure::{Explain, nearest};

/// What is wrong with a setting.
#[derive(Debug, PartialEq, Eq)]
pub enum Misset {
    /// The value is not of the option's form: the option's name as typed, and the form.
    Value(String, &'static str),
    /// An option that cannot stand in a file, for it decides which file is read.
    NotInFile(String),
    /// No such `ENVSHIM_` setting.
    Unknown(String),
    /// An option of a supervisor, and none was asked for.
    Unsupervised(&'static str),
}

impl Explain for Misset {
    fn what(&self) -> String {
        match self {
            Misset::Value(name, _) => format!("{name}: the value is not of the right form"),
            Misset::NotInFile(name) => format!("{name} cannot stand in a file"),
            Misset::Unknown(name) => format!("there is no setting `{name}`"),
            Misset::Unsupervised(name) => {
                format!("--{name} is for a parent of the program, and envshim becomes the program")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Misset::Value(_, form) => format!("write {form}"),
            Misset::NotInFile(_) => {
                "set it in the environment: it is needed before the file is read".to_owned()
            }
            Misset::Unknown(name) => {
                let known: Vec<String> = OPTIONS.iter().map(Opt::variable).collect();
                match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "envshim help options lists them".to_owned(),
                }
            }
            Misset::Unsupervised(_) => "add --supervise".to_owned(),
        })
    }
}
