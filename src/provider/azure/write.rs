//! Writing to a vault.
//!
//! Key Vault has no check-and-set, and does not count its versions. So they are listed before and
//! after: one that came meanwhile and is not ours is somebody else's. Of a whole value that is said.
//! Fields of a JSON object are worked together: what the others have changed since the version that
//! we had read is put into what we wrote, and that is written again, until nobody new is there.
//! Whoever writes last has seen all the others, so that nothing is missing in the end.

mod fault;

use crate::failure::{Explain, Failure};
use crate::format::json::{self, Json};
use crate::format::reference::Reference;
use crate::provider::write::{
    Fault as Unfit, TRIES, Verdict, by_secret, into_bytes, into_fields, keep, metadata, outcomes,
    pause,
};
use crate::provider::{self, Change, Seen, Trouble, Written};
use crate::secret::Secret;

use super::answer::{named, outcome, refused};
use super::fault::{Fault, Miswritten, Where};
use super::place::{Vault, identifier};
use super::plan::Target;
use super::store::Store;

use fault::{Between, Unseen, Unworked};

/// The longest secret that some vault takes.
const MOST: usize = 25_600;

/// The longest that every vault takes.
const SURE: usize = 25_000;

/// How many tags a secret can have.
pub(super) const TAGS: usize = 15;

/// How often a list is asked for again that does not have what is known to be there.
const LATE: u32 = 5;

/// More pages than a secret can sensibly have versions for.
const PAGES: usize = 1000;

/// Which secret.
#[derive(PartialEq)]
struct Name {
    vault: Vault,
    name: String,
}

impl Name {
    fn of(reference: &Reference, home: Option<&Vault>) -> Result<Name, Failure> {
        super::check(reference, false)?;
        let parts = identifier(&reference.locator).flatten();
        let name = match &parts {
            Some(parts) if parts.version.is_some() => return Err(Miswritten::OldVersion.into()),
            Some(parts) => parts.name,
            None => &reference.locator,
        };
        Ok(Name {
            vault: Vault::of(reference, home)?,
            name: name.replace('_', "-"),
        })
    }
}

/// A secret as it stands.
struct Standing {
    value: Option<Secret>,
    version: Option<String>,
    /// What a new version takes over: content type and tags, as an object.
    kept: Secret,
}

/// The versions that there are, where they may be listed.
type Known = Result<Vec<String>, Failure>;

impl provider::Store for Store<'_> {
    fn put(&mut self, changes: &[Change<'_>]) -> Vec<Result<Written, Failure>> {
        let home = self.home.clone();
        let name = |reference: &Reference| Name::of(reference, home.as_ref());
        by_secret(changes, name, |at, members| {
            let target = Target {
                vault: self.plan.vault(at.vault.clone()),
                name: at.name.clone(),
                version: None,
            };
            self.put_secret(&target, members)
                .unwrap_or_else(|failure| members.iter().map(|_| Err(failure.clone())).collect())
        })
    }
}

