//! What an answer of Vault means for the path that was asked for.

use std::time::Duration;

use crate::clock;
use crate::format::json::Json;
use crate::provider::vault::fault::Fault;
use crate::provider::vault::path::{Ask, Kind, Route, What};
use crate::provider::vault::tend::Grant;
use crate::provider::{About, Lent};

/// What an [`Ask`] found.
pub(super) enum Reply {
    /// The fields of a secret, its version where there are versions, and the lease if it was made
    /// for us.
    Secret {
        data: Json,
        version: Option<String>,
        grant: Option<Grant>,
        about: About,
    },
    /// The names in a folder.
    Names(Vec<String>),
}

/// What a guess came to that was not answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 404.
    NotThere,
    /// 403 or 400.
    Denied,
    /// 405, or an answer of another form.
    Unfit,
}

/// What was found, and the kind of engine that answers so.
pub(super) type Settled = (Result<Reply, Fault>, Kind);

/// The names in a list.
pub(super) fn names(content: &Json, kind: Kind) -> Option<Settled> {
    let keys = content.get("data")?.get("keys")?.list()?;
    let names = keys.iter().filter_map(Json::as_str).map(str::to_owned);
    // Both kinds of KV answer a list alike, each at its own path.
    Some((Ok(Reply::Names(names.collect())), kind))
}

/// The secret in an answer: KV v2 has the fields one level further in, beside what it says of the
/// version. `None` where the answer does not fit the request.
pub(super) fn secret(mut content: Json, route: &Route, what: What, status: u16) -> Option<Settled> {
    let lent = lent(&content);
    let Json::Object(top) = &mut content else {
        return None;
    };
    let grant = Grant::of_lease(top);
    let at = top.iter().position(|(name, _)| name == "data")?;
    let (_, data) = top.swap_remove(at);
    let Json::Object(mut fields) = data else {
        return None;
    };
    let (version, changed) = {
        let find = |name| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let about = find("metadata").filter(|_| fields.len() == 2 && find("data").is_some());
        let made = about.and_then(|about| about.get("created_time"));
        let number = about
            .and_then(|about| about.get("version"))
            .and_then(Json::whole);
        let version = number.filter(|_| made.is_some()).map(|n| n.to_string());
        (version, made.and_then(Json::as_str).and_then(clock::moment))
    };
    let Some(version) = version else {
        let fits = route.kind == Kind::Plain && status == 200;
        let data = Json::Object(fields);
        let found = match what {
            What::Read(Some(_)) => Err(Fault::Unversioned),
            _ => Ok(Reply::Secret {
                data,
                version: None,
                grant,
                about: About {
                    lent,
                    changed: None,
                },
            }),
        };
        return fits.then_some((found, Kind::Plain));
    };
    let at = fields.iter().position(|(name, _)| name == "data")?;
    let (_, data) = fields.swap_remove(at);
    let about = fields.pop()?.1;
    let found = match data {
        data @ Json::Object(_) => Ok(Reply::Secret {
            data,
            version: Some(version),
            grant: None,
            about: About {
                changed,
                lent: None,
            },
        }),
        _ if matches!(about.get("destroyed"), Some(Json::Bool(true))) => {
            Err(Fault::Destroyed(version))
        }
        _ => Err(Fault::Deleted {
            version,
            when: moment(about.get("deletion_time").and_then(Json::as_str)),
            mount: route.mount.clone(),
            path: route.rest.clone(),
        }),
    };
    Some((found, Kind::V2))
}

/// The lease of a dynamic secret. KV engines of version 1 say how long to believe them, and lease
/// nothing.
fn lent(content: &Json) -> Option<Lent> {
    let id = content.get("lease_id").and_then(Json::as_str)?;
    let seconds = content.get("lease_duration").and_then(Json::whole)?;
    (!id.is_empty()).then(|| Lent {
        id: id.to_owned(),
        duration: Duration::from_secs(seconds),
        renewable: matches!(content.get("renewable"), Some(Json::Bool(true))),
    })
}

/// A time of Vault to the second.
fn moment(text: Option<&str>) -> String {
    let text = text.unwrap_or("an unknown time");
    let whole = text.split('.').next().unwrap_or(text);
    match whole.strip_suffix('Z') {
        Some(_) => whole.to_owned(),
        None => format!("{whole}Z"),
    }
}

/// The fault of a path whose request is known to be the right one, or the best one.
pub(super) fn verdict(ask: &Ask, route: &Route, outcome: Outcome, known: bool) -> Fault {
    match (outcome, ask.what) {
        (Outcome::Denied, what) => Fault::Denied {
            path: route.policy(what),
            list: what == What::List,
        },
        (Outcome::Unfit, _) => Fault::NotReadable(route.policy(ask.what)),
        (Outcome::NotThere, What::Read(Some(version))) => Fault::NoVersion(version),
        (Outcome::NotThere, _) => {
            let inside = known || ask.path.mount.is_some();
            Fault::Nothing {
                path: if inside {
                    route.rest.clone()
                } else {
                    ask.path.whole()
                },
                mount: inside.then(|| route.mount.clone()),
                kv: known,
            }
        }
    }
}
