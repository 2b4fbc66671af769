//! Secrets Manager.
//!
//! Distinct secrets are read twenty at a time. Where the right to that is missing, or one bad name
//! spoils a batch, each is read by itself. Answers are matched by name, never by order.

use base64ct::{Base64, Encoding};

use crate::credential::aws::Service;
use crate::failure::Failure;
use crate::format::json::{Json, quote};
use crate::http::Request;
use crate::provider::{Answer, Listed, Provider, Trouble, Wanted, fields_of};
use crate::secret::Secret;

use super::fault::Fault;
use super::plan::{Got, Outcome, Outcomes, Target, Targets, answers, region, suggest};
use super::service::{Asked, Refusal, list, member, next_page, text, time, trouble};

const SERVICE: Service = Service::SecretsManager;

/// AWS takes no more in one request.
pub(super) const TOGETHER: usize = 20;

/// The store.
pub(super) struct Manager<'a>(pub(super) Asked<'a>);

impl Provider for Manager<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        answers(
            &self.0,
            wanted,
            |name| name.strip_suffix('*'),
            &|targets| self.read(targets),
            &|begin, region| self.folder(begin, region),
        )
    }

    fn list(&mut self, wanted: &Wanted<'_>, _: bool) -> Result<Vec<Listed>, Trouble> {
        match wanted.reference.locator.strip_suffix('*') {
            Some(begin) => {
                let region = region(&self.0, wanted)?;
                self.listing(begin, &region)
            }
            None => fields_of(self, wanted),
        }
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
        let mut outcomes = Outcomes::of(targets);
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
        suggest(SERVICE, &lost, targets, &mut outcomes, &|begin, region| {
            self.names(begin, region, 1).unwrap_or_default()
        });
        outcomes.finish()
    }

    /// The requests of these jobs; a job that cannot be made into one is settled with the reason.
    fn requests(
        &self,
        jobs: Vec<Job>,
        targets: &[Target],
        outcomes: &mut Outcomes,
    ) -> (Vec<Job>, Vec<Request>) {
        let (mut sent, mut requests) = (Vec::new(), Vec::new());
        for job in jobs {
            match self.request(&job, targets) {
                Ok(request) => {
                    sent.push(job);
                    requests.push(request);
                }
                Err(failure) => outcomes.fail(&job.targets, &failure),
            }
        }
        (sent, requests)
    }

    fn request(&self, job: &Job, targets: &[Target]) -> Result<Request, Failure> {
        let mut wanted = job.targets.iter().filter_map(|at| targets.get(*at));
        let region = wanted.clone().next().map_or("", |target| &target.region);
        if job.batch {
            let ids: Vec<String> = wanted.map(|target| quote(&target.name)).collect();
            let token = member("NextToken", job.token.as_deref());
            let body = format!("{{\"SecretIdList\":[{}]{token}}}", ids.join(","));
            return self.0.request(SERVICE, region, "BatchGetSecretValue", body);
        }
        let Some(target) = wanted.next() else {
            return Err(Fault::Malformed.into());
        };
        let body = format!(
            "{{\"SecretId\":{}{}{}}}",
            quote(&target.name),
            member("VersionStage", target.stage.as_deref()),
            member("VersionId", target.version.as_deref())
        );
        self.0.request(SERVICE, region, "GetSecretValue", body)
    }

    fn settle(
        &self,
        job: Job,
        result: Result<Json, Refusal>,
        targets: &[Target],
        outcomes: &mut Outcomes,
        next: &mut Vec<Job>,
        lost: &mut Vec<usize>,
    ) {
        let mut refuse = |at: usize, code: &str, message: &Secret, outcomes: &mut Outcomes| {
            let Some(target) = targets.get(at) else {
                return;
            };
            let why = trouble(target.place(SERVICE), code, message);
            if code == "ResourceNotFoundException" && !target.place(SERVICE).versioned {
                lost.push(at);
            }
            outcomes.put(at, Err(why));
        };
        match result {
            Err(Refusal::All(failure)) => outcomes.fail(&job.targets, &failure),
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
                    outcomes.put(at, got_or_malformed(&got));
                }
            }
            Ok(json) => {
                for value in list(&json, "SecretValues") {
                    let (name, arn) = (text(value, "Name"), text(value, "ARN"));
                    for at in &job.targets {
                        let is = targets
                            .get(*at)
                            .is_some_and(|target| means(&target.name, name, arn));
                        if is {
                            outcomes.put(*at, got_or_malformed(&got(value)));
                        }
                    }
                }
                for error in list(&json, "Errors") {
                    let message = Secret::new(text(error, "Message").as_bytes().to_vec());
                    let (asked, code) = (text(error, "SecretId"), text(error, "ErrorCode"));
                    let passing = matches!(code, "InternalServiceError" | "ThrottlingException");
                    for at in &job.targets {
                        let is = targets.get(*at).is_some_and(|target| target.name == asked);
                        if is && !passing {
                            refuse(*at, code, &message, outcomes);
                        }
                    }
                }
                let token = next_page(&json);
                if token.is_some() && job.page < TOGETHER {
                    next.push(Job {
                        token,
                        page: job.page + 1,
                        ..job
                    });
                    return;
                }
                let open = |at: &usize| outcomes.open(*at);
                next.extend(job.targets.into_iter().filter(open).map(Job::single));
            }
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
    let value = match json.get("SecretString") {
        Some(Json::Text(text)) => text.duplicate(),
        _ => {
            let encoded = json.get("SecretBinary").and_then(Json::as_str)?;
            Secret::new(Base64::decode_vec(encoded).ok()?)
        }
    };
    Some(Got {
        name: text(json, "Name").to_owned(),
        version: Some(text(json, "VersionId").to_owned()),
        value,
        changed: time(json, "CreatedDate"),
    })
}

fn got_or_malformed(got: &Option<Got>) -> Outcome {
    match got {
        Some(got) => Ok(Got {
            name: got.name.clone(),
            version: got.version.clone(),
            value: got.value.duplicate(),
            changed: got.changed,
        }),
        None => Err(Trouble::Failed(Fault::Malformed.into())),
    }
}
