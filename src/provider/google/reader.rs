//! Reading secrets: each distinct one once, all at the same time.
//!
//! Google has no request for several, so every secret is one. A value that does not have its
//! checksum is read once more.

use crate::credential::google::Session;
use crate::failure::Failure;
use crate::http::Address;
use crate::provider::{
    About, Answer, Context, Found, Glance, Listed, Provider, Trouble, Value, Wanted, fields,
    fields_of, pick,
};
use crate::report::Report;
use crate::secret::Secret;

use super::answer::{Got, content, got};
use super::fault::{Fault, Where};
use super::glance;
use super::place::{Place, What};
use super::write::LOCATIONS;

/// The store.
pub(super) struct Store<'a> {
    pub(super) session: Session,
    pub(super) report: &'a Report,
    /// Of new secrets, where Google is not to choose.
    pub(super) locations: Option<String>,
}

/// One secret in one version.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) project: String,
    pub(super) location: Option<String>,
    pub(super) name: String,
    pub(super) version: Option<String>,
}

/// All secrets whose names begin so.
pub(super) struct Folder {
    pub(super) project: String,
    pub(super) location: Option<String>,
    pub(super) begin: String,
    pub(super) filter: Option<String>,
}

/// Where a reference leads.
enum Goal {
    /// To this target.
    One(usize),
    /// To all of these.
    Several(Folder),
    /// Nowhere.
    Nowhere(Failure),
}

/// `projects/p/locations/l/secrets`.
pub(super) fn parent(project: &str, location: Option<&str>) -> String {
    match location {
        Some(location) => format!("projects/{project}/locations/{location}/secrets"),
        None => format!("projects/{project}/secrets"),
    }
}

impl Target {
    pub(super) fn place(&self) -> Where {
        Where {
            project: self.project.clone(),
            location: self.location.clone(),
            name: Some(self.name.clone()),
        }
    }

    /// The resource of its secret.
    pub(super) fn whole(&self) -> String {
        let parent = parent(&self.project, self.location.as_deref());
        format!("{parent}/{}", self.name)
    }

    /// The resource of its version.
    pub(super) fn path(&self) -> String {
        let version = self.version.as_deref().unwrap_or("latest");
        format!("{}/versions/{version}", self.whole())
    }
}

impl Store<'_> {
    /// Finds credentials.
    pub(super) fn open(context: Context<'_>) -> Result<Store<'_>, Failure> {
        let look = |name: &str| context.settings.setting(name);
        let weigh = |address: &Address, variable| context.weigh(address, variable);
        let options = || context.options();
        let session = Session::open(&look, context.deadline, &options, &weigh)?;
        Ok(Store {
            session,
            report: context.report,
            locations: context.settings.text(LOCATIONS).map(str::to_owned),
        })
    }

    /// Reads all of these.
    pub(super) fn read(&self, targets: &[Target]) -> Vec<Result<Got, Fault>> {
        let all: Vec<&Target> = targets.iter().collect();
        let mut outcomes = self.once(&all);
        let damaged: Vec<usize> = outcomes
            .iter()
            .enumerate()
            .filter(|(_, outcome)| matches!(outcome, Err(Fault::Sum(_))))
            .map(|(at, _)| at)
            .collect();
        let again: Vec<&Target> = damaged.iter().filter_map(|at| targets.get(*at)).collect();
        for (at, outcome) in damaged.into_iter().zip(self.once(&again)) {
            if let Some(slot) = outcomes.get_mut(at) {
                *slot = outcome;
            }
        }
        outcomes
    }

    fn once(&self, targets: &[&Target]) -> Vec<Result<Got, Fault>> {
        let requests: Result<Vec<_>, Failure> = targets
            .iter()
            .map(|target| {
                let path = format!("{}:access", target.path());
                self.session.get(target.location.as_deref(), &path)
            })
            .collect();
        let requests = match requests {
            Ok(requests) => requests,
            Err(failure) => {
                let fault = || Err(Fault::Unasked(failure.clone()));
                return targets.iter().map(|_| fault()).collect();
            }
        };
        let answers = self.session.client.together(&requests, usize::MAX);
        let outcomes = answers.into_iter().zip(targets);
        let outcomes = outcomes.map(|(answer, target)| {
            let at = target.place();
            let json = content(answer, &at, target.version.as_deref(), &self.session)?;
            got(&json, &at)
        });
        outcomes.collect()
    }

    /// The project of a reference: its own, or that of the settings.
    pub(super) fn project(&self, place: &Place) -> Result<String, Failure> {
        match &place.project {
            Some(project) => Ok(project.clone()),
            None => self.session.project().map(str::to_owned),
        }
    }

    fn goal(&self, wanted: &Wanted<'_>, targets: &mut Vec<Target>) -> Result<Goal, Failure> {
        let place = Place::read(wanted.reference, wanted.import)?;
        let project = self.project(&place)?;
        let location = place.location;
        Ok(match place.what {
            What::Several { begin, filter } => Goal::Several(Folder {
                project,
                location,
                begin,
                filter,
            }),
            What::One { name, version } => {
                let target = Target {
                    project,
                    location,
                    name,
                    version,
                };
                let known = targets.iter().position(|known| *known == target);
                Goal::One(known.unwrap_or_else(|| {
                    targets.push(target);
                    targets.len() - 1
                }))
            }
        })
    }

    /// Says of the missing ones what they may be called, where listing is allowed: one listing for
    /// each project.
    fn suggest(&self, must: &[usize], targets: &[Target], outcomes: &mut [Result<Got, Fault>]) {
        let mut listed: Vec<(&str, Option<&str>, Vec<String>)> = Vec::new();
        for at in must {
            let (Some(target), Some(outcome)) = (targets.get(*at), outcomes.get_mut(*at)) else {
                continue;
            };
            if !matches!(outcome, Err(Fault::Missing(..))) {
                continue;
            }
            let (project, location) = (target.project.as_str(), target.location.as_deref());
            let same = |known: &&(&str, Option<&str>, _)| (known.0, known.1) == (project, location);
            if listed.iter().find(same).is_none() {
                let names = self.names(project, location, None, 1);
                listed.push((project, location, names.unwrap_or_default()));
            }
            let names = listed.iter().find(same).map(|(.., names)| names.as_slice());
            let names = names.unwrap_or_default().iter().map(String::as_str);
            *outcome = Err(Fault::missing(target.place(), names));
        }
    }
}

