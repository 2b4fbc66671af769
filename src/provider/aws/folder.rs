//! Listings of Secrets Manager: every secret below a path, and names that are near to a missing one.

use crate::credential::aws::Service;
use crate::format::json::{Json, quote};
use crate::provider::{About, Answer, Found, Item, Listed, Trouble, Value};

use super::fault::{Fault, Place};
use super::plan::{Got, Target, Targets, last, variables};
use super::secrets::{Manager, TOGETHER, got};
use super::service::{Refusal, list, member, next_page, text, time};

const SERVICE: Service = Service::SecretsManager;

/// More pages than an import can sensibly have.
const PAGES: usize = 500;

impl Manager<'_> {
    /// The names that begin so, from the first pages of a listing.
    pub(super) fn names(
        &self,
        begin: &str,
        region: &str,
        pages: usize,
    ) -> Result<Vec<String>, Refusal> {
        let mut names = Vec::new();
        let mut token = None;
        for _ in 0..pages {
            let body = page_of(begin, 100, token.as_deref());
            let request = self.0.request(SERVICE, region, "ListSecrets", body);
            let json = self.0.one(&request.map_err(Refusal::All)?)?;
            for secret in list(&json, "SecretList") {
                let name = text(secret, "Name");
                if name.starts_with(begin) {
                    names.push(name.to_owned());
                }
            }
            token = next_page(&json);
            if token.is_none() {
                return Ok(names);
            }
        }
        // One page is for a suggestion, which may be of a part.
        if pages == 1 {
            return Ok(names);
        }
        Err(Refusal::All(Fault::Endless.into()))
    }

    /// The same with all pages, and what is known without their values.
    pub(super) fn listing(&self, begin: &str, region: &str) -> Result<Vec<Listed>, Trouble> {
        let mut listed = Vec::new();
        let mut token = None;
        for _ in 0..PAGES {
            let body = match begin {
                "" => format!(
                    "{{\"MaxResults\":100{}}}",
                    member("NextToken", token.as_deref())
                ),
                _ => page_of(begin, 100, token.as_deref()),
            };
            let request = self.0.request(SERVICE, region, "ListSecrets", body);
            let json = self.0.one(&request.map_err(Trouble::Failed)?);
            let json = json.map_err(|refusal| refusal.of(Place::new(SERVICE, begin, region)))?;
            for secret in list(&json, "SecretList") {
                let Some(name) = text(secret, "Name").strip_prefix(begin) else {
                    continue;
                };
                listed.push(Listed {
                    name: name.to_owned(),
                    version: current(secret),
                    changed: time(secret, "LastChangedDate")
                        .or_else(|| time(secret, "CreatedDate")),
                    note: None,
                });
            }
            token = next_page(&json);
            if token.is_none() {
                return Ok(listed);
            }
        }
        Err(Trouble::Failed(Fault::Endless.into()))
    }

    /// Every secret whose name begins so. One that cannot be read fails the whole: a program is not
    /// started with a part of its secrets.
    pub(super) fn folder(&self, begin: &str, region: &str) -> Answer {
        let failed = |fault: Fault| Trouble::Failed(fault.into());
        let mut all: Vec<Got> = Vec::new();
        let mut token: Option<String> = None;
        for page in 0..PAGES {
            let body = page_of(begin, TOGETHER, token.as_deref());
            let request = self.0.request(SERVICE, region, "BatchGetSecretValue", body);
            let json = match self.0.one(&request.map_err(Trouble::Failed)?) {
                Ok(json) => json,
                Err(Refusal::Own(..)) if page == 0 => return self.listed(begin, region),
                Err(refusal) => return Err(refusal.of(Place::new(SERVICE, begin, region))),
            };
            if let Some(error) = list(&json, "Errors").first() {
                let code = text(error, "ErrorCode").chars();
                let code = code.filter(char::is_ascii_alphanumeric).collect();
                let place = Place::new(SERVICE, text(error, "SecretId"), region);
                return Err(failed(Fault::InFolder(place.owned(), code)));
            }
            for value in list(&json, "SecretValues") {
                let got = got(value).ok_or_else(|| failed(Fault::Malformed))?;
                if got.name.starts_with(begin) {
                    all.push(got);
                }
            }
            token = next_page(&json);
            if token.is_none() {
                return items(all, begin);
            }
        }
        Err(failed(Fault::Endless))
    }

    /// The same by listing and single reads, for who may not read batches.
    fn listed(&self, begin: &str, region: &str) -> Answer {
        let names = self.names(begin, region, PAGES);
        let names = names.map_err(|refusal| refusal.of(Place::new(SERVICE, begin, region)))?;
        let all: Vec<Target> = names
            .into_iter()
            .map(|name| Target {
                name,
                region: region.to_owned(),
                stage: None,
                version: None,
            })
            .collect();
        let must = vec![false; all.len()];
        let read: Result<Vec<Got>, Trouble> =
            self.read(&Targets { all, must }).into_iter().collect();
        items(read?, begin)
    }
}

/// The version that everybody gets who asks for none.
fn current(secret: &Json) -> Option<String> {
    let Json::Object(versions) = secret.get("SecretVersionsToStages")? else {
        return None;
    };
    let is = |stages: &Json| {
        let mut stages = stages.list().unwrap_or_default().iter();
        stages.any(|stage| stage.as_str() == Some("AWSCURRENT"))
    };
    let found = versions.iter().find(|(_, stages)| is(stages));
    found.map(|(version, _)| version.clone())
}

/// A page of a listing by the beginning of names.
fn page_of(begin: &str, most: usize, token: Option<&str>) -> String {
    let token = member("NextToken", token);
    format!(
        "{{\"Filters\":[{{\"Key\":\"name\",\"Values\":[{}]}}],\"MaxResults\":{most}{token}}}",
        quote(begin)
    )
}

/// The variables of a folder: fields of JSON objects, other values by the rest of their names.
fn items(all: Vec<Got>, begin: &str) -> Answer {
    let mut items: Vec<Item> = Vec::new();
    let mut origins: Vec<String> = Vec::new();
    for got in all {
        let rest = got.name.strip_prefix(begin).unwrap_or_default();
        let rest = rest.trim_start_matches('/');
        let bare = if rest.is_empty() {
            last(&got.name)
        } else {
            rest
        };
        for (name, value) in variables(got.value, bare)? {
            if let Some(at) = items.iter().position(|item| item.name == name) {
                let fault = Fault::Twice {
                    field: name,
                    first: origins.get(at).cloned().unwrap_or_default(),
                    second: got.name,
                };
                return Err(Trouble::Failed(fault.into()));
            }
            origins.push(got.name.clone());
            items.push(Item {
                name,
                value,
                version: got.version.clone(),
            });
        }
    }
    Ok(Found {
        value: Value::Folder(items),
        version: None,
        about: About::default(),
    })
}
