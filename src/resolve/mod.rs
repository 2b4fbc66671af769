//! From a document to values: references grouped by store, one batch each, everything that is wrong
//! reported in one run, in the order of the file.
//!
//! Theory of operation. `plan` turns every entry into a list of pieces: text, a copy of an earlier
//! entry, or the answer to a query. A query is a distinct reference; however often it is written,
//! it is asked once. Entries that are settings are answered first and may only refer to providers
//! that need no settings themselves; they complete what `open` of the other providers sees. Then
//! the imports are added, all queries go out, and the pieces are joined. What was fetched is never
//! expanded or looked at again.

mod ask;

mod direct;

mod import;

mod inherited;

mod manner;

mod plan;

mod stores;

mod watch;

use std::time::SystemTime;

use crate::clock::Deadline;
use crate::failure::Failures;
use crate::format::reference::Reference;
use crate::provider::{Answer, Lookup, Network, PROVIDERS, Trouble};
use crate::report::Report;
use crate::secret::Secret;
use crate::settings::{Inherited, Settings};
use crate::source::document::{Document, Entry};
use crate::source::{Choice, Kind};

pub use direct::{Direct, FileSettings, Got, meant};
pub use plan::SETTING;
pub use stores::{Desk, Target, look};
pub use watch::{Adder, Print, Seen, Watch};

use ask::{How, Load, ask_so};
use manner::{Fault, Manner, manner};
use plan::Plan;

/// A variable with its value, ready for the environment.
pub struct Loaded {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Secret,
    /// Where it was written.
    pub place: Place,
    /// What it was made of: a scheme, or `text`.
    pub provider: &'static str,
    /// What it was made of, where it came from a store; boxed, because most did not.
    pub origin: Option<Box<Origin>>,
    /// It becomes a memory file.
    pub as_file: bool,
    /// What was fetched for parts of the value, to be hidden by itself too.
    pub parts: Vec<Secret>,
}

/// What a variable was made of.
#[derive(Clone, Default)]
pub struct Origin {
    /// The references in it, as they were written.
    pub references: Vec<String>,
    /// The version in its store.
    pub version: Option<String>,
    /// When that was written.
    pub changed: Option<SystemTime>,
}

/// A value that came to nothing.
pub struct Aside {
    /// The variable.
    pub name: String,
    /// Where it was written.
    pub place: Place,
    /// What it would have been made of.
    pub provider: &'static str,
    /// From which references.
    pub origin: Option<Box<Origin>>,
    /// It may be missing, and is; otherwise another one of its name has won.
    pub missing: bool,
}

impl From<Loaded> for Aside {
    fn from(loaded: Loaded) -> Aside {
        Aside {
            name: loaded.name,
            place: loaded.place,
            provider: loaded.provider,
            origin: loaded.origin,
            missing: false,
        }
    }
}

/// Where a variable was written.
#[derive(Clone)]
pub enum Place {
    /// A line of the source.
    Line(u32),
    /// Elsewhere: the environment, an import.
    Named(String),
}

impl Place {
    /// `.vault:3`, where the source is the file `.vault`.
    pub fn shown(&self, file: &str) -> String {
        match self {
            Place::Line(line) => format!("{file}:{line}"),
            Place::Named(name) => name.clone(),
        }
    }
}

/// Everything a load found.
pub struct Resolved {
    /// The source.
    pub choice: Choice,
    /// The variables; one of each name.
    pub loaded: Vec<Loaded>,
    /// Inherited variables whose value was resolved: they count as set by the user.
    pub rewritten: Vec<Loaded>,
    /// Inherited variables that have served: `NAME_FILE`, references to what may be missing and is.
    pub served: Vec<String>,
    /// Variables that say to programs which store has answered.
    pub markers: Vec<&'static str>,
    /// What was found and is not used, or is not there and may be missing.
    pub aside: Vec<Aside>,
    /// What a later load is compared with, where one will be.
    pub seen: Option<Seen>,
}

/// Settings as providers see them: the environment, then the document.
pub(crate) struct View<'a> {
    inherited: &'a Inherited,
    file: Vec<(String, Secret)>,
}

impl View<'_> {
    /// The environment alone.
    pub(crate) fn of(inherited: &Inherited) -> View<'_> {
        View {
            inherited,
            file: Vec::new(),
        }
    }
}

impl Lookup for View<'_> {
    fn setting(&self, name: &str) -> Option<&[u8]> {
        let file = || {
            let found = self.file.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.expose())
        };
        self.inherited
            .value(name)
            .filter(|value| !value.is_empty())
            .or_else(file)
            .filter(|value| !value.is_empty())
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.inherited.value(name)
    }

    fn names(&self) -> Vec<&str> {
        let names = self.inherited.pairs().map(|(name, _)| name);
        names
            .filter_map(|name| std::str::from_utf8(name).ok())
            .collect()
    }
}

/// The environment alone says where secrets are: an import, a setting that implies one, or
/// references in inherited variables that were asked to be resolved.
pub fn names_a_store(settings: &Settings) -> bool {
    let view = View {
        inherited: &settings.inherited,
        file: Vec::new(),
    };
    !settings.import.is_empty()
        || settings.resolve_env
        || !settings.file_env.is_empty()
        || PROVIDERS.iter().any(|row| !(row.implied)(&view).is_empty())
}

/// Is this name a setting, so that it configures envshim instead of going to the program?
pub fn is_setting(name: &str) -> bool {
    name.starts_with("ENVSHIM_")
        || PROVIDERS
            .iter()
            .any(|row| row.settings.iter().any(|setting| setting.name == name))
}

