//! Writing to Secrets Manager and Parameter Store.
//!
//! Secrets Manager knows no check-and-set, but takes a request token once: with another value it
//! refuses it. The token is made of the version that was read, so that of two writers who have read
//! the same version one is refused, and reads again.
//!
//! Parameter Store is another matter: see [`parameter`].

mod parameter;

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use crate::credential::aws::Service;
use crate::failure::{Explain, Failure};
use crate::format::json::{Json, quote};
use crate::format::reference::Reference;
use crate::provider::write::{Fault as Unfit, TRIES, by_secret, into_bytes, metadata, outcomes};
use crate::provider::{Change, Store, Written};
use crate::secret::{Secret, SecretBuffer};

use super::fault::{Fault, Place};
use super::region_of;
use super::secrets::{Manager, got};
use super::service::{Asked, Refusal, member, text};

/// The longest secret.
const MOST_SECRET: usize = 65_536;

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

/// The metadata, as the last members of a request.
fn tags(changes: &[&Change<'_>]) -> Option<String> {
    let tags = metadata(changes).iter().map(|(name, value)| {
        let (name, value) = (quote(name), quote(value));
        format!("{{\"Key\":{name},\"Value\":{value}}}")
    });
    let tags = tags.collect::<Vec<_>>().join(",");
    (!tags.is_empty()).then(|| format!(",\"Tags\":[{tags}]"))
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
        let tags = tags(changes);
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
            // A policy may want a new secret to have its tags from the beginning.
            let own = tags.as_deref().filter(|_| version.is_none());
            let head = format!(
                "{{\"{id}\":{}{}{}",
                quote(&at.name),
                member("ClientRequestToken", Some(&token)),
                own.unwrap_or_default()
            );
            let body = match std::str::from_utf8(next.expose()) {
                Ok(_) => body(&head, "SecretString", &next),
                Err(_) => {
                    let encoded = Base64::encode_string(next.expose()).into_bytes();
                    body(&head, "SecretBinary", &Secret::new(encoded))
                }
            };
            let written = match self.send(at, operation, body) {
                Ok(json) => {
                    let mut written = Written {
                        version: Some(text(&json, "VersionId").to_owned()),
                        note: None,
                    };
                    if let (Some(tags), None) = (&tags, own) {
                        let body = format!("{{\"SecretId\":{}{tags}}}", quote(&at.name));
                        let tagged = self.send(at, "TagResource", Secret::new(body.into_bytes()));
                        if let Err(refusal) = tagged {
                            let why = refused(refusal, place, "secretsmanager", "TagResource");
                            written.alone(&why.what);
                        }
                    }
                    Ok(written)
                }
                Err(Refusal::Own(code, _)) if code == "ResourceExistsException" => {
                    if same > 0 {
                        crate::provider::write::pause();
                    }
                    continue;
                }
                Err(refusal) => {
                    let needed = match own {
                        Some(_) => "CreateSecret, secretsmanager:TagResource",
                        None => operation,
                    };
                    Err(refused(refusal, place, "secretsmanager", needed))
                }
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
        refusal => refusal.of(place).failure(),
    }
}
