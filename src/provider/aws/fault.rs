//! What AWS refuses, in the words of its users.

use std::time::Duration;

use crate::clock::spoken;
use crate::credential::aws::{Service, after, partition};
use crate::failure::{Explain, nearest, one_line};
use crate::secret::Secret;

/// What is wrong with a reference.
pub(super) enum Miswritten {
    FolderAsValue,
    TreeAsValue,
    VersionOfFolder(&'static str),
    ParameterVersion,
    Region,
    Arn(String),
    Letter(char),
}

impl Explain for Miswritten {
    fn what(&self) -> String {
        match self {
            Miswritten::FolderAsValue => {
                "`*` names several secrets, and a variable holds one".to_owned()
            }
            Miswritten::TreeAsValue => {
                "a path that ends in `/` names several parameters".to_owned()
            }
            Miswritten::VersionOfFolder(name) => {
                format!("the parameter `{name}` is of one secret, and `*` names several")
            }
            Miswritten::ParameterVersion => {
                "the parameter `version` is the number of a version of one parameter".to_owned()
            }
            Miswritten::Region => "the parameter `region` is not a region".to_owned(),
            Miswritten::Arn(service) => format!("the ARN is not one of {service}"),
            Miswritten::Letter(c) => {
                format!(
                    "no name in AWS has the letter `{}`",
                    one_line(&c.to_string())
                )
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Miswritten::FolderAsValue => "write its name, or ENVSHIM_IMPORT=aws:path/*".to_owned(),
            Miswritten::TreeAsValue => {
                "write the whole name, or ENVSHIM_IMPORT=ssm:/path/".to_owned()
            }
            Miswritten::VersionOfFolder(_) => "leave it out".to_owned(),
            Miswritten::ParameterVersion => "write ?version=3".to_owned(),
            Miswritten::Region => "write ?region=us-east-1".to_owned(),
            Miswritten::Arn(service) if service == "ssm" => {
                "write arn:aws:ssm:REGION:ACCOUNT:parameter/NAME".to_owned()
            }
            Miswritten::Arn(_) => {
                "write arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME".to_owned()
            }
            Miswritten::Letter(_) => "a field of a JSON secret is written as NAME#field".to_owned(),
        })
    }
}

/// Which secret or parameter is meant.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) service: Service,
    pub(super) name: &'a str,
    pub(super) region: &'a str,
    /// A version or stage was asked for.
    pub(super) versioned: bool,
}

/// The same, kept.
pub(super) struct Where {
    service: Service,
    name: String,
    region: String,
}

impl<'a> Place<'a> {
    /// The latest version of it.
    pub(super) fn new(service: Service, name: &'a str, region: &'a str) -> Place<'a> {
        Place {
            service,
            name,
            region,
            versioned: false,
        }
    }

    pub(super) fn owned(&self) -> Where {
        Where {
            service: self.service,
            name: one_line(self.name),
            region: self.region.to_owned(),
        }
    }
}

impl Where {
    fn kind(&self) -> &'static str {
        match self.service {
            Service::Ssm => "parameter",
            _ => "secret",
        }
    }

    /// What a policy would name.
    fn arn(&self, account: &str) -> String {
        if self.name.starts_with("arn:") {
            return self.name.clone();
        }
        let Where { name, region, .. } = self;
        let partition = partition(region);
        match self.service {
            Service::Ssm => {
                let path = name.trim_start_matches('/');
                format!("arn:{partition}:ssm:{region}:{account}:parameter/{path}")
            }
            // AWS adds a hyphen and six letters.
            _ => format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????"),
        }
    }
}

/// What a denial says: who, which action, on what.
#[derive(Default)]
pub(super) struct Denial {
    who: Option<String>,
    action: Option<String>,
    explicit: bool,
}

impl Denial {
    /// Out of `User: ARN is not authorized to perform: ACTION on resource: ...`.
    pub(super) fn read(message: &Secret) -> Denial {
        let text = std::str::from_utf8(message.expose()).unwrap_or_default();
        let word = |mark: &str, more: &str| {
            let word = after(text, mark)?.split(' ').next()?;
            let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            (word.len() <= 512 && word.chars().all(fits)).then(|| word.to_owned())
        };
        Denial {
            who: word("User: ", ":/_+=,.@-"),
            action: word("perform: ", ":"),
            explicit: after(text, "explicit deny").is_some(),
        }
    }
}

/// How far our clock is off.
pub(super) enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

