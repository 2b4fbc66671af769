//! Writing to Secrets Manager and Parameter Store.
//!
//! Secrets Manager knows no check-and-set, but takes a request token once: with another value it
//! refuses it. The token is made of the version that was read, so that of two writers who have read
//! the same version one is refused, and reads again.
//!
//! Parameter Store has nothing of the kind. Its versions are counted, so it is seen afterwards that
//! somebody came in between: a field is then worked into what they wrote, and a whole value says so.

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use crate::credential::aws::Service;
use crate::failure::{Explain, Failure};
use crate::format::json::{Json, quote};
use crate::format::reference::Reference;
use crate::provider::write::{Fault as Unfit, TRIES, by_secret, into_bytes, outcomes};
use crate::provider::{Change, Store, Written};
use crate::secret::{Secret, SecretBuffer};

use super::fault::{Fault, Place};
use super::parameters::{Store as Parameters, bare};
use super::region_of;
use super::secrets::{Manager, got};
use super::service::{Asked, Refusal, member, text};

/// The longest secret.
const MOST_SECRET: usize = 65_536;

/// The longest parameter, of the tier that is paid for.
const MOST_PARAMETER: usize = 8_192;

/// Which secret or parameter.
#[derive(PartialEq)]
struct Name {
    name: String,
    region: String,
}

fn name(asked: &Asked<'_>, reference: &Reference) -> Result<Name, Failure> {
    if reference.locator.ends_with(['*', '/']) {
        return Err(Unfit::Folder.into());
    }
    let region = region_of(reference).map_or_else(|| asked.region(), Ok)?;
    Ok(Name {
        name: reference.locator.clone(),
        region: region.to_owned(),
    })
}

