//! Who we are for Vault: what each login method takes from the settings and files.

use std::path::{Path, PathBuf};

use crate::files::{self, Accept};
use crate::format::json::Json;
use crate::provider::vault::fault::Fault;
use crate::provider::vault::iam;
use crate::provider::{Context, Lookup};
use crate::secret::Secret;

/// Larger than any token, also those of identity providers with all their groups.
const MOST: usize = 256 << 10;

/// Where Kubernetes puts the token of the pod's service account.
pub(super) const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What we can show.
pub(super) enum Credential {
    /// A token, and where it was found.
    Token(Held),
    /// A wrapping token with a token in it.
    Wrapped(Held),
    /// A login that gives one.
    Login(Login),
    /// Nothing: an agent adds its own.
    Nothing,
}

/// A secret, and the setting or file that it came from.
pub(super) struct Held {
    pub(super) value: Secret,
    pub(super) from: &'static str,
}

/// A login: where, and with what.
pub(super) struct Login {
    pub(super) method: &'static str,
    pub(super) mount: String,
    /// The last word of the path, where the method has the user there.
    pub(super) user: Option<String>,
    pub(super) body: Vec<(&'static str, Json)>,
    /// A wrapping token that holds the `secret_id`.
    pub(super) wrapped: Option<Held>,
}

/// The settings, as logins read them.
pub(super) struct Of<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) settings: &'a dyn Lookup,
    pub(super) agent: bool,
}

