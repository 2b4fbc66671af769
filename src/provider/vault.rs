//! `vault:path#field`: HashiCorp Vault and OpenBao.
//!
//! A path lies in the KV engine at `VAULT_MOUNT_POINT`; with a slash in front it is the whole path
//! of anything that can be read, dynamic secrets included. Every distinct path is read once, so
//! that all fields of a dynamic secret are of one lease. Without a field, a secret whose only field
//! is `value` stands for that value, any other for all its fields as JSON.
//!
//! We never revoke the token that a login gave us: leases die with it.

mod answer;

mod chain;

mod credential;

mod fault;

mod glance;

mod iam;

mod import;

mod list;

mod login;

mod path;

mod reader;

mod server;

mod settings;

mod tend;

mod words;

mod write;

use crate::failure::Failure;
use crate::format::json::{self, Json};
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::provider::{
    About, Answer, Chosen, Context, Found, Glance, Keys, Listed, Lookup, Metadata, Provider, Row,
    Trouble, Value, Wanted, Writing, fields,
};
use crate::secret::Secret;

use answer::Reply;
use fault::Fault;
use login::Session;
use path::{Ask, Kind, Path, What};
use reader::Reader;
use server::Server;

pub(crate) const ROW: Row = Row {
    scheme: "vault",
    title: "Vault",
    example: "vault:imip/production#db_password",
    settings: settings::SETTINGS,
    parameters: &["version"],
    imports: true,
    names: Policy::Default,
    local: false,
    trusts_environment: true,
    marker: None,
    shield: str::to_owned,
    check,
    keys: Some(Keys {
        chosen: |settings| Chosen::by(settings, &["VAULT_ADDR", "VAULT_AGENT_ADDR"]),
        reference: path::of_key,
        all: "vault:*",
        flat: false,
    }),
    implied,
    tend: Some(tend::tend),
    open: |context| Ok(Box::new(Vault::of(context)?)),
    write: Some(Writing {
        open: |context| Ok(Box::new(Vault::of(context)?)),
        metadata: Some(Metadata {
            most: 64,
            fits: |name, value| {
                let printable = |text: &str| !text.chars().any(char::is_control);
                name.len() <= 128
                    && (1..=512).contains(&value.len())
                    && printable(name)
                    && printable(value)
            },
            rule: "64 at most, with names of 128 bytes, and values of 1 to 512, that can be printed",
        }),
    }),
};

/// The mount of paths without a slash in front.
fn mount(settings: &dyn Lookup) -> &str {
    let mount = settings.text("VAULT_MOUNT_POINT").unwrap_or("secret");
    mount.trim_matches('/')
}

/// The version of the engine there, if the user says it.
fn version(settings: &dyn Lookup) -> Result<Option<Kind>, Fault> {
    match settings.text("VAULT_KV_VERSION").map(str::trim) {
        None => Ok(None),
        Some("1" | "v1") => Ok(Some(Kind::Plain)),
        Some("2" | "v2") => Ok(Some(Kind::V2)),
        Some(_) => Err(Fault::Setting("VAULT_KV_VERSION", "2")),
    }
}

fn check(reference: &Reference, import: bool) -> Result<(), Failure> {
    // Any mount will do: this is about the form.
    let (_, folder) = Path::of(reference, "secret")?;
    if folder && !import {
        return Err(Fault::Folder.into());
    }
    wanted_version(reference)?;
    Ok(())
}

fn wanted_version(reference: &Reference) -> Result<Option<u32>, Fault> {
    let text = reference.parameter("version");
    let number = |text: &str| text.parse().ok().filter(|n| *n > 0);
    text.map(|text| number(text).ok_or(Fault::BadVersion))
        .transpose()
}

/// `VAULT_SECRET_PATH` imports. In an environment where nothing says where Vault is, the variable
/// may well be the program's own; in `.vault` it is meant.
fn implied(settings: &dyn Lookup) -> Vec<String> {
    let Some(text) = settings.text("VAULT_SECRET_PATH") else {
        return Vec::new();
    };
    let known = ["VAULT_ADDR", "VAULT_AGENT_ADDR"].map(|name| settings.setting(name).is_some());
    let inherited = settings
        .variable("VAULT_SECRET_PATH")
        .is_some_and(|v| !v.is_empty());
    if inherited && !known.contains(&true) {
        return Vec::new();
    }
    let paths = text
        .split(',')
        .map(str::trim)
        .filter(|path| !path.is_empty());
    paths
        .map(|path| {
            let plain = path
                .replace('%', "%25")
                .replace('#', "%23")
                .replace('?', "%3F");
            format!("vault:{plain}")
        })
        .collect()
}

struct Vault<'a> {
    context: Context<'a>,
    server: Server,
    kind: Option<Kind>,
    /// Once logged in, or refused: that is not tried twice.
    session: Option<Result<Session, Fault>>,
}

