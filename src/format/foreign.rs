//! What other tools write into variables, and how `.vault` says the same. Pure: text in, lines out.
//!
//! Every value is looked at by itself, so that a file may mix the tools. What is no reference of theirs is
//! text and stays it, also where it looks like a reference of ours. What has no equal here is told with
//! its reason ([`Why`]), and never dropped.
//!
//! | tool | in a value | here |
//! |---|---|---|
//! | vault-env, secret-init | `vault:secret/data/app#key#3`, `bao:...`, inside `${...}` | `vault:/secret/data/app#key?version=3` |
//! | secret-init | `arn:aws:secretsmanager:...`, `arn:aws:ssm:...`, `azure:keyvault:...`, `gcp:secretmanager:...`, `file:/...` | `aws:`, `ssm:`, `azure:`, `gcp:`, `file:` |
//! | vals | `ref+vault://secret/app#/key`, `ref+awsssm://...+` among text | `vault:/secret/app#key`, `ssm:/...` |
//! | 1Password | `op://vault/item/field`, `{{ op://... }}` | `exec:op read op://vault/item/field` |
//! | ssm-env | `ssm://name:2` | `ssm:name?version=2` |

use crate::format::reference;
use crate::secret::Secret;

mod bank;

mod draft;

mod settings;

mod vals;

mod words;

pub use draft::{Draft, Kind, Known, draft};
pub use settings::{Found, Users, chamber, settings};
pub use vals::flat;
pub use words::{Why, line};

/// What a value is made of.
pub enum Part {
    /// Text, as it stands in the source.
    Text(Secret),
    /// A reference or setting of ours, which may be shown.
    Reference(String),
    /// What `.vault` says already.
    Own(Secret),
}

/// The tools whose language is understood.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tool {
    /// bank-vaults' wrapper of containers.
    VaultEnv,
    /// Its successor.
    SecretInit,
    /// helmfile's.
    Vals,
    /// `op run`, `op inject`.
    OnePassword,
    /// remind101's.
    SsmEnv,
    /// segmentio's.
    Chamber,
    /// The loader in Python, and `hcp vault-secrets`.
    Hcp,
}

impl Tool {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Tool::VaultEnv => "vault-env",
            Tool::SecretInit => "secret-init",
            Tool::Vals => "vals",
            Tool::OnePassword => "1Password",
            Tool::SsmEnv => "ssm-env",
            Tool::Chamber => "chamber",
            Tool::Hcp => "HCP Vault Secrets",
        }
    }
}

/// A tool that encrypts the file itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locked {
    /// dotenvx: `encrypted:...` and DOTENV_PUBLIC_KEY.
    Dotenvx,
    /// SOPS: `ENC[...]`.
    Sops,
}

/// Does this line belong to a file that is encrypted?
pub fn locked(name: &str, value: &[u8]) -> Option<Locked> {
    if value.starts_with(b"encrypted:") || name.starts_with("DOTENV_PUBLIC_KEY") {
        return Some(Locked::Dotenvx);
    }
    (value.starts_with(b"ENC[AES256_GCM,") || name == "sops_mac").then_some(Locked::Sops)
}

/// What is known of all of a source before its values are looked at.
#[derive(Clone, Copy, Default)]
pub struct Context {
    /// A missing secret was no error there.
    pub optional: bool,
    /// `file:/path` is secret-init's, for other values or settings of it are there.
    pub secret_init: bool,
}

