//! Azure Key Vault: `azure:name` is a secret of the vault at `AZURE_VAULT_URL`, or of another one
//! with `?vault=`; `azure:*` as an import takes a whole vault.

mod answer;

mod challenge;

mod fault;

mod import;

mod place;

mod plan;

mod store;

mod write;

use crate::failure::Failure;
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::provider::{Chosen, Keys, Metadata, Row, Setting, Writing};

use fault::Miswritten;

pub(crate) const ROW: Row = Row {
    scheme: "azure",
    title: "Azure Key Vault",
    example: "azure:django-secret-key",
    settings: SETTINGS,
    parameters: &["vault", "version"],
    imports: true,
    names: Policy::Upper,
    local: false,
    trusts_environment: true,
    marker: None,
    shield: str::to_owned,
    check,
    keys: Some(Keys {
        chosen: |settings| Chosen::by(settings, &[place::URL, place::OTHER_URL, place::NAME]),
        reference: of_key,
        all: "azure:*",
        flat: true,
    }),
    implied: |settings| match settings.text("SECRET_MANAGER_TYPE") {
        Some(text) if text.eq_ignore_ascii_case("azure") => vec!["azure:*".to_owned()],
        _ => Vec::new(),
    },
    tend: None,
    open: |context| Ok(Box::new(store::Store::open(context)?)),
    write: Some(Writing {
        open: |context| Ok(Box::new(store::Store::open(context)?)),
        metadata: Some(Metadata {
            most: write::TAGS,
            fits: |name, value| name.chars().count() <= 256 && value.chars().count() <= 256,
            rule: "15 tags at most, with names and values of 256 letters",
        }),
    }),
};

/// Nothing of Azure authenticates envshim alone: SDKs in the program read the same variables.
const fn setting(name: &'static str, doc: &'static str) -> Setting {
    Setting {
        name,
        doc,
        bootstrap: false,
    }
}

const SETTINGS: &[Setting] = &[
    setting(
        place::URL,
        "the vault: https://NAME.vault.azure.net, or its name",
    ),
    setting(place::OTHER_URL, "the same"),
    setting(place::NAME, "the same, by its name"),
    setting("AZURE_TENANT_ID", "the tenant of the application"),
    setting(
        "AZURE_CLIENT_ID",
        "the application, or a user-assigned managed identity",
    ),
    setting("AZURE_CLIENT_SECRET", "its secret"),
    setting(
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "a file with its certificate and key (PEM, RSA)",
    ),
    setting(
        "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
        "true: all certificates of that file are sent",
    ),
    setting(
        "AZURE_FEDERATED_TOKEN_FILE",
        "the token of a workload identity (AKS sets it)",
    ),
    setting(
        "AZURE_AUTHORITY_HOST",
        "the host that gives tokens (default: that of the vault's cloud)",
    ),
    setting(
        "AZURE_TOKEN_CREDENTIALS",
        "prod, dev, or one of EnvironmentCredential, WorkloadIdentityCredential, ManagedIdentityCredential, AzureCliCredential",
    ),
    setting(
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        "the address of the metadata service",
    ),
];

/// `database/password` is `database-password` here: names have no slash and no dot.
fn of_key(key: &str) -> String {
    let (name, rest) = key.split_at(key.find(['#', '?']).unwrap_or(key.len()));
    format!("azure:{}{rest}", name.replace(['/', '.'], "-"))
}

/// What is wrong with a reference.
fn check(reference: &Reference, import: bool) -> Result<(), Failure> {
    let (name, version) = match place::identifier(&reference.locator) {
        Some(Some(parts)) if reference.parameter("vault").is_none() => (parts.name, parts.version),
        Some(_) => return Err(Miswritten::Identifier.into()),
        None => (reference.locator.as_str(), None),
    };
    let whole = name.strip_suffix('*');
    if whole.is_some() && !import {
        return Err(Miswritten::FolderAsValue.into());
    }
    let version = version.or_else(|| reference.parameter("version"));
    match version {
        Some(_) if whole.is_some() => return Err(Miswritten::VersionOfFolder.into()),
        Some(text) if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            return Err(Miswritten::Version.into());
        }
        _ => {}
    }
    let bare = whole.unwrap_or(name);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match bare.chars().find(|c| !fits(*c)) {
        Some(c) => Err(Miswritten::Letter(c).into()),
        None if bare.len() > 127 => Err(Miswritten::Long.into()),
        None => Ok(()),
    }
}