impl<'a> Vault<'a> {
    fn of(context: Context<'a>) -> Result<Vault<'a>, Failure> {
        let kind = version(context.settings)?;
        let server = Server::of(&context)?;
        Ok(Vault {
            context,
            server,
            kind,
            session: None,
        })
    }

    /// Logs in, once.
    fn enter(&mut self) -> Result<Session, Fault> {
        if let Some(session) = &self.session {
            return session.clone();
        }
        let session = login::enter(&mut self.server, &self.context);
        self.session = Some(session.clone());
        session
    }
}

/// The distinct paths of a batch.
#[derive(Default)]
struct Asks(Vec<Ask>);

impl Asks {
    /// The place of a path; equal ones share it.
    fn add(&mut self, ask: Ask) -> usize {
        self.0
            .iter()
            .position(|known| *known == ask)
            .unwrap_or_else(|| {
                self.0.push(ask);
                self.0.len() - 1
            })
    }
}

impl Provider for Vault<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        let session = match self.enter() {
            Ok(session) => session,
            Err(fault) => return wanted.iter().map(|_| Err(fault.trouble())).collect(),
        };
        let mount = mount(self.context.settings);
        let known = self.kind.map(|kind| (mount, kind));
        let mut borrowed = tend::Borrowed::of(&session);
        let mut reader = Reader::new(&self.server, session, known);
        let mut asks = Asks::default();
        let places: Vec<Result<usize, Fault>> = wanted
            .iter()
            .map(|wanted| {
                let (path, folder) = Path::of(wanted.reference, mount)?;
                let what = if folder {
                    What::List
                } else {
                    What::Read(wanted_version(wanted.reference)?)
                };
                Ok(asks.add(Ask { path, what }))
            })
            .collect();
        let replies = reader.ask(&asks.0);
        for (ask, reply) in asks.0.iter().zip(&replies) {
            if let Ok(Reply::Secret {
                grant: Some(grant), ..
            }) = reply
            {
                borrowed.add(format!("vault:/{}", ask.path.whole()), grant);
            }
        }
        let mut folders = import::Folders::default();
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(wanted.len());
        for (wanted, place) in wanted.iter().zip(places) {
            let asked =
                place.and_then(|at| asks.0.get(at).zip(replies.get(at)).ok_or(Fault::OddPath));
            // What is no secret may be a folder of them.
            let may_be = wanted.import && wanted.reference.field.is_none();
            answers.push(match asked {
                Ok((ask, Ok(Reply::Names(names)))) => {
                    folders.listed(answers.len(), &ask.path, names);
                    None
                }
                Ok((ask, Err(fault @ Fault::Nothing { .. })))
                    if may_be && ask.what != What::List =>
                {
                    folders.perhaps(answers.len(), &ask.path, fault);
                    None
                }
                Ok((
                    _,
                    Ok(Reply::Secret {
                        data,
                        version,
                        about,
                        ..
                    }),
                )) => Some(found(wanted, data, version, about)),
                Ok((_, Err(fault))) => Some(Err(fault.trouble())),
                Err(fault) => Some(Err(fault.trouble())),
            });
        }
        for (at, answer) in folders.read(&mut reader) {
            if let Some(slot) = answers.get_mut(at) {
                *slot = Some(answer);
            }
        }
        borrowed.remember(&self.context, &self.server);
        let lost = || Err(Fault::OddPath.trouble());
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(lost))
            .collect()
    }

    fn glance(&mut self, wanted: &[Wanted<'_>]) -> Vec<Glance> {
        let mount = mount(self.context.settings);
        let places: Vec<Option<glance::Place>> = wanted
            .iter()
            .map(|wanted| {
                let (path, folder) = Path::of(wanted.reference, mount).ok()?;
                let plain = path.mount.is_some() && self.kind == Some(Kind::Plain);
                let version = wanted_version(wanted.reference).ok()?;
                (!folder && !plain).then_some((path, version))
            })
            .collect();
        if places.iter().all(Option::is_none) {
            return vec![Glance::Unclear; wanted.len()];
        }
        match self.enter() {
            Ok(_) => glance::at(&self.server, &places),
            // Reading says why.
            Err(_) => vec![Glance::Unclear; wanted.len()],
        }
    }

    fn list(&mut self, wanted: &Wanted<'_>, details: bool) -> Result<Vec<Listed>, Trouble> {
        let session = login::enter(&mut self.server, &self.context);
        let session = session.map_err(|fault| fault.trouble())?;
        let mount = mount(self.context.settings);
        let known = self.kind.map(|kind| (mount, kind));
        let mut reader = Reader::new(&self.server, session, known);
        list::names(&mut reader, wanted, mount, details).map_err(|fault| fault.trouble())
    }
}

/// What a reference, or an import, takes from a secret.
fn found(wanted: &Wanted<'_>, data: &Json, version: &Option<String>, about: &About) -> Answer {
    let field = wanted.reference.field.as_deref();
    let picked =
        |field| json::pick(data, field).map_err(|no_field| Trouble::Missing(no_field.into()));
    let value = match (wanted.import, field) {
        (false, Some(field)) => Value::One(picked(field)?),
        (false, None) => Value::One(whole(data)),
        (true, Some(field)) => Value::Several(fields(&picked(field)?)?),
        (true, None) => Value::Several(all(data)),
    };
    Ok(Found {
        value,
        version: version.clone(),
        about: about.clone(),
    })
}

/// The value of a secret without a word about fields.
fn whole(data: &Json) -> Secret {
    single(data).unwrap_or_else(|| data.compact())
}

/// The value where a path holds one variable.
fn single(data: &Json) -> Option<Secret> {
    match data {
        Json::Object(fields) => match fields.as_slice() {
            [(name, value)] if name == "value" => Some(value.render()),
            _ => None,
        },
        _ => None,
    }
}

/// Every field that is not null.
fn all(data: &Json) -> Vec<(String, Secret)> {
    let Json::Object(fields) = data else {
        return Vec::new();
    };
    fields
        .iter()
        .filter(|(_, value)| !matches!(value, Json::Null))
        .map(|(name, value)| (name.clone(), value.render()))
        .collect()
}
