//! Secrets Manager.
//!
//! Distinct secrets are read twenty at a time. Where the right to that is missing, or one bad name
//! spoils a batch, each is read by itself. Answers are matched by name, never by order.

use base64ct::{Base64, Encoding};

use crate::credential::aws::Service;
use crate::failure::Failure;
use crate::format::json::{Json, quote};
use crate::http::Request;
use crate::provider::{Answer, Found, Provider, Trouble, Value, Wanted, fields, pick};
use crate::secret::Secret;

use super::fault::Fault;
use super::plan::{Goal, Got, Target, Targets, again, last};
use super::service::{Asked, Refusal, trouble};

const SERVICE: Service = Service::SecretsManager;

/// AWS takes no more in one request.
pub(super) const TOGETHER: usize = 20;

/// The store.
pub(super) struct Manager<'a>(pub(super) Asked<'a>);

type Outcome = Result<Got, Trouble>;

impl Provider for Manager<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        let mut targets = Targets::default();
        let goals: Vec<Goal> = wanted
            .iter()
            .map(|wanted| {
                let folder = wanted.reference.locator.strip_suffix('*');
                targets.add(&self.0, wanted, folder)
            })
            .collect();
        let outcomes = self.read(&targets);
        let answers = goals
            .into_iter()
            .zip(wanted)
            .map(|(goal, wanted)| match goal {
                Goal::Nowhere(trouble) => Err(trouble),
                Goal::Folder(begin, region) => self.folder(&begin, &region),
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

/// The fields of a JSON object, or the value under the name of its secret.
pub(super) fn variables(value: Secret, name: &str) -> Result<Vec<(String, Secret)>, Trouble> {
    if value.expose().trim_ascii_start().starts_with(b"{") {
        fields(&value)
    } else {
        Ok(vec![(name.to_owned(), value)])
    }
}

/// A request for one or several targets.
struct Job {
    targets: Vec<usize>,
    batch: bool,
    token: Option<String>,
    page: usize,
}

impl Job {
    fn single(target: usize) -> Job {
        Job {
            targets: vec![target],
            batch: false,
            token: None,
            page: 0,
        }
    }
}

impl Manager<'_> {
    pub(super) fn read(&self, targets: &Targets) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = targets.all.iter().map(|_| None).collect();
        let mut jobs = first(&targets.all);
        let mut lost: Vec<usize> = Vec::new();
        while !jobs.is_empty() {
            let (sent, requests) = self.requests(jobs, &targets.all, &mut outcomes);
            let mut next = Vec::new();
            for (job, result) in sent.into_iter().zip(self.0.together(&requests)) {
                self.settle(
                    job,
                    result,
                    &targets.all,
                    &mut outcomes,
                    &mut next,
                    &mut lost,
                );
            }
            jobs = next;
        }
        lost.retain(|at| targets.must.get(*at) == Some(&true));
        self.suggest(&lost, &targets.all, &mut outcomes);
        let none = || Err(Trouble::Failed(Fault::Malformed.into()));
        outcomes
            .into_iter()
            .map(|o| o.unwrap_or_else(none))
            .collect()
    }

    /// The requests of these jobs; a job that cannot be made into one is settled with the reason.
    fn requests(
        &self,
        jobs: Vec<Job>,
        targets: &[Target],
        outcomes: &mut [Option<Outcome>],
    ) -> (Vec<Job>, Vec<Request>) {
        let (mut sent, mut requests) = (Vec::new(), Vec::new());
        for job in jobs {
            match self.request(&job, targets) {
                Ok(request) => {
                    sent.push(job);
                    requests.push(request);
                }
                Err(failure) => fail(&job, &failure, outcomes),
            }
        }
        (sent, requests)
    }

    fn request(&self, job: &Job, targets: &[Target]) -> Result<Request, Failure> {
        let mut wanted = job.targets.iter().filter_map(|at| targets.get(*at));
        let region = wanted.clone().next().map_or("", |target| &target.region);
        let member = |name: &str, value: &Option<String>| match value {
            Some(value) => format!(",{}:{}", quote(name), quote(value)),
            None => String::new(),
        };
        if job.batch {
            let ids: Vec<String> = wanted.map(|target| quote(&target.name)).collect();
            let token = member("NextToken", &job.token);
            let body = format!("{{\"SecretIdList\":[{}]{token}}}", ids.join(","));
            return self.0.request(SERVICE, region, "BatchGetSecretValue", body);
        }
        let Some(target) = wanted.next() else {
            return Err(Fault::Malformed.into());
        };
        let body = format!(
            "{{\"SecretId\":{}{}{}}}",
            quote(&target.name),
            member("VersionStage", &target.stage),
            member("VersionId", &target.version)
        );
        self.0.request(SERVICE, region, "GetSecretValue", body)
    }

    fn settle(
        &self,
        job: Job,
        result: Result<Json, Refusal>,
        targets: &[Target],
        outcomes: &mut [Option<Outcome>],
        next: &mut Vec<Job>,
        lost: &mut Vec<usize>,
    ) {
        let mut refuse =
            |at: usize, code: &str, message: &Secret, outcomes: &mut [Option<Outcome>]| {
                let Some(target) = targets.get(at) else {
                    return;
                };
                let why = trouble(target.place(SERVICE), code, message);
                if code == "ResourceNotFoundException" && !target.place(SERVICE).versioned {
                    lost.push(at);
                }
                put(outcomes, at, Err(why));
            };
        match result {
            Err(Refusal::All(failure)) => fail(&job, &failure, outcomes),
            // A batch is refused as a whole for the sake of one, or because the right to batches is
            // missing: then each has its own answer.
            Err(Refusal::Own(..)) if job.batch => {
                next.extend(job.targets.into_iter().map(Job::single));
            }
            Err(Refusal::Own(code, message)) => {
                for at in job.targets {
                    refuse(at, &code, &message, outcomes);
                }
            }
            Ok(json) if !job.batch => {
                let got = got(&json);
                for at in job.targets {
                    put(outcomes, at, got_or_malformed(&got));
                }
            }
            Ok(json) => {
                let empty: &[Json] = &[];
                let list = |name| json.get(name).and_then(Json::list).unwrap_or(empty);
                for value in list("SecretValues") {
                    let text = |name| value.get(name).and_then(Json::as_str).unwrap_or("");
                    let (name, arn) = (text("Name"), text("ARN"));
                    for at in &job.targets {
                        let is = targets
                            .get(*at)
                            .is_some_and(|target| means(&target.name, name, arn));
                        if is {
                            put(outcomes, *at, got_or_malformed(&got(value)));
                        }
                    }
                }
                for error in list("Errors") {
                    let text = |name| error.get(name).and_then(Json::as_str).unwrap_or("");
                    let message = error.get("Message").and_then(Json::text);
                    let message =
                        message.map_or_else(|| Secret::new(Vec::new()), Secret::duplicate);
                    let passing = matches!(
                        text("ErrorCode"),
                        "InternalServiceError" | "ThrottlingException"
                    );
                    for at in &job.targets {
                        let is = targets
                            .get(*at)
                            .is_some_and(|target| target.name == text("SecretId"));
                        if is && !passing {
                            refuse(*at, text("ErrorCode"), &message, outcomes);
                        }
                    }
                }
                let token = json
                    .get("NextToken")
                    .and_then(Json::as_str)
                    .map(str::to_owned);
                if token.is_some() && job.page < TOGETHER {
                    next.push(Job {
                        token,
                        page: job.page + 1,
                        ..job
                    });
                    return;
                }
                let open = |at: &usize| matches!(outcomes.get(*at), Some(None));
                next.extend(job.targets.into_iter().filter(open).map(Job::single));
            }
        }
    }

    /// Looks up what the missing ones may be called, where listing is allowed.
    fn suggest(&self, lost: &[usize], targets: &[Target], outcomes: &mut [Option<Outcome>]) {
        let mut asked: Vec<(&str, Vec<String>)> = Vec::new();
        for at in lost {
            let Some(target) = targets.get(*at) else {
                continue;
            };
            let known = asked.iter().any(|(region, _)| *region == target.region);
            if !known {
                let begin: String = target.name.chars().take(2).collect();
                let names = self.names(&begin, &target.region, 1).unwrap_or_default();
                asked.push((&target.region, names));
            }
            let names = asked.iter().find(|(region, _)| *region == target.region);
            let names = names.map_or(&[] as &[String], |(_, names)| names);
            let fault = Fault::missing(
                target.place(SERVICE).owned(),
                names.iter().map(String::as_str),
            );
            put(outcomes, *at, Err(Trouble::Missing(fault.into())));
        }
    }
}