impl Store<'_> {
    fn put_secret(
        &mut self,
        at: &Target,
        changes: &[&Change<'_>],
    ) -> Result<Vec<Result<Written, Failure>>, Failure> {
        let (known, mut standing) = self.before(at)?;
        let (next, verdicts) = into_bytes(standing.value.as_ref(), changes, false);
        let Some(next) = next else {
            let none = Ok(Written::default());
            return Ok(outcomes(verdicts, &none, standing.version.as_deref()));
        };
        standing.kept = tagged(standing.kept, metadata(changes))?;
        let set = changes.iter().zip(&verdicts);
        let set = set.filter(|(_, verdict)| matches!(verdict, Verdict::Set));
        let set: Vec<Change<'_>> = set
            .map(|(change, _)| Change {
                seen: Seen::Whatever,
                ..**change
            })
            .collect();
        let written = match self.write(at, &standing.kept, &next) {
            Ok(version) => Ok(self.settle(at, &set, known, &standing, next, version)),
            Err(failure) => Err(failure),
        };
        Ok(outcomes(verdicts, &written, None))
    }

    /// The versions there are, and the newest one.
    fn before(&mut self, at: &Target) -> Result<(Known, Standing), Failure> {
        let mut tries = 0;
        loop {
            let listed = self.versions(at);
            let standing = self.standing(at)?;
            let Some(version) = &standing.version else {
                // Not every vault lists the versions of what is not there.
                return Ok((Ok(listed.unwrap_or_default()), standing));
            };
            tries += 1;
            match &listed {
                // It was written between our two questions: what came before it may be unknown too.
                Ok(known) if tries < LATE && !known.contains(version) => pause(),
                _ => return Ok((listed, standing)),
            }
        }
    }

    fn standing(&mut self, at: &Target) -> Result<Standing, Failure> {
        let vault = self.plan.name(at.vault).to_owned();
        let answer = self.ask(&[(at.vault, at.path())]).pop();
        let answer = answer.ok_or_else(|| Failure::from(Fault::Lost))??;
        let got = match outcome(&answer, &vault, at) {
            Ok(got) => got,
            Err(Trouble::Missing(_)) => {
                return Ok(Standing {
                    value: None,
                    version: None,
                    kept: Json::Object(Vec::new()).compact(),
                });
            }
            Err(Trouble::Failed(failure)) => return Err(failure),
        };
        let Ok(Json::Object(members)) = json::parse(answer.body.expose()) else {
            return Err(Fault::Malformed(vault).into());
        };
        let managed =
            |(name, value): &(String, Json)| name == "managed" && matches!(value, Json::Bool(true));
        if members.iter().any(managed) {
            return Err(Fault::Managed(self.whole(at)).into());
        }
        let kept = members
            .into_iter()
            .filter(|(name, _)| matches!(name.as_str(), "contentType" | "tags"));
        Ok(Standing {
            value: Some(got.value),
            version: got.version,
            kept: Json::Object(kept.collect()).compact(),
        })
    }

    /// All versions, the oldest first as far as seconds tell.
    fn versions(&mut self, at: &Target) -> Known {
        let path = format!("/secrets/{}/versions?maxresults=25", at.name);
        let mut entries = self.entries(at.vault, &path, PAGES)?;
        entries.sort_by_key(|entry| entry.changed);
        Ok(entries.into_iter().filter_map(|e| e.version).collect())
    }

    fn whole(&self, at: &Target) -> Where {
        Where {
            vault: self.plan.name(at.vault).to_owned(),
            name: Some(at.name.clone()),
        }
    }

    /// Writes a version; which one.
    fn write(&mut self, at: &Target, kept: &Secret, value: &Secret) -> Result<String, Failure> {
        let length = value.expose().len();
        if std::str::from_utf8(value.expose()).is_err() {
            return Err(Unfit::NotText.into());
        }
        if length == 0 {
            return Err(Unfit::Empty.into());
        }
        if length > MOST {
            return Err(Unfit::TooLarge(MOST).into());
        }
        let vault = self.plan.name(at.vault).to_owned();
        let body = json::parse(kept.expose());
        let mut body = body.map_err(|_| Failure::from(Fault::Malformed(vault.clone())))?;
        body.put("value", Json::Text(value.duplicate()));
        let answer = self.tell(at.vault, &at.path(), body.compact())?;
        let json = json::parse(answer.body.expose()).ok();
        match answer.status {
            200 => {
                let version = json
                    .as_ref()
                    .and_then(named)
                    .and_then(|(_, version)| version);
                let version = version.map(str::to_owned);
                version.ok_or_else(|| Fault::Malformed(vault).into())
            }
            400 if length > SURE => Err(Unfit::TooLarge(SURE).into()),
            status => Err(refused(status, json.as_ref(), &vault, Some(at), true).failure()),
        }
    }

    /// What was written as this `version` over what was `read`: has anybody come in between?
    fn settle(
        &mut self,
        at: &Target,
        changes: &[Change<'_>],
        known: Known,
        read: &Standing,
        mut mine: Secret,
        mut version: String,
    ) -> Written {
        let done = |version: String, note: Option<String>| Written {
            version: Some(version),
            note,
        };
        let mut known = match known {
            Ok(known) => known,
            Err(failure) => return done(version, Some(Unseen(failure).what())),
        };
        known.extend(read.version.clone());
        let mut last = String::new();
        for _ in 0..TRIES {
            known.push(version.clone());
            let others = match self.others(at, &known, &version) {
                Ok(others) => others,
                Err(failure) => return done(version, Some(Unseen(failure).what())),
            };
            // An answer got lost, and what came before is our own.
            let others = others.into_iter();
            let others: Vec<_> = others
                .filter(|(other, value)| {
                    known.push(other.clone());
                    value.expose() != mine.expose()
                })
                .collect();
            match others.last() {
                Some((other, _)) => last.clone_from(other),
                None => return done(version, None),
            }
            let next = match together(changes, read.value.as_ref(), &mine, others) {
                Some(next) if next.expose() == mine.expose() => return done(version, None),
                Some(next) => next,
                None => return done(version, Some(Between(last).what())),
            };
            match self.write(at, &read.kept, &next) {
                Ok(now) => version = now,
                Err(failure) => return done(version, Some(Unworked(failure).what())),
            }
            mine = next;
        }
        done(version, Some(Between(last).what()))
    }

    /// The versions that are not known, with their values. The list is old if it lacks ours.
    fn others(
        &mut self,
        at: &Target,
        known: &[String],
        ours: &String,
    ) -> Result<Vec<(String, Secret)>, Failure> {
        let mut listed = self.versions(at)?;
        for _ in 1..LATE {
            if listed.contains(ours) {
                break;
            }
            pause();
            listed = self.versions(at)?;
        }
        listed.retain(|version| !known.contains(version));
        let vault = self.plan.name(at.vault).to_owned();
        let targets: Vec<Target> = listed
            .into_iter()
            .map(|version| Target {
                vault: at.vault,
                name: at.name.clone(),
                version: Some(version),
            })
            .collect();
        let paths: Vec<_> = targets.iter().map(|t| (t.vault, t.path())).collect();
        let mut others = Vec::with_capacity(targets.len());
        for (answer, target) in self.ask(&paths).into_iter().zip(targets) {
            let got = outcome(&answer?, &vault, &target).map_err(Trouble::failure)?;
            others.push((target.version.unwrap_or_default(), got.value));
        }
        Ok(others)
    }
}

/// What a new version takes over, with these tags too.
fn tagged(kept: Secret, metadata: &[(String, String)]) -> Result<Secret, Failure> {
    if metadata.is_empty() {
        return Ok(kept);
    }
    let Ok(Json::Object(mut members)) = json::parse(kept.expose()) else {
        return Ok(kept);
    };
    let at = members.iter().position(|(name, _)| name == "tags");
    let mut tags = match at.map(|at| members.swap_remove(at).1) {
        Some(Json::Object(tags)) => tags,
        _ => Vec::new(),
    };
    keep(&mut tags, metadata);
    if tags.len() > TAGS {
        return Err(Unfit::Crowded.into());
    }
    members.push(("tags".to_owned(), Json::Object(tags)));
    Ok(Json::Object(members).compact())
}

/// What we wrote, with what the others have changed since what we had read; none where that cannot
/// be told field by field.
fn together(
    changes: &[Change<'_>],
    read: Option<&Secret>,
    mine: &Secret,
    others: Vec<(String, Secret)>,
) -> Option<Secret> {
    let object = |text: &Secret| {
        let parsed = json::parse(text.expose()).ok();
        parsed.filter(|json| matches!(json, Json::Object(_)))
    };
    if changes
        .iter()
        .any(|change| change.reference.field.is_none())
    {
        return None;
    }
    let base = read.and_then(object);
    let mut next = object(mine)?;
    for (_, other) in others {
        let Some(Json::Object(theirs)) = object(&other) else {
            return None;
        };
        for (name, value) in theirs {
            let before = base.as_ref().and_then(|base| base.get(&name));
            let before = before.map(Json::compact);
            if before.as_ref().map(Secret::expose) != Some(value.compact().expose()) {
                next.put(&name, value);
            }
        }
    }
    // Of one field ours is the last.
    let changes: Vec<&Change<'_>> = changes.iter().collect();
    into_fields(&mut next, &changes, false);
    Some(next.compact())
}
