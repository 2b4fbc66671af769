//! What has no equal here, in words; and how a value is written down.

use super::Part;
use crate::failure::Explain;
use crate::format::reference;
use crate::secret::{Secret, SecretBuffer};

/// Why a variable is left to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is not of the form that its tool documents.
    Form,
    /// Vault is written to for it.
    Writes,
    /// The value itself is encrypted by Vault.
    Transit,
    /// It names a secret and no field of it.
    NoField,
    /// A template makes it out of fields.
    Template,
    /// Another variable fills a place of the reference.
    Variable,
    /// The token that Vault gave at the login.
    TokenHandedOn,
    /// This store is not known here; the scheme.
    NoStore(String),
    /// This store of vals or chamber is not known here.
    Backend(String),
    /// This parameter has no equal.
    Parameter(String),
    /// A field of a YAML file or note.
    Yaml,
    /// A file that lies where the other tool is started.
    RelativeFile,
    /// A setting of this tool without an equal.
    Setting(&'static str),
    /// A credential of a service that has ended.
    HcpCredential,
    /// Where Vault is was not said.
    NoAddress,
    /// chamber fills it.
    ChamberMe,
    /// A name without a value.
    NoValue,
    /// Not UTF-8, which a file cannot hold.
    NotText,
    /// The same setting with two values.
    Twice(String),
    /// No line of a file of this form.
    Line,
    /// A name that no line can hold.
    Name,
}

impl Explain for Why {
    fn what(&self) -> String {
        match self {
            Why::Form => "it is not of the form that its tool documents".to_owned(),
            Why::Writes => {
                "Vault makes it when it is written to, and envshim only reads".to_owned()
            }
            Why::Transit => "its value is encrypted by Vault's transit engine".to_owned(),
            Why::NoField => "it names a secret and no field of it".to_owned(),
            Why::Template => "a template makes it, and envshim has none".to_owned(),
            Why::Variable => "another variable fills a place in the reference".to_owned(),
            Why::TokenHandedOn => {
                "it is the token of the login, which envshim hands on to nobody".to_owned()
            }
            Why::NoStore(scheme) => format!("this envshim has no `{scheme}:`"),
            Why::Backend(name) => format!("envshim cannot read from `{name}`"),
            Why::Parameter(name) => format!("its parameter `{name}` has no equal"),
            Why::Yaml => "it picks a field of YAML, and envshim reads JSON".to_owned(),
            Why::RelativeFile => {
                "its path depends on the folder that the other tool runs in".to_owned()
            }
            Why::Setting(tool) => format!("it is a setting of {tool} without an equal"),
            Why::HcpCredential => "it opened HCP Vault Secrets, which has ended".to_owned(),
            Why::NoAddress => "where the secrets were moved to is not said".to_owned(),
            Why::ChamberMe => "chamber fills it from its service".to_owned(),
            Why::NoValue => "it has no value".to_owned(),
            Why::NotText => "its value is not UTF-8 text".to_owned(),
            Why::Twice(name) => format!("its {name} differs from that of another reference"),
            Why::Line => "it is no line of the form NAME: value".to_owned(),
            Why::Name => "no line of .vault can hold this name".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Why::Writes => "store the value once, and name it: vault:PATH#FIELD".to_owned(),
            Why::Transit => "decrypt it once (vault write transit/decrypt/KEY ciphertext=...), and store it in a KV engine, or in .vault and seal that".to_owned(),
            Why::NoField => "add #FIELD, or import all fields: ENVSHIM_IMPORT=vault:/PATH".to_owned(),
            Why::Template => "give each field a variable, and put them together: URL=postgres://${USER}:${PASSWORD}@db".to_owned(),
            Why::Variable => "write the reference out, or fill the place with ${NAME}".to_owned(),
            Why::TokenHandedOn => "give the program a login of its own, or VAULT_ADDR of a Vault agent".to_owned(),
            Why::NoStore(_) | Why::Backend(_) => "name a program that prints it: NAME=exec:program argument".to_owned(),
            Why::Yaml => "store it as JSON, or let a program pick it: exec:yq -r .field file".to_owned(),
            Why::RelativeFile => "write the whole path: file:/app/...".to_owned(),
            Why::NoAddress => "add VAULT_ADDR=https://..., and VAULT_NAMESPACE=admin for HCP Vault Dedicated".to_owned(),
            Why::ChamberMe => "import the service: ENVSHIM_IMPORT=ssm:/SERVICE/".to_owned(),
            Why::NoValue => "to take it from the environment: NAME=env:NAME".to_owned(),
            Why::NotText => "put it into a file: NAME=file:/path".to_owned(),
            Why::Parameter(_) | Why::Twice(_) => "one .vault has one setting of each kind for all".to_owned(),
            Why::Form | Why::Setting(_) | Why::HcpCredential | Why::Line | Why::Name => return None,
        })
    }
}

