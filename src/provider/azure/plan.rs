//! What is asked for, each thing once, and who asked: distinct secrets out of references.

use crate::failure::Failure;
use crate::provider::Wanted;

use super::check;
use super::place::{Vault, identifier};

/// A secret in one version.
#[derive(PartialEq, Eq)]
pub(super) struct Target {
    /// Which of the plan's vaults.
    pub(super) vault: usize,
    pub(super) name: String,
    pub(super) version: Option<String>,
}

impl Target {
    /// The path of its value.
    pub(super) fn path(&self) -> String {
        let Target { name, version, .. } = self;
        let slash = if version.is_some() { "/" } else { "" };
        let version = version.as_deref().unwrap_or_default();
        format!("/secrets/{name}{slash}{version}")
    }
}

/// Where a reference leads.
pub(super) enum Goal {
    /// To this target.
    One(usize),
    /// To all of a vault whose names begin so.
    Folder(usize, String),
    /// Nowhere.
    Nowhere(Failure),
}

/// The vaults and targets of a batch of references.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) vaults: Vec<Vault>,
    pub(super) targets: Vec<Target>,
    /// Of each target, whether somebody cannot do without.
    pub(super) must: Vec<bool>,
}

impl Plan {
    /// Adds where a reference leads.
    pub(super) fn add(&mut self, wanted: &Wanted<'_>, home: Option<&Vault>) -> Goal {
        let reference = wanted.reference;
        // Of what is to be written, nobody has looked at the name yet.
        if let Err(failure) = check(reference, wanted.import) {
            return Goal::Nowhere(failure);
        }
        let vault = match Vault::of(reference, home) {
            Ok(vault) => self.vault(vault),
            Err(failure) => return Goal::Nowhere(failure),
        };
        let parts = identifier(&reference.locator).flatten();
        let (name, version) = match &parts {
            Some(parts) => (parts.name, parts.version),
            None => (reference.locator.as_str(), None),
        };
        // No secret has an underscore in its name, and letters count alike in both cases.
        let name = name.replace('_', "-");
        if let Some(begin) = name.strip_suffix('*') {
            return Goal::Folder(vault, begin.to_owned());
        }
        let version = version.or_else(|| reference.parameter("version"));
        let target = Target {
            vault,
            name,
            version: version.map(str::to_owned),
        };
        Goal::One(self.target(target, wanted.must))
    }

    /// The name of a vault.
    pub(super) fn name(&self, vault: usize) -> &str {
        self.vaults.get(vault).map_or("", |vault| &vault.name)
    }

    /// Where this vault is among all.
    pub(super) fn vault(&mut self, vault: Vault) -> usize {
        let known = self.vaults.iter().position(|known| *known == vault);
        known.unwrap_or_else(|| {
            self.vaults.push(vault);
            self.vaults.len() - 1
        })
    }

    /// Where this target is among all.
    pub(super) fn target(&mut self, target: Target, must: bool) -> usize {
        let same = |known: &Target| {
            known.vault == target.vault
                && known.name.eq_ignore_ascii_case(&target.name)
                && known.version == target.version
        };
        match self.targets.iter().position(same) {
            Some(at) => {
                if let Some(known) = self.must.get_mut(at) {
                    *known |= must;
                }
                at
            }
            None => {
                self.targets.push(target);
                self.must.push(must);
                self.targets.len() - 1
            }
        }
    }
}
