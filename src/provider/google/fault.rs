//! What Secret Manager refuses, in the words of its users.

use std::time::Duration;

use crate::clock::spoken;
use crate::failure::{Exit, Explain, Failure, nearest, one_line};
use crate::provider::Trouble;

/// A secret, for people.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Where {
    pub(super) project: String,
    pub(super) location: Option<String>,
    /// Its name; none for all of the project.
    pub(super) name: Option<String>,
}

impl Where {
    /// `the project p`.
    fn around(&self) -> String {
        match &self.location {
            Some(location) => format!("{location} of the project {}", self.project),
            None => format!("the project {}", self.project),
        }
    }

    /// `projects/p/secrets/name`.
    fn whole(&self) -> String {
        let location = self.location.as_deref();
        let location = location.map_or(String::new(), |l| format!("/locations/{l}"));
        let name = self.name.as_deref();
        let name = name.map_or(String::new(), |name| format!("/secrets/{name}"));
        format!("projects/{}{location}{name}", self.project)
    }

    fn bare(&self) -> &str {
        self.name.as_deref().unwrap_or("*")
    }

    /// How gcloud is told which one.
    fn options(&self) -> String {
        let location = self.location.as_deref();
        let location = location.map_or(String::new(), |l| format!(" --location={l}"));
        format!("--project={}{location}", self.project)
    }
}

/// How far our clock is off.
pub(super) enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

/// What Secret Manager refuses.
pub(super) enum Fault {
    /// It gave no answer, or was not asked.
    Unasked(Failure),
    Missing(Where, Option<String>),
    NoVersion(Where, String),
    Disabled(Where, String),
    Destroyed(Where, String),
    /// Who was denied, as IAM names it.
    Denied(Where, Option<String>),
    /// The same of a new version.
    MayNotAdd(Where, Option<String>),
    /// The same of metadata.
    MayNotAnnotate(Where, Option<String>),
    /// The same of a new secret.
    MayNotCreate(Where, Option<String>),
    /// A secret is not made, for this code.
    Uncreated(Where, String),
    /// The token is not for this.
    Scopes,
    /// The API is not switched on.
    Off(String),
    /// The project that pays may not be used by us.
    Quota(String, Option<String>),
    NoProject(String),
    Billing(String),
    /// A perimeter of the organisation.
    Perimeter(Where),
    /// The token is not accepted; the reason, and how far the clock is off.
    Unauthenticated(String, Option<Skew>),
    Throttled,
    Invalid(Where, String),
    Answer(String, u16),
    Malformed,
    /// The value does not have its checksum, twice.
    Sum(Where),
    /// A listing with more pages than anybody has secrets for.
    Endless,
}