impl Provider for Store<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        let mut targets: Vec<Target> = Vec::new();
        let goals: Vec<Goal> = wanted
            .iter()
            .map(|wanted| {
                self.goal(wanted, &mut targets)
                    .unwrap_or_else(Goal::Nowhere)
            })
            .collect();
        let mut outcomes = self.read(&targets);
        let must: Vec<usize> = goals
            .iter()
            .zip(wanted)
            .filter_map(|(goal, wanted)| match goal {
                Goal::One(at) if wanted.must => Some(*at),
                _ => None,
            })
            .collect();
        self.suggest(&must, &targets, &mut outcomes);
        let answers = goals.into_iter().zip(wanted);
        let answers = answers.map(|(goal, wanted)| match goal {
            Goal::Nowhere(failure) => Err(Trouble::Failed(failure)),
            Goal::Several(folder) => self.folder(&folder),
            Goal::One(at) => match (outcomes.get(at), targets.get(at)) {
                (Some(Ok(got)), Some(target)) => answer(got, wanted, &target.name),
                (Some(Err(fault)), _) => Err(fault.trouble()),
                _ => Err(Fault::Malformed.trouble()),
            },
        });
        answers.collect()
    }

    fn glance(&mut self, wanted: &[Wanted<'_>]) -> Vec<Glance> {
        let mut targets: Vec<Target> = Vec::new();
        let mut places = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            places.push(match self.goal(wanted, &mut targets) {
                Ok(Goal::One(at)) => Some(at),
                _ => None,
            });
        }
        let glances = glance::at(self, &targets);
        let of = |place: Option<usize>| place.and_then(|at| glances.get(at).cloned());
        let glances = places.into_iter().map(of);
        glances
            .map(|glance| glance.unwrap_or(Glance::Unclear))
            .collect()
    }

    fn list(&mut self, wanted: &Wanted<'_>, details: bool) -> Result<Vec<Listed>, Trouble> {
        let mut targets = Vec::new();
        match self.goal(wanted, &mut targets) {
            Ok(Goal::Several(folder)) => self.listing(&folder, details),
            Ok(_) => {
                let mut listed = fields_of(self, wanted)?;
                let about = self.about(if details { &targets } else { &[] }).pop();
                let changed = about.flatten().and_then(|about| about.changed);
                listed.iter_mut().for_each(|field| field.changed = changed);
                Ok(listed)
            }
            Err(failure) => Err(Trouble::Failed(failure)),
        }
    }
}

fn answer(got: &Got, wanted: &Wanted<'_>, name: &str) -> Answer {
    let value = pick(got.value.duplicate(), wanted.reference.field.as_deref())?;
    let value = if wanted.import {
        Value::Several(variables(value, name)?)
    } else {
        Value::One(value)
    };
    Ok(Found {
        value,
        version: got.version.clone(),
        about: About::default(),
    })
}

/// The fields of a JSON object, or the value under the name of its secret.
fn variables(value: Secret, name: &str) -> Result<Vec<(String, Secret)>, Trouble> {
    if value.expose().trim_ascii_start().starts_with(b"{") {
        fields(&value)
    } else {
        Ok(vec![(name.to_owned(), value)])
    }
}
