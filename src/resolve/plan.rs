//! Entries into pieces: text, a copy of an earlier entry, or the answer to a query.
//!
//! Names are looked up as python-dotenv does it: an inherited variable first (with `--override` the
//! file first), then the nearest entry above, then the default.

use crate::failure::{Failure, Failures};
use crate::format::reference::{self, Draft, Part, Template, Variable};
use crate::provider::{self};
use crate::resolve::{Fault, Loaded, Manner, Place, Query, is_setting, manner};
use crate::secret::Secret;
use crate::settings::{Inherited, Settings};
use crate::source::document::Entry;
use crate::source::{Choice, Kind};

mod join;

mod settle;

mod misplaced;

use misplaced::Misplaced;

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
            let pieces = entry.value.and_then(|value| {
                let pieces = value.map(|template| plan.pieces(template, &scope, &mut slot));
                pieces.transpose()
            });
            match pieces {
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
