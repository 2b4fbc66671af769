//! What can be wrong with AWS settings and credentials, and the sentences for it.

use std::path::PathBuf;

use crate::clock::timestamp;
use crate::credential::Tried;
use crate::failure::{Explain, nearest, one_line};
use crate::format::ini;
use crate::http::AddressFault;

/// What is wrong.
pub enum Fault {
    /// Nobody has credentials.
    NoCredentials(Tried),
    /// Nothing says which region; what was looked at.
    NoRegion(Tried),
    /// Not the name of a region.
    BadRegion(String),
    /// A setting that is no address.
    BadEndpoint(&'static str, AddressFault),
    /// A file of the AWS tools has a mistake.
    Ini(PathBuf, ini::Fault),
    /// No such profile.
    NoProfile(String, Vec<String>),
    /// Half of a pair; what is set and what is not.
    Half(String, String),
    /// The profile lacks a key.
    Lacks(String, &'static str),
    /// The profile has no credentials of any kind.
    Empty(String),
    /// Profiles that lead to each other.
    Loop(String),
    /// `source_profile` and `credential_source` in one profile, or neither.
    Sources(String, bool),
    /// A `credential_source` that does not exist.
    BadSource(String, String),
    /// A `credential_source` that has none: why.
    SourceSilent(String, String),
    /// A code from a device is needed.
    Mfa(String),
    /// A way to log in that is not known here.
    LoginSession(String),
    /// Temporary credentials whose time is over; where they came from.
    Expired(String, std::time::SystemTime),
    /// The file with the token is not there, or empty.
    TokenFile(&'static str, PathBuf),
    /// STS does not give the role; its code and status.
    Role(String, String, u16),
    /// An address for container credentials that could be anybody's.
    ForeignUri,
    /// A token that cannot be sent.
    BadToken(&'static str),
    /// A service of the machine answers with a status or a code.
    Service(&'static str, String),
    /// An answer without credentials in it.
    Malformed(String),
    /// No login through the browser, or an old one; the profile, and if it has run out.
    Login(String, bool),
    /// The portal refuses; account, role, status.
    Portal(String, String, u16),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoCredentials(tried) => format!("no AWS credentials ({})", tried.shown()),
            Fault::NoRegion(tried) => format!("no AWS region ({})", tried.shown()),
            Fault::BadRegion(region) => format!("`{}` is not a region", one_line(region)),
            Fault::BadEndpoint(variable, fault) => format!("{variable}: {}", fault.what()),
            Fault::Ini(path, fault) => format!("{}: {}", path.display(), fault.what()),
            Fault::NoProfile(name, _) => {
                format!("there is no profile `{}` in the AWS files", one_line(name))
            }
            Fault::Half(set, unset) => format!("{set} is set, and {unset} is not"),
            Fault::Lacks(profile, key) => format!("the profile `{profile}` has no {key}"),
            Fault::Empty(profile) => format!("the profile `{profile}` has no credentials"),
            Fault::Loop(profile) => {
                format!("the profile `{profile}` leads back to itself by source_profile")
            }
            Fault::Sources(profile, true) => format!(
                "the profile `{profile}` has both source_profile and credential_source"
            ),
            Fault::Sources(profile, false) => format!(
                "the profile `{profile}` has a role_arn, and nothing to take the role with"
            ),
            Fault::BadSource(profile, source) => format!(
                "the profile `{profile}` has the credential_source `{}`, which does not exist",
                one_line(source)
            ),
            Fault::SourceSilent(source, why) => {
                format!("the credential_source {source} has no credentials: {why}")
            }
            Fault::Mfa(profile) => {
                format!("the role of the profile `{profile}` wants an MFA code")
            }
            Fault::LoginSession(profile) => format!(
                "the profile `{profile}` has a login_session, which only the AWS CLI can use"
            ),
            Fault::Expired(place, at) => {
                format!("the credentials of {place} have expired at {}", timestamp(*at))
            }
            Fault::TokenFile(variable, path) => {
                format!("{variable}: there is no token in {}", path.display())
            }
            Fault::Role(role, code, status) => {
                format!("STS does not give the role `{}`: {code} (status {status})", one_line(role))
            }
            Fault::ForeignUri => "AWS_CONTAINER_CREDENTIALS_FULL_URI: in clear only this host and the container services may be asked".to_owned(),
            Fault::BadToken(variable) => format!("{variable}: the token has a line break in it"),
            Fault::Service(name, answer) => format!("{name} answers {answer}"),
            Fault::Malformed(name) => format!("{name} gives no credentials in the form of AWS"),
            Fault::Login(profile, expired) => {
                let state = if *expired { "has expired" } else { "is not there" };
                format!("the SSO login of the profile `{profile}` {state}")
            }
            Fault::Portal(account, role, status) => format!(
                "SSO does not give the role `{}` of the account {} (status {status})",
                one_line(role),
                one_line(account)
            ),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NoCredentials(_) => {
                "give this machine or task a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
            }
            Fault::NoRegion(_) => "set AWS_REGION=us-east-1, or add ?region=".to_owned(),
            Fault::BadRegion(_) => "write it as AWS_REGION=us-east-1".to_owned(),
            Fault::BadEndpoint(_, fault) => return fault.hint(),
            Fault::Ini(_, fault) => return fault.hint(),
            Fault::NoProfile(name, known) => {
                match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean AWS_PROFILE={near}?"),
                    None if known.is_empty() => "mount ~/.aws, or unset AWS_PROFILE".to_owned(),
                    None => format!("there are {}", known.join(", ")),
                }
            }
            Fault::Half(_, unset) => format!("set {unset}"),
            Fault::Lacks(profile, key) => format!("add {key} = ... to the profile `{profile}`"),
            Fault::Empty(profile) => format!("aws configure --profile {profile}"),
            Fault::Loop(_) => "let one of them have keys of its own".to_owned(),
            Fault::Sources(_, true) => "remove one of them".to_owned(),
            Fault::Sources(_, false) => "add source_profile = NAME, or credential_source = Environment, EcsContainer or Ec2InstanceMetadata".to_owned(),
            Fault::BadSource(..) => {
                "it is one of Environment, EcsContainer, Ec2InstanceMetadata".to_owned()
            }
            Fault::SourceSilent(..) => "name another credential_source, or a source_profile".to_owned(),
            Fault::Mfa(profile) | Fault::LoginSession(profile) => format!(
                "eval \"$(aws configure export-credentials --profile {profile} --format env)\", then start again"
            ),
            Fault::Expired(..) => "get new ones; in a shell: aws configure export-credentials --format env".to_owned(),
            Fault::TokenFile(..) => {
                "does the pod run under a service account with a role? Its token is mounted by EKS".to_owned()
            }
            Fault::Role(role, code, _) => role_hint(role, code),
            Fault::ForeignUri => "write an https address".to_owned(),
            Fault::BadToken(_) => "write it without one".to_owned(),
            Fault::Service("IMDS", _) => "attach an instance profile to this machine".to_owned(),
            Fault::Service(..) => "give the task or pod a role".to_owned(),
            Fault::Malformed(_) => return None,
            Fault::Login(profile, _) => format!("aws sso login --profile {profile}"),
            Fault::Portal(..) => {
                "correct sso_role_name and sso_account_id, or have the role assigned".to_owned()
            }
        })
    }
}

fn role_hint(role: &str, code: &str) -> String {
    match code {
        "ExpiredTokenException" | "ExpiredToken" => {
            "the token has expired: start with a fresh one".to_owned()
        }
        "IDPCommunicationError" => "try again: AWS cannot reach the issuer of the token".to_owned(),
        "InvalidIdentityToken" => {
            "register the issuer of the token as an identity provider in IAM".to_owned()
        }
        _ => format!(
            "name who asks in the trust policy of {}, and allow sts:AssumeRole there",
            one_line(role)
        ),
    }
}
