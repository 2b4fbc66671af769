//! The last step: pieces into values, one variable of each name.

use super::{Piece, Plan, Role, SETTING, Slot};
use crate::failure::{Failure, Failures};
use crate::provider::{self, Answer, Trouble};
use crate::resolve::{Aside, Loaded, Origin};
use crate::secret::{Secret, SecretBuffer};

impl Plan {
    /// Joins the pieces: entries for the program, rewritten inherited variables, and the names of
    /// those whose secret may be missing and is. One of each name, the last; the others live only
    /// where a later entry copies them.
    pub(crate) fn join(
        mut self,
        answers: &[Option<Answer>],
        aside: &mut Vec<Aside>,
        wrong: &mut Failures,
    ) -> (Vec<Loaded>, Vec<Loaded>, Vec<String>) {
        let mut collected = Collected::default();
        let (entries_of_file, replaced) = (self.slots.len(), self.replaced());
        let mut copied = vec![false; entries_of_file];
        for piece in self
            .slots
            .iter()
            .flat_map(|slot| slot.pieces.iter().flatten())
        {
            if let Piece::Copy(at) = piece
                && let Some(copied) = copied.get_mut(*at)
            {
                *copied = true;
            }
        }
        let mut values: Vec<Option<Secret>> = Vec::with_capacity(entries_of_file);
        let mut entries = Vec::with_capacity(entries_of_file);
        let (mut inherited, mut unset) = (Vec::new(), Vec::new());
        let slots = std::mem::take(&mut self.slots);
        for ((slot, replaced), copied) in slots.into_iter().zip(replaced).zip(copied) {
            if replaced && slot.role == Role::Entry {
                aside.push(self.aside(&slot, false));
            }
            if replaced && !copied {
                values.push(None);
                continue;
            }
            let role = slot.role;
            let name = (role == Role::Inherited).then(|| slot.name.clone());
            if role == Role::Entry && !replaced && self.lacks(&slot, answers) {
                aside.push(self.aside(&slot, true));
            }
            let made = self.made(slot, &values, answers, &mut collected);
            values.push(
                made.as_ref()
                    .filter(|_| copied)
                    .map(|made| made.value.duplicate()),
            );
            let Some(made) = made.filter(|_| !replaced) else {
                unset.extend(name);
                continue;
            };
            match role {
                Role::Inherited => inherited.push(made),
                Role::Entry => entries.push(made),
                // A setting that `--pass` names goes to the program as well; `environment` decides.
                Role::Setting => entries.push(Loaded {
                    provider: SETTING,
                    ..made
                }),
            }
        }
        wrong.0.extend(collected.finish());
        (entries, inherited, unset)
    }

    /// Which slots a later one of the same name and kind replaces.
    fn replaced(&self) -> Vec<bool> {
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        let key = |at: &usize| {
            self.slots
                .get(*at)
                .map(|slot| (slot.name.as_str(), slot.role == Role::Inherited))
        };
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        let mut replaced = vec![false; self.slots.len()];
        for (earlier, later) in order.iter().zip(order.iter().skip(1)) {
            if key(earlier) == key(later)
                && let Some(replaced) = replaced.get_mut(*earlier)
            {
                *replaced = true;
            }
        }
        replaced
    }

    /// Its one reference is to what may be missing, and is.
    fn lacks(&self, slot: &Slot, answers: &[Option<Answer>]) -> bool {
        let Some([Piece::Answer { query, manner }]) = slot.pieces.as_deref() else {
            return false;
        };
        let answer = answers.get(*query).and_then(Option::as_ref);
        manner.optional
            && manner.default.is_none()
            && matches!(answer, Some(Err(Trouble::Missing(_))))
    }

    fn aside(&self, slot: &Slot, missing: bool) -> Aside {
        let query = |piece: &Piece| match piece {
            Piece::Answer { query, .. } => Some(*query),
            _ => None,
        };
        let queries: Vec<usize> = slot.pieces.iter().flatten().filter_map(query).collect();
        let references = queries.iter().filter_map(|query| self.written(*query));
        Aside {
            name: slot.name.clone(),
            place: slot.place.clone(),
            provider: queries.last().map_or("text", |query| self.scheme(*query)),
            origin: (!queries.is_empty()).then(|| {
                Box::new(Origin {
                    references: references.collect(),
                    ..Origin::default()
                })
            }),
            missing,
        }
    }

    fn made(
        &self,
        slot: Slot,
        values: &[Option<Secret>],
        answers: &[Option<Answer>],
        collected: &mut Collected,
    ) -> Option<Loaded> {
        let Slot {
            name,
            place,
            pieces,
            as_file,
            ..
        } = slot;
        let mut pieces = pieces?;
        let mut provider = "text";
        let mut origin: Option<Box<Origin>> = None;
        let mut parts = Vec::new();
        let value = if let [Piece::Text(_)] = pieces.as_slice()
            && let Some(Piece::Text(text)) = pieces.pop()
        {
            text
        } else {
            let single = pieces.len() == 1;
            let mut whole = SecretBuffer::default();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => whole.push(text.expose()),
                    Piece::Copy(other) => {
                        if let Some(Some(value)) = values.get(other) {
                            whole.push(value.expose());
                        }
                    }
                    Piece::Answer { query, manner } => {
                        provider = self.scheme(query);
                        let answer = answers.get(query)?.as_ref()?;
                        match manner.apply(answer) {
                            Ok(Some((secret, found))) => {
                                let origin = origin.get_or_insert_default();
                                origin.references.extend(self.written(query));
                                let about = answer.as_ref().ok().map(|found| &found.about);
                                origin.changed = about.and_then(|about| about.changed);
                                origin.version = found;
                                whole.push(secret.expose());
                                parts.extend((!single).then_some(secret));
                            }
                            // Optional and missing: the whole variable stays unset.
                            Ok(None) if single => return None,
                            Ok(None) => {}
                            Err(failure) => {
                                collected.add(self.address(&name, &place, query), &name, failure);
                                return None;
                            }
                        }
                    }
                }
            }
            whole.finish()
        };
        Some(Loaded {
            name,
            value,
            place,
            provider,
            origin,
            as_file,
            parts,
        })
    }

    fn written(&self, query: usize) -> Option<String> {
        let query = self.queries.get(query)?;
        Some(query.reference.to_string())
    }

    fn scheme(&self, query: usize) -> &'static str {
        let query = self.queries.get(query);
        let row = query.and_then(|query| provider::row(&query.reference.scheme));
        row.map_or("text", |row| row.scheme)
    }
}

/// Failures of which many are the same: a store that is down is reported once, with the variables
/// that wanted it.
#[derive(Default)]
struct Collected(Vec<(Failure, String, Vec<String>)>);

impl Collected {
    fn add(&mut self, address: String, name: &str, failure: Failure) {
        match self.0.iter_mut().find(|(known, ..)| *known == failure) {
            Some((_, _, others)) => others.push(name.to_owned()),
            None => self.0.push((failure, address, Vec::new())),
        }
    }

    fn finish(self) -> impl Iterator<Item = Failure> {
        self.0
            .into_iter()
            .map(|(failure, address, others)| match others.len() {
                0 => failure.at(&address),
                1..=5 => failure.at(&format!("{address} (also {})", others.join(", "))),
                n => failure.at(&format!("{address} (and {n} more)")),
            })
    }
}
