//! Picking a field by name or dotted path, and what to say when it is not there.

use super::Json;
use crate::failure::{Explain, nearest, one_line};
use crate::secret::Secret;

/// How many names a hint lists.
const SHOWN: usize = 12;

/// Why [`pick`] has nothing to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoField {
    /// No such field; `have` are the paths that could be asked for at the level where the search ended.
    Missing {
        /// What was asked for.
        field: String,
        /// What there is.
        have: Vec<String>,
    },
    /// The field is there and `null`, which is how stores write "no value". Counts as missing.
    Null {
        /// What was asked for.
        field: String,
    },
    /// The value has no fields at all; the kind of value that it is.
    Fieldless {
        /// What was asked for.
        field: String,
        /// `text`, `a number`, ...
        is: &'static str,
    },
}

impl Explain for NoField {
    fn what(&self) -> String {
        match self {
            NoField::Missing { field, .. } => {
                format!("the secret has no field `{}`", one_line(field))
            }
            NoField::Null { field } => format!("the field `{}` is null", one_line(field)),
            NoField::Fieldless { field, is } => {
                format!(
                    "the secret is {is}, it has no fields and no `{}`",
                    one_line(field)
                )
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            NoField::Missing { have, .. } if have.is_empty() => None,
            NoField::Missing { field, have } => {
                let mut hint = String::new();
                if let Some(near) = nearest(field, have.iter().map(String::as_str)) {
                    hint = format!("did you mean `{}`? ", one_line(near));
                }
                hint.push_str("it has ");
                for (n, name) in have.iter().take(SHOWN).enumerate() {
                    hint.push_str(if n == 0 { "`" } else { ", `" });
                    hint.push_str(&one_line(name));
                    hint.push('`');
                }
                if let Some(more @ 1..) = have.len().checked_sub(SHOWN) {
                    hint.push_str(&format!(" and {more} more"));
                }
                Some(hint)
            }
            NoField::Null { .. } => {
                Some("store a value, or add `?default=...` or `?optional=1`".into())
            }
            NoField::Fieldless { field, .. } => Some(format!("leave out `#{}`", one_line(field))),
        }
    }
}

/// The value of a field: the top-level field of exactly this name, else what the dotted path leads
/// to (`database.hosts.0`).
pub fn pick(json: &Json, field: &str) -> Result<Secret, NoField> {
    let asked = field.to_owned();
    match (json.pointer(field), json) {
        (Some(Json::Null), _) => Err(NoField::Null { field: asked }),
        (Some(value), _) => Ok(value.render()),
        (None, Json::Object(_) | Json::List(_)) => Err(NoField::Missing {
            field: asked,
            have: have(json, field),
        }),
        (None, other) => Err(NoField::Fieldless {
            field: asked,
            is: match other {
                Json::Text(_) => "text",
                Json::Number(_) => "a number",
                Json::Bool(_) => "true or false",
                _ => "null",
            },
        }),
    }
}

/// The paths that could be asked for at the deepest level that the path reaches.
fn have(json: &Json, path: &str) -> Vec<String> {
    let (mut here, mut rest) = (json, path);
    while let Some((name, tail)) = rest.split_once('.')
        && let Some(inner @ (Json::Object(_) | Json::List(_))) = here.step(name)
    {
        (here, rest) = (inner, tail);
    }
    let above = path.strip_suffix(rest).unwrap_or_default();
    match here {
        Json::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !matches!(value, Json::Null))
            .map(|(name, _)| [above, name].concat())
            .collect(),
        Json::List(entries) => (0..entries.len().min(SHOWN))
            .map(|n| format!("{above}{n}"))
            .collect(),
        _ => Vec::new(),
    }
}

impl Json {
    /// What a dotted path leads to: names of fields, or numbers of list entries from 0. A name that
    /// holds dots itself is found too; the whole path as one name comes first.
    pub fn pointer(&self, path: &str) -> Option<&Json> {
        // Every value of a tree has one way to it, so this visits each at most once.
        self.step(path).or_else(|| {
            path.match_indices('.').find_map(|(dot, _)| {
                let (name, rest) = path.split_at(dot);
                self.step(name)?.pointer(rest.get(1..)?)
            })
        })
    }

    fn step(&self, name: &str) -> Option<&Json> {
        match self {
            Json::List(entries) if name.bytes().all(|b| b.is_ascii_digit()) => {
                entries.get(name.parse::<usize>().ok()?)
            }
            _ => self.get(name),
        }
    }
}
