//! Whole vaults: listings, and names near to a missing one.

use std::time::SystemTime;

use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::http::Address;
use crate::provider::{self, About, Answer, Context, Found, Item, Trouble, Value};

use super::answer::{State, moment, named, refused};
use super::fault::Fault;
use super::place::renames;
use super::plan::{Goal, Target};
use super::store::{Outcome, Store};

/// A vault gives no more at once.
const PAGE: &str = "/secrets?maxresults=25";

/// More pages than an import can sensibly have.
const PAGES: usize = 1000;

/// Enough to find what a missing name was meant to be.
const FEW: usize = 4;

/// The secrets of a whole vault that are meant to be used now, and what else there is.
pub(super) struct Listed {
    /// What all the names begin with, which no variable does.
    begin: String,
    targets: Vec<usize>,
    /// What is left out, and why.
    left: Vec<String>,
    vault: String,
}

/// A secret in a listing.
pub(super) struct Entry {
    name: String,
    /// Where versions are listed.
    pub(super) version: Option<String>,
    state: State,
    pub(super) changed: Option<SystemTime>,
    /// The key of a certificate, which the vault keeps as a secret too.
    managed: bool,
}

impl Store<'_> {
    /// The secrets that an import of a whole vault means; they become targets. None for what is no
    /// such import.
    pub(super) fn list(&mut self, goal: &Goal) -> Option<Result<Listed, Failure>> {
        let Goal::Folder(vault, begin) = goal else {
            return None;
        };
        let entries = match self.entries(*vault, PAGE, PAGES) {
            Ok(entries) => entries,
            Err(failure) => return Some(Err(failure)),
        };
        let mut listed = Listed {
            begin: begin.clone(),
            targets: Vec::new(),
            left: Vec::new(),
            vault: self.plan.name(*vault).to_owned(),
        };
        for entry in entries {
            let fits = entry.name.get(..begin.len());
            if !fits.is_some_and(|start| start.eq_ignore_ascii_case(begin)) || entry.managed {
                continue;
            }
            match entry.state.words() {
                Some(words) => listed.left.push(format!("`{}` {words}", entry.name)),
                None => {
                    let target = Target {
                        vault: *vault,
                        name: entry.name,
                        version: None,
                    };
                    listed.targets.push(self.plan.target(target, true));
                }
            }
        }
        Some(Ok(listed))
    }

    /// The names in a vault that begin so.
    pub(super) fn names(
        &mut self,
        vault: usize,
        begin: &str,
    ) -> Result<Vec<provider::Listed>, Failure> {
        let entries = self.entries(vault, PAGE, PAGES)?.into_iter();
        let entries = entries.filter(|entry| !entry.managed);
        let listed = entries.filter_map(|entry| {
            let (start, rest) = entry.name.split_at_checked(begin.len())?;
            start.eq_ignore_ascii_case(begin).then(|| provider::Listed {
                name: rest.to_owned(),
                version: None,
                changed: entry.changed,
                note: entry.state.words(),
            })
        });
        Ok(listed.collect())
    }

    /// What a listing of a vault has, without values, from its first pages.
    pub(super) fn entries(
        &mut self,
        vault: usize,
        path: &str,
        pages: usize,
    ) -> Result<Vec<Entry>, Failure> {
        let place = self.plan.vaults.get(vault).cloned();
        let place = place.ok_or_else(|| Failure::from(Fault::Lost))?;
        let now = SystemTime::now();
        let mut entries = Vec::new();
        let mut path = path.to_owned();
        for _ in 0..pages {
            let answer = self.ask(&[(vault, path)]).pop();
            let answer = answer.ok_or_else(|| Failure::from(Fault::Lost))??;
            let json = json::parse(answer.body.expose()).ok();
            if answer.status != 200 {
                let trouble = refused(answer.status, json.as_ref(), &place.name, None, false);
                return Err(trouble.failure());
            }
            let malformed = || Failure::from(Fault::Malformed(place.name.clone()));
            let json = json.ok_or_else(malformed)?;
            for secret in json
                .get("value")
                .and_then(Json::list)
                .ok_or_else(malformed)?
            {
                let (name, version) = named(secret).ok_or_else(malformed)?;
                entries.push(Entry {
                    name: name.to_owned(),
                    version: version.map(str::to_owned),
                    state: State::of(secret, now),
                    changed: moment(secret, "updated"),
                    managed: matches!(secret.get("managed"), Some(Json::Bool(true))),
                });
            }
            let next = json.get("nextLink").and_then(Json::as_str);
            let Some(next) = next.filter(|next| !next.is_empty()) else {
                return Ok(entries);
            };
            // Whoever is named there gets the token: it must be the vault itself.
            let next = Address::parse(next).map_err(|_| malformed())?;
            if next.origin() != place.address.origin() {
                return Err(Fault::NextElsewhere(place.name, next.origin()).into());
            }
            path = next.path().to_owned();
        }
        if pages == FEW {
            return Ok(entries);
        }
        Err(Fault::Endless(place.name).into())
    }

    /// Says of the missing ones what they may be called, where listing is allowed.
    pub(super) fn suggest(&mut self, outcomes: &mut [Outcome]) {
        let mut known: Vec<(usize, Vec<String>)> = Vec::new();
        for (at, outcome) in outcomes.iter_mut().enumerate() {
            let must = self.plan.must.get(at) == Some(&true);
            let (Err(Trouble::Missing(_)), Some(target), true) =
                (&*outcome, self.plan.targets.get(at), must)
            else {
                continue;
            };
            if target.version.is_some() {
                continue;
            }
            let (vault, name) = (target.vault, target.name.clone());
            if !known.iter().any(|(listed, _)| *listed == vault) {
                let names = self.entries(vault, PAGE, FEW).unwrap_or_default();
                known.push((vault, names.into_iter().map(|entry| entry.name).collect()));
            }
            let names = known.iter().find(|(listed, _)| *listed == vault);
            let names = names.map_or(&[] as &[String], |(_, names)| names);
            let names = names.iter().map(String::as_str);
            let fault = Fault::missing(self.plan.name(vault), &name, names);
            *outcome = Err(Trouble::Missing(fault.into()));
        }
    }
}

