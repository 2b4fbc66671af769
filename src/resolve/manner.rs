//! The parameters that references to every provider take alike.

use crate::failure::{Explain, Failure};
use crate::format::reference::Reference;
use crate::provider::{self, Answer, Found, Trouble, Value};
use crate::secret::Secret;

/// What a reference's parameters ask of every provider alike.
pub(crate) struct Manner {
    pub(super) default: Option<Secret>,
    pub(super) optional: bool,
    pub(super) base64: bool,
    pub(super) as_file: bool,
}

/// What is wrong with a reference that the grammar accepts.
pub(super) enum Fault {
    UnknownParameter {
        name: String,
        known: Vec<&'static str>,
    },
    BadParameter(&'static str, &'static str),
    NoImport(&'static str),
    NotBase64,
    WholeOnly,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::UnknownParameter { name, .. } => format!("there is no parameter `{name}`"),
            Fault::BadParameter(name, _) => {
                format!("the parameter `{name}` is not of the right form")
            }
            Fault::NoImport(title) => format!("{title} cannot be imported as a whole"),
            Fault::NotBase64 => "the value is not base64".to_owned(),
            Fault::WholeOnly => "a memory file cannot be a part of a value".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::UnknownParameter { name, known } => {
                match crate::failure::nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it takes {}", known.join(", ")),
                }
            }
            Fault::BadParameter(_, form) => format!("write {form}"),
            Fault::NoImport(_) => "name its secrets one by one, as NAME=scheme:...".to_owned(),
            Fault::NotBase64 => "leave ?decode=base64 out, or store it encoded".to_owned(),
            Fault::WholeOnly => "give the reference with ?as=file a variable of its own".to_owned(),
        })
    }
}

/// Parameters that every reference takes.
const COMMON: &[&str] = &["default", "optional", "decode", "as"];

/// Takes the common parameters out of a reference and lets its provider look at the rest.
pub(crate) fn manner(reference: &mut Reference, import: bool) -> Result<Manner, Failure> {
    let Some(row) = provider::row(&reference.scheme) else {
        // The grammar only makes references of schemes in the table, or the caller has looked.
        return Ok(Manner {
            default: None,
            optional: false,
            base64: false,
            as_file: false,
        });
    };
    if import && !row.imports {
        return Err(Fault::NoImport(row.title).into());
    }
    let mut manner = Manner {
        default: None,
        optional: false,
        base64: false,
        as_file: false,
    };
    for (name, value) in std::mem::take(&mut reference.parameters) {
        match (name.as_str(), value.as_str()) {
            ("default", _) if !import => manner.default = Some(Secret::new(value.into_bytes())),
            ("optional", "1" | "true" | "yes") => manner.optional = true,
            ("optional", "0" | "false" | "no") => {}
            ("optional", _) => return Err(Fault::BadParameter("optional", "?optional=1").into()),
            ("decode", "base64") if !import => manner.base64 = true,
            ("decode", _) if !import => {
                return Err(Fault::BadParameter("decode", "?decode=base64").into());
            }
            ("as", "file") if !import => manner.as_file = true,
            ("as", _) if !import => return Err(Fault::BadParameter("as", "?as=file").into()),
            (known, _) if row.parameters.contains(&known) => {
                reference.parameters.push((name, value))
            }
            _ => {
                let common = if import { &["optional"] } else { COMMON };
                let known = row.parameters.iter().chain(common).copied().collect();
                return Err(Fault::UnknownParameter { name, known }.into());
            }
        }
    }
    (row.check)(reference, import)?;
    Ok(manner)
}

impl Manner {
    /// The value of a reference: what was found, what stands in for it, or nothing.
    pub(super) fn apply(
        &self,
        answer: &Answer,
    ) -> Result<Option<(Secret, Option<String>)>, Failure> {
        match answer {
            Ok(Found {
                value: Value::One(secret),
                version,
                ..
            }) => {
                let secret = if self.base64 {
                    decoded(secret)?
                } else {
                    secret.duplicate()
                };
                Ok(Some((secret, version.clone())))
            }
            Ok(Found {
                value: Value::Several(_) | Value::Folder(_),
                ..
            }) => Ok(None),
            Err(Trouble::Missing(failure)) => match &self.default {
                Some(default) => Ok(Some((default.duplicate(), None))),
                None if self.optional => Ok(None),
                None => Err(failure.clone()),
            },
            Err(Trouble::Failed(failure)) => Err(failure.clone()),
        }
    }
}

/// Base64 in either alphabet, with or without padding, line breaks ignored.
fn decoded(secret: &Secret) -> Result<Secret, Failure> {
    use base64ct::{Base64Unpadded, Encoding};
    let mut text = zeroize::Zeroizing::new(Vec::with_capacity(secret.expose().len()));
    for byte in secret.expose() {
        match byte {
            b'-' => text.push(b'+'),
            b'_' => text.push(b'/'),
            b'=' | b'\n' | b'\r' | b' ' | b'\t' => {}
            other => text.push(*other),
        }
    }
    let text = std::str::from_utf8(&text).map_err(|_| Fault::NotBase64)?;
    let bytes = Base64Unpadded::decode_vec(text).map_err(|_| Fault::NotBase64)?;
    Ok(Secret::new(bytes))
}
