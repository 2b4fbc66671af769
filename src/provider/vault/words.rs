//! The sentences for what went wrong with Vault, and what to do about it.

use crate::failure::{Explain, one_line};
use crate::provider::vault::fault::Fault;

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoAddress => "the address of Vault is not known".to_owned(),
            Fault::Address(variable, fault) => format!("{variable} {}", fault.what()),
            Fault::Setting(variable, _) => {
                format!("{variable}: the value is not of the right form")
            }
            Fault::Alone(variable, other) => format!("{variable} is set, and {other} is not"),
            Fault::OwnHeader(name) => {
                format!(
                    "VAULT_HEADERS sets `{}`, which is envshim's own",
                    one_line(name)
                )
            }
            Fault::Unverified => {
                "VAULT_SKIP_VERIFY believes any certificate, which --strict refuses".to_owned()
            }
            Fault::OddPath => "is not a path that Vault can have".to_owned(),
            Fault::NotRenewed(what) => format!("{what}: Vault renews it no longer"),
            Fault::NotRevoked(status) => {
                format!("Vault does not take back what it has lent (status {status})")
            }
            Fault::OddLoan => "what was lent cannot be read back".to_owned(),
            Fault::Folder => "names a folder, and one value is wanted".to_owned(),
            Fault::BadVersion => "the parameter `version` is not a number".to_owned(),
            Fault::File(variable, fault) => format!("{variable}: {}", fault.what()),
            Fault::NoFile(variable, path) => format!("{variable}: there is no {}", path.display()),
            Fault::OddCredential(from) => {
                format!("{from}: is empty, or holds characters that a credential cannot have")
            }
            Fault::NoCredentials(tried) => {
                format!("no credentials for Vault ({})", tried.shown())
            }
            Fault::Broken(failure) => failure.what.clone(),
            Fault::Needs(method, names) => format!("the login `{method}` needs {names}"),
            Fault::UnknownMethod => "VAULT_AUTH_METHOD: there is no such login method".to_owned(),
            Fault::Refused {
                method,
                mount,
                status,
            } => format!(
                "Vault refuses the login `{method}` at auth/{} (status {status})",
                one_line(mount)
            ),
            Fault::NoLogin { method, mount } => {
                format!("Vault has no login `{method}` at auth/{}", one_line(mount))
            }
            Fault::SecondFactor(method) => {
                format!(
                    "the login `{method}` asks for a second factor, and nobody is there to give it"
                )
            }
            Fault::Wrapping(variable) => {
                format!(
                    "{variable}: the wrapping token opens nothing: it was used already, or is too old"
                )
            }
            Fault::ForeignWrapping(variable) => {
                format!("{variable}: the wrapping token was not made for this")
            }
            Fault::NoToken => "Vault wants a token, and the agent has added none".to_owned(),
            Fault::Token(from) => {
                format!(
                    "Vault does not accept the token of {from}: it is expired, revoked or used up"
                )
            }
            Fault::Denied { path, list } => {
                let verb = if *list { "listing" } else { "reading" };
                format!("no policy of this login allows {verb} `{}`", one_line(path))
            }
            Fault::Nothing { path, mount, .. } => match mount {
                Some(mount) => format!(
                    "there is no secret `{}` in the mount `{}`",
                    one_line(path),
                    one_line(mount)
                ),
                None => format!("there is nothing at `{}`", one_line(path)),
            },
            Fault::NoVersion(version) => format!("the secret has no version {version}"),
            Fault::Deleted { version, when, .. } => {
                format!("version {version} of the secret was deleted at {when}")
            }
            Fault::Destroyed(version) => {
                format!("version {version} of the secret was destroyed, it cannot be brought back")
            }
            Fault::Unversioned => "the secret has no versions, its engine keeps none".to_owned(),
            Fault::NotReadable(path) => format!("`{}` cannot be read", one_line(path)),
            Fault::NotOneVariable(name) => format!(
                "`{}` in the folder is not one variable: it has no field `value`, and several others",
                one_line(name)
            ),
            Fault::TooMany(most) => format!("the folder holds more than {most} secrets"),
            Fault::MayNotWrite(path) => {
                format!(
                    "no policy of this login allows writing `{}`",
                    one_line(path)
                )
            }
            Fault::MayNotPatch(path) => {
                format!(
                    "no policy of this login allows `patch` on `{}`",
                    one_line(path)
                )
            }
            Fault::NotKv(path) => {
                format!(
                    "`{}` is not in a KV engine, and nothing else keeps what is written",
                    one_line(path)
                )
            }
            Fault::UnknownEngine(path) => format!(
                "this login is not told whether `{}` is in a KV engine of version 1 or 2",
                one_line(path)
            ),
            Fault::NoMetadata(path) => {
                format!(
                    "`{}` is in a KV engine of version 1, which keeps no metadata",
                    one_line(path)
                )
            }
            Fault::Unwritten { path, status } => {
                format!("Vault does not take `{}` (status {status})", one_line(path))
            }
            Fault::Status { status, at, own } => format!("{at} {}", state(*status, *own)),
            Fault::NotVault { status, at } => {
                format!("{at}: the answer (status {status}) is not one of Vault")
            }
            Fault::Http(fault) => fault.what(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NoAddress => "set VAULT_ADDR=https://vault.example:8200".to_owned(),
            Fault::Address(..) => "write https://host:port, or unix:///path".to_owned(),
            Fault::Setting(variable, form) => format!("write {variable}={form}"),
            Fault::Alone(_, other) => format!("set {other}, or unset both"),
            Fault::OwnHeader(_) => {
                "leave it out; namespace and token have settings of their own".to_owned()
            }
            Fault::Unverified => "name the authority instead: VAULT_CACERT=/path/ca.pem".to_owned(),
            Fault::NotRenewed(_) => "--on-change=restart gets new ones before it ends; or raise max_ttl of the role".to_owned(),
            Fault::NotRevoked(_) => {
                "it ends by itself; allow `update` on sys/leases/revoke and auth/token/revoke-self"
                    .to_owned()
            }
            Fault::OddLoan => "it ends by itself".to_owned(),
            Fault::OddPath => {
                "write vault:path#field, or with the mount vault:/mount/path#field".to_owned()
            }
            Fault::Folder => {
                "name a secret in it, or import it: ENVSHIM_IMPORT=vault:folder/".to_owned()
            }
            Fault::BadVersion => "write ?version=3".to_owned(),
            Fault::File(_, fault) => return fault.hint(),
            Fault::NoFile(variable, _) => format!("mount the file, or set {variable}"),
            Fault::OddCredential(_) => "write it anew, as one line".to_owned(),
            Fault::NoCredentials(_) => {
                "set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID".to_owned()
            }
            Fault::Broken(failure) => return failure.hint.clone(),
            Fault::Needs(_, names) => format!("set {names}"),
            Fault::UnknownMethod => {
                "it is token, approle, kubernetes, jwt, userpass, ldap, cert, aws or github"
                    .to_owned()
            }
            // Vault tells a stranger not even where it has no login.
            Fault::Refused {
                method,
                status: 403,
                ..
            } => format!(
                "{}; if the login is mounted elsewhere, set VAULT_AUTH_MOUNT",
                refused(method)
            ),
            Fault::Refused { method, .. } => refused(method).to_owned(),
            Fault::NoLogin { .. } => {
                "set VAULT_AUTH_MOUNT to where it is mounted, and look at VAULT_NAMESPACE"
                    .to_owned()
            }
            Fault::SecondFactor(_) => {
                "use a login that is made for machines: AppRole, Kubernetes or JWT".to_owned()
            }
            Fault::Wrapping(_) => {
                "make a new one; if nobody here has used it, somebody else has: revoke what it held"
                    .to_owned()
            }
            Fault::ForeignWrapping(_) => {
                "it may have been exchanged on its way: make a new one, and revoke what it held"
                    .to_owned()
            }
            Fault::NoToken => {
                "give the agent auto_auth with use_auto_auth_token = true, or set VAULT_TOKEN"
                    .to_owned()
            }
            Fault::Token(from) => {
                format!(
                    "put a new token into {from}, or use a login that lasts: VAULT_ROLE_ID and VAULT_SECRET_ID"
                )
            }
            Fault::Denied { path, list } => {
                let capability = if *list { "list" } else { "read" };
                format!(
                    "grant it: path \"{}\" {{ capabilities = [\"{capability}\"] }}",
                    one_line(path)
                )
            }
            Fault::Nothing {
                path,
                mount: Some(mount),
                kv,
            } => {
                let own = path.strip_prefix(mount.as_str());
                match own.and_then(|rest| rest.strip_prefix('/')) {
                    Some(rest) => format!("the mount is `{mount}` already: write vault:{}", one_line(rest)),
                    None if *kv => format!(
                        "see what there is: vault kv list {}; a path in another mount begins with a slash",
                        one_line(mount)
                    ),
                    None => "see what there is: vault secrets list; a path in another mount begins with a slash".to_owned(),
                }
            }
            Fault::Nothing { .. } => {
                "see what there is: vault secrets list, and look at VAULT_NAMESPACE".to_owned()
            }
            Fault::NoVersion(_) => "leave ?version= out for the newest".to_owned(),
            Fault::Deleted {
                version,
                mount,
                path,
                ..
            } => format!(
                "bring it back: vault kv undelete -mount={} -versions={version} {}",
                one_line(mount),
                one_line(path)
            ),
            Fault::Destroyed(_) => "write the secret anew, or name another ?version=".to_owned(),
            Fault::Unversioned => "leave ?version= out".to_owned(),
            Fault::NotReadable(_) => "name a path that `vault read` can read".to_owned(),
            Fault::NotOneVariable(name) => {
                format!(
                    "import it by itself, ENVSHIM_IMPORT=vault:.../{}",
                    one_line(name)
                )
            }
            Fault::TooMany(_) => "name a smaller folder".to_owned(),
            Fault::MayNotWrite(path) => format!(
                "grant it: path \"{}\" {{ capabilities = [\"create\", \"read\", \"update\"] }}",
                one_line(path)
            ),
            Fault::MayNotPatch(path) => format!(
                "grant it: path \"{}\" {{ capabilities = [\"patch\"] }}",
                one_line(path)
            ),
            Fault::NotKv(_) => "name a secret of a KV engine: vault secrets list".to_owned(),
            Fault::UnknownEngine(_) => {
                "say it: VAULT_KV_VERSION=2 with VAULT_MOUNT_POINT".to_owned()
            }
            Fault::NoMetadata(_) => "leave --meta out".to_owned(),
            Fault::Unwritten { .. } => {
                "is it larger than Vault's limit (1 MiB), or does the mount ask for more than the default? vault read MOUNT/config".to_owned()
            }
            Fault::Status { status, own, .. } => return advice(*status, *own),
            Fault::NotVault { .. } => {
                "look at VAULT_ADDR; something else answers there, or stands in front".to_owned()
            }
            Fault::Http(fault) => return fault.hint(),
        })
    }
}

