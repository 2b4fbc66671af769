//! Parameter Store has no check-and-set. Its versions are counted, so it is seen afterwards that
//! somebody came in between. Of a whole value that is said. Fields of a JSON object are worked
//! together: what the others have changed since the version that we had read is put into what we
//! wrote, and that is written again, until nobody is in between. Whoever writes last has seen all
//! the others, so that nothing is missing in the end.

use crate::credential::aws::Service;
use crate::failure::{Explain, Failure};
use crate::format::json::{self, Json, quote};
use crate::format::reference::Reference;
use crate::provider::write::{
    Fault as Unfit, TRIES, Verdict, by_secret, into_bytes, into_fields, outcomes,
};
use crate::provider::{Change, Seen, Store, Written};
use crate::secret::Secret;

use super::super::fault::{Fault, Miswritten, Place};
use super::super::parameters::{Store as Parameters, bare};
use super::super::service::{Refusal, member, text};
use super::{Name, all, body, name, refused, unfit};

/// The longest parameter, of the tier that is paid for.
const MOST: usize = 8_192;

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

/// The others' work could not be looked at, or not be written again.
struct Unseen(Failure);

impl Explain for Unseen {
    fn what(&self) -> String {
        format!(
            "somebody else wrote at the same time, and may miss something: {}",
            self.0.what
        )
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

    /// Writes a version; none where a new one is there already.
    fn write(
        &self,
        at: &Name,
        kind: &str,
        over: bool,
        value: &Secret,
    ) -> Result<Option<u64>, Failure> {
        if std::str::from_utf8(value.expose()).is_err() {
            return Err(Unfit::NotText.into());
        }
        if let Some(unfit) = unfit(value, MOST) {
            return Err(unfit);
        }
        let head = format!(
            "{{\"Name\":{}{},\"Overwrite\":{over}",
            quote(&at.name),
            member("Type", Some(kind)),
        );
        match self.send(at, "PutParameter", body(&head, "Value", value)) {
            Ok(json) => Ok(Some(json.get("Version").and_then(Json::whole).unwrap_or(0))),
            Err(Refusal::Own(code, _)) if code == "ParameterAlreadyExists" => Ok(None),
            Err(Refusal::Own(code, message))
                if code == "ValidationException"
                    && std::str::from_utf8(message.expose()).is_ok_and(|m| m.contains("4096")) =>
            {
                Err(Tier.into())
            }
            Err(refusal) => {
                let place = Place::new(Service::Ssm, &at.name, &at.region);
                Err(refused(refusal, place, "ssm", "PutParameter"))
            }
        }
    }

    fn put_parameter(&self, at: &Name, changes: &[&Change<'_>]) -> Vec<Result<Written, Failure>> {
        for tries in 0..TRIES {
            let standing = match self.now(at, None) {
                Ok(standing) => standing,
                Err(failure) => return all(changes, &failure),
            };
            let (next, verdicts) = into_bytes(standing.value.as_ref(), changes, tries > 0);
            let version = (standing.version > 0).then(|| standing.version.to_string());
            let Some(next) = next else {
                return outcomes(verdicts, &Ok(Written::default()), version.as_deref());
            };
            let set = changes.iter().zip(&verdicts);
            let set = set.filter(|(_, verdict)| matches!(verdict, Verdict::Set));
            let set: Vec<Change<'_>> = set
                .map(|(change, _)| Change {
                    seen: Seen::Whatever,
                    ..**change
                })
                .collect();
            let written = match self.write(at, &standing.kind, standing.version > 0, &next) {
                Ok(None) => continue,
                Ok(Some(got)) => Ok(self.settle(at, &set, standing, next, got)),
                Err(failure) => Err(failure),
            };
            return outcomes(verdicts, &written, None);
        }
        all(changes, &Unfit::Restless.into())
    }

    /// What was written as version `got` over what was `read`: has anybody come in between?
    fn settle(
        &self,
        at: &Name,
        changes: &[Change<'_>],
        mut read: Parameter,
        mut mine: Secret,
        mut got: u64,
    ) -> Written {
        let done = |got: u64, note: Option<String>| Written {
            version: Some(got.to_string()),
            note,
        };
        let fields = changes
            .iter()
            .all(|change| change.reference.field.is_some());
        for _ in 0..TRIES {
            if got <= read.version + 1 {
                return done(got, None);
            }
            let next = match self.together(at, changes, &read, &mine, got) {
                Err(failure) => return done(got, Some(Unseen(failure).what())),
                // An answer got lost, and what came before is our own.
                Ok(None) => return done(got, None),
                Ok(Some(_)) if !fields => return done(got, Some(Between(got - 1).what())),
                Ok(Some(next)) => next,
            };
            match self.write(at, &read.kind, true, &next) {
                Ok(now) => {
                    read.version = got;
                    read.value = Some(mine);
                    mine = next;
                    got = now.unwrap_or(got + 1);
                }
                Err(failure) => return done(got, Some(Unseen(failure).what())),
            }
        }
        done(got, Some(Between(got - 1).what()))
    }

    /// What we wrote with what the others have changed meanwhile; none where that makes no
    /// difference.
    fn together(
        &self,
        at: &Name,
        changes: &[Change<'_>],
        read: &Parameter,
        mine: &Secret,
        got: u64,
    ) -> Result<Option<Secret>, Failure> {
        let object = |text: Option<&Secret>| {
            let parsed = text.and_then(|text| json::parse(text.expose()).ok());
            parsed.filter(|json| matches!(json, Json::Object(_)))
        };
        let base = object(read.value.as_ref());
        let mut next = object(Some(mine));
        for version in read.version + 1..got {
            let other = self.now(at, Some(version))?.value;
            let whole = other.as_ref().map(Secret::expose) == Some(mine.expose());
            let (Some(next), Some(Json::Object(theirs))) = (&mut next, object(other.as_ref()))
            else {
                if whole {
                    continue;
                }
                return Ok(other);
            };
            for (name, value) in theirs {
                let before = base.as_ref().and_then(|base| base.get(&name));
                let before = before.map(Json::compact);
                if before.as_ref().map(Secret::expose) != Some(value.compact().expose()) {
                    next.put(&name, value);
                }
            }
        }
        let Some(mut next) = next else {
            return Ok(None);
        };
        // Of one field ours is the last.
        let changes: Vec<&Change<'_>> = changes.iter().collect();
        into_fields(&mut next, &changes, false);
        let next = next.compact();
        Ok((next.expose() != mine.expose()).then_some(next))
    }
}

impl Store for Parameters<'_> {
    fn put(&mut self, changes: &[Change<'_>]) -> Vec<Result<Written, Failure>> {
        let name = |reference: &Reference| {
            let name = name(&self.0, reference)?;
            if bare(&name.name) != name.name {
                return Err(Miswritten::ParameterVersion.into());
            }
            Ok(name)
        };
        by_secret(changes, name, |at, members| self.put_parameter(at, members))
    }
}
