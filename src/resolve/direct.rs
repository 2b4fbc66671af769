//! Secrets that a command names itself: references of every scheme, and bare keys of the store that
//! the settings choose.

use crate::clock::Deadline;
use crate::failure::{Explain, Failure, Failures, nearest};
use crate::format::naming;
use crate::format::reference::{self, Reference};
use crate::provider::{
    self, Chosen, Context, Keys, Lent, Listed, Lookup, Network, PROVIDERS, Row, Trouble, Wanted,
};
use crate::report::Report;
use crate::resolve::ask::{Load, ask};
use crate::resolve::plan::Plan;
use crate::resolve::{Manner, Origin, Query, View, adopt_override, is_setting, manner};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::source::document::Document;

/// The setting that says which store keys are of.
const TYPE: &str = "SECRET_MANAGER_TYPE";

enum Fault {
    NoVariable,
    NoStore,
    TwoStores(&'static Row, &'static Row),
    NoSuchStore(String),
    UnknownScheme(String, &'static str),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoVariable => {
                "is no variable here, and the settings name no store of keys".to_owned()
            }
            Fault::NoStore => "the settings name no store of keys".to_owned(),
            Fault::TwoStores(one, other) => format!(
                "two stores of keys are configured: {} and {}",
                one.title, other.title
            ),
            Fault::NoSuchStore(name) => format!("{TYPE}: there is no store `{name}`"),
            Fault::UnknownScheme(scheme, _) => format!("there is no provider `{scheme}`"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NoVariable | Fault::NoStore => {
                "write a reference, as in file:/run/secrets/NAME; envshim help references shows all"
                    .to_owned()
            }
            Fault::TwoStores(one, other) => format!(
                "set {TYPE}={} or {}, or write a reference: {}:...",
                one.scheme, other.scheme, one.scheme
            ),
            Fault::NoSuchStore(_) => {
                let with_keys = PROVIDERS.iter().filter(|row| row.keys.is_some());
                let names: Vec<&str> = with_keys.map(|row| row.scheme).collect();
                format!("it is one of {}", names.join(", "))
            }
            Fault::UnknownScheme(_, near) => format!("did you mean {near}:?"),
        })
    }
}

/// The reference that a word is, where its scheme is known; other words are names and keys.
pub fn meant(word: &str) -> Option<Result<Reference, Failure>> {
    let parsed = reference::parse_exact(word)?;
    let scheme = word.split(':').next().unwrap_or_default();
    if provider::row(scheme).is_some() {
        return Some(parsed.map_err(Failure::from));
    }
    let known = provider::schemes();
    let near = nearest(scheme, known.iter().copied());
    let near = known.iter().copied().find(|known| Some(*known) == near)?;
    Some(Err(Fault::UnknownScheme(scheme.to_owned(), near).into()))
}

/// The settings that a source holds.
pub struct FileSettings(pub(super) Vec<(String, Secret)>);

impl FileSettings {
    /// Takes them out of a document; its other entries are not looked at.
    pub fn of(
        mut document: Document,
        settings: &mut Settings,
        network: &Network,
        report: &Report,
    ) -> Result<FileSettings, Failures> {
        let mut wrong = Failures::default();
        document.keep_only(&[], is_setting);
        let (entries, choice) = (document.entries, document.choice);
        adopt_override(&entries, &choice, settings);
        let load = Load {
            deadline: Deadline::after(settings.timeout),
            report,
            strict: settings.strict,
            network,
        };
        let plan = Plan::of(entries, &choice, settings, &[], &mut wrong);
        let (file, _) = plan.settle_settings(settings, load, &mut wrong);
        wrong.or(FileSettings(file))
    }

    /// The same again, for who needs them twice.
    pub fn duplicate(&self) -> FileSettings {
        let copy = |(name, value): &(String, Secret)| (name.clone(), value.duplicate());
        FileSettings(self.0.iter().map(copy).collect())
    }
}

/// The store of bare keys that settings choose.
fn chosen(settings: &dyn Lookup) -> Result<(&'static Row, &'static Keys), Fault> {
    let with_keys = || {
        PROVIDERS
            .iter()
            .filter_map(|row| Some((row, row.keys.as_ref()?)))
    };
    if let Some(name) = settings.text(TYPE) {
        let name = name.trim().to_ascii_lowercase();
        let found = with_keys().find(|(row, _)| row.scheme == name);
        return found.ok_or(Fault::NoSuchStore(name));
    }
    // What is there for certain counts before what may be there for the program.
    for wanted in [Chosen::Yes, Chosen::Perhaps] {
        let mut chosen = with_keys().filter(|(_, keys)| (keys.chosen)(settings) == wanted);
        match (chosen.next(), chosen.next()) {
            (Some(one), None) => return Ok(one),
            (Some((one, _)), Some((other, _))) => {
                return Err(Fault::TwoStores(one, other));
            }
            (None, _) => {}
        }
    }
    Err(Fault::NoStore)
}