/// What AWS refuses.
pub(super) enum Fault {
    Missing(Where, Option<String>),
    NoVersion(Where),
    NoValue(Where),
    Deleted(Where),
    Denied(Where, Denial),
    Key(Where),
    Invalid(Where, String),
    Refused(Where, String),
    Expired,
    UnknownKeys,
    WrongKeys,
    Clock(Option<Skew>),
    NotSubscribed,
    Throttled(String),
    Answer(String, u16),
    Malformed,
    /// A listing with more pages than anybody has secrets for.
    Endless,
    /// A secret of a folder that could not be had: its name, code.
    InFolder(Where, String),
    /// Two secrets of a folder with one field.
    Twice {
        field: String,
        first: String,
        second: String,
    },
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Missing(at, _) => {
                format!("there is no {} `{}` in {}", at.kind(), at.name, at.region)
            }
            Fault::NoVersion(at) => format!(
                "the {} `{}` in {} is not there, or has no such version",
                at.kind(),
                at.name,
                at.region
            ),
            Fault::NoValue(at) => format!("the secret `{}` in {} has no value", at.name, at.region),
            Fault::Deleted(at) => {
                format!(
                    "the secret `{}` in {} is marked for deletion",
                    at.name, at.region
                )
            }
            Fault::Denied(at, denial) => {
                let action = denial.action.as_deref().unwrap_or(match at.service {
                    Service::Ssm => "ssm:GetParameter",
                    _ => "secretsmanager:GetSecretValue",
                });
                let who = denial
                    .who
                    .as_deref()
                    .map_or(String::new(), |who| format!(" for {who}"));
                let by = if denial.explicit {
                    " by an explicit deny"
                } else {
                    ""
                };
                format!(
                    "{action} is denied{by} on `{}` in {}{who}",
                    at.name, at.region
                )
            }
            Fault::Key(at) => format!(
                "the {} `{}` in {} cannot be decrypted: its KMS key may not be used",
                at.kind(),
                at.name,
                at.region
            ),
            Fault::Invalid(at, code) => {
                format!("AWS does not take `{}` in {}: {code}", at.name, at.region)
            }
            Fault::Refused(at, code) => {
                format!("AWS answers {code} for `{}` in {}", at.name, at.region)
            }
            Fault::Expired => "the AWS credentials have expired".to_owned(),
            Fault::UnknownKeys => "AWS does not know the access key".to_owned(),
            Fault::WrongKeys => "the secret access key is not that of the access key".to_owned(),
            Fault::Clock(None) => {
                "the clock of this machine is wrong, so that AWS refuses the signature".to_owned()
            }
            Fault::Clock(Some(skew)) => {
                let (by, side) = match skew {
                    Skew::Ahead(by) => (by, "ahead"),
                    Skew::Behind(by) => (by, "behind"),
                };
                format!(
                    "the clock of this machine is {} {side}, so that AWS refuses the signature",
                    spoken(*by)
                )
            }
            Fault::NotSubscribed => "the account does not use this region".to_owned(),
            Fault::Throttled(code) => format!("AWS asks to slow down: {code}"),
            Fault::Answer(code, status) => format!("AWS answers {code} (status {status})"),
            Fault::Malformed => "the answer is not one of AWS".to_owned(),
            Fault::Endless => "the listing has no end".to_owned(),
            Fault::InFolder(at, code) => {
                format!(
                    "the secret `{}` in {} cannot be read: {code}",
                    at.name, at.region
                )
            }
            Fault::Twice {
                field,
                first,
                second,
            } => format!("the secrets `{first}` and `{second}` both have `{field}`"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Missing(_, Some(near)) => format!("did you mean `{near}`?"),
            Fault::Missing(at, None) => format!(
                "is it in another region than {}? Then add ?region=; ?default=text or ?optional=1 allow that it is missing",
                at.region
            ),
            Fault::NoVersion(at) => match at.service {
                Service::Ssm => format!("aws ssm get-parameter-history --name {}", at.name),
                _ => format!("aws secretsmanager list-secret-version-ids --secret-id {}", at.name),
            },
            Fault::NoValue(at) => {
                format!("aws secretsmanager put-secret-value --secret-id {} ...", at.name)
            }
            Fault::Deleted(at) => format!("aws secretsmanager restore-secret --secret-id {}", at.name),
            Fault::Denied(_, denial) if denial.explicit => {
                "a policy of the role, of the secret or of the organisation denies it; change that one".to_owned()
            }
            Fault::Denied(at, denial) => {
                let account = denial.who.as_deref().and_then(|who| who.split(':').nth(4));
                let arn = at.arn(account.filter(|a| !a.is_empty()).unwrap_or("*"));
                let action = match at.service {
                    Service::Ssm => "ssm:GetParameters, ssm:GetParameter and ssm:GetParametersByPath",
                    _ => "secretsmanager:GetSecretValue",
                };
                format!("allow {action} on {arn}")
            }
            Fault::Key(_) => "allow kms:Decrypt on the key, in the policy of the role and of the key".to_owned(),
            Fault::Invalid(..) => "check the name".to_owned(),
            Fault::Expired => "get new ones: aws sso login, or start the task again".to_owned(),
            Fault::UnknownKeys => "is it switched off, or of another partition? aws sts get-caller-identity".to_owned(),
            Fault::WrongKeys => "set both anew: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(),
            Fault::Clock(_) => "set the clock: chronyc makestep, or systemctl restart systemd-timesyncd".to_owned(),
            Fault::NotSubscribed => "switch the region on in the account's settings, or name another".to_owned(),
            Fault::Throttled(_) => "give it more time: --timeout 60s; or ask for a higher quota".to_owned(),
            Fault::InFolder(at, _) => format!("allow secretsmanager:GetSecretValue on {}", at.arn("*")),
            Fault::Twice { .. } => "import one of them, and name variables of the other one by one: NAME=aws:secret#field".to_owned(),
            Fault::Endless => "name a longer path".to_owned(),
            Fault::Refused(..) | Fault::Answer(..) | Fault::Malformed => return None,
        })
    }
}

impl Fault {
    /// A missing one, with the name that it was most likely meant to have.
    pub(super) fn missing<'n>(at: Where, names: impl IntoIterator<Item = &'n str>) -> Fault {
        let near = nearest(&at.name, names).map(one_line);
        Fault::Missing(at, near)
    }
}
