//! What is asked for, each thing once, and who asked: distinct targets out of references.

use crate::credential::aws::Service;
use crate::failure::Failure;
use crate::provider::{Answer, Found, Trouble, Value, Wanted, fields, pick};
use crate::secret::Secret;

use super::fault::{Fault, Place};
use super::region_of;
use super::service::Asked;

/// One secret or parameter in one version.
#[derive(PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) region: String,
    pub(super) stage: Option<String>,
    pub(super) version: Option<String>,
}

impl Target {
    pub(super) fn place(&self, service: Service) -> Place<'_> {
        Place {
            service,
            name: &self.name,
            region: &self.region,
            versioned: self.stage.is_some() || self.version.is_some(),
        }
    }
}

/// What a target holds.
pub(super) struct Got {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) value: Secret,
}

/// Where a reference leads.
enum Goal {
    /// To this target.
    One(usize),
    /// To all below this beginning of a name, in this region.
    Folder(String, String),
    /// Nowhere.
    Nowhere(Failure),
}

/// The targets of a batch of references.
#[derive(Default)]
pub(super) struct Targets {
    pub(super) all: Vec<Target>,
    /// Whether somebody cannot do without.
    pub(super) must: Vec<bool>,
}

impl Targets {
    /// Adds where a reference leads. `folder` is the beginning of the names, where it means several.
    fn add(&mut self, asked: &Asked<'_>, wanted: &Wanted<'_>, folder: Option<&str>) -> Goal {
        let reference = wanted.reference;
        let region = match region_of(reference).map_or_else(|| asked.region(), Ok) {
            Ok(region) => region.to_owned(),
            Err(failure) => return Goal::Nowhere(failure),
        };
        if let Some(folder) = folder {
            return Goal::Folder(folder.to_owned(), region);
        }
        let parameter = |name| reference.parameter(name).map(str::to_owned);
        let target = Target {
            name: reference.locator.clone(),
            region,
            // What everybody gets who asks for no stage.
            stage: parameter("stage").filter(|stage| stage != "AWSCURRENT"),
            version: parameter("version"),
        };
        match self.all.iter().position(|known| *known == target) {
            Some(at) => {
                if let Some(must) = self.must.get_mut(at) {
                    *must |= wanted.must;
                }
                Goal::One(at)
            }
            None => {
                self.all.push(target);
                self.must.push(wanted.must);
                Goal::One(self.all.len() - 1)
            }
        }
    }
}

/// What became of a target.
pub(super) type Outcome = Result<Got, Trouble>;

/// Room for what becomes of each target.
pub(super) struct Outcomes(Vec<Option<Outcome>>);

impl Outcomes {
    pub(super) fn of(targets: &Targets) -> Outcomes {
        Outcomes(targets.all.iter().map(|_| None).collect())
    }

    pub(super) fn put(&mut self, at: usize, outcome: Outcome) {
        if let Some(slot) = self.0.get_mut(at) {
            *slot = Some(outcome);
        }
    }

    /// The same reason for all of these.
    pub(super) fn fail(&mut self, some: &[usize], failure: &Failure) {
        for at in some {
            self.put(*at, Err(Trouble::Failed(failure.clone())));
        }
    }

    /// Nothing is known of it yet.
    pub(super) fn open(&self, at: usize) -> bool {
        matches!(self.0.get(at), Some(None))
    }

    pub(super) fn finish(self) -> Vec<Outcome> {
        let none = || Err(Trouble::Failed(Fault::Malformed.into()));
        self.0.into_iter().map(|o| o.unwrap_or_else(none)).collect()
    }
}

/// The answers to all references: `folder` says when a name means several, `read` reads targets,
/// `all` reads several.
pub(super) fn answers(
    asked: &Asked<'_>,
    wanted: &[Wanted<'_>],
    folder: fn(&str) -> Option<&str>,
    read: &dyn Fn(&Targets) -> Vec<Outcome>,
    all: &dyn Fn(&str, &str) -> Answer,
) -> Vec<Answer> {
    let mut targets = Targets::default();
    let goals: Vec<Goal> = wanted
        .iter()
        .map(|wanted| targets.add(asked, wanted, folder(&wanted.reference.locator)))
        .collect();
    let outcomes = read(&targets);
    let answers = goals.into_iter().zip(wanted);
    let answers = answers.map(|(goal, wanted)| match goal {
        Goal::Nowhere(failure) => Err(Trouble::Failed(failure)),
        Goal::Folder(begin, region) => all(&begin, &region),
        Goal::One(at) => match outcomes.get(at) {
            Some(Ok(got)) => answer(got, wanted),
            Some(Err(Trouble::Missing(failure))) => Err(Trouble::Missing(failure.clone())),
            Some(Err(Trouble::Failed(failure))) => Err(Trouble::Failed(failure.clone())),
            None => Err(Trouble::Failed(Fault::Malformed.into())),
        },
    });
    answers.collect()
}

fn answer(got: &Got, wanted: &Wanted<'_>) -> Answer {
    let value = pick(got.value.duplicate(), wanted.reference.field.as_deref())?;
    let value = if wanted.import {
        Value::Several(variables(value, last(&got.name))?)
    } else {
        Value::One(value)
    };
    Ok(Found {
        leased: false,
        value,
        version: got.version.clone(),
    })
}

/// Says of the missing ones what they may be called, where listing is allowed: one listing a region.
pub(super) fn suggest(
    service: Service,
    lost: &[usize],
    targets: &Targets,
    outcomes: &mut Outcomes,
    list: &dyn Fn(&str, &str) -> Vec<String>,
) {
    let mut listed: Vec<(&str, Vec<String>)> = Vec::new();
    for at in lost {
        let Some(target) = targets.all.get(*at) else {
            continue;
        };
        let place = target.place(service);
        let known = listed
            .iter()
            .position(|(region, _)| *region == place.region);
        let known = match known {
            None if targets.must.get(*at) == Some(&true) => {
                let begin = place.name.get(..2).unwrap_or_default();
                listed.push((place.region, list(begin, place.region)));
                listed.last()
            }
            known => known.and_then(|known| listed.get(known)),
        };
        let names = known.map_or(&[] as &[String], |(_, names)| names);
        let fault = Fault::missing(place.owned(), names.iter().map(String::as_str));
        outcomes.put(*at, Err(Trouble::Missing(fault.into())));
    }
}

/// The fields of a JSON object, or the value under the name of its secret.
pub(super) fn variables(value: Secret, name: &str) -> Result<Vec<(String, Secret)>, Trouble> {
    if value.expose().trim_ascii_start().starts_with(b"{") {
        fields(&value)
    } else {
        Ok(vec![(name.to_owned(), value)])
    }
}

/// The last part of a path.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
