//! Providers: where references lead. One file and one row each; nothing outside its file names one.
//!
//! A provider gets all references to it in one batch and gives one answer each, in the order asked;
//! how it saves round trips is its own affair. It reads settings, variables and the clock only
//! through its [`Context`].

mod aws;

mod azure;

mod env;

mod exec;

mod file;

mod glance;

mod google;

mod hcp;

mod keys;

mod lease;

mod network;

mod vault;

mod write;

use std::time::{Duration, SystemTime};

use crate::clock::Deadline;
use crate::failure::{Explain, Failure};
use crate::format::json::{self, Json, NoField};
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::report::Report;
use crate::secret::Secret;

pub use glance::Glance;

pub use keys::{Chosen, Keys};

pub use lease::{Lease, Loan, Tend, Tended, Tender};
pub use network::Network;

pub use write::{Change, Metadata, Seen, Store, Writing, Written};

/// Every provider. The order is that of the help and of the search for a bare key.
pub static PROVIDERS: &[Row] = &[
    vault::ROW,
    hcp::ROW,
    aws::ROW,
    aws::PARAMETERS,
    azure::ROW,
    google::ROW,
    file::ROW,
    env::ROW,
    exec::ROW,
];

/// What the rest of envshim knows of a provider.
pub struct Row {
    /// The scheme of its references.
    pub scheme: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// A complete reference, for the help.
    pub example: &'static str,
    /// The variables that configure it.
    pub settings: &'static [Setting],
    /// The parameters its references take, besides those that all take.
    pub parameters: &'static [&'static str],
    /// It can import a whole secret or folder.
    pub imports: bool,
    /// How imported names become variables where `ENVSHIM_NAMES` says nothing: stores whose names are
    /// usually written in small letters have them in upper snake case.
    pub names: Policy,
    /// It needs no store, so that a setting can come from it.
    pub local: bool,
    /// `--resolve-env` may follow such a reference out of an inherited variable, whose text a
    /// stranger may have written.
    pub trusts_environment: bool,
    /// A variable that is set to 1 for the program when this store has answered: programs that
    /// still hold an older loader look at it.
    pub marker: Option<&'static str>,
    /// Makes the content of a variable stand for itself inside a locator.
    pub shield: fn(&str) -> String,
    /// Finds mistakes in a reference before anything is opened, so that one run reports them all.
    pub check: fn(&Reference, bool) -> Result<(), Failure>,
    /// How it is asked for a bare key; none where a key cannot mean it.
    pub keys: Option<Keys>,
    /// The imports that its settings ask for without `ENVSHIM_IMPORT`.
    pub implied: fn(&dyn Lookup) -> Vec<String>,
    /// Renews and gives back what it lends, where it lends.
    pub tend: Option<Tender>,
    /// Opens it for one load.
    pub open: for<'a> fn(Context<'a>) -> Result<Box<dyn Provider + 'a>, Failure>,
    /// Opens it for writing; none for a store that is only read.
    pub write: Option<Writing>,
}

/// A variable that configures a provider: taken out of `.vault`, shown in the help.
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// What it says, in a line.
    pub doc: &'static str,
    /// It authenticates envshim itself: removed from the program's environment.
    pub bootstrap: bool,
}

/// Where settings are looked up: the environment first, then the file.
pub trait Lookup: Sync {
    /// The value of a setting; an empty one counts as unset.
    fn setting(&self, name: &str) -> Option<&[u8]>;
    /// A variable that envshim inherited, whatever its name.
    fn variable(&self, name: &str) -> Option<&[u8]>;
    /// The names of the inherited variables.
    fn names(&self) -> Vec<&str>;

    /// A setting as text; what is not text cannot be one.
    fn text(&self, name: &str) -> Option<&str> {
        self.setting(name)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// What a provider may use.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Its settings.
    pub settings: &'a dyn Lookup,
    /// When the whole load must have ended.
    pub deadline: Deadline,
    /// For warnings.
    pub report: &'a Report,
    /// Warnings are errors.
    pub strict: bool,
    /// What all stores of the run share.
    pub network: &'a Network,
}

/// One reference that is wanted.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// What it says.
    pub reference: &'a Reference,
    /// All fields of it, as variables; otherwise one value.
    pub import: bool,
    /// That it is missing is an error, so that it is worth looking for what else it may be called.
    pub must: bool,
}

/// What was found for one reference.
pub struct Found {
    /// The value, or for an import the names and values.
    pub value: Value,
    /// The version, where the store has versions.
    pub version: Option<String>,
    /// What else the store says of it.
    pub about: About,
}

/// What a store says of a value beside its version.
#[derive(Default, Clone)]
pub struct About {
    /// When this version was written.
    pub changed: Option<SystemTime>,
    /// How long a dynamic secret lives.
    pub lent: Option<Lent>,
}

/// How long a dynamic secret lives.
#[derive(Clone, PartialEq, Eq)]
pub struct Lent {
    /// What the store calls it.
    pub id: String,
    /// For so long from when it was made.
    pub duration: Duration,
    /// It can be made longer.
    pub renewable: bool,
}

/// A value or several.
pub enum Value {
    /// The value of a reference.
    One(Secret),
    /// The fields of one secret: their names in the store, and values.
    Several(Vec<(String, Secret)>),
    /// The secrets of a folder, each with its own version.
    Folder(Vec<Item>),
}