/// How `.vault` says it: `NAME=value` and a line end. `literal`: `${` is text in the source.
pub fn line(
    name: &str,
    parts: &[Part],
    literal: bool,
    schemes: &[&'static str],
) -> Result<Secret, Why> {
    let mut value = SecretBuffer::default();
    match parts {
        [Part::Text(text)] => plain(&mut value, text.expose(), literal, schemes),
        [Part::Reference(reference)] => value.push(reference.as_bytes()),
        [Part::Own(own)] => value.push(own.expose()),
        parts => {
            for part in parts {
                match part {
                    Part::Reference(reference) => {
                        for piece in ["${", reference, "}"] {
                            value.push(piece.as_bytes());
                        }
                    }
                    Part::Text(text) if literal => {
                        for byte in text.expose() {
                            // A variable that nobody sets, with the dollar sign as its default.
                            value.push(if *byte == b'$' {
                                b"${ENVSHIM_UNSET:-$}"
                            } else {
                                std::slice::from_ref(byte)
                            });
                        }
                    }
                    Part::Text(text) | Part::Own(text) => value.push(text.expose()),
                }
            }
        }
    }
    let value = value.finish();
    if std::str::from_utf8(value.expose()).is_err() || value.expose().contains(&0) {
        return Err(Why::NotText);
    }
    let mut line = SecretBuffer::default();
    let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    match name {
        name if !name.is_empty() && name.chars().all(bare) => line.push(name.as_bytes()),
        name if name.is_empty() || name.contains(['\'', '\n', '\r', '=']) => return Err(Why::Name),
        name => {
            for piece in ["'", name, "'"] {
                line.push(piece.as_bytes());
            }
        }
    }
    line.push(b"=");
    quoted(&mut line, value.expose());
    line.push(b"\n");
    Ok(line.finish())
}

/// Text that stays text.
fn plain(value: &mut SecretBuffer, text: &[u8], literal: bool, schemes: &[&'static str]) {
    let holds = |parts: &[reference::Part]| {
        parts
            .iter()
            .any(|part| matches!(part, reference::Part::Reference(_)))
    };
    let variables = text.windows(2).any(|two| two == b"${");
    let taken = text.starts_with(b"text:")
        || reference::parse(text, schemes).map_or(true, |template| {
            holds(&template.parts) || template.suspicion.is_some()
        });
    if variables && !literal && taken {
        // Nothing in front: what follows is no whole value any more.
        value.push(b"${ENVSHIM_UNSET:-}");
    } else if taken || (variables && literal) {
        value.push(b"text:");
    }
    value.push(text);
}

/// As it stands, or in single quotes; a carriage return has a form in double quotes alone.
fn quoted(line: &mut SecretBuffer, value: &[u8]) {
    let bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./:@%+,=?&~-${}".contains(byte);
    let inside = |byte: &u8| bare(byte) || *byte == b'#';
    let first = value.first().is_none_or(bare);
    if first && value.iter().all(inside) {
        line.push(value);
        return;
    }
    let quote: &[u8] = if value.contains(&b'\r') { b"\"" } else { b"'" };
    line.push(quote);
    for byte in value {
        match byte {
            b'\r' => line.push(b"\\r"),
            b'\\' => line.push(b"\\\\"),
            byte if quote == [*byte] => {
                line.push(b"\\");
                line.push(quote);
            }
            byte => line.push(std::slice::from_ref(byte)),
        }
    }
    line.push(quote);
}
