//! What a vault says about one secret: the secret, or why not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::timestamp;
use crate::format::json::{self, Json};
use crate::http::Answer as Heard;
use crate::provider::Trouble;
use crate::report::Report;
use crate::secret::Secret;

use super::fault::{Denial, Fault, Where};
use super::plan::Target;
use super::store::Outcome;

/// A secret.
pub(super) struct Got {
    /// Its name, as the vault writes it.
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) value: Secret,
    pub(super) state: State,
    /// When this version was written.
    pub(super) changed: Option<SystemTime>,
    vault: String,
}

/// Whether a secret is meant to be used now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum State {
    Usable,
    Disabled,
    NotYet(SystemTime),
    Expired(SystemTime),
}

/// A moment in the attributes of a secret.
pub(super) fn moment(secret: &Json, name: &str) -> Option<SystemTime> {
    let seconds = secret.get("attributes")?.get(name)?.whole()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

impl State {
    /// Out of the attributes of a secret.
    pub(super) fn of(secret: &Json, now: SystemTime) -> State {
        let attributes = secret.get("attributes");
        let moment = |name| moment(secret, name);
        let enabled = attributes.and_then(|a| a.get("enabled"));
        match (enabled, moment("nbf"), moment("exp")) {
            (Some(Json::Bool(false)), ..) => State::Disabled,
            (_, _, Some(end)) if end <= now => State::Expired(end),
            (_, Some(begin), _) if begin > now => State::NotYet(begin),
            _ => State::Usable,
        }
    }

    /// In a few words; none where there is nothing to say.
    pub(super) fn words(&self) -> Option<String> {
        match self {
            State::Usable => None,
            State::Disabled => Some("is disabled".to_owned()),
            State::NotYet(begin) => Some(format!("is not valid before {}", timestamp(*begin))),
            State::Expired(end) => Some(format!("has expired at {}", timestamp(*end))),
        }
    }
}

impl Got {
    /// A vault gives a secret also before and after its time. Who asked for it by name gets it too.
    pub(super) fn warn(&self, report: &Report) {
        if let Some(words) = self.state.words() {
            report.warn(
                &format!(
                    "the secret `{}` of the vault `{}` {words}",
                    self.name, self.vault
                ),
                Some("set a new version of it: az keyvault secret set, or move its dates"),
            );
        }
    }
}

/// What became of a target, from the answer of its vault.
pub(super) fn outcome(answer: &Heard, vault: &str, target: &Target) -> Outcome {
    let json = json::parse(answer.body.expose()).ok();
    if answer.status != 200 {
        let json = json.as_ref();
        return Err(refused(answer.status, json, vault, Some(target), false));
    }
    let got = || {
        let json = json.as_ref()?;
        let (name, version) = named(json)?;
        Some(Got {
            name: name.to_owned(),
            version: version.map(str::to_owned),
            value: json.get("value")?.text()?.duplicate(),
            state: State::of(json, SystemTime::now()),
            changed: moment(json, "updated"),
            vault: vault.to_owned(),
        })
    };
    got().ok_or_else(|| Trouble::Failed(Fault::Malformed(vault.to_owned()).into()))
}

/// The name and version in the `id` of a secret: `https://HOST/secrets/NAME[/VERSION]`.
pub(super) fn named(secret: &Json) -> Option<(&str, Option<&str>)> {
    let id = secret.get("id")?.as_str()?;
    let mut parts = id.split("://").nth(1)?.split('/').skip(1);
    let name = (parts.next()? == "secrets").then(|| parts.next())??;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let good = !name.is_empty() && name.chars().all(fits);
    good.then(|| (name, parts.next()))
}

/// A refusal: of a secret, or of a listing; to read it or to write it.
pub(super) fn refused(
    status: u16,
    json: Option<&Json>,
    vault: &str,
    target: Option<&Target>,
    writes: bool,
) -> Trouble {
    let error = json.and_then(|json| json.get("error"));
    let text = |json: Option<&Json>, name| -> String {
        let text = json.and_then(|json| json.get(name)).and_then(Json::as_str);
        text.unwrap_or_default().to_owned()
    };
    let plain = |c: &char| c.is_ascii_alphanumeric();
    let code: String = text(error, "code").chars().filter(plain).take(80).collect();
    let inner = text(error.and_then(|error| error.get("innererror")), "code");
    let message = text(error, "message");
    let place = Where {
        vault: vault.to_owned(),
        name: target.map(|target| target.name.clone()),
    };
    let version = target.and_then(|target| target.version.clone());
    let fault = match (status, inner.as_str()) {
        (404, _) if code == "SecretNotFound" => {
            return Trouble::Missing(match version {
                Some(version) => Fault::NoVersion(place, version).into(),
                None => Fault::Missing(place, None).into(),
            });
        }
        (401, _) => Fault::Token(place.vault),
        (403, "SecretDisabled") => Fault::Disabled(place),
        (403, "ForbiddenByFirewall") => {
            Fault::Firewall(place.vault, after(&message, "address: ", ".:"))
        }
        (403, "ForbiddenByConnection") => Fault::Private(place.vault),
        (403, _) if code == "Forbidden" || code == "AccessDenied" => {
            let denial = Denial::read(&inner, &message);
            if writes {
                Fault::MayNotWrite(place, denial)
            } else {
                Fault::Denied(place, denial)
            }
        }
        (409, "ObjectIsDeletedButRecoverable") => Fault::Deleted(place),
        (429, _) => Fault::Throttled(place.vault),
        _ => Fault::Answer(place.vault, code, status),
    };
    Trouble::Failed(fault.into())
}

/// The word behind the first `mark`: letters, digits, hyphens and what is `more`.
pub(super) fn after(text: &str, mark: &str, more: &str) -> Option<String> {
    let (_, rest) = text.split_once(mark)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || more.contains(c);
    let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
    let word = rest.get(..end.min(512))?.trim_end_matches('.');
    (!word.is_empty()).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{State, after, named};
    use crate::format::json;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn states_and_names() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        for (attributes, words) in [
            (r#"{"enabled":true,"nbf":1000,"exp":1001}"#, None),
            (r#"{}"#, None),
            (r#"{"enabled":false,"exp":1}"#, Some("is disabled")),
            (
                r#"{"enabled":true,"exp":1000}"#,
                Some("has expired at 1970-01-01T00:16:40Z"),
            ),
            (
                r#"{"enabled":true,"nbf":1001}"#,
                Some("is not valid before 1970-01-01T00:16:41Z"),
            ),
        ] {
            let text = format!(r#"{{"attributes":{attributes}}}"#);
            let Ok(json) = json::parse(text.as_bytes()) else {
                panic!("{text}")
            };
            assert_eq!(State::of(&json, now).words().as_deref(), words);
        }
        for (id, want) in [
            (
                "https://kv.vault.azure.net/secrets/a-B/0f",
                Some(("a-B", Some("0f"))),
            ),
            ("https://kv.vault.azure.net/secrets/a", Some(("a", None))),
            ("https://kv.vault.azure.net/keys/a/0f", None),
            ("https://kv.vault.azure.net/secrets/", None),
            ("https://kv.vault.azure.net/secrets/a_b", None),
            ("x", None),
        ] {
            let text = format!(r#"{{"id":"{id}"}}"#);
            let Ok(json) = json::parse(text.as_bytes()) else {
                panic!("{text}")
            };
            assert_eq!(named(&json), want, "{id}");
        }
    }

    #[test]
    fn words_behind_a_mark() {
        assert_eq!(after("a oid=1-2;x", "oid=", "").as_deref(), Some("1-2"));
        assert_eq!(
            after("address: 10.0.0.1.\r", "address: ", ".:").as_deref(),
            Some("10.0.0.1")
        );
        assert_eq!(after("oid=;", "oid=", ""), None);
    }
}
