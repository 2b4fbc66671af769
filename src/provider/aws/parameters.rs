//! Parameter Store.
//!
//! Distinct parameters are read ten at a time, and one by one where the right to that is missing.
//! A tree is read page by page.

use crate::credential::aws::Service;
use crate::format::json::{Json, quote};
use crate::http::Request;
use crate::provider::{
    About, Answer, Found, Item, Listed, Provider, Trouble, Value, Wanted, fields_of,
};

use super::fault::{Fault, Place};
use super::plan::{Got, Outcome, Outcomes, Target, Targets, answers, region, suggest};
use super::service::{Asked, Refusal, list, member, next_page, text, time, trouble};

const SERVICE: Service = Service::Ssm;

/// AWS takes no more in one request.
const TOGETHER: usize = 10;

/// More pages than an import can sensibly have.
const PAGES: usize = 1000;

/// The store.
pub(super) struct Store<'a>(pub(super) Asked<'a>);

impl Provider for Store<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        answers(
            &self.0,
            wanted,
            |path| path.ends_with('/').then_some(path),
            &|targets| self.read(targets),
            &|path, region| self.tree(path, region),
        )
    }

    fn list(&mut self, wanted: &Wanted<'_>, _: bool) -> Result<Vec<Listed>, Trouble> {
        let path = wanted.reference.locator.as_str();
        if path.ends_with('/') {
            let region = region(&self.0, wanted)?;
            self.listing(path, &region)
        } else {
            fields_of(self, wanted)
        }
    }
}

/// The name without a version or label.
pub(super) fn bare(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((bare, _)) if !name.starts_with("arn:") || bare.matches(':').count() > 5 => bare,
        _ => name,
    }
}

/// The name as it is asked for.
fn full(target: &Target) -> String {
    match &target.version {
        Some(version) => format!("{}:{version}", target.name),
        None => target.name.clone(),
    }
}

