//! `env:NAME`: another variable of the environment. A bare key such as `database/password` is asked
//! for as `DATABASE_PASSWORD`, with `SECRET_MANAGER_PREFIX` in front.

use crate::failure::{Explain, Failure};
use crate::format::naming;
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::provider::{
    Answer, Chosen, Context, Found, Keys, Provider, Row, Setting, Trouble, Wanted, pick,
};
use crate::secret::Secret;

pub(crate) const ROW: Row = Row {
    scheme: "env",
    title: "the environment",
    example: "env:GIT_SHA?default=dev",
    settings: &[
        Setting {
            name: "SECRET_MANAGER_TYPE",
            doc: "the store of bare keys and of the import, as in env or file",
            bootstrap: false,
        },
        Setting {
            name: "SECRET_MANAGER_PREFIX",
            doc: "put before the names of env: references",
            bootstrap: false,
        },
    ],
    parameters: &[],
    imports: true,
    names: Policy::Default,
    local: true,
    trusts_environment: true,
    marker: None,
    shield: str::to_owned,
    check,
    keys: Some(Keys {
        chosen: |settings| Chosen::by(settings, &[PREFIX]),
        reference: |key| format!("env:{key}"),
        all: "env:*",
        flat: true,
    }),
    implied: |settings| match (settings.text("SECRET_MANAGER_TYPE"), settings.text(PREFIX)) {
        // Without a prefix the environment is what it already is.
        (Some("env"), Some(_)) => vec!["env:*".to_owned()],
        _ => Vec::new(),
    },
    tend: None,
    open: |context| Ok(Box::new(Environment { context })),
    write: None,
};

const PREFIX: &str = "SECRET_MANAGER_PREFIX";

enum Fault {
    Unset(String, Option<String>),
    OnlyAll,
    NoPrefix,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Unset(name, _) => format!("`{name}` is not set in the environment"),
            Fault::OnlyAll => {
                "an import from the environment takes all that have the prefix".to_owned()
            }
            Fault::NoPrefix => "there is no prefix to import by".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Unset(_, Some(near)) => format!("did you mean `{near}`? Or add ?default=text"),
            Fault::Unset(name, None) => format!("set {name}, or add ?default=text or ?optional=1"),
            Fault::OnlyAll => {
                "write env:*, or name variables one by one as NAME=env:OTHER".to_owned()
            }
            Fault::NoPrefix => format!("set {PREFIX}"),
        })
    }
}

fn check(reference: &Reference, import: bool) -> Result<(), Failure> {
    if import && reference.locator != "*" {
        return Err(Fault::OnlyAll.into());
    }
    Ok(())
}

struct Environment<'a> {
    context: Context<'a>,
}

impl Environment<'_> {
    fn one(&self, reference: &Reference) -> Answer {
        let settings = self.context.settings;
        let prefix = settings.text(PREFIX).unwrap_or("");
        // As written first; then as the name that a key is made into.
        let exact = format!("{prefix}{}", reference.locator);
        let made = || {
            let name = naming::variable(&reference.locator, Policy::Upper, "").ok()?;
            settings.variable(&format!("{prefix}{name}"))
        };
        let found = settings.variable(&exact).or_else(made);
        let value = found.ok_or_else(|| {
            let names = settings.names();
            let near = crate::failure::nearest(&exact, names.iter().copied()).map(str::to_owned);
            Trouble::Missing(Fault::Unset(exact, near).into())
        })?;
        pick(Secret::new(value.to_vec()), reference.field.as_deref()).map(Found::one)
    }

    fn all(&self) -> Answer {
        let settings = self.context.settings;
        let prefix = settings.text(PREFIX).filter(|prefix| !prefix.is_empty());
        let prefix = prefix.ok_or_else(|| Trouble::Failed(Fault::NoPrefix.into()))?;
        let fields = settings.names().into_iter().filter_map(|name| {
            let bare = name.strip_prefix(prefix).filter(|bare| !bare.is_empty())?;
            Some((
                bare.to_owned(),
                Secret::new(settings.variable(name)?.to_vec()),
            ))
        });
        Ok(Found::several(fields.collect()))
    }
}

impl Provider for Environment<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        wanted
            .iter()
            .map(|wanted| {
                if wanted.import {
                    self.all()
                } else {
                    self.one(wanted.reference)
                }
            })
            .collect()
    }
}