/// What a status says of the server; `own`: the answer is Vault's own and not that of a proxy.
fn state(status: u16, own: bool) -> String {
    match (status, own) {
        (412, _) => "has not yet got what was written just now (status 412)".to_owned(),
        (429, _) => "limits the number of requests (status 429)".to_owned(),
        (472, _) => {
            "is a secondary for disaster recovery, and answers nothing (status 472)".to_owned()
        }
        (473, _) => "is a performance standby that cannot answer this (status 473)".to_owned(),
        (501, _) => "is not initialised yet (status 501)".to_owned(),
        (502, true) => "could not reach a system behind it (status 502)".to_owned(),
        (503, true) => "is sealed, or in maintenance (status 503)".to_owned(),
        (502..=504, false) => {
            format!("is not Vault itself but a proxy that does not reach it (status {status})")
        }
        (500.., _) => format!("has an internal error (status {status})"),
        _ => format!("answers with status {status}"),
    }
}

fn advice(status: u16, own: bool) -> Option<String> {
    Some(
        match (status, own) {
            (412, _) => "try again; with performance standbys give it more time: --timeout 60s",
            (429, _) => "try again later, or raise its rate-limit quota",
            (472 | 473, _) => "make the active node, or the load balancer in front, the address",
            (501, _) => "initialise it: vault operator init",
            (503, true) => "unseal it: vault operator unseal; vault status says more",
            (502..=504, false) => "is Vault running behind it? Its health is at /v1/sys/health",
            (500.., _) => "the server's log says why",
            _ => return None,
        }
        .to_owned(),
    )
}

/// What helps when a login is refused.
fn refused(method: &str) -> &'static str {
    match method {
        "approle" => {
            "is the secret_id used up or expired? Make a new one: vault write -f auth/approle/role/NAME/secret-id"
        }
        "kubernetes" => {
            "is VAULT_ROLE bound to this service account and namespace? vault read auth/kubernetes/role/NAME"
        }
        "jwt" => {
            "does the token fit the role's audience, subject and claims, and is it still valid?"
        }
        "userpass" | "ldap" => "look at VAULT_USERNAME and VAULT_PASSWORD",
        "cert" => "is VAULT_CLIENT_CERT signed by an authority that the role trusts?",
        "aws" => "is the role in Vault bound to the ARN of these AWS credentials?",
        _ => "look at the token, and at what the login in Vault is bound to",
    }
}
