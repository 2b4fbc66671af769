//! Writing to a KV engine.
//!
//! A secret of Vault is written whole, so its fields are read, changed and written with the version
//! that was read (`cas`): whoever comes in between makes Vault refuse ours, and it is read again. The
//! first version of KV has no such check; there the fields are read as shortly before as can be.

use crate::failure::{Explain, Failure};
use crate::format::json::Json;
use crate::format::reference::Reference;
use crate::http::{Answer, Method};
use crate::provider::write::{
    Fault as Unfit, TRIES, Verdict, by_secret, into_fields, keep, metadata, outcomes, pause,
    renamed,
};
use crate::provider::{Change, Store, Written};
use crate::secret::Secret;

use super::answer::Reply;
use super::fault::Fault;
use super::path::{Ask, Kind, Path, Route, What, encoded};
use super::reader::Reader;
use super::{Vault, mount};

/// The field of a secret that is one value.
const VALUE: &str = "value";

impl Store for Vault<'_> {
    fn put(&mut self, changes: &[Change<'_>]) -> Vec<Result<Written, Failure>> {
        let mount = mount(self.context.settings).to_owned();
        let name = |reference: &Reference| match Path::of(reference, &mount)? {
            (_, true) => Err(Unfit::Folder.into()),
            (path, false) => Ok(path),
        };
        by_secret(changes, name, |path, members| {
            self.put_secret(&mount, path, members)
                .unwrap_or_else(|failure| members.iter().map(|_| Err(failure.clone())).collect())
        })
    }
}

/// A secret as it stands.
struct Standing {
    /// None where there is no such secret, or its newest version was deleted.
    fields: Option<Json>,
    version: u64,
}