/// Batches of those without version or stage, single reads of the others; one region in each.
fn first(targets: &[Target]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let plain = target.stage.is_none() && target.version.is_none();
        let open = jobs.iter_mut().find(|job| {
            let first = job.targets.first().and_then(|at| targets.get(*at));
            job.batch
                && job.targets.len() < TOGETHER
                && first.is_some_and(|first| first.region == target.region)
        });
        match open {
            Some(job) if plain => job.targets.push(at),
            _ => jobs.push(Job {
                batch: plain,
                ..Job::single(at)
            }),
        }
    }
    for job in &mut jobs {
        // One alone needs no batch, nor the right to it.
        job.batch &= job.targets.len() > 1;
    }
    jobs
}

/// A name or ARN as it was asked for means this secret. An ARN may lack its last seven letters.
fn means(asked: &str, name: &str, arn: &str) -> bool {
    let partial = || {
        let rest = arn
            .strip_prefix(asked)
            .and_then(|rest| rest.strip_prefix('-'));
        asked.starts_with("arn:") && rest.is_some_and(|rest| rest.len() == 6)
    };
    asked == name || asked == arn || partial()
}

pub(super) fn got(json: &Json) -> Option<Got> {
    let text = |name| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let value = match json.get("SecretString") {
        Some(Json::Text(text)) => text.duplicate(),
        _ => {
            let encoded = json.get("SecretBinary").and_then(Json::as_str)?;
            Secret::new(Base64::decode_vec(encoded).ok()?)
        }
    };
    Some(Got {
        name: text("Name")?,
        version: text("VersionId"),
        value,
    })
}

fn got_or_malformed(got: &Option<Got>) -> Outcome {
    match got {
        Some(got) => Ok(Got {
            name: got.name.clone(),
            version: got.version.clone(),
            value: got.value.duplicate(),
        }),
        None => Err(Trouble::Failed(Fault::Malformed.into())),
    }
}

fn put(outcomes: &mut [Option<Outcome>], at: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(at) {
        *slot = Some(outcome);
    }
}

fn fail(job: &Job, failure: &Failure, outcomes: &mut [Option<Outcome>]) {
    for at in &job.targets {
        put(outcomes, *at, Err(Trouble::Failed(failure.clone())));
    }
}
