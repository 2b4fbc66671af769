//! What is asked for, each thing once, and who asked: distinct targets out of references.

use crate::credential::aws::Service;
use crate::provider::{Trouble, Wanted};
use crate::secret::Secret;

use super::fault::Place;
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
pub(super) enum Goal {
    /// To this target.
    One(usize),
    /// To all below this beginning of a name, in this region.
    Folder(String, String),
    /// Nowhere.
    Nowhere(Trouble),
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
    pub(super) fn add(
        &mut self,
        asked: &Asked<'_>,
        wanted: &Wanted<'_>,
        folder: Option<&str>,
    ) -> Goal {
        let reference = wanted.reference;
        let region = match region_of(reference).map_or_else(|| asked.region(), Ok) {
            Ok(region) => region.to_owned(),
            Err(failure) => return Goal::Nowhere(Trouble::Failed(failure)),
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

/// A second copy, for the second reference to one target.
pub(super) fn again(trouble: &Trouble) -> Trouble {
    match trouble {
        Trouble::Missing(failure) => Trouble::Missing(failure.clone()),
        Trouble::Failed(failure) => Trouble::Failed(failure.clone()),
    }
}

/// The last part of a path.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
