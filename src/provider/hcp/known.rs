//! What a load has of the store, and the answers that come of it.

use crate::failure::{Failure, nearest};
use crate::format::json::{self, Json};
use crate::format::reference::Reference;
use crate::provider::{About, Answer, Found, Item, Trouble, Value, Wanted, fields, pick};
use crate::secret::Secret;

use super::answers::{Opened, Values};
use super::fault::Fault;

/// Which secret, in which version.
#[derive(PartialEq, Eq, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

/// Why a secret is not there, for every reference that wants it.
#[derive(Clone)]
pub(super) struct Absent {
    missing: bool,
    failure: Failure,
}

/// What a load has of the store: what was asked for, or all there is. What is not among it is not in
/// the store.
#[derive(Default)]
pub(super) struct Known {
    pub(super) opened: Vec<(Key, Result<Opened, Absent>)>,
}

impl Key {
    pub(super) fn of(reference: &Reference) -> Key {
        Key {
            name: reference.locator.clone(),
            version: reference.parameter("version").map(str::to_owned),
        }
    }

    pub(super) fn latest(name: &str) -> Key {
        Key {
            name: name.to_owned(),
            version: None,
        }
    }
}

impl Absent {
    pub(super) fn of(fault: Fault) -> Absent {
        Absent {
            missing: matches!(fault, Fault::Missing { .. } | Fault::MissingApp(_)),
            failure: fault.into(),
        }
    }

    pub(super) fn trouble(&self) -> Trouble {
        let failure = self.failure.clone();
        if self.missing {
            Trouble::Missing(failure)
        } else {
            Trouble::Failed(failure)
        }
    }
}

impl Known {
    pub(super) fn find(&self, key: &Key) -> Option<&Result<Opened, Absent>> {
        let found = self.opened.iter().find(|(known, _)| known == key);
        found.map(|(_, opened)| opened)
    }

    /// The answer to one reference; `app` goes into messages.
    pub(super) fn answer(&self, wanted: &Wanted<'_>, app: Option<&str>) -> Answer {
        if is_all(wanted) {
            return self.folder().map(|items| Found {
                value: Value::Folder(items),
                version: None,
                about: About::default(),
            });
        }
        let (key, field) = (Key::of(wanted.reference), wanted.reference.field.as_deref());
        let opened = self.find(&key).ok_or_else(|| {
            let names = self.opened.iter().map(|(key, _)| key.name.as_str());
            let near = nearest(&key.name, names).map(str::to_owned);
            Trouble::Missing(
                Fault::Missing {
                    name: key.name.clone(),
                    version: None,
                    app: app.map(str::to_owned),
                    near,
                }
                .into(),
            )
        })?;
        let opened = opened.as_ref().map_err(Absent::trouble)?;
        let value = match (&opened.values, wanted.import) {
            (Values::One(value), false) => Value::One(pick(value.duplicate(), field)?),
            (Values::One(value), true) => Value::Several(fields(&pick(value.duplicate(), field)?)?),
            (Values::Several(values), import) => {
                let value = match field {
                    Some(field) => one_of(values, field)?,
                    None => whole(values),
                };
                if import {
                    Value::Several(fields(&value)?)
                } else {
                    Value::One(value)
                }
            }
        };
        Ok(Found {
            value,
            version: opened.version.clone(),
            about: About {
                changed: opened.changed,
                lent: None,
            },
        })
    }

    /// Every secret in its latest version, under the names that `hcp vault-secrets run` gave them,
    /// but for letter case: a rotating or dynamic secret is `NAME_KEY` for each of its values.
    fn folder(&self) -> Result<Vec<Item>, Trouble> {
        let mut items: Vec<Item> = Vec::new();
        let mut origins: Vec<String> = Vec::new();
        for (key, opened) in self.opened.iter().filter(|(key, _)| key.version.is_none()) {
            let opened = opened.as_ref().map_err(|absent| {
                let failure = absent.failure.clone().at(&format!("hcp:{}", key.name));
                Trouble::Failed(failure)
            })?;
            let several = match &opened.values {
                Values::One(value) => vec![(opened.name.clone(), opened.name.clone(), value)],
                Values::Several(fields) => {
                    let named = fields.iter().map(|(field, value)| {
                        let name = &opened.name;
                        (format!("{name}_{field}"), format!("{name}#{field}"), value)
                    });
                    named.collect()
                }
            };
            for (name, origin, value) in several {
                if let Some(at) = items.iter().position(|item| item.name == name) {
                    let first = origins.get(at).cloned().unwrap_or_default();
                    let clash = Fault::Clash {
                        variable: name,
                        first: format!("hcp:{first}"),
                        second: format!("hcp:{origin}"),
                    };
                    return Err(Trouble::Failed(clash.into()));
                }
                origins.push(origin);
                items.push(Item {
                    name,
                    value: value.duplicate(),
                    version: opened.version.clone(),
                });
            }
        }
        Ok(items)
    }
}

pub(super) fn is_all(wanted: &Wanted<'_>) -> bool {
    wanted.import && wanted.reference.locator == "*"
}

/// A value of a rotating or dynamic secret.
fn one_of(values: &[(String, Secret)], field: &str) -> Result<Secret, Trouble> {
    let found = values.iter().find(|(key, _)| key == field);
    found.map(|(_, value)| value.duplicate()).ok_or_else(|| {
        let none = json::NoField::Missing {
            field: field.to_owned(),
            have: values.iter().map(|(key, _)| key.clone()).collect(),
        };
        Trouble::Missing(none.into())
    })
}

/// All its values, as JSON.
fn whole(values: &[(String, Secret)]) -> Secret {
    let field = |(key, value): &(String, Secret)| (key.clone(), Json::Text(value.duplicate()));
    Json::Object(values.iter().map(field).collect()).compact()
}
