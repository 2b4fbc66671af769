//! Entries into pieces: text, a copy of an earlier entry, or the answer to a query.
//!
//! Names are looked up as python-dotenv does it: an inherited variable first (with `--override` the
//! file first), then the nearest entry above, then the default.

use crate::failure::{Explain, Failure, Failures};
use crate::format::reference::{self, Draft, Part, Template, Variable};
use crate::provider::{self, Answer};
use crate::resolve::ask::{Load, ask};
use crate::resolve::{Fault, Loaded, Manner, Place, Query, View, is_setting, manner};
use crate::secret::{Secret, SecretBuffer};
use crate::settings::{Inherited, Settings};
use crate::source::document::Entry;
use crate::source::{Choice, Kind};

/// A part of a value that is known, or known how to get.
enum Piece {
    Text(Secret),
    Copy(usize),
    Answer { query: usize, manner: Manner },
}

/// A variable to be made.
struct Slot {
    name: String,
    place: Place,
    /// None for a name without `=`.
    pieces: Option<Vec<Piece>>,
    as_file: bool,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Configures envshim.
    Setting,
    /// Goes to the program.
    Entry,
    /// An inherited variable that holds references.
    Inherited,
}

/// All that is to be made, and asked for.
pub(crate) struct Plan {
    /// The source, as messages name it.
    file: String,
    slots: Vec<Slot>,
    pub(crate) queries: Vec<Query>,
}

/// What is wrong with an entry beside its grammar.
enum Misplaced {
    Depends(String),
    NotText(String),
    SettingNeedsStore(&'static str),
}

impl Explain for Misplaced {
    fn what(&self) -> String {
        match self {
            Misplaced::Depends(name) => {
                format!("the reference depends on `{name}`, which is fetched itself")
            }
            Misplaced::NotText(name) => {
                format!("`{name}` is not UTF-8, and cannot be a part of a reference")
            }
            Misplaced::SettingNeedsStore(title) => {
                format!("a setting cannot come from {title}, which needs settings itself")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Misplaced::Depends(_) | Misplaced::NotText(_) => {
                "write that part out, or take it from the environment".to_owned()
            }
            Misplaced::SettingNeedsStore(_) => {
                "take it from file:, env: or exec:, or set it in the environment".to_owned()
            }
        })
    }
}

impl Plan {
    /// Plans the entries of a document.
    pub(crate) fn of(
        entries: Vec<Entry>,
        choice: &Choice,
        settings: &Settings,
        rewritten: &[Loaded],
        wrong: &mut Failures,
    ) -> Plan {
        let mut plan = Plan {
            file: choice.file.clone(),
            slots: Vec::with_capacity(entries.len()),
            queries: Vec::new(),
        };
        let scope = Scope {
            inherited: &settings.inherited,
            overrides: settings.overrides,
            rewritten,
            literal: false,
        };
        for entry in entries {
            let place = Place::Line(entry.line);
            let role = if choice.kind != Kind::Dump && is_setting(&entry.name) {
                Role::Setting
            } else {
                Role::Entry
            };
            let mut slot = Slot {
                name: entry.name,
                place,
                pieces: None,
                as_file: entry.as_file,
                role,
            };
            match entry
                .value
                .map(|template| plan.pieces(template, &scope, &mut slot))
                .transpose()
            {
                Ok(pieces) => slot.pieces = pieces,
                Err(failure) => wrong.0.push(failure),
            }
            plan.slots.push(slot);
        }
        plan
    }

    /// Plans the references in inherited variables. Their variables are text: nothing in them is
    /// expanded, for it was not written in our files.
    pub(crate) fn add_inherited(&mut self, inherited: &Inherited, wrong: &mut Failures) {
        let trusted: Vec<&'static str> = provider::PROVIDERS
            .iter()
            .filter(|row| row.trusts_environment)
            .map(|row| row.scheme)
            .collect();
        for (name, value) in inherited.pairs() {
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            if is_setting(name) || !value.contains(&b':') {
                continue;
            }
            let template = match reference::parse(value, &trusted) {
                Ok(template) => template,
                Err(fault) => {
                    wrong
                        .0
                        .push(Failure::from(fault).at(&format!("environment: {name}")));
                    continue;
                }
            };
            if !template
                .parts
                .iter()
                .any(|part| matches!(part, Part::Reference(_)))
            {
                continue;
            }
            let mut slot = Slot {
                name: name.to_owned(),
                place: Place::Named("environment".to_owned()),
                pieces: None,
                as_file: false,
                role: Role::Inherited,
            };
            let scope = Scope {
                inherited,
                overrides: false,
                rewritten: &[],
                literal: true,
            };
            match self.pieces(template, &scope, &mut slot) {
                Ok(pieces) => slot.pieces = Some(pieces),
                Err(failure) => wrong.0.push(failure),
            }
            self.slots.push(slot);
        }
    }

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

