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

mod import;

mod inherited;

mod plan;

mod watch;

use crate::clock::Deadline;
use crate::failure::{Explain, Failure, Failures};
use crate::format::reference::Reference;
use crate::provider::{self, Answer, Found, Lookup, Network, PROVIDERS, Trouble, Value};
use crate::report::Report;
use crate::secret::Secret;
use crate::settings::{Inherited, Settings};
use crate::source::document::{Document, Entry};
use crate::source::{Choice, Kind};

pub use plan::SETTING;
pub use watch::{Adder, Print, Watch};

use ask::{Load, ask};
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
    /// What a later load is compared with, where one will be.
    pub seen: Option<Seen>,
}

/// What a load was made of, for those who watch it.
pub struct Seen {
    /// Everything but what is leased.
    pub print: Print,
    /// The references that were answered with a lease.
    pub leased: Vec<String>,
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
    watch: Option<Watch<'_>>,
) -> Result<Resolved, Failures> {
    let Document { choice, entries } = document;
    if matches!(choice.kind, Kind::Marked | Kind::Nothing) {
        let seen = watch.map(|watch| Seen {
            print: watch.adder.finish(),
            leased: Vec::new(),
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
    // Names are looked up by it, so it is needed before the entries are planned.
    let overrides = |entry: &&Entry| entry.name == "ENVSHIM_OVERRIDE" && choice.kind != Kind::Dump;
    if let Some(text) = entries.iter().rfind(overrides).and_then(Entry::text) {
        // What is wrong with it is told with the other settings.
        settings.adopt("ENVSHIM_OVERRIDE", text).ok();
    }
    let mut plan = Plan::of(entries, &choice, settings, &rewritten, &mut wrong);
    let (file, known) = plan.settle_settings(settings, load, &mut wrong);
    if settings.resolve_env {
        plan.add_inherited(&settings.inherited, &mut wrong);
    }
    let view = View {
        inherited: &settings.inherited,
        file,
    };
    let imports = if choice.kind == Kind::Dump {
        Vec::new()
    } else {
        import::plan(settings, &view, &mut plan.queries, &mut wrong)
    };
    // A mistake in writing is reported before any store is asked.
    if !wrong.0.is_empty() {
        return Err(wrong);
    }
    let is_known = |at: usize| known.get(at).is_some_and(Option::is_some);
    let skips = |at: usize| {
        let query = plan.queries.get(at);
        watch
            .as_ref()
            .zip(query)
            .is_some_and(|(watch, query)| watch.skips(query))
    };
    let wanted = |at: usize| !is_known(at) && !skips(at);
    let mut answers = ask(&plan.queries, wanted, &view, load);
    for (slot, answer) in answers.iter_mut().zip(known) {
        *slot = answer.or(slot.take());
    }
    let look = watch.as_ref().is_some_and(|watch| watch.look.is_some());
    let seen = watch.map(|Watch { mut adder, .. }| {
        for variable in &rewritten {
            adder.add(variable.name.as_bytes());
            adder.add(variable.value.expose());
        }
        watch::answers(&mut adder, &plan.queries, &answers);
        Seen {
            print: adder.finish(),
            leased: watch::leased(&plan.queries, &answers),
        }
    });
    if look {
        let failed = answers
            .into_iter()
            .flatten()
            .filter_map(|answer| match answer {
                Err(Trouble::Failed(failure)) => Some(failure),
                _ => None,
            });
        wrong.0.extend(failed);
        return wrong.or(Resolved::nothing(choice, seen));
    }
    let markers = markers(&plan.queries, &answers);
    let mut loaded = import::collect(imports, &answers, &mut wrong);
    let (entries, inherited, unset) = plan.join(&answers, &mut wrong);
    // An entry wins over an import.
    if !loaded.is_empty() {
        loaded.retain(|imported| !entries.iter().any(|entry| entry.name == imported.name));
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
            seen,
        }
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

/// What a reference's parameters ask of every provider alike.
pub(crate) struct Manner {
    default: Option<Secret>,
    optional: bool,
    base64: bool,
    as_file: bool,
}

/// What is wrong with a reference that the grammar accepts.
enum Fault {
    UnknownParameter {
        name: String,
        known: Vec<&'static str>,
    },
    BadParameter(&'static str, &'static str),
    NoImport(&'static str),
    NotBase64,
    WholeOnly,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::UnknownParameter { name, .. } => format!("there is no parameter `{name}`"),
            Fault::BadParameter(name, _) => {
                format!("the parameter `{name}` is not of the right form")
            }
            Fault::NoImport(title) => format!("{title} cannot be imported as a whole"),
            Fault::NotBase64 => "the value is not base64".to_owned(),
            Fault::WholeOnly => "a memory file cannot be a part of a value".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::UnknownParameter { name, known } => {
                match crate::failure::nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it takes {}", known.join(", ")),
                }
            }
            Fault::BadParameter(_, form) => format!("write {form}"),
            Fault::NoImport(_) => "name its secrets one by one, as NAME=scheme:...".to_owned(),
            Fault::NotBase64 => "leave ?decode=base64 out, or store it encoded".to_owned(),
            Fault::WholeOnly => "give the reference with ?as=file a variable of its own".to_owned(),
        })
    }
}

/// Parameters that every reference takes.
const COMMON: &[&str] = &["default", "optional", "decode", "as"];

/// Takes the common parameters out of a reference and lets its provider look at the rest.
pub(crate) fn manner(reference: &mut Reference, import: bool) -> Result<Manner, Failure> {
    let Some(row) = provider::row(&reference.scheme) else {
        // The grammar only makes references of schemes in the table, or the caller has looked.
        return Ok(Manner {
            default: None,
            optional: false,
            base64: false,
            as_file: false,
        });
    };
    if import && !row.imports {
        return Err(Fault::NoImport(row.title).into());
    }
    let mut manner = Manner {
        default: None,
        optional: false,
        base64: false,
        as_file: false,
    };
    for (name, value) in std::mem::take(&mut reference.parameters) {
        match (name.as_str(), value.as_str()) {
            ("default", _) if !import => manner.default = Some(Secret::new(value.into_bytes())),
            ("optional", "1" | "true" | "yes") => manner.optional = true,
            ("optional", "0" | "false" | "no") => {}
            ("optional", _) => return Err(Fault::BadParameter("optional", "?optional=1").into()),
            ("decode", "base64") if !import => manner.base64 = true,
            ("decode", _) if !import => {
                return Err(Fault::BadParameter("decode", "?decode=base64").into());
            }
            ("as", "file") if !import => manner.as_file = true,
            ("as", _) if !import => return Err(Fault::BadParameter("as", "?as=file").into()),
            (known, _) if row.parameters.contains(&known) => {
                reference.parameters.push((name, value))
            }
            _ => {
                let common = if import { &["optional"] } else { COMMON };
                let known = row.parameters.iter().chain(common).copied().collect();
                return Err(Fault::UnknownParameter { name, known }.into());
            }
        }
    }
    (row.check)(reference, import)?;
    Ok(manner)
}

impl Manner {
    /// The value of a reference: what was found, what stands in for it, or nothing.
    fn apply(&self, answer: &Answer) -> Result<Option<(Secret, Option<String>)>, Failure> {
        match answer {
            Ok(Found {
                value: Value::One(secret),
                version,
                ..
            }) => {
                let secret = if self.base64 {
                    decoded(secret)?
                } else {
                    secret.duplicate()
                };
                Ok(Some((secret, version.clone())))
            }
            Ok(Found {
                value: Value::Several(_) | Value::Folder(_),
                ..
            }) => Ok(None),
            Err(Trouble::Missing(failure)) => match &self.default {
                Some(default) => Ok(Some((default.duplicate(), None))),
                None if self.optional => Ok(None),
                None => Err(failure.clone()),
            },
            Err(Trouble::Failed(failure)) => Err(failure.clone()),
        }
    }
}

/// Base64 in either alphabet, with or without padding, line breaks ignored.
fn decoded(secret: &Secret) -> Result<Secret, Failure> {
    use base64ct::{Base64Unpadded, Encoding};
    let mut text = zeroize::Zeroizing::new(Vec::with_capacity(secret.expose().len()));
    for byte in secret.expose() {
        match byte {
            b'-' => text.push(b'+'),
            b'_' => text.push(b'/'),
            b'=' | b'\n' | b'\r' | b' ' | b'\t' => {}
            other => text.push(*other),
        }
    }
    let text = std::str::from_utf8(&text).map_err(|_| Fault::NotBase64)?;
    let bytes = Base64Unpadded::decode_vec(text).map_err(|_| Fault::NotBase64)?;
    Ok(Secret::new(bytes))
}
