//! AWS: `aws:name#field` is a secret of Secrets Manager, `ssm:/path/name` a parameter of Parameter
//! Store. Two rows, for these are two stores; credentials and connections are one.

mod fault;

mod folder;

mod parameters;

mod plan;

mod secrets;

mod service;

mod write;

use crate::credential::aws::is_region;
use crate::failure::Failure;
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::provider::{Chosen, Keys, Lookup, Metadata, Row, Setting, Writing};

use fault::Miswritten;

pub(crate) const ROW: Row = Row {
    scheme: "aws",
    title: "AWS Secrets Manager",
    example: "aws:payments/stripe#api_key?stage=AWSCURRENT",
    settings: SETTINGS,
    parameters: &["stage", "version", "region"],
    imports: true,
    names: Policy::Upper,
    local: false,
    trusts_environment: true,
    marker: None,
    shield: str::to_owned,
    check: check_secret,
    keys: Some(Keys {
        chosen,
        reference: |key| format!("aws:{key}"),
        all: "aws:*",
        flat: false,
    }),
    implied,
    tend: None,
    open: |context| Ok(Box::new(secrets::Manager(service::open(context)?))),
    write: Some(Writing {
        open: |context| Ok(Box::new(secrets::Manager(service::open(context)?))),
        metadata: Some(TAGS),
    }),
};

pub(crate) const PARAMETERS: Row = Row {
    scheme: "ssm",
    title: "AWS Parameter Store",
    example: "ssm:/imip/production/db_password",
    settings: &[],
    parameters: &["version", "region"],
    imports: true,
    names: Policy::Upper,
    local: false,
    trusts_environment: true,
    marker: None,
    shield: str::to_owned,
    check: check_parameter,
    keys: Some(Keys {
        // Nothing but SECRET_MANAGER_TYPE can mean it.
        chosen: |_| Chosen::No,
        // A name with a slash in it begins with one.
        reference: |key| {
            let rooted = !key.contains('/') || key.starts_with('/') || key.starts_with("arn:");
            format!("ssm:{}{key}", if rooted { "" } else { "/" })
        },
        all: "ssm:/",
        flat: false,
    }),
    implied: |_| Vec::new(),
    tend: None,
    open: |context| Ok(Box::new(parameters::Store(service::open(context)?))),
    write: Some(Writing {
        open: |context| Ok(Box::new(parameters::Store(service::open(context)?))),
        metadata: Some(TAGS),
    }),
};

/// What all of AWS takes as tags.
const TAGS: Metadata = Metadata {
    most: 50,
    fits: |name, value| {
        let letter = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
        let fits =
            |text: &str, most: usize| text.chars().count() <= most && text.chars().all(letter);
        let own = |text: &str| {
            let start = text.get(..4);
            start.is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
        };
        fits(name, 128) && fits(value, 256) && !own(name) && !own(value)
    },
    rule: "50 tags at most, with names of 128 and values of 256 letters, digits, blanks and + - = . _ : / @, that do not begin with aws:",
};

/// Nothing of AWS authenticates envshim alone: SDKs in the program read the same variables.
const fn setting(name: &'static str, doc: &'static str) -> Setting {
    Setting {
        name,
        doc,
        bootstrap: false,
    }
}

const SETTINGS: &[Setting] = &[
    setting(
        "AWS_SECRETS_NAME",
        "imports these secrets, separated by commas",
    ),
    setting("AWS_SECRET_NAME", "the same"),
    setting(
        "SECRET_NAME",
        "the same, where a region or SECRET_MANAGER_TYPE=aws stands beside it",
    ),
    setting("AWS_SECRET_PREFIX", "imports every secret below this path"),
    setting("AWS_SECRETS_REGION", "the region of these imports"),
    setting("AWS_REGION", "the region"),
    setting(
        "AWS_DEFAULT_REGION",
        "the region, where AWS_REGION says none",
    ),
    setting(
        "AWS_PROFILE",
        "the profile in the AWS files (default: default)",
    ),
    setting(
        "AWS_DEFAULT_PROFILE",
        "the profile, where AWS_PROFILE says none",
    ),
    setting("AWS_CONFIG_FILE", "the config file (default ~/.aws/config)"),
    setting(
        "AWS_SHARED_CREDENTIALS_FILE",
        "the credentials file (default ~/.aws/credentials)",
    ),
    setting("AWS_ACCESS_KEY_ID", "an access key"),
    setting("AWS_SECRET_ACCESS_KEY", "its secret"),
    setting("AWS_SESSION_TOKEN", "the token of temporary credentials"),
    setting("AWS_SECURITY_TOKEN", "its older name"),
    setting("AWS_CREDENTIAL_EXPIRATION", "when they end"),
    setting("AWS_ROLE_ARN", "the role for a web identity"),
    setting("AWS_ROLE_SESSION_NAME", "the name of its session"),
    setting("AWS_WEB_IDENTITY_TOKEN_FILE", "the token of a web identity"),
    setting(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "where ECS gives credentials",
    ),
    setting(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "where EKS Pod Identity gives credentials",
    ),
    setting("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the token for these"),
    setting(
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "the file with the token for these",
    ),
    setting(
        "AWS_EC2_METADATA_DISABLED",
        "true: the instance is not asked",
    ),
    setting(
        "AWS_EC2_METADATA_V1_DISABLED",
        "true: never without a token",
    ),
    setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "the address of the metadata service",
    ),
    setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv4 or IPv6"),
    setting(
        "AWS_METADATA_SERVICE_TIMEOUT",
        "seconds for one attempt (1)",
    ),
    setting("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "attempts (1)"),
    setting("AWS_ENDPOINT_URL", "the address of every service"),
    setting("AWS_ENDPOINT_URL_SECRETS_MANAGER", "of Secrets Manager"),
    setting("AWS_ENDPOINT_URL_SSM", "of Parameter Store"),
    setting("AWS_ENDPOINT_URL_STS", "of the Security Token Service"),
    setting("AWS_ENDPOINT_URL_SSO", "of the SSO portal"),
    setting("AWS_ENDPOINT_URL_SSO_OIDC", "of the renewal of SSO logins"),
    setting(
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "true: these addresses do not count",
    ),
    setting("AWS_USE_FIPS_ENDPOINT", "true: endpoints that follow FIPS"),
    setting("AWS_USE_DUALSTACK_ENDPOINT", "true: endpoints with IPv6"),
    setting("AWS_CA_BUNDLE", "the authorities that AWS is believed by"),
    setting("AWS_MAX_ATTEMPTS", "attempts (3)"),
];