/// ` for MEMBER`.
fn of(member: Option<&str>) -> String {
    member.map_or(String::new(), |who| format!(" for {}", one_line(who)))
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Unasked(failure) => failure.what.clone(),
            Fault::Missing(at, _) => {
                format!(
                    "there is no secret `{}` in {}, or it has no version",
                    at.bare(),
                    at.around()
                )
            }
            Fault::NoVersion(at, version) => format!(
                "the secret `{}` in {} has no version `{version}`",
                at.bare(),
                at.around()
            ),
            Fault::Disabled(at, version) => format!(
                "the version `{version}` of the secret `{}` in {} is disabled",
                at.bare(),
                at.around()
            ),
            Fault::Destroyed(at, version) => format!(
                "the version `{version}` of the secret `{}` in {} is destroyed",
                at.bare(),
                at.around()
            ),
            Fault::Denied(at, member) => {
                let who = of(member.as_deref());
                match at.name {
                    Some(_) => format!(
                        "secretmanager.versions.access is denied on {}{who}, or there is no such secret",
                        at.whole()
                    ),
                    None => format!(
                        "secretmanager.secrets.list is denied on {}{who}",
                        at.whole()
                    ),
                }
            }
            Fault::MayNotAdd(at, member) => format!(
                "secretmanager.versions.add is denied on {}{}, or there is no such secret",
                at.whole(),
                of(member.as_deref())
            ),
            Fault::MayNotAnnotate(at, member) => format!(
                "secretmanager.secrets.get or secretmanager.secrets.update, for --meta, is denied on {}{}",
                at.whole(),
                of(member.as_deref())
            ),
            Fault::MayNotCreate(at, member) => format!(
                "there is no secret `{}` in {}, and secretmanager.secrets.create is denied there{}",
                at.bare(),
                at.around(),
                of(member.as_deref())
            ),
            Fault::Uncreated(at, code) => {
                format!("Google does not make {}: {code}", at.whole())
            }
            Fault::Scopes => {
                "the access token is not for Secret Manager: it lacks the scope cloud-platform"
                    .to_owned()
            }
            Fault::Off(project) => {
                format!(
                    "the Secret Manager API is not enabled in the project {}",
                    one_line(project)
                )
            }
            Fault::Quota(project, _) => format!(
                "the project {}, which would pay for the request, may not be used",
                one_line(project)
            ),
            Fault::NoProject(project) => {
                format!("there is no project {}, or not for us", one_line(project))
            }
            Fault::Billing(project) => {
                format!("billing is off in the project {}", one_line(project))
            }
            Fault::Perimeter(at) => {
                format!(
                    "a perimeter of VPC Service Controls keeps us from {}",
                    at.whole()
                )
            }
            Fault::Unauthenticated(reason, skew) => match skew {
                None => format!("Google does not accept the access token ({reason})"),
                Some(skew) => {
                    let (by, side) = match skew {
                        Skew::Ahead(by) => (by, "ahead"),
                        Skew::Behind(by) => (by, "behind"),
                    };
                    format!(
                        "the clock of this machine is {} {side}, so that Google does not accept the access token",
                        spoken(*by)
                    )
                }
            },
            Fault::Throttled => "Google asks to slow down: RESOURCE_EXHAUSTED".to_owned(),
            Fault::Invalid(at, code) => {
                format!("Google does not take {}: {code}", at.whole())
            }
            Fault::Answer(code, status) => format!("Google answers {code} (status {status})"),
            Fault::Malformed => "the answer is not one of Secret Manager".to_owned(),
            Fault::Sum(at) => format!(
                "the value of {} was damaged on its way: it does not have its checksum",
                at.whole()
            ),
            Fault::Endless => "the listing has no end".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Unasked(failure) => match &failure.hint {
                Some(hint) => hint.clone(),
                None => "look at what stands between here and Google: a proxy, a firewall".to_owned(),
            },
            Fault::Missing(_, Some(near)) => format!("did you mean `{near}`?"),
            Fault::Missing(at, None) => format!(
                "gcloud secrets list {}; ?default=text or ?optional=1 allow that it is missing",
                at.options()
            ),
            Fault::NoVersion(at, _) | Fault::Destroyed(at, _) => {
                format!("gcloud secrets versions list {} {}", at.bare(), at.options())
            }
            Fault::Disabled(at, version) => format!(
                "gcloud secrets versions enable {version} --secret={} {}; or name another: ?version=",
                at.bare(),
                at.options()
            ),
            Fault::Denied(at, member) => {
                let member = one_line(member.as_deref().unwrap_or("MEMBER"));
                match &at.name {
                    Some(name) => format!(
                        "gcloud secrets add-iam-policy-binding {name} {} --role=roles/secretmanager.secretAccessor --member={member}",
                        at.options()
                    ),
                    None => format!(
                        "gcloud projects add-iam-policy-binding {} --role=roles/secretmanager.viewer --member={member}",
                        at.project
                    ),
                }
            }
            Fault::MayNotAdd(at, member) => format!(
                "gcloud secrets add-iam-policy-binding {} {} --role=roles/secretmanager.secretVersionAdder --member={}",
                at.bare(),
                at.options(),
                one_line(member.as_deref().unwrap_or("MEMBER"))
            ),
            Fault::MayNotAnnotate(at, member) => format!(
                "gcloud secrets add-iam-policy-binding {} {} --role=roles/secretmanager.admin --member={}",
                at.bare(),
                at.options(),
                one_line(member.as_deref().unwrap_or("MEMBER"))
            ),
            Fault::MayNotCreate(at, member) => format!(
                "gcloud secrets create {} {}; or: gcloud projects add-iam-policy-binding {} --role=roles/secretmanager.admin --member={}",
                at.bare(),
                at.options(),
                at.project,
                one_line(member.as_deref().unwrap_or("MEMBER"))
            ),
            Fault::Uncreated(..) => {
                "name locations that the organisation allows: CLOUDSDK_SECRETS_LOCATIONS=europe-west3,europe-west4".to_owned()
            }
            Fault::Scopes => "stop the machine, then: gcloud compute instances set-service-account NAME --scopes=cloud-platform".to_owned(),
            Fault::Off(project) => {
                format!("gcloud services enable secretmanager.googleapis.com --project={}", one_line(project))
            }
            Fault::Quota(project, member) => format!(
                "name another in GOOGLE_CLOUD_QUOTA_PROJECT, or: gcloud projects add-iam-policy-binding {} --role=roles/serviceusage.serviceUsageConsumer --member={}",
                one_line(project),
                one_line(member.as_deref().unwrap_or("MEMBER"))
            ),
            Fault::NoProject(_) => {
                "gcloud projects list; the id counts, not the name: GCP_PROJECT_ID, or ?project=".to_owned()
            }
            Fault::Billing(project) => {
                format!("gcloud billing projects describe {}", one_line(project))
            }
            Fault::Perimeter(_) => {
                "let an ingress rule of the perimeter admit this network or account".to_owned()
            }
            Fault::Unauthenticated(_, Some(_)) => {
                "set the clock: chronyc makestep, or systemctl restart systemd-timesyncd".to_owned()
            }
            Fault::Unauthenticated(..) => {
                "get a new one: gcloud auth application-default login, or a new key; is the account on? gcloud iam service-accounts list".to_owned()
            }
            Fault::Throttled => "give it more time: --timeout 60s; or ask for a higher quota".to_owned(),
            Fault::Invalid(..) => "check the name, the version and the filter".to_owned(),
            Fault::Sum(_) => "start again; if it stays so, look at what stands between here and Google".to_owned(),
            Fault::Endless => "import with ?label= or ?filter=".to_owned(),
            Fault::Answer(_, 500..) => "try again later; https://status.cloud.google.com tells of outages".to_owned(),
            Fault::Answer(..) | Fault::Malformed => {
                "does Secret Manager answer there? Look at the proxy, and at CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER".to_owned()
            }
        })
    }
}

impl Fault {
    /// A missing one, with the name that it was most likely meant to have.
    pub(super) fn missing<'n>(at: Where, names: impl IntoIterator<Item = &'n str>) -> Fault {
        let near = nearest(at.bare(), names).map(one_line);
        Fault::Missing(at, near)
    }

    /// For one reference; several may share it.
    pub(super) fn trouble(&self) -> Trouble {
        let failure = Failure {
            what: self.what(),
            hint: self.hint(),
            exit: Exit::Ours,
        };
        match self {
            Fault::Missing(..) | Fault::NoVersion(..) | Fault::Destroyed(..) => {
                Trouble::Missing(failure)
            }
            _ => Trouble::Failed(failure),
        }
    }
}
