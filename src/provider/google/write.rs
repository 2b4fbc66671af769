//! Writing to Secret Manager: every value is a new version of its secret, and a secret that is
//! missing is made.
//!
//! Nothing can be compared before a version is added, but versions are counted: see
//! [`Counted`].

use base64ct::{Base64, Encoding};

use crate::failure::Failure;
use crate::format::json::{Json, quote};
use crate::format::reference::Reference;
use crate::http::Method;
use crate::provider::write::{
    Counted, Fault as Unfit, TRIES, by_secret, into_bytes, keep, metadata, outcomes, pause,
};
use crate::provider::{Change, Seen, Written};
use crate::secret::{Secret, SecretBuffer};

use super::answer::content;
use super::crc32c::crc32c;
use super::fault::Fault;
use super::place::{Miswritten, Place, What};
use super::reader::{Store, Target, parent};

/// The longest value.
const MOST: usize = 65_536;

/// The locations of new secrets, as gcloud has them in its configuration.
pub(super) const LOCATIONS: &str = "CLOUDSDK_SECRETS_LOCATIONS";

/// The annotations of a secret are shorter than this, names and values together.
const ANNOTATIONS: usize = 16 << 10;

/// What is to be kept beside a secret.
struct Noted {
    /// Of the secret that was read; none where there was none.
    etag: Option<String>,
    all: Vec<(String, Json)>,
}

/// A secret as it stands.
struct Standing {
    /// None where there is no such secret, or its newest version is destroyed.
    value: Option<Secret>,
    version: u64,
}

impl crate::provider::Store for Store<'_> {
    fn put(&mut self, changes: &[Change<'_>]) -> Vec<Result<Written, Failure>> {
        let name = |reference: &Reference| self.target(reference);
        by_secret(changes, name, |target, members| {
            self.put_secret(target, members)
                .unwrap_or_else(|failure| members.iter().map(|_| Err(failure.clone())).collect())
        })
    }
}