/// A value, understood.
pub struct Value {
    /// In their order; one text if it is nobody's.
    pub parts: Vec<Part>,
    /// Whose it is.
    pub tool: Option<Tool>,
    /// Settings that stood in it, and go for the whole file here.
    pub settings: Vec<(&'static str, String)>,
}

impl Value {
    fn whole(tool: Tool, reference: Reference) -> Value {
        Value {
            parts: vec![Part::Reference(reference.to_string())],
            tool: Some(tool),
            settings: Vec::new(),
        }
    }
}

/// Reads the value of a variable. `schemes` are those that this envshim has.
pub fn read(name: &str, value: &[u8], context: Context, schemes: &[&str]) -> Result<Value, Why> {
    let text = || Value {
        parts: vec![Part::Text(Secret::new(value.to_vec()))],
        tool: None,
        settings: Vec::new(),
    };
    let Ok(words) = std::str::from_utf8(value) else {
        return Ok(text());
    };
    let found = one(name, words, context)
        .or_else(|| bank::inline(words, context))
        .or_else(|| vals::inline(words))
        .or_else(|| inject(words));
    let found = found.unwrap_or_else(|| Ok(text()))?;
    for part in &found.parts {
        if let Part::Reference(reference) = part {
            let scheme = reference.split(':').next().unwrap_or_default();
            if !schemes.contains(&scheme) {
                return Err(Why::NoStore(scheme.to_owned()));
            }
            if !matches!(reference::parse_exact(reference), Some(Ok(_))) {
                return Err(Why::Form);
            }
        }
    }
    Ok(found)
}

/// A value that is one reference and nothing else.
fn one(name: &str, value: &str, context: Context) -> Option<Result<Value, Why>> {
    let whole = |tool, found: Result<Reference, Why>| Some(found.map(|it| Value::whole(tool, it)));
    if let Some((tool, found)) = bank::whole(name, value, context) {
        return whole(tool, found);
    }
    if let Some(rest) = value.strip_prefix("ssm://") {
        let (locator, version) = match rest.rsplit_once(':') {
            Some((name, version))
                if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) =>
            {
                (name, Some(version))
            }
            _ => (rest, None),
        };
        let reference = Reference::new("ssm", locator).with("version", version);
        return whole(Tool::SsmEnv, Ok(reference));
    }
    if value.starts_with("op://") {
        return whole(Tool::OnePassword, one_password(value));
    }
    (value == "chamberme").then_some(Err(Why::ChamberMe))
}

/// `op read` gives what `op run` put into the variable.
fn one_password(value: &str) -> Result<Reference, Why> {
    if value.contains('$') {
        return Err(Why::Variable);
    }
    let blank = value.contains(char::is_whitespace);
    if value.contains(['"', '\\']) {
        return Err(Why::Form);
    }
    let quote = if blank { "\"" } else { "" };
    Ok(Reference::new(
        "exec",
        &format!("op read {quote}{value}{quote}"),
    ))
}

/// `{{ op://... }}` among text, as `op inject` reads it.
fn inject(value: &str) -> Option<Result<Value, Why>> {
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some(from) = rest.find("{{") {
        let length = rest[from..].find("}}")?;
        let inside = rest[from + 2..from + length].trim();
        if !inside.starts_with("op://") {
            return None;
        }
        text(&mut parts, &rest[..from]);
        match one_password(inside) {
            Ok(reference) => parts.push(Part::Reference(reference.to_string())),
            Err(why) => return Some(Err(why)),
        }
        rest = &rest[from + length + 2..];
    }
    if parts.is_empty() {
        return None;
    }
    text(&mut parts, rest);
    Some(Ok(Value {
        parts,
        tool: Some(Tool::OnePassword),
        settings: Vec::new(),
    }))
}

fn text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(Secret::new(text.as_bytes().to_vec())));
    }
}

/// A reference of ours in the making.
struct Reference {
    scheme: &'static str,
    locator: String,
    field: Option<String>,
    parameters: Vec<(&'static str, String)>,
}

impl Reference {
    fn new(scheme: &'static str, locator: &str) -> Reference {
        Reference {
            scheme,
            locator: locator.to_owned(),
            field: None,
            parameters: Vec::new(),
        }
    }

    fn field(mut self, field: Option<&str>) -> Reference {
        self.field = field.map(str::to_owned);
        self
    }

    fn with(mut self, name: &'static str, value: Option<&str>) -> Reference {
        self.parameters
            .extend(value.map(|value| (name, value.to_owned())));
        self
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.scheme, encoded(&self.locator, false))?;
        if let Some(field) = &self.field {
            write!(f, "#{}", encoded(field, false))?;
        }
        for (at, (name, value)) in self.parameters.iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={}", encoded(value, true))?;
        }
        Ok(())
    }
}

fn encoded(text: &str, parameter: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' | '?' | '%' | '}' => out.push_str(&format!("%{:02X}", c as u32)),
            '&' if parameter => out.push_str("%26"),
            c => out.push(c),
        }
    }
    out
}