    /// Joins the pieces: entries for the program, and rewritten inherited variables. One of each
    /// name, the last; the others live only where a later entry copies them.
    pub(crate) fn join(
        mut self,
        answers: &[Option<Answer>],
        wrong: &mut Failures,
    ) -> (Vec<Loaded>, Vec<Loaded>) {
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
        let (mut entries, mut inherited) = (Vec::with_capacity(entries_of_file), Vec::new());
        let slots = std::mem::take(&mut self.slots);
        for ((slot, replaced), copied) in slots.into_iter().zip(replaced).zip(copied) {
            if replaced && !copied {
                values.push(None);
                continue;
            }
            let role = slot.role;
            let made = self.made(slot, &values, answers, &mut collected);
            values.push(
                made.as_ref()
                    .filter(|_| copied)
                    .map(|made| made.value.duplicate()),
            );
            let Some(made) = made.filter(|_| !replaced) else {
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
        (entries, inherited)
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
        let mut version = None;
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
                        match manner.apply(answers.get(query)?.as_ref()?) {
                            Ok(Some((secret, found))) => {
                                version = found;
                                whole.push(secret.expose());
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
            version,
            as_file,
        })
    }

    fn scheme(&self, query: usize) -> &'static str {
        let query = self.queries.get(query);
        let row = query.and_then(|query| provider::row(&query.reference.scheme));
        row.map_or("text", |row| row.scheme)
    }

    fn address(&self, name: &str, place: &Place, query: usize) -> String {
        let reference = self
            .queries
            .get(query)
            .map(|query| query.reference.to_string());
        format!(
            "{}: {name}: {}",
            place.shown(&self.file),
            reference.unwrap_or_default()
        )
    }

    fn pieces(
        &mut self,
        template: Template,
        scope: &Scope<'_>,
        slot: &mut Slot,
    ) -> Result<Vec<Piece>, Failure> {
        let whole = template.parts.len() == 1;
        let address = |file: &str| format!("{}: {}", slot.place.shown(file), slot.name);
        let mut pieces = Vec::with_capacity(template.parts.len());
        for part in template.parts {
            pieces.push(match part {
                Part::Text(text) => Piece::Text(text),
                Part::Variable(variable) => self.look_up(variable, scope),
                Part::Reference(draft) => {
                    let (query, manner) = self
                        .query(*draft, scope, slot.role)
                        .map_err(|failure| failure.at(&address(&self.file)))?;
                    if manner.as_file && !whole {
                        return Err(Failure::from(Fault::WholeOnly).at(&address(&self.file)));
                    }
                    slot.as_file |= manner.as_file;
                    Piece::Answer { query, manner }
                }
            });
        }
        Ok(pieces)
    }

    fn query(
        &mut self,
        draft: Draft,
        scope: &Scope<'_>,
        role: Role,
    ) -> Result<(usize, Manner), Failure> {
        let mut misplaced = None;
        let shield = provider::row(&draft.scheme).map(|row| row.shield);
        let mut reference = draft.fill(&mut |variable| {
            let name = variable.name.clone();
            let piece = self.look_up(variable, scope);
            let text = self.plain_text(&piece, &name).unwrap_or_else(|fault| {
                misplaced.get_or_insert(fault);
                String::new()
            });
            shield.map_or(text.clone(), |shield| shield(&text))
        });
        if let Some(misplaced) = misplaced {
            return Err(misplaced.into());
        }
        let shown = reference.to_string();
        let manner = manner(&mut reference, false).map_err(|failure| failure.at(&shown))?;
        if role == Role::Setting
            && let Some(row) = provider::row(&reference.scheme)
            && !row.local
        {
            return Err(Failure::from(Misplaced::SettingNeedsStore(row.title)).at(&shown));
        }
        Ok((
            add(
                &mut self.queries,
                Query {
                    reference,
                    import: false,
                    must: manner.default.is_none() && !manner.optional,
                },
            ),
            manner,
        ))
    }

    fn look_up(&self, variable: Variable, scope: &Scope<'_>) -> Piece {
        if scope.literal {
            return Piece::Text(variable.written());
        }
        let name = variable.name.as_str();
        let outside = || {
            let file = scope.rewritten.iter().find(|known| known.name == name);
            let value = file
                .map(|known| known.value.expose())
                .or_else(|| scope.inherited.value(name));
            value.map(|value| Piece::Text(Secret::new(value.to_vec())))
        };
        let above = || {
            let at = self.slots.iter().rposition(|slot| slot.name == name)?;
            // python-dotenv: a name without `=` hides the default.
            match self.slots.get(at)?.pieces {
                Some(_) => Some(Piece::Copy(at)),
                None => Some(Piece::Text(Secret::new(Vec::new()))),
            }
        };
        let found = if scope.overrides {
            above().or_else(outside)
        } else {
            outside().or_else(above)
        };
        found.unwrap_or_else(|| {
            Piece::Text(variable.default.unwrap_or_else(|| Secret::new(Vec::new())))
        })
    }

    /// The text of a piece that goes into a reference.
    fn plain_text(&self, piece: &Piece, name: &str) -> Result<String, Misplaced> {
        match piece {
            Piece::Text(text) => match std::str::from_utf8(text.expose()) {
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err(Misplaced::NotText(name.to_owned())),
            },
            Piece::Copy(at) => {
                let pieces = self.slots.get(*at).and_then(|slot| slot.pieces.as_ref());
                pieces
                    .into_iter()
                    .flatten()
                    .map(|piece| self.plain_text(piece, name))
                    .collect()
            }
            Piece::Answer { .. } => Err(Misplaced::Depends(name.to_owned())),
        }
    }
}

/// The provider of an entry that is a setting: only `--pass` lets it through.
pub const SETTING: &str = "setting";

/// Where names are looked up.
struct Scope<'a> {
    inherited: &'a Inherited,
    overrides: bool,
    rewritten: &'a [Loaded],
    /// Variables stay as they are written.
    literal: bool,
}

/// A query is asked once, however often it is written.
pub(crate) fn add(queries: &mut Vec<Query>, query: Query) -> usize {
    let known = queries
        .iter()
        .position(|known| known.import == query.import && known.reference == query.reference);
    if let Some(at) = known {
        if let Some(known) = queries.get_mut(at) {
            known.must |= query.must;
        }
        return at;
    }
    queries.push(query);
    queries.len() - 1
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