/// The reference for a key of the store of keys.
pub(super) fn of_key(key: &str, settings: &dyn Lookup) -> Result<Reference, Trouble> {
    let (_, keys) = chosen(settings).map_err(|fault| match fault {
        Fault::NoStore if naming::is_valid(key) => Trouble::Missing(Fault::NoVariable.into()),
        Fault::NoStore => Trouble::Failed(Fault::NoVariable.into()),
        other => Trouble::Failed(other.into()),
    })?;
    let text = (keys.reference)(key);
    let none = || Trouble::Failed(Fault::NoVariable.into());
    let reference = reference::parse_exact(&text).ok_or_else(none)?;
    reference.map_err(|fault| Trouble::Failed(fault.into()))
}

/// What a command found.
pub struct Got {
    /// The value.
    pub value: Secret,
    /// Its lease, where it lives no longer than that.
    pub lent: Option<Lent>,
    /// Its provider, or `text`.
    pub provider: &'static str,
    /// What it was made of.
    pub origin: Option<Box<Origin>>,
}

/// The stores, ready to be asked for what a command names.
pub struct Direct<'a> {
    view: View<'a>,
    load: Load<'a>,
}

impl<'a> Direct<'a> {
    /// With the settings of the environment, and those of a source.
    pub fn new(
        settings: &'a Settings,
        file: FileSettings,
        network: &'a Network,
        report: &'a Report,
    ) -> Direct<'a> {
        let view = View {
            inherited: &settings.inherited,
            file: file.0,
        };
        let load = Load {
            deadline: Deadline::after(settings.timeout),
            report,
            strict: settings.strict,
            network,
        };
        Direct { view, load }
    }

    /// The store of bare keys.
    pub fn store(&self) -> Result<(&'static Row, &'static Keys), Failure> {
        chosen(&self.view).map_err(Failure::from)
    }

    /// The reference that a word means: itself, or a key of the store of keys. A name without a
    /// store of keys is a variable that is not there.
    pub fn reference(&self, word: &str) -> Result<Reference, Trouble> {
        match meant(word) {
            Some(reference) => reference.map_err(Trouble::Failed),
            None => of_key(word, &self.view),
        }
    }

    /// The values of references. Missing is what the store does not have; `defaults` lets
    /// `?default=` stand in for that.
    pub fn values(&self, references: Vec<Reference>, defaults: bool) -> Vec<Result<Got, Trouble>> {
        let mut queries: Vec<Query> = Vec::new();
        let mut manners: Vec<Result<(usize, Manner), Failure>> = Vec::new();
        for mut reference in references {
            let known = manner(&mut reference, false);
            manners.push(known.map(|manner| (queries.len(), manner)));
            queries.push(Query {
                reference,
                import: false,
                must: true,
            });
        }
        let good: Vec<usize> = manners.iter().flatten().map(|(at, _)| *at).collect();
        let mut answers = ask(&queries, |at| good.contains(&at), &self.view, self.load);
        let got = manners.into_iter().map(|known| {
            let (at, manner) = known.map_err(Trouble::Failed)?;
            let lost = || Trouble::Failed(Fault::NoStore.into());
            let answer = answers
                .get_mut(at)
                .and_then(Option::take)
                .ok_or_else(lost)?;
            if let Err(Trouble::Missing(failure)) = &answer
                && !(defaults && manner.default.is_some())
            {
                return Err(Trouble::Missing(failure.clone()));
            }
            let value = manner.apply(&answer).map_err(Trouble::Failed)?;
            let (value, version) = value.ok_or_else(lost)?;
            let about = answer.map(|found| found.about).unwrap_or_default();
            let reference = queries.get(at).map(|query| &query.reference);
            let whole = reference.is_some_and(|reference| reference.field.is_none());
            let row = reference.and_then(|reference| provider::row(&reference.scheme));
            Ok(Got {
                value,
                // A field is wanted for itself.
                lent: about.lent.filter(|_| whole),
                provider: row.map_or("text", |row| row.scheme),
                origin: Some(Box::new(Origin {
                    references: reference.iter().map(ToString::to_string).collect(),
                    version,
                    changed: about.changed,
                })),
            })
        });
        got.collect()
    }

    /// The names below a reference, with versions and ages where these are wanted.
    pub fn list(&self, mut reference: Reference, details: bool) -> Result<Vec<Listed>, Failure> {
        manner(&mut reference, true)?;
        let row = provider::row(&reference.scheme).ok_or(Fault::NoStore)?;
        let context = Context {
            settings: &self.view,
            deadline: self.load.deadline,
            report: self.load.report,
            strict: self.load.strict,
            network: self.load.network,
        };
        let wanted = Wanted {
            reference: &reference,
            import: true,
            must: true,
        };
        let mut provider = (row.open)(context)?;
        provider.list(&wanted, details).map_err(Trouble::failure)
    }
}