impl Store<'_> {
    fn read(&self, targets: &Targets) -> Vec<Outcome> {
        let mut outcomes = Outcomes::of(targets);
        let (mut alone, mut lost) = (Vec::new(), Vec::new());
        let batches = batches(&targets.all);
        let (sent, requests) = self.requests(false, batches, &targets.all, &mut outcomes);
        for (batch, result) in sent.into_iter().zip(self.0.together(&requests)) {
            match result {
                Err(Refusal::All(failure)) => outcomes.fail(&batch, &failure),
                Err(Refusal::Own(..)) => alone.extend(batch),
                Ok(json) => {
                    let found = list(&json, "Parameters");
                    for at in batch {
                        let Some(target) = targets.all.get(at) else {
                            continue;
                        };
                        match found.iter().find(|json| is(target, json)) {
                            Some(json) => outcomes.put(at, got(json)),
                            None => lost.push(at),
                        }
                    }
                }
            }
        }
        let alone = alone.into_iter().map(|at| vec![at]).collect();
        let (sent, requests) = self.requests(true, alone, &targets.all, &mut outcomes);
        for (one, result) in sent.into_iter().zip(self.0.together(&requests)) {
            let at = one.first().copied().unwrap_or_default();
            let Some(target) = targets.all.get(at) else {
                continue;
            };
            match result {
                Ok(json) => {
                    let json = json.get("Parameter").unwrap_or(&Json::Null);
                    outcomes.put(at, got(json));
                }
                Err(Refusal::All(failure)) => outcomes.fail(&one, &failure),
                Err(Refusal::Own(code, _)) if code == "ParameterNotFound" => lost.push(at),
                Err(Refusal::Own(code, message)) => {
                    let why = trouble(target.place(SERVICE), &code, &message);
                    outcomes.put(at, Err(why));
                }
            }
        }
        // Where a version was asked for, it is most likely that which is missing.
        lost.retain(|at| {
            let Some(target) = targets.all.get(*at) else {
                return false;
            };
            let place = target.place(SERVICE);
            let plain = !place.versioned && bare(&target.name) == target.name;
            if !plain {
                let fault = Fault::NoVersion(place.owned());
                outcomes.put(*at, Err(Trouble::Missing(fault.into())));
            }
            plain
        });
        suggest(SERVICE, &lost, targets, &mut outcomes, &|begin, region| {
            self.names(begin, region)
        });
        outcomes.finish()
    }

    fn requests(
        &self,
        alone: bool,
        jobs: Vec<Vec<usize>>,
        targets: &[Target],
        outcomes: &mut Outcomes,
    ) -> (Vec<Vec<usize>>, Vec<Request>) {
        let (mut sent, mut requests) = (Vec::new(), Vec::new());
        for job in jobs {
            let some: Vec<&Target> = job.iter().filter_map(|at| targets.get(*at)).collect();
            let region = some.first().map_or("", |target| &target.region);
            let names: Vec<String> = some.iter().map(|target| quote(&full(target))).collect();
            let (operation, member) = if alone {
                ("GetParameter", format!("\"Name\":{}", names.concat()))
            } else {
                ("GetParameters", format!("\"Names\":[{}]", names.join(",")))
            };
            let body = format!("{{{member},\"WithDecryption\":true}}");
            match self.0.request(SERVICE, region, operation, body) {
                Ok(request) => {
                    sent.push(job);
                    requests.push(request);
                }
                Err(failure) => outcomes.fail(&job, &failure),
            }
        }
        (sent, requests)
    }

    /// Names that begin so; none where listing is not allowed.
    fn names(&self, begin: &str, region: &str) -> Vec<String> {
        let body = format!(
            "{{\"ParameterFilters\":[{{\"Key\":\"Name\",\"Option\":\"BeginsWith\",\"Values\":[{}]}}],\"MaxResults\":50}}",
            quote(begin)
        );
        let request = self.0.request(SERVICE, region, "DescribeParameters", body);
        match request.map(|request| self.0.one(&request)) {
            Ok(Ok(json)) => {
                let found = list(&json, "Parameters").iter();
                found.map(|json| text(json, "Name").to_owned()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The names below a path, without their values.
    fn listing(&self, path: &str, region: &str) -> Result<Vec<Listed>, Trouble> {
        let mut listed = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let body = format!(
                "{{\"ParameterFilters\":[{{\"Key\":\"Name\",\"Option\":\"BeginsWith\",\"Values\":[{}]}}],\"MaxResults\":50{}}}",
                quote(path),
                member("NextToken", token.as_deref())
            );
            let request = self.0.request(SERVICE, region, "DescribeParameters", body);
            let json = self.0.one(&request.map_err(Trouble::Failed)?);
            let json = json.map_err(|refusal| refusal.of(Place::new(SERVICE, path, region)))?;
            for found in list(&json, "Parameters") {
                let name = text(found, "Name");
                // Names without a slash are in no tree; the root lists them with it.
                let inner = name.strip_prefix(path);
                if let Some(name) = inner.or((path == "/").then_some(name)) {
                    let version = found.get("Version").and_then(Json::whole);
                    listed.push(Listed {
                        name: name.to_owned(),
                        version: version.map(|number| number.to_string()),
                        changed: time(found, "LastModifiedDate"),
                        note: None,
                    });
                }
            }
            token = next_page(&json);
            if token.is_none() {
                return Ok(listed);
            }
        }
        Err(Trouble::Failed(Fault::Endless.into()))
    }

    /// All parameters below a path.
    fn tree(&self, path: &str, region: &str) -> Answer {
        let place = Place::new(SERVICE, path, region);
        let above = if path == "/" {
            path
        } else {
            path.trim_end_matches('/')
        };
        let mut items: Vec<Item> = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let body = format!(
                "{{\"Path\":{},\"Recursive\":true,\"WithDecryption\":true,\"MaxResults\":10{}}}",
                quote(above),
                member("NextToken", token.as_deref())
            );
            let request = self.0.request(SERVICE, region, "GetParametersByPath", body);
            let json = self.0.one(&request.map_err(Trouble::Failed)?);
            let json = json.map_err(|refusal| refusal.of(place))?;
            for json in list(&json, "Parameters") {
                let got = got(json)?;
                let name = got.name.strip_prefix(path).unwrap_or(&got.name);
                items.push(Item {
                    name: name.to_owned(),
                    value: got.value,
                    version: got.version,
                });
            }
            // A page may be empty and still not be the last.
            token = next_page(&json);
            if token.is_none() {
                return Ok(Found {
                    value: Value::Folder(items),
                    version: None,
                    about: About::default(),
                });
            }
        }
        Err(Trouble::Failed(Fault::Endless.into()))
    }
}

/// Ten of a region at a time; no two versions of one parameter together, so that a name is enough to
/// tell the answers apart.
fn batches(targets: &[Target]) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let fits = |batch: &&mut Vec<usize>| {
            let mut members = batch.iter().filter_map(|at| targets.get(*at));
            batch.len() < TOGETHER
                && members.all(|other| {
                    other.region == target.region && bare(&other.name) != bare(&target.name)
                })
        };
        match batches.iter_mut().find(fits) {
            Some(batch) => batch.push(at),
            None => batches.push(vec![at]),
        }
    }
    batches
}

/// The answer is about this target.
fn is(target: &Target, json: &Json) -> bool {
    let asked = bare(&target.name);
    text(json, "Name") == asked || text(json, "ARN") == asked
}

fn got(json: &Json) -> Outcome {
    let value = json.get("Value").and_then(Json::text);
    let value = value.ok_or_else(|| Trouble::Failed(Fault::Malformed.into()))?;
    let version = json.get("Version").and_then(Json::whole);
    Ok(Got {
        name: text(json, "Name").to_owned(),
        version: version.map(|number| number.to_string()),
        value: value.duplicate(),
        changed: time(json, "LastModifiedDate"),
    })
}
