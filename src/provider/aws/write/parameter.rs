//! Parameter Store has no check-and-set, but counts its versions: see
//! [`Counted`].

use crate::credential::aws::Service;
use crate::failure::{Explain, Failure};
use crate::format::json::{Json, quote};
use crate::format::reference::Reference;
use crate::provider::write::{Counted, Fault as Unfit, TRIES, by_secret, into_bytes, outcomes};
use crate::provider::{Change, Store, Written};
use crate::secret::Secret;

use super::super::fault::{Fault, Miswritten, Place};
use super::super::parameters::{Store as Parameters, bare};
use super::super::service::{Refusal, member, text};
use super::{Name, all, body, name, refused, tags, unfit};

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
        tags: &str,
        value: &Secret,
    ) -> Result<Option<u64>, Failure> {
        if std::str::from_utf8(value.expose()).is_err() {
            return Err(Unfit::NotText.into());
        }
        if let Some(unfit) = unfit(value, MOST) {
            return Err(unfit);
        }
        let head = format!(
            "{{\"Name\":{}{},\"Overwrite\":{over}{tags}",
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

    fn tag(&self, at: &Name, tags: &str, written: &mut Written) {
        let name = quote(&at.name);
        let body = format!("{{\"ResourceType\":\"Parameter\",\"ResourceId\":{name}{tags}}}");
        let tagged = self.send(at, "AddTagsToResource", Secret::new(body.into_bytes()));
        if let Err(refusal) = tagged {
            let place = Place::new(Service::Ssm, &at.name, &at.region);
            written.alone(&refused(refusal, place, "ssm", "AddTagsToResource").what);
        }
    }

    fn put_parameter(&self, at: &Name, changes: &[&Change<'_>]) -> Vec<Result<Written, Failure>> {
        let tags = tags(changes);
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
            // Only a new parameter takes its tags with its value.
            let over = standing.version > 0;
            let own = tags.as_deref().filter(|_| !over).unwrap_or_default();
            let written = match self.write(at, &standing.kind, over, own, &next) {
                Ok(None) => continue,
                Ok(Some(got)) => {
                    let counted = Counted {
                        read: &|version| Ok(self.now(at, Some(version))?.value),
                        write: &|value| {
                            let got = self.write(at, &standing.kind, true, "", value)?;
                            Ok(got.ok_or(Fault::Malformed)?)
                        },
                    };
                    let set = Counted::set(changes, &verdicts);
                    let read = (standing.value, standing.version);
                    let mut written = counted.settle(&set, read, (next, got));
                    if let (Some(tags), true) = (&tags, over) {
                        self.tag(at, tags, &mut written);
                    }
                    Ok(written)
                }
                Err(failure) => Err(failure),
            };
            return outcomes(verdicts, &written, None);
        }
        all(changes, &Unfit::Restless.into())
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
