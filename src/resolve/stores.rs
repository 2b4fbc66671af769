//! One store, asked and written to outside of a load: with the settings that a load would have.

use crate::clock::Deadline;
use crate::failure::{Explain, Failure, Failures, nearest, one_line};
use crate::format::reference::{Reference, parse_exact};
use crate::provider::{self, Answer, Context, Lookup, Network, Row, Store, Trouble, Wanted};
use crate::report::Report;
use crate::resolve::direct::{FileSettings, of_key};
use crate::resolve::{View, manner};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::source::document::Document;

/// A place that is to be written to.
pub struct Target {
    /// Where.
    pub reference: Reference,
    /// As it was written, without what it asks of a reader.
    pub shown: String,
    /// It is stored in base64, for `?decode=base64` says that readers decode it.
    base64: bool,
    row: &'static Row,
}

/// Why a place cannot be written to.
enum Fault {
    NoReference(String),
    ReadOnly(&'static str),
    OldVersion(&'static str),
    NoMetadata(&'static str),
    Metadata(&'static str, String, &'static str),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoReference(_) => "is not a reference to a store".to_owned(),
            Fault::ReadOnly(title) => format!("{title} is only read, never written"),
            Fault::OldVersion(name) => {
                format!("?{name}= names a version, and what is written is always a new one")
            }
            Fault::NoMetadata(title) => format!("{title} keeps no metadata with a value"),
            Fault::Metadata(title, name, _) => {
                format!("{title} does not keep the metadata `{}`", one_line(name))
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NoReference(scheme) => {
                let known = provider::writable();
                match nearest(scheme, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}:...?"),
                    None => format!("it begins with one of {}:", known.join(":, ")),
                }
            }
            Fault::ReadOnly(_) => {
                format!("these take values: {}:", provider::writable().join(":, "))
            }
            Fault::OldVersion(name) => format!("leave ?{name}= out"),
            Fault::NoMetadata(_) => "leave --meta out".to_owned(),
            Fault::Metadata(_, _, rule) => format!("it keeps {rule}"),
        })
    }
}

impl Target {
    /// Reads a reference that is to be written to.
    pub fn parse(text: &str) -> Result<Target, Failure> {
        let scheme = text.split(':').next().unwrap_or_default().to_owned();
        let stranger = || Failure::from(Fault::NoReference(scheme.clone()));
        let reference = parse_exact(text).ok_or_else(stranger)??;
        provider::row(&reference.scheme).ok_or_else(stranger)?;
        Target::of(reference)
    }

    fn of(mut reference: Reference) -> Result<Target, Failure> {
        let scheme = reference.scheme.clone();
        let row = provider::row(&scheme).ok_or(Fault::NoReference(scheme))?;
        if row.write.is_none() {
            return Err(Fault::ReadOnly(row.title).into());
        }
        let manner = manner(&mut reference, false)?;
        for name in ["version", "stage"] {
            if reference.parameter(name).is_some() {
                return Err(Fault::OldVersion(name).into());
            }
        }
        Ok(Target {
            shown: reference.to_string(),
            base64: manner.base64,
            reference,
            row,
        })
    }

    /// A place that is made of another one: `push` has one for each variable.
    pub fn with(&self, locator: String, field: Option<String>) -> Target {
        let reference = Reference {
            locator,
            field,
            ..self.reference.clone()
        };
        Target {
            shown: reference.to_string(),
            reference,
            base64: self.base64,
            row: self.row,
        }
    }

    /// The place of a variable below this one. Where no name has a slash in it, a hyphen joins.
    pub fn below(&self, name: &str) -> Target {
        let base = &self.reference.locator;
        let slash = if base.ends_with('/') { "" } else { "/" };
        let below = self.with(format!("{base}{slash}{name}"), None);
        if (self.row.check)(&below.reference, false).is_ok() {
            return below;
        }
        let base = base.trim_end_matches(['/', '-']);
        let joined = self.with(format!("{base}-{name}"), None);
        match (self.row.check)(&joined.reference, false) {
            Ok(()) => joined,
            Err(_) => below,
        }
    }

    /// The value as the store is to keep it.
    pub fn coded(&self, value: Secret) -> Secret {
        use base64ct::{Base64, Encoding};
        if self.base64 {
            Secret::new(Base64::encode_string(value.expose()).into_bytes())
        } else {
            value
        }
    }

    /// Refuses metadata where the store has no place for it.
    pub fn keeps(&self, metadata: &[(String, String)]) -> Result<(), Failure> {
        let Some((first, _)) = metadata.first() else {
            return Ok(());
        };
        let title = self.row.title;
        let writing = self.row.write.as_ref();
        let store = writing.and_then(|writing| writing.metadata.as_ref());
        let store = store.ok_or(Fault::NoMetadata(title))?;
        let odd = metadata
            .iter()
            .find(|(name, value)| !(store.fits)(name, value));
        match odd.map(|(name, _)| name) {
            Some(name) => Err(Fault::Metadata(title, name.clone(), store.rule).into()),
            None if metadata.len() > store.most => {
                Err(Fault::Metadata(title, first.clone(), store.rule).into())
            }
            None => Ok(()),
        }
    }

    /// What the store is called.
    pub fn title(&self) -> &'static str {
        self.row.title
    }
}

/// The settings that a source has for stores, and what it takes to ask them.
pub struct Desk<'a> {
    view: View<'a>,
    network: Network,
    deadline: Deadline,
    strict: bool,
    report: &'a Report,
}

impl<'a> Desk<'a> {
    /// Settles the settings of a document, where there is one.
    pub fn open(
        document: Document,
        settings: &'a mut Settings,
        report: &'a Report,
    ) -> Result<Desk<'a>, Failures> {
        let network = Network::default();
        let FileSettings(file) = FileSettings::of(document, settings, &network, report)?;
        let settings: &'a Settings = settings;
        Ok(Desk {
            view: View {
                inherited: &settings.inherited,
                file,
            },
            network: Network::default(),
            deadline: Deadline::after(settings.timeout),
            strict: settings.strict,
            report,
        })
    }

    /// The place that a bare key means, in the store that the settings choose.
    pub fn place(&self, key: &str) -> Result<Target, Failure> {
        Target::of(of_key(key, &self.view).map_err(Trouble::failure)?)
    }

    /// Begins to measure the time anew: a person was asked, and has taken it.
    pub fn rested(&mut self) {
        self.deadline = Deadline::after(self.deadline.whole());
        // What it has opened ends with the old deadline.
        self.network = Network::default();
    }

    /// The store of a target, opened for writing.
    pub fn store(&self, target: &Target) -> Result<Box<dyn Store + '_>, Failure> {
        let context = Context {
            settings: &self.view as &dyn Lookup,
            deadline: self.deadline,
            report: self.report,
            strict: self.strict,
            network: &self.network,
        };
        match &target.row.write {
            Some(writing) => (writing.open)(context),
            None => Err(Fault::ReadOnly(target.row.title).into()),
        }
    }
}

/// What stands at these places now.
pub fn look(store: &mut dyn Store, targets: &[&Target]) -> Vec<Answer> {
    let wanted: Vec<Wanted<'_>> = targets
        .iter()
        .map(|target| Wanted {
            reference: &target.reference,
            import: false,
            must: false,
        })
        .collect();
    store.fetch(&wanted)
}
