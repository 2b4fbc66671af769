//! Settings first: entries that configure envshim, answered by providers that need none themselves.

use super::{Piece, Plan, Role, Slot};
use crate::failure::{Failure, Failures};
use crate::provider::Answer;
use crate::resolve::View;
use crate::resolve::ask::{Load, ask};
use crate::secret::{Secret, SecretBuffer};
use crate::settings::Settings;

impl Plan {
    /// Answers the entries that are settings, and hands `ENVSHIM_` ones to the settings. Returns
    /// the others, for the providers, and the answers that were needed.
    pub(crate) fn settle_settings(
        &self,
        settings: &mut Settings,
        load: Load<'_>,
        wrong: &mut Failures,
    ) -> (Vec<(String, Secret)>, Vec<Option<Answer>>) {
        if !self.slots.iter().any(|slot| slot.role == Role::Setting) {
            return (Vec::new(), Vec::new());
        }
        let mut values = self.settings_known_by(&[], &mut Failures::default());
        let needed = self.queries_of_settings();
        let mut answers = Vec::new();
        if !needed.is_empty() {
            let view = View {
                inherited: &settings.inherited,
                file: self.named(values),
            };
            answers = ask(&self.queries, |at| needed.contains(&at), &view, load);
            values = self.settings_known_by(&answers, wrong);
        }
        let (own, others): (Vec<_>, Vec<_>) = self
            .named(values)
            .into_iter()
            .partition(|(name, _)| name.starts_with("ENVSHIM_"));
        for (name, value) in own {
            if let Err(misset) = settings.adopt(&name, value.expose()) {
                let slot = self.slots.iter().rfind(|slot| slot.name == name);
                let place = slot.map_or(String::new(), |slot| slot.place.shown(&self.file));
                wrong.0.push(Failure::from(misset).at(&place));
            }
        }
        (others, answers)
    }

    /// The values of all slots, as far as these answers give them.
    fn settings_known_by(
        &self,
        answers: &[Option<Answer>],
        wrong: &mut Failures,
    ) -> Vec<Option<Secret>> {
        let mut values: Vec<Option<Secret>> = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let value = self.value_where_known(slot, &values, answers, wrong);
            values.push(value);
        }
        values
    }

    /// The settings among these values, by name; the last one of a name counts.
    fn named(&self, values: Vec<Option<Secret>>) -> Vec<(String, Secret)> {
        let mut named: Vec<(String, Secret)> = Vec::new();
        for (slot, value) in self.slots.iter().zip(values) {
            if slot.role == Role::Setting
                && let Some(value) = value
            {
                named.retain(|(name, _)| *name != slot.name);
                named.push((slot.name.clone(), value));
            }
        }
        named
    }

    fn queries_of_settings(&self) -> Vec<usize> {
        let mut needed = Vec::new();
        for slot in self.slots.iter().filter(|slot| slot.role == Role::Setting) {
            for piece in slot.pieces.iter().flatten() {
                if let Piece::Answer { query, .. } = piece
                    && !needed.contains(query)
                {
                    needed.push(*query);
                }
            }
        }
        needed
    }

    /// The value of a slot from settings' answers alone; none where it needs others.
    fn value_where_known(
        &self,
        slot: &Slot,
        values: &[Option<Secret>],
        answers: &[Option<Answer>],
        wrong: &mut Failures,
    ) -> Option<Secret> {
        let mut whole = SecretBuffer::default();
        for piece in slot.pieces.as_ref()? {
            match piece {
                Piece::Text(text) => whole.push(text.expose()),
                Piece::Copy(other) => whole.push(values.get(*other)?.as_ref()?.expose()),
                Piece::Answer { query, manner } => match manner
                    .apply(answers.get(*query)?.as_ref()?)
                {
                    Ok(Some((secret, _))) => whole.push(secret.expose()),
                    Ok(None) => return None,
                    Err(failure) if slot.role == Role::Setting => {
                        wrong
                            .0
                            .push(failure.at(&self.address(&slot.name, &slot.place, *query)));
                        return None;
                    }
                    Err(_) => return None,
                },
            }
        }
        Some(whole.finish())
    }
}
