//! Why a value is not set, and what to do about it.

use std::path::PathBuf;

use super::MOST;
use crate::failure::Explain;

/// Why a value is not set.
pub(super) enum Fault {
    ValueInKey,
    NotText,
    NoValue,
    EmptyInput,
    EmptyAnswer,
    LongAnswer,
    NoFile(PathBuf),
    TooLarge,
    NoSource(PathBuf),
    ForStores(&'static str),
    Version { want: String, have: Option<String> },
    Declined,
    IsReference(String),
    Changed,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::ValueInKey => {
                "a value stands on the command line, or the key has a `=` in it".to_owned()
            }
            Fault::NotText => "the key is not text".to_owned(),
            Fault::NoValue => "there is no value, and no terminal to ask on".to_owned(),
            Fault::EmptyInput => "stdin gives no value".to_owned(),
            Fault::EmptyAnswer => "the value is empty".to_owned(),
            Fault::LongAnswer => "the value is longer than a line of a terminal can be".to_owned(),
            Fault::NoFile(path) => format!("{}: there is no such file", path.display()),
            Fault::TooLarge => format!("the value is larger than {} MiB", MOST >> 20),
            Fault::NoSource(path) => format!(
                "{}: there is no such file, and no .vault either",
                path.display()
            ),
            Fault::ForStores(option) => {
                format!("--{option} is for secrets in a store; a line of a file has none")
            }
            Fault::Version {
                want,
                have: Some(have),
            } => format!(
                "version {want} was expected, and version {have} is there; nothing is written"
            ),
            Fault::Version { want, have: None } => {
                format!("version {want} was expected, and there is nothing; nothing is written")
            }
            Fault::Declined => "nothing is written".to_owned(),
            Fault::IsReference(scheme) => {
                format!("is a reference ({scheme}:...), and the secret lies elsewhere")
            }
            Fault::Changed => {
                "somebody else has changed it meanwhile; nothing is written".to_owned()
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::ValueInKey => "every user of a machine can see its command lines: printf %s ... | envshim set KEY, or envshim set KEY and type it; in a name, write %3D for `=`".to_owned(),
            Fault::NotText => "write it in UTF-8".to_owned(),
            Fault::NoValue => "give it on stdin, or with --from-file FILE".to_owned(),
            Fault::EmptyInput => "did the program in front of it fail? --from-file /dev/null sets an empty value".to_owned(),
            Fault::EmptyAnswer => "--from-file /dev/null sets an empty value".to_owned(),
            Fault::LongAnswer => "give it on stdin, or with --from-file FILE".to_owned(),
            Fault::NoFile(_) => "name the file that holds the value".to_owned(),
            Fault::TooLarge => "is it the right file?".to_owned(),
            Fault::NoSource(_) => "make one: envshim init; or name its folder with --dir".to_owned(),
            Fault::ForStores(option) => format!("leave --{option} out"),
            Fault::Version { .. } => "look at what is there now, and name its version".to_owned(),
            Fault::Declined => "--yes asks no questions".to_owned(),
            Fault::IsReference(_) => "set the secret itself: envshim set and the reference; --yes replaces the reference by the value".to_owned(),
            Fault::Changed => "look at what is there now, and set it again".to_owned(),
        })
    }
}
