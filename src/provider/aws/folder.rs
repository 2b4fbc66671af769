//! Listings of Secrets Manager: every secret below a path, and names that are near to a missing one.

use crate::credential::aws::Service;
use crate::format::json::{Json, quote};
use crate::provider::{Answer, Found, Item, Trouble, Value};

use super::fault::{Fault, Place};
use super::plan::{Got, Target, Targets, last};
use super::secrets::{Manager, TOGETHER, got, variables};
use super::service::{Refusal, trouble};

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
            let list = json.get("SecretList").and_then(Json::list);
            let found = list.unwrap_or_default().iter();
            let found = found.filter_map(|secret| secret.get("Name").and_then(Json::as_str));
            names.extend(
                found
                    .filter(|name| name.starts_with(begin))
                    .map(str::to_owned),
            );
            token = json
                .get("NextToken")
                .and_then(Json::as_str)
                .map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(names)
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
                Err(Refusal::Own(code, message)) => {
                    return Err(trouble(Place::new(SERVICE, begin, region), &code, &message));
                }
                Err(Refusal::All(failure)) => return Err(Trouble::Failed(failure)),
            };
            let errors = json.get("Errors").and_then(Json::list).unwrap_or_default();
            if let Some(error) = errors.first() {
                let text = |name| error.get(name).and_then(Json::as_str).unwrap_or("");
                let code: String = text("ErrorCode")
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .collect();
                return Err(failed(Fault::InFolder(
                    Place::new(SERVICE, text("SecretId"), region).owned(),
                    code,
                )));
            }
            for value in json
                .get("SecretValues")
                .and_then(Json::list)
                .unwrap_or_default()
            {
                let got = got(value).ok_or_else(|| failed(Fault::Malformed))?;
                if got.name.starts_with(begin) {
                    all.push(got);
                }
            }
            token = json
                .get("NextToken")
                .and_then(Json::as_str)
                .map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        items(all, begin)
    }

    /// The same by listing and single reads, for who may not read batches.
    fn listed(&self, begin: &str, region: &str) -> Answer {
        let names = self
            .names(begin, region, PAGES)
            .map_err(|refusal| match refusal {
                Refusal::All(failure) => Trouble::Failed(failure),
                Refusal::Own(code, message) => {
                    trouble(Place::new(SERVICE, begin, region), &code, &message)
                }
            })?;
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

/// A page of a listing by the beginning of names.
fn page_of(begin: &str, most: usize, token: Option<&str>) -> String {
    let token = token.map_or(String::new(), |token| {
        format!(",\"NextToken\":{}", quote(token))
    });
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
    })
}