impl Store<'_> {
    /// The secret of a reference, without a version.
    fn target(&self, reference: &Reference) -> Result<Target, Failure> {
        let place = Place::read(reference, false)?;
        let project = self.project(&place)?;
        match place.what {
            What::One {
                name,
                version: None,
            } => Ok(Target {
                project,
                location: place.location,
                name,
                version: None,
            }),
            What::One { .. } => Err(Miswritten::NewVersion.into()),
            What::Several { .. } => Err(Unfit::Folder.into()),
        }
    }

    fn put_secret(
        &self,
        target: &Target,
        changes: &[&Change<'_>],
    ) -> Result<Vec<Result<Written, Failure>>, Failure> {
        let standing = match self.standing(target) {
            // Whoever may write and not read, and says so.
            Err(Fault::Denied(..) | Fault::Disabled(..))
                if changes.iter().all(|change| blind(change)) =>
            {
                None
            }
            standing => Some(standing?),
        };
        let now = standing.as_ref().and_then(|there| there.value.as_ref());
        let (next, verdicts) = into_bytes(now, changes, false);
        let Some(next) = next else {
            let version = standing.filter(|there| there.version > 0);
            let version = version.map(|there| there.version.to_string());
            let none = Ok(Written::default());
            return Ok(outcomes(verdicts, &none, version.as_deref()));
        };
        let metadata = metadata(changes);
        // What does not fit, or may not be done, is known before anything is written.
        let noted = match metadata {
            [] => None,
            _ => Some(self.noted(target, metadata)?),
        };
        let mut written = match (self.add(target, &next), standing) {
            (Ok(got), Some(Standing { value, version })) => {
                let counted = Counted {
                    read: &|version| self.version(target, version),
                    write: &|value| self.add(target, value),
                };
                let set = Counted::set(changes, &verdicts);
                Ok(counted.settle(&set, (value, version), (next, got)))
            }
            (Ok(got), None) => Ok(Written {
                version: Some(got.to_string()),
                note: None,
            }),
            (Err(failure), _) => Err(failure),
        };
        if let (Ok(written), Some(noted)) = (&mut written, noted)
            && let Err(failure) = self.annotate(target, noted, metadata)
        {
            written.alone(&failure.what);
        }
        Ok(outcomes(verdicts, &written, None))
    }

    /// The annotations of a secret, with these too.
    fn noted(&self, target: &Target, metadata: &[(String, String)]) -> Result<Noted, Failure> {
        let path = target.whole();
        let json = match self.send(target, Method::Get, &path, None, true) {
            Ok(json) => json,
            Err(Fault::Missing(..)) => Json::Object(Vec::new()),
            Err(fault) => return Err(unannotated(fault)),
        };
        let etag = json.get("etag").and_then(Json::as_str).map(str::to_owned);
        let mut all = Vec::new();
        if let Json::Object(members) = json {
            for (name, value) in members {
                if let ("annotations", Json::Object(known)) = (name.as_str(), value) {
                    all = known;
                }
            }
        }
        keep(&mut all, metadata);
        let length = |(name, value): &(String, Json)| {
            name.len() + value.text().map_or(0, |text| text.expose().len())
        };
        if all.iter().map(length).sum::<usize>() >= ANNOTATIONS {
            return Err(Unfit::Crowded.into());
        }
        Ok(Noted { etag, all })
    }

    /// Writes annotations over those that were read.
    fn annotate(
        &self,
        target: &Target,
        mut noted: Noted,
        metadata: &[(String, String)],
    ) -> Result<(), Failure> {
        let path = format!("{}?updateMask=annotations", target.whole());
        for _ in 0..TRIES {
            if let Some(etag) = noted.etag.take() {
                let etag = Json::Text(Secret::new(etag.into_bytes()));
                let body = Json::Object(vec![
                    ("annotations".to_owned(), Json::Object(noted.all)),
                    ("etag".to_owned(), etag),
                ]);
                match self.send(target, Method::Patch, &path, Some(body.compact()), true) {
                    Ok(_) => return Ok(()),
                    // Somebody else has changed the secret since.
                    Err(Fault::Invalid(_, code) | Fault::Answer(code, _))
                        if ["FAILED_PRECONDITION", "ABORTED"].contains(&code.as_str()) => {}
                    Err(fault) => return Err(unannotated(fault)),
                }
            } else {
                // It was made just now, and need not be seen everywhere yet.
                pause();
            }
            noted = self.noted(target, metadata)?;
        }
        Err(Unfit::Restless.into())
    }

    fn one(&self, target: Target) -> Result<super::answer::Got, Fault> {
        let got = self.read(&[target]).pop();
        got.unwrap_or(Err(Fault::Malformed))
    }

    /// The newest version.
    fn standing(&self, target: &Target) -> Result<Standing, Fault> {
        let number = |version: &str| version.parse().unwrap_or(0);
        match self.one(target.clone()) {
            Ok(got) => Ok(Standing {
                version: got.version.as_deref().map_or(0, number),
                value: Some(got.value),
            }),
            Err(Fault::Missing(..) | Fault::NoVersion(..)) => Ok(Standing {
                value: None,
                version: 0,
            }),
            Err(Fault::Destroyed(_, version)) => Ok(Standing {
                value: None,
                version: number(&version),
            }),
            Err(fault) => Err(fault),
        }
    }

    /// This version, if it is still there.
    fn version(&self, target: &Target, version: u64) -> Result<Option<Secret>, Failure> {
        let target = Target {
            version: Some(version.to_string()),
            ..target.clone()
        };
        match self.one(target) {
            Ok(got) => Ok(Some(got.value)),
            Err(Fault::Missing(..) | Fault::NoVersion(..) | Fault::Destroyed(..)) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Adds a version, and says which it is.
    fn add(&self, target: &Target, value: &Secret) -> Result<u64, Failure> {
        match value.expose().len() {
            0 => return Err(Unfit::Empty.into()),
            length if length > MOST => return Err(Unfit::TooLarge(MOST).into()),
            _ => {}
        }
        let path = format!("{}:addVersion", target.whole());
        for tries in 0..TRIES {
            match self.send(target, Method::Post, &path, Some(payload(value)), false) {
                Ok(json) => {
                    let name = json.get("name").and_then(Json::as_str);
                    let version = name.and_then(|name| name.rsplit_once("/versions/"));
                    let version = version.and_then(|(_, version)| version.parse().ok());
                    return Ok(version.ok_or(Fault::Malformed)?);
                }
                Err(Fault::Missing(..)) if tries == 0 => self.create(target)?,
                // What was made just now is not seen everywhere at once.
                Err(Fault::Missing(..)) => pause(),
                Err(Fault::Denied(at, member)) => return Err(Fault::MayNotAdd(at, member).into()),
                Err(fault) => return Err(fault.into()),
            }
        }
        Err(Fault::Missing(target.place(), None).into())
    }

    /// Makes a secret that has no version yet.
    fn create(&self, target: &Target) -> Result<(), Fault> {
        let parent = parent(&target.project, target.location.as_deref());
        let path = format!("{parent}?secretId={}", target.name);
        let body = match (&target.location, &self.locations) {
            // A regional secret is where it is.
            (Some(_), _) => "{}".to_owned(),
            (None, None) => "{\"replication\":{\"automatic\":{}}}".to_owned(),
            (None, Some(locations)) => {
                let named = locations
                    .split(',')
                    .map(str::trim)
                    .filter(|l| !l.is_empty());
                let named: Vec<String> = named
                    .map(|location| format!("{{\"location\":{}}}", quote(location)))
                    .collect();
                let named = named.join(",");
                format!("{{\"replication\":{{\"userManaged\":{{\"replicas\":[{named}]}}}}}}")
            }
        };
        let body = Secret::new(body.into_bytes());
        match self.send(target, Method::Post, &path, Some(body), true) {
            Ok(_) => Ok(()),
            // Somebody else has made it meanwhile.
            Err(Fault::Answer(code, _)) if code == "ALREADY_EXISTS" => Ok(()),
            Err(Fault::Denied(at, member)) => Err(Fault::MayNotCreate(at, member)),
            Err(Fault::Invalid(at, code)) => Err(Fault::Uncreated(at, code)),
            Err(fault) => Err(fault),
        }
    }

    /// `twice`: it may be done twice without harm.
    fn send(
        &self,
        target: &Target,
        method: Method,
        path: &str,
        body: Option<Secret>,
        twice: bool,
    ) -> Result<Json, Fault> {
        let location = target.location.as_deref();
        let request = match body {
            Some(body) => self.session.tell(location, method, path, body),
            None => self.session.get(location, path),
        };
        let mut request = request.map_err(Fault::Unasked)?;
        request.idempotent = twice;
        let answer = self.session.client.send(&request);
        content(answer, &target.place(), None, &self.session)
    }
}

fn unannotated(fault: Fault) -> Failure {
    match fault {
        Fault::Denied(at, member) => Fault::MayNotAnnotate(at, member).into(),
        fault => fault.into(),
    }
}

/// It does not matter what stands there.
fn blind(change: &Change<'_>) -> bool {
    change.reference.field.is_none() && matches!(change.seen, Seen::Whatever)
}

/// The value with its checksum, by which Google sees that it arrives as it is.
fn payload(value: &Secret) -> Secret {
    let data = Secret::new(Base64::encode_string(value.expose()).into_bytes());
    let mut body = SecretBuffer::with_capacity(data.expose().len() + 64);
    body.push(b"{\"payload\":{\"data\":\"");
    body.push(data.expose());
    let end = format!("\",\"dataCrc32c\":\"{}\"}}}}", crc32c(value.expose()));
    body.push(end.as_bytes());
    body.finish()
}
