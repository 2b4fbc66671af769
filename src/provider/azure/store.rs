//! Asking vaults: a token for each, all reads at once, one more try where a vault names its tenant.

use crate::credential::azure::{Want, token};
use crate::failure::Failure;
use crate::http::{Address, Answer as Heard, Client, Method, Request, Value};
use crate::provider::{About, Answer, Context, Found, Listed, Provider, Trouble, Wanted};
use crate::provider::{Value as Shape, fields, fields_of, pick};
use crate::secret::{Secret, SecretBuffer};

use super::answer::{Got, outcome};
use super::challenge::{Challenge, NoChallenge};
use super::fault::Fault;
use super::place::{Vault, unheard};
use super::plan::{Goal, Plan};

/// Known to all clouds, and to what speaks like a vault.
const VERSION: &str = "api-version=7.4";

/// What became of a target.
pub(super) type Outcome = Result<Got, Trouble>;

/// The store.
pub(super) struct Store<'a> {
    pub(super) context: Context<'a>,
    client: Client,
    pub(super) home: Option<Vault>,
    pub(super) plan: Plan,
    /// On what terms each vault is asked; in the order of the plan's.
    terms: Vec<Option<Result<Terms, Failure>>>,
    tokens: Vec<(Terms, Result<Secret, Failure>)>,
}

/// Which token a vault wants.
#[derive(Clone, PartialEq, Eq)]
struct Terms {
    /// For whom it is.
    resource: String,
    /// Of which tenant, where the vault was asked.
    tenant: Option<String>,
    /// Who gives it.
    login: &'static str,
}

impl Provider for Store<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        let home = self.home.clone();
        let goals: Vec<Goal> = wanted
            .iter()
            .map(|wanted| self.plan.add(wanted, home.as_ref()))
            .collect();
        // Whole vaults are listed first, so that all values are read at once.
        let folders: Vec<_> = goals.iter().map(|goal| self.list(goal)).collect();
        let outcomes = self.read();
        let answers = goals.into_iter().zip(folders).zip(wanted);
        let answers = answers.map(|((goal, folder), wanted)| match (goal, folder) {
            (Goal::Nowhere(failure), _) => Err(Trouble::Failed(failure)),
            (Goal::One(at), _) => self.one(outcomes.get(at), wanted),
            (Goal::Folder(..), Some(Ok(listed))) => listed.answer(&outcomes, self.context),
            (Goal::Folder(..), Some(Err(failure))) => Err(Trouble::Failed(failure)),
            (Goal::Folder(..), None) => Err(Trouble::Failed(Fault::Lost.into())),
        });
        answers.collect()
    }

    fn list(&mut self, wanted: &Wanted<'_>, _: bool) -> Result<Vec<Listed>, Trouble> {
        let home = self.home.clone();
        match self.plan.add(wanted, home.as_ref()) {
            Goal::Folder(vault, begin) => self.names(vault, &begin).map_err(Trouble::Failed),
            Goal::One(_) => fields_of(self, wanted),
            Goal::Nowhere(failure) => Err(Trouble::Failed(failure)),
        }
    }
}