/// Two queries of one name cannot be told apart; this is the place of each.
pub(crate) struct Query {
    reference: Reference,
    import: bool,
    must: bool,
}

/// Resolves a document.
pub fn resolve(
    document: Document,
    settings: &mut Settings,
    network: &Network,
    report: &Report,
    mut watch: Option<Watch<'_>>,
) -> Result<Resolved, Failures> {
    let Document {
        choice,
        entries,
        imports,
    } = document;
    if matches!(choice.kind, Kind::Marked | Kind::Nothing) {
        let seen = watch.map(|watch| Seen {
            print: watch.adder.finish(),
            ..Seen::default()
        });
        return Ok(Resolved::nothing(choice, seen));
    }
    let load = Load {
        deadline: Deadline::after(settings.timeout),
        report,
        strict: settings.strict,
        network,
    };
    let mut wrong = Failures::default();

    let (mut served, mut rewritten) = inherited::from_files(settings, &mut wrong);
    adopt_override(&entries, &choice, settings);
    let mut plan = Plan::of(entries, &choice, settings, &rewritten, &mut wrong);
    let (file, known) = plan.settle_settings(settings, load, &mut wrong);
    if settings.resolve_env {
        plan.add_inherited(&settings.inherited, &mut wrong);
    }
    let view = View {
        inherited: &settings.inherited,
        file,
    };
    let imports = if choice.kind == Kind::Dump || !imports {
        Vec::new()
    } else {
        import::plan(settings, &view, &mut plan.queries, &mut wrong)
    };
    // A mistake in writing is reported before any store is asked.
    if !wrong.0.is_empty() {
        return Err(wrong);
    }
    let is_known = |at: usize| known.get(at).is_some_and(Option::is_some);
    let how = |at: usize| match (&watch, plan.queries.get(at)) {
        _ if is_known(at) => How::Leave,
        (Some(watch), Some(query)) => watch.how(query),
        _ => How::Read,
    };
    let mut replies = ask_so(&plan.queries, how, &view, load);
    for (reply, answer) in replies.iter_mut().zip(known) {
        reply.answer = answer.or(reply.answer.take());
    }
    if let Some(watch) = &mut watch {
        for variable in &rewritten {
            watch.adder.add(variable.name.as_bytes());
            watch.adder.add(variable.value.expose());
        }
    }
    if let Some(Watch {
        adder,
        look: Some(before),
    }) = watch
    {
        let read = |still: &[bool]| {
            let how = |at: usize| match still.get(at) {
                Some(true) => How::Read,
                _ => How::Leave,
            };
            ask_so(&plan.queries, how, &view, load)
        };
        let seen = watch::look(&adder, before, &plan.queries, replies, read, &mut wrong);
        return wrong.or(Resolved::nothing(choice, Some(seen)));
    }
    let answers: Vec<Option<Answer>> = replies.into_iter().map(|reply| reply.answer).collect();
    let seen = watch.map(|Watch { mut adder, .. }| {
        watch::answers(&mut adder, &plan.queries, &answers);
        Seen {
            print: adder.finish(),
            leased: watch::leased(&plan.queries, &answers),
            ..Seen::default()
        }
    });
    let markers = markers(&plan.queries, &answers);
    let mut aside = Vec::new();
    let mut loaded = import::collect(imports, &answers, &mut aside, &mut wrong);
    let (entries, inherited, unset) = plan.join(&answers, &mut aside, &mut wrong);
    // An entry wins over an import.
    if !loaded.is_empty() {
        let beaten = |imported: &mut Loaded| entries.iter().any(|e| e.name == imported.name);
        aside.extend(loaded.extract_if(.., beaten).map(Aside::from));
    }
    loaded.extend(entries);
    rewritten.extend(inherited);
    served.extend(unset);
    wrong.or(Resolved {
        choice,
        loaded,
        rewritten,
        served,
        markers,
        aside,
        seen,
    })
}

impl Resolved {
    /// A load without a result.
    pub fn nothing(choice: Choice, seen: Option<Seen>) -> Resolved {
        Resolved {
            choice,
            loaded: Vec::new(),
            rewritten: Vec::new(),
            served: Vec::new(),
            markers: Vec::new(),
            aside: Vec::new(),
            seen,
        }
    }
}

/// Names are looked up by it, so it is needed before the entries are planned.
fn adopt_override(entries: &[Entry], choice: &Choice, settings: &mut Settings) {
    let overrides = |entry: &&Entry| entry.name == "ENVSHIM_OVERRIDE" && choice.kind != Kind::Dump;
    if let Some(text) = entries.iter().rfind(overrides).and_then(Entry::text) {
        // What is wrong with it is told with the other settings.
        settings.adopt("ENVSHIM_OVERRIDE", text).ok();
    }
}

/// The markers of the stores that have answered, be it that something is not there.
fn markers(queries: &[Query], answers: &[Option<Answer>]) -> Vec<&'static str> {
    let mut markers: Vec<&'static str> = Vec::new();
    for row in PROVIDERS {
        let answered = |(query, answer): (&Query, &Option<Answer>)| {
            let spoke = matches!(answer, Some(Ok(_) | Err(Trouble::Missing(_))));
            spoke && query.reference.scheme == row.scheme
        };
        if let Some(marker) = row.marker
            && queries.iter().zip(answers).any(answered)
        {
            markers.push(marker);
        }
    }
    markers
}
