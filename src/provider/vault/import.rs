//! Folders: one path per variable, as the official migration from HCP Vault Secrets and many
//! scripts store them.

use crate::format::json::Json;
use crate::provider::vault::answer::Reply;
use crate::provider::vault::fault::Fault;
use crate::provider::vault::path::{Ask, Path, What};
use crate::provider::vault::reader::Reader;
use crate::provider::vault::single;
use crate::provider::{Answer, Found, Item, Value};
use crate::secret::Secret;

/// More than any program has variables.
const MOST: usize = 10_000;

/// The imports that are folders, or may be.
#[derive(Default)]
pub(super) struct Folders(Vec<Folder>);

struct Folder {
    /// Its place among the answers.
    at: usize,
    path: Path,
    /// What is in it, where that is known.
    names: Option<Vec<String>>,
    /// What to say if it is no folder either.
    otherwise: Option<Fault>,
}

impl Folders {
    /// A folder whose names are known.
    pub(super) fn listed(&mut self, at: usize, path: &Path, names: &[String]) {
        self.0.push(Folder {
            at,
            path: path.clone(),
            names: Some(names.to_vec()),
            otherwise: None,
        });
    }

    /// What is no secret, and may be a folder; `otherwise` it is this.
    pub(super) fn perhaps(&mut self, at: usize, path: &Path, otherwise: &Fault) {
        self.0.push(Folder {
            at,
            path: path.clone(),
            names: None,
            otherwise: Some(otherwise.clone()),
        });
    }

    /// Lists those that are not listed yet, then reads everything in all of them at once.
    pub(super) fn read(mut self, reader: &mut Reader<'_>) -> Vec<(usize, Answer)> {
        let mut answers = Vec::new();
        let unlisted: Vec<usize> = (0..self.0.len())
            .filter(|at| self.0.get(*at).is_some_and(|folder| folder.names.is_none()))
            .collect();
        let asks: Vec<Ask> = unlisted
            .iter()
            .filter_map(|at| self.0.get(*at))
            .map(|folder| Ask {
                path: folder.path.clone(),
                what: What::List,
            })
            .collect();
        for (at, reply) in unlisted.into_iter().zip(reader.ask(&asks)) {
            let Some(folder) = self.0.get_mut(at) else {
                continue;
            };
            match (reply, folder.otherwise.take()) {
                (Ok(Reply::Names(names)), _) => folder.names = Some(names),
                // Not a folder, or none that we may look into: it is the secret that is missing.
                (_, Some(fault)) => answers.push((folder.at, Err(fault.trouble()))),
                (Err(fault), None) => answers.push((folder.at, Err(fault.trouble()))),
                (Ok(_), None) => {}
            }
        }
        let mut asks: Vec<Ask> = Vec::new();
        let mut parts: Vec<(usize, Result<Vec<String>, Fault>)> = Vec::new();
        for folder in self.0 {
            let Some(names) = folder.names else { continue };
            // A folder in the folder is not a variable.
            let names: Vec<String> = names.into_iter().filter(|n| !n.ends_with('/')).collect();
            if names.len() > MOST {
                parts.push((folder.at, Err(Fault::TooMany(MOST))));
                continue;
            }
            asks.extend(names.iter().map(|name| Ask {
                path: folder.path.child(name),
                what: What::Read(None),
            }));
            parts.push((folder.at, Ok(names)));
        }
        let mut replies = reader.ask(&asks).into_iter();
        for (at, names) in parts {
            let answer = names.and_then(|names| {
                // All replies of a folder are taken, also behind a bad one.
                let items: Vec<_> = names
                    .into_iter()
                    .zip(replies.by_ref())
                    .map(|(name, reply)| item(name, reply))
                    .collect();
                let items: Result<Vec<Option<Item>>, Fault> = items.into_iter().collect();
                Ok(items?.into_iter().flatten().collect())
            });
            let answer = answer.map(|items| Found {
                value: Value::Folder(items),
                version: None,
            });
            answers.push((at, answer.map_err(|fault| fault.trouble())));
        }
        answers
    }
}

/// One variable of a folder; none where the secret was deleted, for lists still have its name.
fn item(name: String, reply: Result<Reply, Fault>) -> Result<Option<Item>, Fault> {
    match reply {
        Ok(Reply::Secret { data, version, .. }) => match one(&data) {
            Some(value) => Ok(Some(Item {
                name,
                value,
                version,
            })),
            None => Err(Fault::NotOneVariable(name)),
        },
        Ok(Reply::Names(_)) => Ok(None),
        Err(fault) if fault.missing() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The value of a secret that is one variable: its field `value`, or its only field.
fn one(data: &Json) -> Option<Secret> {
    single(data).or_else(|| match data {
        Json::Object(fields) => {
            let named = fields.iter().find(|(name, _)| name == "value");
            let only = fields.first().filter(|_| fields.len() == 1);
            named.or(only).map(|(_, value)| value.render())
        }
        _ => None,
    })
}
