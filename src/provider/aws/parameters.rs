//! Parameter Store.
//!
//! Distinct parameters are read ten at a time, and one by one where the right to that is missing.
//! A tree is read page by page.

use crate::credential::aws::Service;
use crate::failure::Failure;
use crate::format::json::{Json, quote};
use crate::http::Request;
use crate::provider::{Answer, Found, Item, Provider, Trouble, Value, Wanted, pick};

use super::fault::{Fault, Place};
use super::plan::{Goal, Got, Target, Targets, again, last};
use super::secrets::variables;
use super::service::{Asked, Refusal, trouble};

const SERVICE: Service = Service::Ssm;

/// AWS takes no more in one request.
const TOGETHER: usize = 10;

/// More pages than an import can sensibly have.
const PAGES: usize = 1000;

/// The store.
pub(super) struct Store<'a>(pub(super) Asked<'a>);

type Outcome = Result<Got, Trouble>;

impl Provider for Store<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        let mut targets = Targets::default();
        let goals: Vec<Goal> = wanted
            .iter()
            .map(|wanted| {
                let path = wanted.reference.locator.as_str();
                targets.add(&self.0, wanted, path.ends_with('/').then_some(path))
            })
            .collect();
        let outcomes = self.read(&targets);
        let answers = goals
            .into_iter()
            .zip(wanted)
            .map(|(goal, wanted)| match goal {
                Goal::Nowhere(trouble) => Err(trouble),
                Goal::Folder(path, region) => self.tree(&path, &region),
                Goal::One(at) => match outcomes.get(at) {
                    Some(Ok(got)) => answer(got, wanted),
                    Some(Err(trouble)) => Err(again(trouble)),
                    None => Err(Trouble::Failed(Fault::Malformed.into())),
                },
            });
        answers.collect()
    }
}

fn answer(got: &Got, wanted: &Wanted<'_>) -> Answer {
    let value = pick(got.value.duplicate(), wanted.reference.field.as_deref())?;
    let value = if wanted.import {
        Value::Several(variables(value, last(&got.name))?)
    } else {
        Value::One(value)
    };
    Ok(Found {
        value,
        version: got.version.clone(),
    })
}

/// The name without a version or label.
fn bare(name: &str) -> &str {
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
        let mut outcomes: Vec<Option<Outcome>> = targets.all.iter().map(|_| None).collect();
        let (mut alone, mut lost) = (Vec::new(), Vec::new());
        let batches = batches(&targets.all);
        let (sent, requests) = self.requests(false, batches, &targets.all, &mut outcomes);
        for (batch, result) in sent.into_iter().zip(self.0.together(&requests)) {
            match result {
                Err(Refusal::All(failure)) => fail(&batch, &failure, &mut outcomes),
                Err(Refusal::Own(..)) => alone.extend(batch),
                Ok(json) => {
                    let list = json.get("Parameters").and_then(Json::list);
                    let list = list.unwrap_or_default();
                    for at in batch {
                        let Some(target) = targets.all.get(at) else {
                            continue;
                        };
                        match list.iter().find(|json| is(target, json)) {
                            Some(json) => put(&mut outcomes, at, got(json)),
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
                    put(&mut outcomes, at, got(json));
                }
                Err(Refusal::All(failure)) => fail(&one, &failure, &mut outcomes),
                Err(Refusal::Own(code, _)) if code == "ParameterNotFound" => lost.push(at),
                Err(Refusal::Own(code, message)) => {
                    let why = trouble(target.place(SERVICE), &code, &message);
                    put(&mut outcomes, at, Err(why));
                }
            }
        }
        for at in lost {
            if let Some(target) = targets.all.get(at) {
                let must = targets.must.get(at) == Some(&true);
                let fault = self.missing(target, must);
                put(&mut outcomes, at, Err(Trouble::Missing(fault.into())));
            }
        }
        let none = || Err(Trouble::Failed(Fault::Malformed.into()));
        outcomes
            .into_iter()
            .map(|o| o.unwrap_or_else(none))
            .collect()
    }

    fn requests(
        &self,
        alone: bool,
        jobs: Vec<Vec<usize>>,
        targets: &[Target],
        outcomes: &mut [Option<Outcome>],
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
                Err(failure) => fail(&job, &failure, outcomes),
            }
        }
        (sent, requests)
    }

    /// What the missing one may be called, where listing is allowed.
    fn missing(&self, target: &Target, must: bool) -> Fault {
        let place = target.place(SERVICE);
        if place.versioned || bare(&target.name) != target.name {
            return Fault::NoVersion(place.owned());
        }
        let mut names = Vec::new();
        if must {
            let begin: String = target.name.chars().take(2).collect();
            let body = format!(
                "{{\"ParameterFilters\":[{{\"Key\":\"Name\",\"Option\":\"BeginsWith\",\"Values\":[{}]}}],\"MaxResults\":50}}",
                quote(&begin)
            );
            let request = self
                .0
                .request(SERVICE, &target.region, "DescribeParameters", body);
            if let Ok(Ok(json)) = request.map(|request| self.0.one(&request)) {
                let list = json.get("Parameters").and_then(Json::list);
                let found = list.unwrap_or_default().iter();
                let found = found.filter_map(|json| json.get("Name").and_then(Json::as_str));
                names.extend(found.map(str::to_owned));
            }
        }
        Fault::missing(place.owned(), names.iter().map(String::as_str))
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
            let next = token.map_or(String::new(), |token| {
                format!(",\"NextToken\":{}", quote(&token))
            });
            let body = format!(
                "{{\"Path\":{},\"Recursive\":true,\"WithDecryption\":true,\"MaxResults\":10{next}}}",
                quote(above)
            );
            let request = self.0.request(SERVICE, region, "GetParametersByPath", body);
            let json = match self.0.one(&request.map_err(Trouble::Failed)?) {
                Ok(json) => json,
                Err(Refusal::All(failure)) => return Err(Trouble::Failed(failure)),
                Err(Refusal::Own(code, message)) => return Err(trouble(place, &code, &message)),
            };
            for json in json
                .get("Parameters")
                .and_then(Json::list)
                .unwrap_or_default()
            {
                let got = got(json)?;
                let name = got.name.strip_prefix(path).unwrap_or(&got.name);
                items.push(Item {
                    name: name.to_owned(),
                    value: got.value,
                    version: got.version,
                });
            }
            // A page may be empty and still not be the last.
            token = json
                .get("NextToken")
                .and_then(Json::as_str)
                .map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(Found {
            value: Value::Folder(items),
            version: None,
        })
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
    let text = |name| json.get(name).and_then(Json::as_str);
    text("Name") == Some(asked) || text("ARN") == Some(asked)
}

fn got(json: &Json) -> Outcome {
    let malformed = || Trouble::Failed(Fault::Malformed.into());
    let name = json.get("Name").and_then(Json::as_str);
    let value = json.get("Value").and_then(Json::text);
    Ok(Got {
        name: name.ok_or_else(malformed)?.to_owned(),
        version: json
            .get("Version")
            .and_then(Json::whole)
            .map(|n| n.to_string()),
        value: value.ok_or_else(malformed)?.duplicate(),
    })
}

fn put(outcomes: &mut [Option<Outcome>], at: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(at) {
        *slot = Some(outcome);
    }
}

fn fail(batch: &[usize], failure: &Failure, outcomes: &mut [Option<Outcome>]) {
    for at in batch {
        put(outcomes, *at, Err(Trouble::Failed(failure.clone())));
    }
}