/// The same reason for all.
fn all(changes: &[&Change<'_>], failure: &Failure) -> Vec<Result<Written, Failure>> {
    changes.iter().map(|_| Err(failure.clone())).collect()
}

/// A JSON text whose members before the last one are plain, and the last one a secret.
fn body(head: &str, name: &str, value: &Secret) -> Secret {
    let mut body = SecretBuffer::with_capacity(head.len() + value.expose().len() + 32);
    body.push(head.as_bytes());
    body.push(b",");
    body.push(quote(name).as_bytes());
    body.push(b":");
    body.push(Json::Text(value.duplicate()).compact().expose());
    body.push(b"}");
    body.finish()
}

/// What an operation that only writes needs on top of what envshim needs to read.
struct MayNot {
    action: String,
    name: String,
    region: String,
}

impl Explain for MayNot {
    fn what(&self) -> String {
        let MayNot {
            action,
            name,
            region,
        } = self;
        format!("{action} is denied on `{name}` in {region}")
    }
    fn hint(&self) -> Option<String> {
        Some(format!(
            "allow {} on it, in the policy of the role",
            self.action
        ))
    }
}

/// The tier that costs nothing takes less.
struct Tier;

impl Explain for Tier {
    fn what(&self) -> String {
        "a parameter of the standard tier takes 4096 bytes".to_owned()
    }
    fn hint(&self) -> Option<String> {
        Some("keep it in Secrets Manager, which takes 64 KiB: aws:name".to_owned())
    }
}

/// Somebody wrote at the same time.
struct Between(u64);

impl Explain for Between {
    fn what(&self) -> String {
        format!(
            "somebody else wrote version {} at the same time; it is in the history",
            self.0
        )
    }
}

impl Manager<'_> {
    fn send(&self, at: &Name, operation: &str, body: Secret) -> Result<Json, Refusal> {
        let request = self
            .0
            .writing(Service::SecretsManager, &at.region, operation, body);
        self.0.one(&request.map_err(Refusal::All)?)
    }

    /// The value and version of a secret; none where there is none, and no value where it has none.
    fn now(&self, at: &Name) -> Result<Option<(Option<Secret>, String)>, Failure> {
        let place = Place::new(Service::SecretsManager, &at.name, &at.region);
        let body = Secret::new(format!("{{\"SecretId\":{}}}", quote(&at.name)).into_bytes());
        match self.send(at, "GetSecretValue", body) {
            Ok(json) => {
                let got = got(&json).ok_or(Fault::Malformed)?;
                Ok(Some((Some(got.value), got.version.unwrap_or_default())))
            }
            Err(Refusal::Own(code, message)) if code == "ResourceNotFoundException" => {
                let label = std::str::from_utf8(message.expose())
                    .is_ok_and(|message| message.contains("staging label"));
                Ok(label.then(|| (None, String::new())))
            }
            Err(refusal) => Err(refusal.of(place).failure()),
        }
    }

    fn put_secret(&self, at: &Name, changes: &[&Change<'_>]) -> Vec<Result<Written, Failure>> {
        let place = Place::new(Service::SecretsManager, &at.name, &at.region);
        let (mut before, mut same) = (None::<String>, 0u32);
        for tries in 0..TRIES {
            let now = match self.now(at) {
                Ok(now) => now,
                Err(failure) => return all(changes, &failure),
            };
            let there = now.as_ref().and_then(|(value, _)| value.as_ref());
            let version = now.as_ref().map(|(_, version)| version.clone());
            let (next, verdicts) = into_bytes(there, changes, tries > 0);
            let Some(next) = next else {
                return outcomes(verdicts, &Ok(Written::default()), version.as_deref());
            };
            if let Some(unfit) = unfit(&next, MOST_SECRET) {
                return outcomes(verdicts, &Err(unfit), None);
            }
            // A token that was taken while the version is the old one: the others have not shown up
            // yet, or somebody went back to that version since.
            same = if before.is_some() && before == version {
                same + 1
            } else {
                0
            };
            let late = same / 3;
            before.clone_from(&version);
            let (operation, id) = match version {
                Some(_) => ("PutSecretValue", "SecretId"),
                None => ("CreateSecret", "Name"),
            };
            let token = token(&at.name, version.as_deref().unwrap_or("new"), late);
            let head = format!(
                "{{\"{id}\":{}{}",
                quote(&at.name),
                member("ClientRequestToken", Some(&token))
            );
            let body = match std::str::from_utf8(next.expose()) {
                Ok(_) => body(&head, "SecretString", &next),
                Err(_) => {
                    let encoded = Base64::encode_string(next.expose()).into_bytes();
                    body(&head, "SecretBinary", &Secret::new(encoded))
                }
            };
            let written = match self.send(at, operation, body) {
                Ok(json) => Ok(Written {
                    version: Some(text(&json, "VersionId").to_owned()),
                    note: None,
                }),
                Err(Refusal::Own(code, _)) if code == "ResourceExistsException" => {
                    if same > 0 {
                        crate::provider::write::pause();
                    }
                    continue;
                }
                Err(refusal) => Err(refused(refusal, place, "secretsmanager", operation)),
            };
            return outcomes(verdicts, &written, None);
        }
        all(changes, &Unfit::Restless.into())
    }
}

impl Store for Manager<'_> {
    fn put(&mut self, changes: &[Change<'_>]) -> Vec<Result<Written, Failure>> {
        let name = |reference: &Reference| name(&self.0, reference);
        by_secret(changes, name, |at, members| self.put_secret(at, members))
    }
}

/// A request token: one for each version that was read.
fn token(name: &str, version: &str, late: u32) -> String {
    let digest = Sha256::digest(format!("envshim writes\n{name}\n{version}\n{late}"));
    let mut token = String::with_capacity(36);
    for (at, byte) in digest.iter().take(16).enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            token.push('-');
        }
        token.push_str(&format!("{byte:02x}"));
    }
    token
}

fn unfit(value: &Secret, most: usize) -> Option<Failure> {
    match value.expose().len() {
        0 => Some(Unfit::Empty.into()),
        length if length > most => Some(Unfit::TooLarge(most).into()),
        _ => None,
    }
}

fn refused(refusal: Refusal, place: Place<'_>, service: &str, operation: &str) -> Failure {
    match refusal {
        Refusal::Own(code, message)
            if matches!(code.as_str(), "AccessDeniedException" | "AccessDenied")
                && !message
                    .expose()
                    .windows(3)
                    .any(|part| part.eq_ignore_ascii_case(b"kms")) =>
        {
            MayNot {
                action: format!("{service}:{operation}"),
                name: crate::failure::one_line(place.name),
                region: place.region.to_owned(),
            }
            .into()
        }
        Refusal::Own(code, message)
            if code == "ValidationException"
                && std::str::from_utf8(message.expose())
                    .is_ok_and(|message| message.contains("4096")) =>
        {
            Tier.into()
        }
        refusal => refusal.of(place).failure(),
    }
}

/// A parameter as it stands.
struct Parameter {
    value: Option<Secret>,
    version: u64,
    kind: String,
}