impl Of<'_> {
    /// What a method shows.
    pub(super) fn method(&self, name: &str) -> Result<Credential, Fault> {
        let mut login = match name {
            "token" => return self.token(),
            "approle" => self.approle()?,
            "kubernetes" | "k8s" => self.kubernetes()?,
            "jwt" | "oidc" => self.jwt()?,
            "userpass" => self.password("userpass")?,
            "ldap" => self.password("ldap")?,
            "cert" => self.certificate()?,
            "github" => self.github()?,
            "aws" | "iam" => self.aws()?,
            _ => return Err(Fault::UnknownMethod),
        };
        let mount = ["VAULT_AUTH_MOUNT", "VAULT_AUTH_PATH"];
        if let Some(mount) = mount.iter().find_map(|name| self.settings.text(name)) {
            let mount = mount.trim_matches('/');
            login.mount = mount.strip_prefix("auth/").unwrap_or(mount).to_owned();
        }
        Ok(Credential::Login(login))
    }

    fn token(&self) -> Result<Credential, Fault> {
        if let Some(held) = self.held("VAULT_TOKEN", Some("VAULT_TOKEN_FILE"))? {
            return Ok(Credential::Token(held));
        }
        if let Some(held) = self.held("VAULT_WRAPPED_TOKEN", None)? {
            return Ok(Credential::Wrapped(held));
        }
        let held = self.token_of_home()?;
        held.map(Credential::Token)
            .ok_or(Fault::Needs("token", "VAULT_TOKEN or VAULT_TOKEN_FILE"))
    }

    /// The token that the CLI has left.
    pub(super) fn token_of_home(&self) -> Result<Option<Held>, Fault> {
        let Some(home) = self
            .settings
            .variable("HOME")
            .filter(|home| !home.is_empty())
        else {
            return Ok(None);
        };
        let Ok(home) = std::str::from_utf8(home) else {
            return Ok(None);
        };
        let path = Path::new(home).join(".vault-token");
        let from = "~/.vault-token";
        let Some(text) = file(from, &path)? else {
            return Ok(None);
        };
        // The CLI leaves an empty file behind at times.
        match word(text.expose()) {
            Some(value) => Ok(Some(Held { value, from })),
            None => Ok(None),
        }
    }

    fn approle(&self) -> Result<Login, Fault> {
        let role = self.held("VAULT_ROLE_ID", Some("VAULT_ROLE_ID_FILE"))?;
        let role = role.ok_or(Fault::Needs("approle", "VAULT_ROLE_ID"))?;
        let secret = self.held("VAULT_SECRET_ID", Some("VAULT_SECRET_ID_FILE"))?;
        let wrapped = match secret {
            Some(_) => None,
            None => self.held(
                "VAULT_WRAPPED_SECRET_ID",
                Some("VAULT_WRAPPED_SECRET_ID_FILE"),
            )?,
        };
        let mut login = login("approle", vec![("role_id", Json::Text(role.value))]);
        // A role may do without: bind_secret_id=false.
        let secret = secret.map(|held| ("secret_id", Json::Text(held.value)));
        login.body.extend(secret);
        login.wrapped = wrapped;
        Ok(login)
    }

    fn kubernetes(&self) -> Result<Login, Fault> {
        let role = self
            .role()?
            .ok_or(Fault::Needs("kubernetes", "VAULT_ROLE"))?;
        let jwt = match self.held("VAULT_JWT", Some("VAULT_JWT_FILE"))? {
            Some(held) => held.value,
            None => {
                let path = PathBuf::from(SERVICE_ACCOUNT);
                let text = file("VAULT_JWT_FILE", &path)?;
                let text = text.ok_or(Fault::NoFile("VAULT_JWT_FILE", path))?;
                let odd = || Fault::OddCredential(SERVICE_ACCOUNT.to_owned());
                word(text.expose()).ok_or_else(odd)?
            }
        };
        Ok(login("kubernetes", vec![role, ("jwt", Json::Text(jwt))]))
    }

    fn jwt(&self) -> Result<Login, Fault> {
        let jwt = self.held("VAULT_JWT", Some("VAULT_JWT_FILE"))?;
        let jwt = jwt.ok_or(Fault::Needs("jwt", "VAULT_JWT or VAULT_JWT_FILE"))?;
        let mut body = vec![("jwt", Json::Text(jwt.value))];
        // The mount may have a default role.
        body.extend(self.role()?);
        Ok(login("jwt", body))
    }

    fn password(&self, method: &'static str) -> Result<Login, Fault> {
        let needs = Fault::Needs(method, "VAULT_USERNAME and VAULT_PASSWORD");
        let user = self
            .settings
            .text("VAULT_USERNAME")
            .ok_or_else(|| needs.clone())?;
        let password = match self.settings.setting("VAULT_PASSWORD") {
            Some(bytes) => Secret::new(bytes.to_vec()),
            None => {
                let variable = "VAULT_PASSWORD_FILE";
                let path = self
                    .settings
                    .text(variable)
                    .map(PathBuf::from)
                    .ok_or(needs)?;
                let text = file(variable, &path)?;
                let text = text.ok_or(Fault::NoFile(variable, path))?;
                let bytes = text.expose();
                let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                Secret::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
            }
        };
        if std::str::from_utf8(password.expose()).is_err() {
            return Err(Fault::OddCredential("VAULT_PASSWORD".to_owned()));
        }
        let mut login = login(method, vec![("password", Json::Text(password))]);
        login.user = Some(user.to_owned());
        Ok(login)
    }

    fn certificate(&self) -> Result<Login, Fault> {
        if self.settings.setting("VAULT_CLIENT_CERT").is_none() {
            return Err(Fault::Needs(
                "cert",
                "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY",
            ));
        }
        let name = self.role()?.map(|(_, role)| ("name", role));
        Ok(login("cert", name.into_iter().collect()))
    }

    fn github(&self) -> Result<Login, Fault> {
        let held = match self.held("VAULT_GITHUB_TOKEN", None)? {
            Some(held) => Some(held),
            None => self.held("VAULT_AUTH_GITHUB_TOKEN", None)?,
        };
        let held = held.ok_or(Fault::Needs("github", "VAULT_GITHUB_TOKEN"))?;
        Ok(login("github", vec![("token", Json::Text(held.value))]))
    }

    fn aws(&self) -> Result<Login, Fault> {
        // Without a role, Vault takes the name of the AWS role or user for it.
        let mut body: Vec<_> = self.role()?.into_iter().collect();
        body.extend(iam::body(self.context)?);
        Ok(login("aws", body))
    }

    fn role(&self) -> Result<Option<(&'static str, Json)>, Fault> {
        let held = self.held("VAULT_ROLE", None)?;
        Ok(held.map(|held| ("role", Json::Text(held.value))))
    }

    /// A credential of one word, from a setting or from the file that another setting names.
    fn held(
        &self,
        variable: &'static str,
        file_variable: Option<&'static str>,
    ) -> Result<Option<Held>, Fault> {
        let odd = |from: &str| Fault::OddCredential(from.to_owned());
        if let Some(bytes) = self.settings.setting(variable) {
            let value = word(bytes).ok_or_else(|| odd(variable))?;
            return Ok(Some(Held {
                value,
                from: variable,
            }));
        }
        let Some(from) = file_variable else {
            return Ok(None);
        };
        let Some(path) = self.settings.text(from).map(PathBuf::from) else {
            return Ok(None);
        };
        let text = file(from, &path)?.ok_or_else(|| Fault::NoFile(from, path.clone()))?;
        let value =
            word(text.expose()).ok_or_else(|| odd(&format!("{from}: {}", path.display())))?;
        Ok(Some(Held { value, from }))
    }
}

fn login(method: &'static str, body: Vec<(&'static str, Json)>) -> Login {
    Login {
        method,
        mount: method.to_owned(),
        user: None,
        body,
        wrapped: None,
    }
}

/// The content of a file; it is left where it is, for the next start reads it too.
fn file(variable: &'static str, path: &Path) -> Result<Option<Secret>, Fault> {
    let contents = files::read(path, MOST, Accept::Pipe);
    let contents = contents.map_err(|fault| Fault::File(variable, fault))?;
    Ok(contents.map(|contents| contents.bytes))
}

/// A credential without the blanks around it. Vault's own client refuses the rest too.
fn word(bytes: &[u8]) -> Option<Secret> {
    let text = bytes.trim_ascii();
    let good = !text.is_empty() && text.iter().all(|b| matches!(b, b' '..=b'~'));
    good.then(|| Secret::new(text.to_vec()))
}