impl<'a> Store<'a> {
    pub(super) fn open(context: Context<'a>) -> Result<Store<'a>, Failure> {
        let mut options = context.options()?;
        // A start that was told to slow down goes on until its deadline, for a thousand containers
        // may be starting with it.
        options.policy.throttled = |answer| answer.status == 429;
        options.policy.patience = u32::MAX;
        Ok(Store {
            client: Client::new(options),
            home: Vault::home(context)?,
            context,
            plan: Plan::default(),
            terms: Vec::new(),
            tokens: Vec::new(),
        })
    }

    /// What became of every target of the plan.
    fn read(&mut self) -> Vec<Outcome> {
        let targets = self.plan.targets.iter();
        let paths: Vec<(usize, String)> = targets.map(|t| (t.vault, t.path())).collect();
        let heard = self.ask(&paths);
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(heard.len());
        for (target, heard) in self.plan.targets.iter().zip(heard) {
            outcomes.push(match heard {
                Ok(answer) => outcome(&answer, self.plan.name(target.vault), target),
                Err(failure) => Err(Trouble::Failed(failure)),
            });
        }
        self.suggest(&mut outcomes);
        outcomes
    }

    /// The answer to a reference that means one secret.
    fn one(&self, outcome: Option<&Outcome>, wanted: &Wanted<'_>) -> Answer {
        let got = match outcome {
            Some(Ok(got)) => got,
            Some(Err(Trouble::Missing(failure))) => return Err(Trouble::Missing(failure.clone())),
            Some(Err(Trouble::Failed(failure))) => return Err(Trouble::Failed(failure.clone())),
            None => return Err(Trouble::Failed(Fault::Lost.into())),
        };
        got.warn(self.context.report);
        let value = pick(got.value.duplicate(), wanted.reference.field.as_deref())?;
        let value = if !wanted.import {
            Shape::One(value)
        } else if value.expose().trim_ascii_start().starts_with(b"{") {
            Shape::Several(fields(&value)?)
        } else {
            Shape::Several(vec![(got.name.clone(), value)])
        };
        Ok(Found {
            value,
            version: got.version.clone(),
            about: About {
                changed: got.changed,
                lent: None,
            },
        })
    }

    /// Answers to requests for paths of vaults, in their order.
    pub(super) fn ask(&mut self, paths: &[(usize, String)]) -> Vec<Result<Heard, Failure>> {
        let mut answers: Vec<Option<Result<Heard, Failure>>> = paths.iter().map(|_| None).collect();
        // A token of another tenant is refused with the name of the right one: once more with that.
        for last in [false, true] {
            let (mut sent, mut requests) = (Vec::new(), Vec::new());
            for ((slot, (vault, path)), at) in answers.iter_mut().zip(paths).zip(0..) {
                if slot.is_none() {
                    match self.request(*vault, path, None) {
                        Ok(request) => {
                            sent.push((at, *vault));
                            requests.push(request);
                        }
                        Err(failure) => *slot = Some(Err(failure)),
                    }
                }
            }
            let heard = self.client.together(&requests, usize::MAX);
            for ((at, vault), heard) in sent.into_iter().zip(heard) {
                let answer = match heard {
                    Ok(answer) if !last && self.renews(vault, &answer) => continue,
                    Ok(answer) => Ok(answer),
                    Err(fault) => Err(unheard(self.plan.vaults.get(vault), fault)),
                };
                let slot: Option<&mut Option<_>> = answers.get_mut(at);
                slot.map(|slot| slot.replace(answer));
            }
        }
        let lost = || Err(Fault::Lost.into());
        answers
            .into_iter()
            .map(|a| a.unwrap_or_else(lost))
            .collect()
    }

    /// The answer to a body that is put at a path of a vault, which was asked before.
    pub(super) fn tell(
        &mut self,
        vault: usize,
        path: &str,
        body: Secret,
    ) -> Result<Heard, Failure> {
        let request = self.request(vault, path, Some(body))?;
        let answer = self.client.send(&request);
        answer.map_err(|fault| unheard(self.plan.vaults.get(vault), fault))
    }

    /// A request with the token of its vault; one that writes where there is a body.
    fn request(
        &mut self,
        vault: usize,
        path: &str,
        body: Option<Secret>,
    ) -> Result<Request, Failure> {
        let place = self.plan.vaults.get(vault).cloned();
        let place = place.ok_or_else(|| Failure::from(Fault::Lost))?;
        let terms = self.terms(vault, &place)?;
        let token = self.token(&terms)?;
        let mut bearer = SecretBuffer::with_capacity(token.expose().len() + 7);
        bearer.push(b"Bearer ");
        bearer.push(token.expose());
        let address = address(&place, path)?;
        let request = match body {
            Some(body) => Request::send(Method::Put, address, body)
                .header("content-type", Value::Plain("application/json".into())),
            None => Request::get(address),
        };
        Ok(request.header("authorization", Value::Secret(bearer.finish())))
    }

    /// On what terms a vault is asked: those of its cloud, or what it says itself.
    fn terms(&mut self, vault: usize, place: &Vault) -> Result<Terms, Failure> {
        if self.terms.len() <= vault {
            self.terms.resize_with(vault + 1, || None);
        }
        if let Some(Some(known)) = self.terms.get(vault) {
            return known.clone();
        }
        let found = match place.resource() {
            Some(resource) => Ok(Terms {
                resource,
                tenant: None,
                login: place.login(),
            }),
            None => self.challenged(place),
        };
        if let Some(slot) = self.terms.get_mut(vault) {
            *slot = Some(found.clone());
        }
        found
    }

    fn challenged(&self, place: &Vault) -> Result<Terms, Failure> {
        let request = Request::get(address(place, "/secrets?maxresults=1")?);
        let answer = self.client.send(&request);
        let answer = answer.map_err(|fault| unheard(Some(place), fault))?;
        match Challenge::of(&answer, place) {
            Ok(challenge) => Ok(Terms {
                resource: challenge.resource,
                tenant: challenge.tenant,
                login: place.login(),
            }),
            Err(NoChallenge::None) => {
                Err(Fault::NotAVault(place.address.origin(), answer.status).into())
            }
            Err(NoChallenge::Other(resource)) => {
                Err(Fault::OtherResource(place.address.origin(), resource).into())
            }
        }
    }

    fn token(&mut self, terms: &Terms) -> Result<Secret, Failure> {
        let known = self.tokens.iter().find(|(known, _)| known == terms);
        let copy = |token: &Result<Secret, Failure>| match token {
            Ok(token) => Ok(token.duplicate()),
            Err(failure) => Err(failure.clone()),
        };
        if let Some((_, token)) = known {
            return copy(token);
        }
        let context = self.context;
        let look = |name: &str| context.settings.setting(name);
        let want = Want {
            resource: terms.resource.clone(),
            tenant: terms.tenant.clone(),
            login: terms.login.to_owned(),
        };
        let found = token(&look, &want, context.deadline, &|| context.options());
        let given = copy(&found);
        self.tokens.push((terms.clone(), found));
        given
    }

    /// The vault refuses the token, and names a tenant that nobody thought of: the next one is of that.
    fn renews(&mut self, vault: usize, answer: &Heard) -> bool {
        let place = self.plan.vaults.get(vault);
        let (401, Some(place), Some(Some(Ok(terms))), None) = (
            answer.status,
            place,
            self.terms.get_mut(vault),
            self.context.settings.text("AZURE_TENANT_ID"),
        ) else {
            return false;
        };
        let Ok(challenge) = Challenge::of(answer, place) else {
            return false;
        };
        // Several requests may have been refused together.
        let better = challenge.tenant.is_some();
        if terms.tenant.is_none() {
            terms.tenant = challenge.tenant;
        }
        better
    }
}

/// A path of a vault, with the version of its interface.
fn address(place: &Vault, path: &str) -> Result<Address, Failure> {
    let sign = match path {
        // Where a listing goes on is said by the vault, version and all.
        path if path.contains("api-version=") => return place.at(path),
        path if path.contains('?') => '&',
        _ => '?',
    };
    place.at(&format!("{path}{sign}{VERSION}"))
}