impl Parameters<'_> {
    fn send(&self, at: &Name, operation: &str, body: Secret) -> Result<Json, Refusal> {
        let request = self.0.writing(Service::Ssm, &at.region, operation, body);
        self.0.one(&request.map_err(Refusal::All)?)
    }

    /// The newest version, or this one.
    fn now(&self, at: &Name, version: Option<u64>) -> Result<Parameter, Failure> {
        let place = Place::new(Service::Ssm, &at.name, &at.region);
        let name = match version {
            Some(version) => format!("{}:{version}", at.name),
            None => at.name.clone(),
        };
        let body = format!("{{\"Name\":{},\"WithDecryption\":true}}", quote(&name));
        match self.send(at, "GetParameter", Secret::new(body.into_bytes())) {
            Ok(json) => {
                let found = json.get("Parameter").ok_or(Fault::Malformed)?;
                let value = found
                    .get("Value")
                    .and_then(Json::text)
                    .map(Secret::duplicate);
                Ok(Parameter {
                    value: Some(value.ok_or(Fault::Malformed)?),
                    version: found.get("Version").and_then(Json::whole).unwrap_or(0),
                    kind: text(found, "Type").to_owned(),
                })
            }
            Err(Refusal::Own(code, _)) if code == "ParameterNotFound" => Ok(Parameter {
                value: None,
                version: 0,
                kind: "SecureString".to_owned(),
            }),
            Err(refusal) => Err(refusal.of(place).failure()),
        }
    }

    fn put_parameter(&self, at: &Name, changes: &[&Change<'_>]) -> Vec<Result<Written, Failure>> {
        let place = Place::new(Service::Ssm, &at.name, &at.region);
        let mut now = self.now(at, None);
        let mut note = None;
        for tries in 0..TRIES {
            let standing = match now {
                Ok(standing) => standing,
                Err(failure) => return all(changes, &failure),
            };
            let (next, verdicts) = into_bytes(standing.value.as_ref(), changes, tries > 0);
            let version = (standing.version > 0).then(|| standing.version.to_string());
            let Some(next) = next else {
                return outcomes(verdicts, &Ok(Written::default()), version.as_deref());
            };
            if std::str::from_utf8(next.expose()).is_err() {
                return outcomes(verdicts, &Err(Unfit::NotText.into()), None);
            }
            if let Some(unfit) = unfit(&next, MOST_PARAMETER) {
                return outcomes(verdicts, &Err(unfit), None);
            }
            let head = format!(
                "{{\"Name\":{}{},\"Overwrite\":{}",
                quote(&at.name),
                member("Type", Some(&standing.kind)),
                standing.version > 0
            );
            let got = match self.send(at, "PutParameter", body(&head, "Value", &next)) {
                Ok(json) => json.get("Version").and_then(Json::whole).unwrap_or(0),
                Err(Refusal::Own(code, _)) if code == "ParameterAlreadyExists" => {
                    now = self.now(at, None);
                    continue;
                }
                Err(refusal) => {
                    let failure = refused(refusal, place, "ssm", "PutParameter");
                    return outcomes(verdicts, &Err(failure), None);
                }
            };
            let fields = changes
                .iter()
                .any(|change| change.reference.field.is_some());
            if got > standing.version + 1 {
                let other = self.now(at, Some(got - 1));
                // An answer may have got lost, and what came before us is our own.
                let ours = other.as_ref().is_ok_and(|other| {
                    other
                        .value
                        .as_ref()
                        .is_some_and(|v| v.expose() == next.expose())
                });
                if fields && !ours {
                    now = other.map(|other| Parameter {
                        version: got,
                        ..other
                    });
                    continue;
                }
                if !ours {
                    note = Some(Between(got - 1).what());
                }
            }
            let version = Some(got.to_string());
            return outcomes(verdicts, &Ok(Written { version, note }), None);
        }
        all(changes, &Unfit::Restless.into())
    }
}

impl Store for Parameters<'_> {
    fn put(&mut self, changes: &[Change<'_>]) -> Vec<Result<Written, Failure>> {
        let name = |reference: &Reference| {
            let name = name(&self.0, reference)?;
            if bare(&name.name) != name.name {
                return Err(super::fault::Miswritten::ParameterVersion.into());
            }
            Ok(name)
        };
        by_secret(changes, name, |at, members| self.put_parameter(at, members))
    }
}
