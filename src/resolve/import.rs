//! Imports: every field of a secret, or every secret of a folder, as variables.

use crate::failure::{Explain, Failure, Failures};
use crate::format::naming;
use crate::format::reference::{self, Reference};
use crate::provider::{self, Answer, PROVIDERS, Row, Trouble, Value};
use crate::resolve::plan::add;
use crate::resolve::{Aside, Loaded, Origin, Place, Query, View, manner};
use crate::secret::Secret;
use crate::settings::Settings;

/// An import that was asked for.
pub(crate) struct Import {
    shown: String,
    reference: String,
    scheme: &'static str,
    query: usize,
    optional: bool,
    policy: naming::Policy,
    prefix: String,
}

enum Fault {
    NotAReference,
    UnknownScheme(String),
    Loader(String),
    Nothing,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotAReference => "is not a reference".to_owned(),
            Fault::UnknownScheme(scheme) => format!("there is no provider `{scheme}`"),
            Fault::Loader(name) => {
                format!("`{name}` makes a program load other code, and is refused from an import")
            }
            Fault::Nothing => "holds nothing to import".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotAReference => "write scheme:name, as in file:app.json".to_owned(),
            Fault::UnknownScheme(scheme) => {
                match crate::failure::nearest(scheme, provider::schemes()) {
                    Some(near) => format!("did you mean {near}:?"),
                    None => format!("it is one of {}", provider::schemes().join(", ")),
                }
            }
            Fault::Loader(name) => {
                format!("remove it from the store, or write it yourself: {name}=... in .vault")
            }
            Fault::Nothing => "check the name; ?optional=1 allows that".to_owned(),
        })
    }
}

/// Plans the imports that settings ask for: `ENVSHIM_IMPORT`, and what providers take from theirs.
pub(crate) fn plan(
    settings: &Settings,
    view: &View<'_>,
    queries: &mut Vec<Query>,
    wrong: &mut Failures,
) -> Vec<Import> {
    let mut texts = settings.import.clone();
    texts.extend(PROVIDERS.iter().flat_map(|row| (row.implied)(view)));
    let mut imports: Vec<Import> = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let known = match read(text) {
            // What is no reference may be anything, also a secret: only its place is told.
            Err(failure) => Err(failure.at(&format!("import, item {}", n + 1))),
            Ok((reference, row)) => {
                let shown = format!("import {reference}");
                one(reference, row, &shown, settings, queries).map_err(|failure| failure.at(&shown))
            }
        };
        match known {
            Ok(import) if imports.iter().any(|known| known.query == import.query) => {}
            Ok(import) => imports.push(import),
            Err(failure) => wrong.0.push(failure),
        }
    }
    imports
}

fn read(text: &str) -> Result<(Reference, &'static Row), Failure> {
    let reference = reference::parse_exact(text).ok_or(Fault::NotAReference)??;
    match provider::row(&reference.scheme) {
        Some(row) => Ok((reference, row)),
        None => Err(Fault::UnknownScheme(reference.scheme).into()),
    }
}

fn one(
    mut reference: Reference,
    row: &Row,
    shown: &str,
    settings: &Settings,
    queries: &mut Vec<Query>,
) -> Result<Import, Failure> {
    let manner = manner(&mut reference, true)?;
    Ok(Import {
        reference: reference.to_string(),
        shown: shown.to_owned(),
        scheme: row.scheme,
        query: add(
            queries,
            Query {
                reference,
                import: true,
                must: !manner.optional,
            },
        ),
        optional: manner.optional,
        policy: match settings.names {
            naming::Policy::Default => row.names,
            asked => asked,
        },
        prefix: settings.prefix.clone(),
    })
}

/// Variables out of the answers. A later import wins over an earlier one.
pub(crate) fn collect(
    imports: Vec<Import>,
    answers: &[Option<Answer>],
    aside: &mut Vec<Aside>,
    wrong: &mut Failures,
) -> Vec<Loaded> {
    let mut loaded: Vec<Loaded> = Vec::new();
    for import in imports {
        match variables(&import, answers.get(import.query).and_then(Option::as_ref)) {
            Ok(found) => {
                for variable in found {
                    let same = |known: &Loaded| known.name == variable.name;
                    if let Some(at) = loaded.iter().position(same) {
                        aside.push(loaded.remove(at).into());
                    }
                    loaded.push(variable);
                }
            }
            Err(failures) => {
                let placed = failures
                    .0
                    .into_iter()
                    .map(|failure| failure.at(&import.shown));
                wrong.0.extend(placed);
            }
        }
    }
    loaded
}

fn variables(import: &Import, answer: Option<&Answer>) -> Result<Vec<Loaded>, Failures> {
    let found = match answer {
        Some(Ok(found)) => found,
        Some(Err(Trouble::Missing(_))) if import.optional => return Ok(Vec::new()),
        Some(Err(Trouble::Missing(failure) | Trouble::Failed(failure))) => {
            return Err(failure.clone().into());
        }
        None => return Ok(Vec::new()),
    };
    // Name, value and version of each.
    let fields: Vec<(&str, &Secret, Option<&String>)> = match &found.value {
        Value::One(_) => return Ok(Vec::new()),
        Value::Several(fields) => {
            let version = found.version.as_ref();
            let named = fields.iter();
            named
                .map(|(name, value)| (name.as_str(), value, version))
                .collect()
        }
        Value::Folder(items) => {
            let named = items.iter();
            named
                .map(|item| (item.name.as_str(), &item.value, item.version.as_ref()))
                .collect()
        }
    };
    if fields.is_empty() && !import.optional {
        return Err(Fault::Nothing.into());
    }
    let mut wrong = Failures::default();
    let mut loaded: Vec<Loaded> = Vec::new();
    let mut origins: Vec<&str> = Vec::new();
    for (field, secret, version) in fields {
        let name = match naming::variable(field, import.policy, &import.prefix) {
            Ok(name) => name,
            Err(unnameable) => {
                wrong.0.push(unnameable.into());
                continue;
            }
        };
        if naming::is_loader(&name) {
            wrong.0.push(Fault::Loader(name).into());
            continue;
        }
        origins.push(field);
        loaded.push(Loaded {
            name,
            value: secret.duplicate(),
            place: Place::Named(import.shown.clone()),
            provider: import.scheme,
            origin: Some(Box::new(Origin {
                references: vec![import.reference.clone()],
                version: version.cloned(),
                changed: found.about.changed,
            })),
            as_file: false,
            parts: Vec::new(),
        });
    }
    let names = loaded.iter().map(|variable| variable.name.as_str());
    let pairs: Vec<(&str, &str)> = origins.into_iter().zip(names).collect();
    wrong
        .0
        .extend(naming::clash(&pairs).into_iter().map(Failure::from));
    wrong.or(loaded)
}