impl Listed {
    /// The variables of a vault. One secret that cannot be read fails the whole: a program is not
    /// started with a part of its secrets. `AZURE_<NAME>_NAME` says which secret the variable NAME is.
    pub(super) fn answer(self, outcomes: &[Outcome], context: Context<'_>) -> Answer {
        if !self.left.is_empty() {
            let what = format!(
                "import of the vault `{}`: left out: {}",
                self.vault,
                self.left.join(", ")
            );
            let hint = "a line NAME=azure:secret takes one all the same; az keyvault secret delete removes it";
            context.report.warn(&what, Some(hint));
        }
        let renames = renames(context.settings);
        let mut items = Vec::with_capacity(self.targets.len());
        for at in &self.targets {
            let got = match outcomes.get(*at) {
                Some(Ok(got)) => got,
                Some(Err(Trouble::Missing(failure) | Trouble::Failed(failure))) => {
                    return Err(Trouble::Failed(failure.clone()));
                }
                None => return Err(Trouble::Failed(Fault::Lost.into())),
            };
            let mut add = |name: &str| {
                items.push(Item {
                    name: name.to_owned(),
                    value: got.value.duplicate(),
                    version: got.version.clone(),
                });
            };
            let mut renamed = false;
            for (variable, secret) in &renames {
                if secret.eq_ignore_ascii_case(&got.name) {
                    renamed = true;
                    add(variable);
                }
            }
            if !renamed {
                let rest = got.name.get(self.begin.len()..).unwrap_or_default();
                add(if rest.is_empty() { &got.name } else { rest });
            }
        }
        Ok(Found {
            value: Value::Folder(items),
            version: None,
            about: About::default(),
        })
    }
}