/// A region, or a profile, may stand there for the program.
fn chosen(settings: &dyn Lookup) -> Chosen {
    let any = |names: &[&str]| Chosen::by(settings, names) == Chosen::Yes;
    if any(&["AWS_SECRETS_REGION"]) || !implied(settings).is_empty() {
        Chosen::Yes
    } else if any(&["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"]) {
        Chosen::Perhaps
    } else {
        Chosen::No
    }
}

/// The imports that settings ask for.
fn implied(settings: &dyn Lookup) -> Vec<String> {
    let text = |name| {
        settings
            .text(name)
            .map(str::trim_ascii)
            .filter(|t| !t.is_empty())
    };
    let of_aws = text("SECRET_MANAGER_TYPE").is_some_and(|t| t.eq_ignore_ascii_case("aws"))
        || text("AWS_REGION").is_some()
        || text("AWS_DEFAULT_REGION").is_some();
    let region = text("AWS_SECRETS_REGION").map_or(String::new(), |r| format!("?region={r}"));
    let mut imports = Vec::new();
    for name in ["AWS_SECRETS_NAME", "AWS_SECRET_NAME", "SECRET_NAME"] {
        let list = text(name).filter(|_| name != "SECRET_NAME" || of_aws);
        for secret in list.unwrap_or_default().split(',').map(str::trim_ascii) {
            let import = format!("aws:{}{region}", secret);
            if !secret.is_empty() && !imports.contains(&import) {
                imports.push(import);
            }
        }
    }
    if let Some(prefix) = text("AWS_SECRET_PREFIX") {
        imports.push(format!("aws:{}/*{region}", prefix.trim_end_matches('/')));
    }
    imports
}

fn check_secret(reference: &Reference, import: bool) -> Result<(), Failure> {
    let name = reference.locator.as_str();
    let whole = name.strip_suffix('*');
    if whole.is_some() && !import {
        return Err(Miswritten::FolderAsValue.into());
    }
    let one = ["stage", "version"]
        .iter()
        .find(|name| reference.parameter(name).is_some());
    if let (Some(_), Some(parameter)) = (whole, one) {
        return Err(Miswritten::VersionOfFolder(parameter).into());
    }
    check(
        reference,
        whole.unwrap_or(name),
        "secretsmanager",
        "secret:",
    )
}

fn check_parameter(reference: &Reference, import: bool) -> Result<(), Failure> {
    let name = reference.locator.as_str();
    if name.ends_with('/') && (!import || !name.starts_with('/')) {
        return Err(Miswritten::TreeAsValue.into());
    }
    if let Some(version) = reference.parameter("version")
        && (name.ends_with('/') || !version.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(Miswritten::ParameterVersion.into());
    }
    // `name:3` and `name:label` are versions in AWS's own writing.
    let bare = match name.rsplit_once(':') {
        Some((bare, _)) if !name.starts_with("arn:") => bare,
        _ => name,
    };
    check(reference, bare, "ssm", "parameter")
}

/// What both have in common: the region, the letters of a name, the form of an ARN.
fn check(reference: &Reference, name: &str, service: &str, kind: &str) -> Result<(), Failure> {
    if let Some(region) = reference.parameter("region")
        && !is_region(region)
    {
        return Err(Miswritten::Region.into());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c);
    if name.starts_with("arn:") {
        let parts: Vec<&str> = name.splitn(6, ':').collect();
        let good = parts.get(2) == Some(&service)
            && parts.get(3).is_some_and(|region| is_region(region))
            && parts.get(5).is_some_and(|rest| rest.starts_with(kind));
        return if good {
            Ok(())
        } else {
            Err(Miswritten::Arn(service.to_owned()).into())
        };
    }
    match name.chars().find(|c| !fits(*c)) {
        Some(c) => Err(Miswritten::Letter(c).into()),
        None => Ok(()),
    }
}

/// The region of a reference: its own, its ARN's, or the usual one.
fn region_of(reference: &Reference) -> Option<&str> {
    let of_arn = || {
        let parts = reference.locator.strip_prefix("arn:")?;
        parts.split(':').nth(2)
    };
    reference.parameter("region").or_else(of_arn)
}