/// A secret of a folder.
pub struct Item {
    /// Its name in the store.
    pub name: String,
    /// Its value.
    pub value: Secret,
    /// Its version, where the store has versions.
    pub version: Option<String>,
}

impl Found {
    /// A value without a version.
    pub fn one(secret: Secret) -> Found {
        Found {
            value: Value::One(secret),
            version: None,
            about: About::default(),
        }
    }

    /// An import without a version.
    pub fn several(fields: Vec<(String, Secret)>) -> Found {
        Found {
            value: Value::Several(fields),
            version: None,
            about: About::default(),
        }
    }
}

/// Why there is no value. Only [`Trouble::Missing`] lets `?default=` and `?optional=1` speak.
pub enum Trouble {
    /// The store answered: there is no such secret or field.
    Missing(Failure),
    /// Anything else: denied, unreachable, malformed.
    Failed(Failure),
}

impl Trouble {
    /// The explanation.
    pub fn failure(self) -> Failure {
        match self {
            Trouble::Missing(failure) | Trouble::Failed(failure) => failure,
        }
    }
}

/// The answer to one reference.
pub type Answer = Result<Found, Trouble>;

/// A store, opened for one load. It is opened and asked in a thread of its own unless it is local.
pub trait Provider: Send {
    /// One answer per reference, in the order asked.
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer>;
    /// The same without values, where that is cheaper for anybody.
    fn glance(&mut self, wanted: &[Wanted<'_>]) -> Vec<Glance> {
        vec![Glance::Unclear; wanted.len()]
    }

    /// The names that an import would take. A store that can tell them without their values does.
    /// Without `details` nothing is asked for versions and ages alone.
    fn list(&mut self, wanted: &Wanted<'_>, _details: bool) -> Result<Vec<Listed>, Trouble> {
        fields_of(self, wanted)
    }
}

/// What an import takes, by name.
pub(crate) fn fields_of<P: Provider + ?Sized>(
    provider: &mut P,
    wanted: &Wanted<'_>,
) -> Result<Vec<Listed>, Trouble> {
    let answer = provider.fetch(std::slice::from_ref(wanted)).pop();
    let Some(found) = answer.transpose()? else {
        return Ok(Vec::new());
    };
    let (version, changed) = (found.version, found.about.changed);
    Ok(match found.value {
        Value::One(_) => Vec::new(),
        Value::Several(fields) => {
            let listed = |(name, _)| Listed {
                name,
                version: version.clone(),
                changed,
                note: None,
            };
            fields.into_iter().map(listed).collect()
        }
        Value::Folder(items) => {
            let listed = |item: Item| Listed {
                name: item.name,
                version: item.version,
                changed: None,
                note: None,
            };
            items.into_iter().map(listed).collect()
        }
    })
}

/// A name in a store.
pub struct Listed {
    /// What completes the reference that was listed; a folder ends with a slash.
    pub name: String,
    /// Its version, where the store has versions.
    pub version: Option<String>,
    /// When that was written.
    pub changed: Option<SystemTime>,
    /// Why a load would not take it: `is disabled`.
    pub note: Option<String>,
}

/// The row of a scheme.
pub fn row(scheme: &str) -> Option<&'static Row> {
    PROVIDERS.iter().find(|row| row.scheme == scheme)
}

/// The schemes of the stores that take values.
pub fn writable() -> Vec<&'static str> {
    let rows = PROVIDERS.iter().filter(|row| row.write.is_some());
    rows.map(|row| row.scheme).collect()
}

/// All schemes, in the order of the table.
pub fn schemes() -> Vec<&'static str> {
    PROVIDERS.iter().map(|row| row.scheme).collect()
}

/// The content of a secret, or a field of it when it is a JSON object.
pub(crate) fn pick(secret: Secret, field: Option<&str>) -> Result<Secret, Trouble> {
    let Some(field) = field else {
        return Ok(secret);
    };
    let json = document(&secret)?;
    json::pick(&json, field).map_err(|fault| match fault {
        // The secret is there and of another shape: that is a mistake, which no default mends.
        NoField::Fieldless { .. } => Trouble::Failed(fault.into()),
        NoField::Missing { .. } | NoField::Null { .. } => Trouble::Missing(fault.into()),
    })
}

/// The fields of a secret that is a JSON object. A field that is `null` is not set.
pub(crate) fn fields(secret: &Secret) -> Result<Vec<(String, Secret)>, Trouble> {
    let fields = document(secret)?.object_fields();
    let fields = fields.ok_or_else(|| Trouble::Failed(NotFields::NoObject.into()))?;
    Ok(fields.present)
}

fn document(secret: &Secret) -> Result<Json, Trouble> {
    json::parse(secret.expose()).map_err(|fault| {
        let (line, column) = (fault.line, fault.column);
        Trouble::Failed(NotFields::NoJson { line, column }.into())
    })
}

/// Why a secret has no fields.
enum NotFields {
    NoJson { line: usize, column: usize },
    NoObject,
}

impl Explain for NotFields {
    fn what(&self) -> String {
        match self {
            NotFields::NoJson { line, column } => {
                format!(
                    "the secret has no fields, for it is not JSON (line {line}, column {column})"
                )
            }
            NotFields::NoObject => {
                "the secret has no fields, for it is not a JSON object".to_owned()
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some("store a JSON object: {\"name\": \"value\"}; to take the secret whole: NAME=scheme:name without `#field`".to_owned())
    }
}