impl Vault<'_> {
    fn put_secret(
        &mut self,
        mount: &str,
        path: &Path,
        changes: &[&Change<'_>],
    ) -> Result<Vec<Result<Written, Failure>>, Failure> {
        let session = self.enter()?;
        for tries in 0..TRIES {
            let known = self.kind.map(|kind| (mount, kind));
            let mut reader = Reader::new(&self.server, session.clone(), known);
            let standing = standing(&mut reader, path)?;
            let route = reader.place(path)?;
            if route.kind == Kind::Plain && !metadata(changes).is_empty() {
                return Err(Fault::NoMetadata(path.whole()).into());
            }
            let (fields, verdicts) = changed(standing.fields, changes, tries > 0);
            let version = (standing.version > 0).then(|| standing.version.to_string());
            let Some(fields) = fields else {
                let none = Ok(Written::default());
                return Ok(outcomes(verdicts, &none, version.as_deref()));
            };
            let Some(mut written) = self.write(&route, fields, standing.version)? else {
                continue;
            };
            if let Err(fault) = self.describe(&route, changes) {
                written.alone(&fault.what());
            }
            return Ok(outcomes(verdicts, &Ok(written), version.as_deref()));
        }
        Err(Unfit::Restless.into())
    }

    /// Writes all fields; none where somebody else was faster.
    fn write(&mut self, route: &Route, fields: Json, base: u64) -> Result<Option<Written>, Fault> {
        let path = route.policy(What::Read(None));
        let body = match route.kind {
            Kind::Plain => fields,
            Kind::V2 => {
                let cas = Json::Number(Secret::new(base.to_string().into_bytes()));
                let options = Json::Object(vec![("cas".to_owned(), cas)]);
                Json::Object(vec![
                    ("data".to_owned(), fields),
                    ("options".to_owned(), options),
                ])
            }
        };
        let answer = self.server.write(&encoded(&path), Method::Post, body)?;
        match answer.status {
            200 | 204 => {}
            400 if self.says(&answer, "did not match the current version") => return Ok(None),
            // A mount that was made just now.
            400 if self.says(&answer, "Upgrading from non-versioned to versioned") => {
                pause();
                return Ok(None);
            }
            401 | 403 => return Err(Fault::MayNotWrite(path)),
            400 | 404 | 405 | 413 => {
                let status = answer.status;
                return Err(Fault::Unwritten { path, status });
            }
            _ => return Err(self.server.ailment(&answer)),
        }
        let version = match route.kind {
            Kind::Plain => None,
            Kind::V2 => {
                let content = self.server.content(&answer)?;
                let version = content.get("data").and_then(|data| data.get("version"));
                version
                    .and_then(Json::whole)
                    .map(|number| number.to_string())
            }
        };
        Ok(Some(Written {
            version,
            note: None,
        }))
    }

    /// Vault gives this reason.
    fn says(&self, answer: &Answer, reason: &str) -> bool {
        let Ok(content) = self.server.content(answer) else {
            return false;
        };
        let errors = content
            .get("errors")
            .and_then(Json::list)
            .unwrap_or_default();
        errors
            .iter()
            .filter_map(Json::as_str)
            .any(|error| error.contains(reason))
    }

    /// Writes what is to be kept beside the secret; what else is kept there stays.
    fn describe(&mut self, route: &Route, changes: &[&Change<'_>]) -> Result<(), Fault> {
        let mut pairs = Vec::new();
        keep(&mut pairs, metadata(changes));
        if pairs.is_empty() {
            return Ok(());
        }
        let path = format!("{}/metadata/{}", route.mount, route.rest);
        let body = Json::Object(vec![("custom_metadata".to_owned(), Json::Object(pairs))]);
        let answer = self.server.write(&encoded(&path), Method::Patch, body)?;
        match answer.status {
            200 | 204 => Ok(()),
            401 | 403 => Err(Fault::MayNotPatch(path)),
            400 | 404 | 405 => {
                let status = answer.status;
                Err(Fault::Unwritten { path, status })
            }
            _ => Err(self.server.ailment(&answer)),
        }
    }
}

fn standing(reader: &mut Reader<'_>, path: &Path) -> Result<Standing, Fault> {
    let number = |version: &str| version.parse().unwrap_or(0);
    let ask = Ask {
        path: path.clone(),
        what: What::Read(None),
    };
    match reader.ask(&[ask]).pop() {
        Some(Ok(Reply::Secret { data, version, .. })) => Ok(Standing {
            fields: Some(data),
            version: version.as_deref().map_or(0, number),
        }),
        Some(Err(Fault::Deleted { version, .. } | Fault::Destroyed(version))) => Ok(Standing {
            fields: None,
            version: number(&version),
        }),
        Some(Err(Fault::Nothing { .. })) => Ok(Standing {
            fields: None,
            version: 0,
        }),
        Some(Err(fault)) => Err(fault),
        Some(Ok(Reply::Names(_))) | None => Err(Fault::OddPath),
    }
}

/// The fields with the changes in them, where one is to be written.
fn changed(
    fields: Option<Json>,
    changes: &[&Change<'_>],
    again: bool,
) -> (Option<Json>, Vec<Verdict>) {
    let mut fields = fields.unwrap_or(Json::Object(Vec::new()));
    let alone = match &fields {
        Json::Object(there) => there.iter().all(|(name, _)| name == VALUE),
        _ => false,
    };
    // A secret that is one value has it in a field of that name.
    let whole = |change: &&Change<'_>| change.reference.field.is_none() && alone;
    let named: Vec<Reference> = changes
        .iter()
        .map(|change| Reference {
            field: change
                .reference
                .field
                .clone()
                .or_else(|| whole(change).then(|| VALUE.to_owned())),
            ..change.reference.clone()
        })
        .collect();
    let changes = renamed(changes, &named);
    let changes: Vec<&Change<'_>> = changes.iter().collect();
    let verdicts = into_fields(&mut fields, &changes, again);
    let any = verdicts
        .iter()
        .any(|verdict| matches!(verdict, Verdict::Set));
    (any.then_some(fields), verdicts)
}
