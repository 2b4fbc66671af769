//! Google Secret Manager: `gcp:name` is a secret of the project, `gcp:projects/p/secrets/name` one
//! anywhere; `gcp:*` imports a project.

mod answer;

mod crc32c;

mod fault;

mod folder;

mod glance;

mod place;

mod reader;

mod write;

use crate::failure::Failure;
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::provider::{Chosen, Keys, Lookup, Metadata, Row, Setting, Writing};

pub(crate) const ROW: Row = Row {
    scheme: "gcp",
    title: "Google Secret Manager",
    example: "gcp:openai-key?version=3",
    settings: SETTINGS,
    parameters: &["version", "project", "location", "filter", "label"],
    imports: true,
    names: Policy::Upper,
    local: false,
    trusts_environment: true,
    marker: None,
    shield: str::to_owned,
    check,
    keys: Some(Keys {
        chosen,
        reference: of_key,
        all: "gcp:*",
        flat: true,
    }),
    implied,
    tend: None,
    open: |context| Ok(Box::new(reader::Store::open(context)?)),
    write: Some(Writing {
        open: |context| Ok(Box::new(reader::Store::open(context)?)),
        // Annotations: labels hold small letters alone, and choose what `?label=` imports.
        metadata: Some(Metadata {
            most: usize::MAX,
            fits: |name, _| {
                let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
                let name = name.as_bytes();
                let fits = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
                name.len() <= 63 && edge(name.first()) && edge(name.last()) && name.iter().all(fits)
            },
            rule: "names of 1 to 63 letters, digits, `-`, `_` and `.`, with none of these three at the ends; 16 KiB in all",
        }),
    }),
};

/// Nothing of Google authenticates envshim alone: SDKs in the program read the same variables.
const fn setting(name: &'static str, doc: &'static str) -> Setting {
    Setting {
        name,
        doc,
        bootstrap: false,
    }
}

const SETTINGS: &[Setting] = &[
    setting(
        "GCP_PROJECT_ID",
        "the project of names that do not say theirs",
    ),
    setting("GOOGLE_CLOUD_PROJECT", "the same"),
    setting("GCLOUD_PROJECT", "the same"),
    setting("CLOUDSDK_CORE_PROJECT", "the same"),
    setting(
        "GOOGLE_APPLICATION_CREDENTIALS",
        "a file with credentials: a key, a login, a workload identity",
    ),
    setting(
        "GOOGLE_CREDENTIALS",
        "the content of such a file, where there are no files",
    ),
    setting("GOOGLE_OAUTH_ACCESS_TOKEN", "an access token"),
    setting(
        "GOOGLE_CLOUD_QUOTA_PROJECT",
        "the project that pays and whose quota counts",
    ),
    setting(
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
        "the domain of a cloud that Google does not run itself",
    ),
    setting(
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
        "1: a workload identity may be the output of a program",
    ),
    setting(
        "CLOUDSDK_CONFIG",
        "the folder of gcloud (default ~/.config/gcloud)",
    ),
    setting(
        "CLOUDSDK_ACTIVE_CONFIG_NAME",
        "the configuration of gcloud that says the project",
    ),
    setting(
        write::LOCATIONS,
        "where the secrets that `set` and `push` make are kept, separated by commas (default: Google chooses)",
    ),
    setting(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER",
        "the address of Secret Manager",
    ),
    setting(
        "SECRET_MANAGER_EMULATOR_HOST",
        "host:port of an emulator, which gets no credentials",
    ),
    setting(
        "GCE_METADATA_HOST",
        "the metadata server (default 169.254.169.254)",
    ),
    setting("GCE_METADATA_ROOT", "its older name"),
    setting("GCE_METADATA_TIMEOUT", "seconds for one attempt (3)"),
    setting("GCE_METADATA_DETECT_RETRIES", "attempts (3)"),
    setting("NO_GCE_CHECK", "true: the metadata server is not asked"),
];

/// The names of SDKs may stand there for the program.
fn chosen(settings: &dyn Lookup) -> Chosen {
    let sdk = ["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"];
    match Chosen::by(settings, &["GCP_PROJECT_ID"]) {
        Chosen::No if Chosen::by(settings, &sdk) == Chosen::Yes => Chosen::Perhaps,
        chosen => chosen,
    }
}

/// `database/password` is `database-password` here: names have no slash and no dot.
fn of_key(key: &str) -> String {
    if key.starts_with("projects/") {
        return format!("gcp:{key}");
    }
    let (name, rest) = key.split_at(key.find(['#', '?']).unwrap_or(key.len()));
    format!("gcp:{}{rest}", name.replace(['/', '.'], "-"))
}

/// Only who says so imports a whole project.
fn implied(settings: &dyn Lookup) -> Vec<String> {
    match settings.text("SECRET_MANAGER_TYPE") {
        Some(kind) if kind.trim_ascii().eq_ignore_ascii_case("gcp") => vec!["gcp:*".to_owned()],
        _ => Vec::new(),
    }
}

fn check(reference: &Reference, import: bool) -> Result<(), Failure> {
    place::Place::read(reference, import)?;
    Ok(())
}
