//! What can be wrong with Azure credentials, and the sentences for it.

use std::path::PathBuf;

use crate::credential::Tried;
use crate::failure::{Explain, nearest, one_line};
use crate::http::AddressFault;

use super::{CHOICE, CHOICES};

/// What is wrong.
pub enum Fault {
    /// Nobody has credentials.
    NoCredentials(Tried),
    /// A choice of credentials that is not known here.
    BadChoice(String),
    /// Half of what is needed; what is set and what is not.
    Half(&'static str, &'static str),
    /// Not the name or id of a tenant.
    BadTenant,
    /// A setting that is no address.
    BadAuthority(AddressFault),
    /// An authority without TLS.
    ClearAuthority,
    /// A setting that is no address.
    BadEndpoint(&'static str, AddressFault),
    /// An address for identities that could be anybody's.
    ForeignEndpoint(&'static str),
    /// The file with the token is not there, or empty.
    TokenFile(&'static str, PathBuf),
    /// The file is not there.
    NoFile(&'static str, PathBuf),
    /// A PKCS#12 file.
    Pfx(PathBuf),
    /// A key without its certificate.
    NoCertificate(PathBuf),
    /// Entra refuses: its number, for whom, for what.
    Entra {
        /// The number of `AADSTS...`.
        code: u64,
        /// The client id.
        client: String,
        /// For whom the token shall be.
        resource: String,
    },
    /// A service answers with a status.
    Answer(&'static str, u16),
    /// An answer without a token in it.
    Malformed(&'static str),
    /// The service knows no identity, or not the one with this client id.
    NoIdentity(&'static str, Option<String>),
    /// Service Fabric.
    ServiceFabric,
    /// The Arc agent names a file that is not its own.
    ArcFile,
    /// Its key cannot be read.
    ArcKey(PathBuf),
}

/// What the numbers mean that people meet: what, and what to do.
const ENTRA: &[(&[u64], &str, &str)] = &[
    (
        &[7_000_215],
        "the client secret is wrong",
        "set AZURE_CLIENT_SECRET to the value of the secret, not to its id",
    ),
    (
        &[7_000_222],
        "the client secret has expired",
        "az ad app credential reset --id {client}",
    ),
    (
        &[700_016],
        "the tenant has no application {client}",
        "check AZURE_CLIENT_ID and AZURE_TENANT_ID",
    ),
    (
        &[90_002, 900_021, 900_023],
        "there is no such tenant",
        "check AZURE_TENANT_ID; other clouds than the public one need AZURE_AUTHORITY_HOST",
    ),
    (
        &[700_027, 700_030],
        "the certificate is not one of the application {client}",
        "az ad app credential reset --id {client} --append --cert @CERTIFICATE.pem",
    ),
    (
        &[70_021, 700_211, 700_212, 700_213],
        "the application {client} does not trust the issuer, subject or audience of the token",
        "az ad app federated-credential list --id {client}, and compare them with those of the token",
    ),
    (
        &[700_024, 5_000_011],
        "the signed statement has expired, or its time has not begun",
        "is the clock right here? date -u",
    ),
    (
        &[7_000_112],
        "the application {client} is switched off",
        "switch it on in Entra: enterprise applications, properties",
    ),
    (
        &[500_011],
        "the tenant does not know {resource}",
        "check AZURE_TENANT_ID and the address of the vault",
    ),
    (
        &[53_003, 530_003],
        "a conditional access policy blocks the application {client}",
        "ask who manages the policies of the tenant",
    ),
];

/// The sentence for a number, and the hint.
fn entra(code: u64) -> Option<(&'static str, &'static str)> {
    let found = ENTRA.iter().find(|(codes, ..)| codes.contains(&code));
    found.map(|(_, what, hint)| (*what, *hint))
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoCredentials(tried) => format!("no Azure credentials ({})", tried.shown()),
            Fault::BadChoice(choice) => {
                format!("{CHOICE}: there is no `{}` here", one_line(choice))
            }
            Fault::Half(set, unset) => format!("{set} is set, and {unset} is not"),
            Fault::BadTenant => "AZURE_TENANT_ID: is neither an id nor a domain".to_owned(),
            Fault::BadAuthority(fault) => format!("AZURE_AUTHORITY_HOST: {}", fault.what()),
            Fault::ClearAuthority => {
                "AZURE_AUTHORITY_HOST: credentials are sent over https only".to_owned()
            }
            Fault::BadEndpoint(variable, fault) => format!("{variable}: {}", fault.what()),
            Fault::ForeignEndpoint(variable) => {
                format!("{variable}: in clear only services of this machine are asked")
            }
            Fault::TokenFile(variable, path) => {
                format!("{variable}: there is no token in {}", path.display())
            }
            Fault::NoFile(variable, path) => {
                format!("{variable}: there is no {}", path.display())
            }
            Fault::Pfx(path) => format!(
                "AZURE_CLIENT_CERTIFICATE_PATH: {} is PKCS#12 (PFX), and PEM is read here",
                path.display()
            ),
            Fault::NoCertificate(path) => format!(
                "AZURE_CLIENT_CERTIFICATE_PATH: there is no certificate in {}, only its key",
                path.display()
            ),
            Fault::Entra {
                code,
                client,
                resource,
            } => {
                let what = entra(*code).map_or("Entra gives no token", |(what, _)| what);
                format!("{} (AADSTS{code})", filled(what, client, resource))
            }
            Fault::Answer(name, status) => format!("{name} answers with status {status}"),
            Fault::Malformed(name) => format!("{name} gives no token in the form of Azure"),
            Fault::NoIdentity(name, None) => format!("{name} knows no identity for us"),
            Fault::NoIdentity(name, Some(client)) => {
                format!(
                    "{name} knows no identity with the client id {}",
                    one_line(client)
                )
            }
            Fault::ServiceFabric => {
                "the identities of Service Fabric are not known here".to_owned()
            }
            Fault::ArcFile => "the Arc agent names a file that is not one of its keys".to_owned(),
            Fault::ArcKey(path) => {
                format!(
                    "the key of the Arc agent cannot be read: {}",
                    path.display()
                )
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NoCredentials(_) => {
                "give this machine, app or pod an identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; on your own machine: az login".to_owned()
            }
            Fault::BadChoice(choice) => {
                let names = || CHOICES.iter().map(|(name, _)| *name);
                match nearest(choice, names()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("it is one of {}", names().collect::<Vec<_>>().join(", ")),
                }
            }
            Fault::Half(_, unset) => format!("set {unset}"),
            Fault::BadTenant => "az account show --query tenantId".to_owned(),
            Fault::BadAuthority(_) | Fault::ClearAuthority => {
                "write login.microsoftonline.com, login.microsoftonline.us or login.chinacloudapi.cn".to_owned()
            }
            Fault::BadEndpoint(_, fault) => return fault.hint(),
            Fault::ForeignEndpoint(_) => "unset it, or write an https address".to_owned(),
            Fault::TokenFile(..) => {
                "has the pod the label azure.workload.identity/use: \"true\" and its service account? AKS mounts the token".to_owned()
            }
            Fault::NoFile(variable, _) => format!("mount the file, or unset {variable}"),
            Fault::Pfx(path) => format!(
                "openssl pkcs12 -in {} -nodes -out certificate.pem",
                path.display()
            ),
            Fault::NoCertificate(_) => {
                "append it to the file: -----BEGIN CERTIFICATE----- ...".to_owned()
            }
            Fault::Entra {
                code,
                client,
                resource,
            } => match entra(*code) {
                Some((_, hint)) => filled(hint, client, resource),
                None => format!("look the number up: https://login.microsoftonline.com/error?code={code}"),
            },
            Fault::NoIdentity(_, None) => {
                "assign a managed identity to it; for a user-assigned one, set AZURE_CLIENT_ID to its client id".to_owned()
            }
            Fault::NoIdentity(_, Some(_)) => {
                "assign that identity to it, or unset AZURE_CLIENT_ID for its own".to_owned()
            }
            Fault::ServiceFabric => {
                "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET".to_owned()
            }
            Fault::ArcKey(_) => "sudo usermod -aG himds USER, and log in anew".to_owned(),
            Fault::Answer(..) | Fault::Malformed(_) | Fault::ArcFile => return None,
        })
    }
}

fn filled(text: &str, client: &str, resource: &str) -> String {
    text.replace("{client}", &one_line(client))
        .replace("{resource}", &one_line(resource))
}
