//! Listings: every secret of a project, or of a filter, as a variable; and names that are near to a
//! missing one.

use std::time::SystemTime;

use crate::clock;
use crate::credential::sigv4::encoded;
use crate::failure::Explain;
use crate::format::json::Json;
use crate::provider::{About, Answer, Found, Item, Listed, Trouble, Value};

use super::answer::{content, number};
use super::fault::{Fault, Where};
use super::reader::{Folder, Store, Target, parent};

/// Of one page. Google gives up to 25,000, which an answer of ours would not hold.
const PAGE: usize = 1000;

/// More pages than an import can sensibly have.
const PAGES: usize = 500;

/// A project has 600 such requests a minute, for all who work with it.
const DETAILED: usize = 300;

/// More secrets than are asked for their versions.
struct Many;

impl Explain for Many {
    fn what(&self) -> String {
        format!("versions and ages are asked for {DETAILED} secrets at most, and there are more")
    }

    fn hint(&self) -> Option<String> {
        Some("list a part: gcp:begin-*".to_owned())
    }
}

/// What Google says of a version.
#[derive(Default)]
pub(super) struct Version {
    version: Option<String>,
    pub(super) changed: Option<SystemTime>,
    note: Option<&'static str>,
}

/// A secret that was left out of an import.
struct LeftOut(Fault);

impl Explain for LeftOut {
    fn what(&self) -> String {
        format!("left out of the import: {}", self.0.what())
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}

impl Store<'_> {
    /// The names of secrets, from the first pages of a listing.
    pub(super) fn names(
        &self,
        project: &str,
        location: Option<&str>,
        filter: Option<&str>,
        pages: usize,
    ) -> Result<Vec<String>, Fault> {
        let at = Where {
            project: project.to_owned(),
            location: location.map(str::to_owned),
            name: None,
        };
        let filter = filter.map_or(String::new(), |f| format!("&filter={}", encoded(f, b"")));
        let mut names = Vec::new();
        let mut token = String::new();
        for _ in 0..pages {
            let parent = parent(project, location);
            let path = format!("{parent}?pageSize={PAGE}{filter}{token}");
            let request = self.session.get(location, &path).map_err(Fault::Unasked)?;
            let answer = self.session.client.send(&request);
            let json = content(answer, &at, None, &self.session)?;
            for secret in json.get("secrets").and_then(Json::list).unwrap_or_default() {
                let name = secret.get("name").and_then(Json::as_str);
                let name = name.and_then(|name| name.rsplit('/').next());
                names.push(name.ok_or(Fault::Malformed)?.to_owned());
            }
            let next = json.get("nextPageToken").and_then(Json::as_str);
            match next.filter(|next| !next.is_empty()) {
                Some(next) => token = format!("&pageToken={}", encoded(next, b"")),
                None => return Ok(names),
            }
        }
        // One page is for a suggestion, which may be of a part.
        if pages == 1 {
            return Ok(names);
        }
        Err(Fault::Endless)
    }

    /// The secrets of a folder, in their latest versions.
    fn targets(&self, folder: &Folder) -> Result<Vec<Target>, Trouble> {
        let (location, filter) = (folder.location.as_deref(), folder.narrowed());
        let names = self.names(&folder.project, location, filter.as_deref(), PAGES);
        let names = names.map_err(|fault| fault.trouble())?.into_iter();
        // Google's filter finds what has it anywhere in the name.
        let fitting = names.filter(|name| name.starts_with(&folder.begin));
        let target = |name| Target {
            project: folder.project.clone(),
            location: folder.location.clone(),
            name,
            version: None,
        };
        Ok(fitting.map(target).collect())
    }

    /// The same without values. A listing says nothing of versions, so that with `details` each
    /// secret is asked for its latest one.
    pub(super) fn listing(&self, folder: &Folder, details: bool) -> Result<Vec<Listed>, Trouble> {
        let targets = self.targets(folder)?;
        if details && targets.len() > DETAILED {
            self.report.warn(&Many.what(), Many.hint().as_deref());
        }
        let asked = details && targets.len() <= DETAILED;
        let mut about = self.about(if asked { &targets } else { &[] }).into_iter();
        let listed = targets.iter().map(|target| {
            let about = about.next().flatten().unwrap_or_default();
            Listed {
                name: short(&target.name, &folder.begin).to_owned(),
                version: about.version,
                changed: about.changed,
                note: about.note.map(str::to_owned),
            }
        });
        Ok(listed.collect())
    }

    /// What there is to say of versions without their values. Who may list need not be allowed to
    /// see them.
    pub(super) fn about(&self, targets: &[Target]) -> Vec<Option<Version>> {
        let requests: Result<Vec<_>, _> = targets
            .iter()
            .map(|target| self.session.get(target.location.as_deref(), &target.path()))
            .collect();
        let answers = self
            .session
            .client
            .together(&requests.unwrap_or_default(), usize::MAX);
        let about = answers.into_iter().zip(targets).map(|(answer, target)| {
            let json = content(answer, &target.place(), None, &self.session).ok()?;
            let name = json.get("name").and_then(Json::as_str)?;
            let made = json.get("createTime").and_then(Json::as_str);
            Some(Version {
                version: number(name),
                changed: made.and_then(clock::moment),
                note: match json.get("state").and_then(Json::as_str) {
                    Some("DISABLED") => Some("is disabled"),
                    Some("DESTROYED") => Some("is destroyed"),
                    _ => None,
                },
            })
        });
        about.collect()
    }

    /// Every secret whose name begins so. One that cannot be read fails the whole: a program is not
    /// started with a part of its secrets. One that has been switched off is left out, and said.
    pub(super) fn folder(&self, folder: &Folder) -> Answer {
        let begin = folder.begin.as_str();
        let targets = self.targets(folder)?;
        let mut items = Vec::with_capacity(targets.len());
        for (target, outcome) in targets.iter().zip(self.read(&targets)) {
            match outcome {
                Ok(got) => items.push(Item {
                    name: short(&target.name, begin).to_owned(),
                    value: got.value,
                    version: got.version,
                }),
                // Made, and not filled yet.
                Err(Fault::Missing(..)) => {}
                Err(fault @ (Fault::Disabled(..) | Fault::Destroyed(..))) => {
                    let fault = LeftOut(fault);
                    self.report.warn(&fault.what(), fault.hint().as_deref());
                }
                Err(fault) => return Err(fault.trouble()),
            }
        }
        Ok(Found {
            value: Value::Folder(items),
            version: None,
            about: About::default(),
        })
    }
}

impl Folder {
    /// Its filter, with the beginning of the names.
    fn narrowed(&self) -> Option<String> {
        let begin = self.begin.as_str();
        match (&self.filter, begin) {
            (None, "") => None,
            (Some(filter), "") => Some(filter.clone()),
            (None, begin) => Some(format!("name:{begin}")),
            (Some(filter), begin) => Some(format!("({filter}) AND name:{begin}")),
        }
    }
}

/// The name without what all of them begin with.
fn short<'a>(name: &'a str, begin: &str) -> &'a str {
    let rest = name.strip_prefix(begin).unwrap_or(name);
    if rest.chars().any(char::is_alphanumeric) {
        rest
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn names_lose_what_they_begin_with() {
        assert_eq!(short("imip-db", "imip-"), "db");
        assert_eq!(short("imip-db", ""), "imip-db");
        assert_eq!(short("imip-", "imip-"), "imip-");
        assert_eq!(short("imip", "imip"), "imip");
    }
}
