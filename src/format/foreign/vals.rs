//! vals: `ref+BACKEND://PATH?PARAMETERS#/FRAGMENT`, ended by `+`, among text or as a whole.

use super::{Part, Reference, Tool, Value, Why, text};
use crate::secret::Secret;

/// Finds every expression in a value.
pub(super) fn inline(value: &str) -> Option<Result<Value, Why>> {
    let mut found = Value {
        parts: Vec::new(),
        tool: Some(Tool::Vals),
        settings: Vec::new(),
    };
    let mut rest = value;
    let mut from = 0;
    while let Some(at) = rest[from..].find("ref+").map(|at| from + at) {
        let after = &rest[at + 4..];
        let Some((backend, path)) = after.split_once("://").filter(|(backend, _)| {
            !backend.is_empty() && backend.bytes().all(|b| b.is_ascii_alphanumeric())
        }) else {
            from = at + 4;
            continue;
        };
        let before = &rest[..at];
        text(
            &mut found.parts,
            before.strip_suffix("secret").unwrap_or(before),
        );
        // As vals itself finds the end: no blank is in it, and a quote or comma does not end it.
        let length = path.find(['+', '\n', ' ']).unwrap_or(path.len());
        let expression = path[..length].trim_end_matches(['"', ',']);
        let (length, ended) = (expression.len(), path[expression.len()..].starts_with('+'));
        match translated(backend, expression, &mut found.settings) {
            Ok(Some(reference)) => found.parts.push(Part::Reference(reference.to_string())),
            Ok(None) => text(&mut found.parts, expression),
            Err(why) => return Some(Err(why)),
        }
        rest = &path[length + usize::from(ended)..];
        from = 0;
    }
    if found.parts.is_empty() {
        return None;
    }
    text(&mut found.parts, rest);
    Some(Ok(found))
}

/// The parts of an expression behind its `://`.
struct Expression<'a> {
    path: &'a str,
    parameters: Vec<(String, String)>,
    /// `#/a/b` is `a.b`.
    field: Option<String>,
}

impl<'a> Expression<'a> {
    fn of(text: &'a str) -> Result<Expression<'a>, Why> {
        if text.contains("ref+") || text.contains("${") {
            return Err(Why::Variable);
        }
        let (front, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (path, query) = front.split_once('?').unwrap_or((front, ""));
        let mut parameters = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            parameters.push((name.to_owned(), decoded(value).ok_or(Why::Form)?));
        }
        let field = fragment.trim_matches('/').replace('/', ".");
        Ok(Expression {
            path,
            parameters,
            field: (!field.is_empty()).then_some(field),
        })
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self
            .parameters
            .iter()
            .position(|(known, _)| known == name)?;
        Some(self.parameters.remove(at).1)
    }

    /// What was not taken means something that is not said here.
    fn done(self, reference: Reference) -> Result<Option<Reference>, Why> {
        match self.parameters.into_iter().next() {
            Some((name, _)) => Err(Why::Parameter(name)),
            None => Ok(Some(reference)),
        }
    }
}

/// An expression as a reference of ours; none for one that is text itself.
fn translated(
    backend: &str,
    text: &str,
    settings: &mut Vec<(&'static str, String)>,
) -> Result<Option<Reference>, Why> {
    if backend == "op" {
        return super::one_password(&format!("op://{text}")).map(Some);
    }
    if backend == "envsubst" {
        let name = text
            .trim_start_matches('$')
            .trim_start_matches('{')
            .trim_end_matches('}');
        let plain =
            text.starts_with('$') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return if plain && !name.is_empty() {
            Ok(Some(Reference::new("env", name)))
        } else {
            Err(Why::Template)
        };
    }
    let mut it = Expression::of(text)?;
    let field = it.field.take();
    let field = field.as_deref();
    let root = format!("/{}", it.path.trim_matches('/'));
    let reference = match backend {
        "vault" | "openbao" => {
            let known = [
                ("address", "VAULT_ADDR"),
                ("namespace", "VAULT_NAMESPACE"),
                ("token_file", "VAULT_TOKEN_FILE"),
                ("auth_method", "VAULT_AUTH_METHOD"),
                ("mount_point", "VAULT_AUTH_MOUNT"),
                ("secret_id", "VAULT_SECRET_ID"),
                ("username", "VAULT_USERNAME"),
                ("password_file", "VAULT_PASSWORD_FILE"),
            ];
            let approle = it.parameters.iter().any(|(_, value)| value == "approle");
            let role = if approle {
                "VAULT_ROLE_ID"
            } else {
                "VAULT_ROLE"
            };
            for (theirs, ours) in known.into_iter().chain([("role_id", role)]) {
                settings.extend(it.take(theirs).map(|value| (ours, value)));
            }
            field.ok_or(Why::NoField)?;
            let version = it.take("version");
            Reference::new("vault", &root)
                .field(field)
                .with("version", version.as_deref())
        }
        "awssecrets" => {
            let name = it.path.trim_end_matches('/');
            let (region, stage, version) = (
                it.take("region"),
                it.take("version_stage"),
                it.take("version_id"),
            );
            Reference::new("aws", name)
                .field(field)
                .with("region", region.as_deref())
                .with("stage", stage.as_deref())
                .with("version", version.as_deref())
        }
        "awsssm" => {
            let (region, version) = (it.take("region"), it.take("version"));
            it.take("recursive");
            let single = it.take("mode").is_some_and(|mode| mode == "singleparam");
            let reference = match field {
                // A field of a tree is the parameter of that name in it.
                Some(below) if !single => {
                    Reference::new("ssm", &format!("{root}/{}", below.replace('.', "/")))
                }
                field => Reference::new("ssm", &root).field(field),
            };
            reference
                .with("region", region.as_deref())
                .with("version", version.as_deref())
        }
        "gcpsecrets" => {
            let name = match it.path.split_once('/') {
                Some((project, secret)) => format!("projects/{project}/secrets/{secret}"),
                None => it.path.to_owned(),
            };
            let (version, fallback) = (it.take("version"), it.take("fallback"));
            let optional = it.take("optional").is_some_and(|value| value == "true");
            Reference::new("gcp", &name)
                .field(field)
                .with(
                    "version",
                    version.as_deref().filter(|version| *version != "latest"),
                )
                .with("default", fallback.as_deref())
                .with("optional", optional.then_some("1"))
        }
        "azurekeyvault" => {
            let mut words = it.path.split('/');
            let (vault, name) = (
                words.next().unwrap_or_default(),
                words.next().ok_or(Why::Form)?,
            );
            let host = if vault.contains('.') {
                format!("https://{vault}")
            } else {
                vault.to_owned()
            };
            Reference::new("azure", name)
                .field(field)
                .with("vault", Some(&host))
                .with("version", words.next())
        }
        "file" => {
            let json = it.path.ends_with(".json");
            if field.is_some() && !json {
                return Err(Why::Yaml);
            }
            if !it.path.starts_with('/') {
                return Err(Why::RelativeFile);
            }
            Reference::new("file", it.path).field(field)
        }
        "hcpvaultsecrets" => {
            let (app, name) = it.path.split_once('/').ok_or(Why::Form)?;
            for name in [
                "client_id",
                "client_secret",
                "organization_id",
                "organization_name",
                "project_id",
                "project_name",
                "version",
            ] {
                it.take(name);
            }
            Reference::new("vault", &format!("/{app}/{name}")).field(Some("value"))
        }
        "exec" => {
            let mut words: Vec<String> = match it.path.strip_prefix('/') {
                Some(_) => vec![it.path.to_owned()],
                None => it.path.split('/').map(str::to_owned).collect(),
            };
            if let Some(more) = it.take("args") {
                words.extend(more.split(',').map(str::to_owned));
            }
            it.take("trim");
            let timeout = it.take("timeout").map(|seconds| format!("{seconds}s"));
            Reference::new("exec", &command(&words)?)
                .field(field)
                .with("timeout", timeout.as_deref())
        }
        "sops" => {
            it.take("format");
            let keys: String = field.map_or(String::new(), |field| {
                field.split('.').map(|key| format!("[\"{key}\"]")).collect()
            });
            let mut words = vec!["sops".to_owned(), "decrypt".to_owned()];
            if !keys.is_empty() {
                words.extend(["--extract".to_owned(), keys]);
            }
            words.push(it.path.to_owned());
            Reference::new("exec", &command(&words)?)
        }
        "bw" => {
            let (id, what) = it.path.split_once('/').unwrap_or((it.path, "password"));
            if field.is_some() {
                return Err(Why::Yaml);
            }
            let words = ["bw", "get", what, id].map(str::to_owned);
            Reference::new("exec", &command(&words)?)
        }
        "echo" if field.is_none() && it.parameters.is_empty() => return Ok(None),
        other => return Err(Why::Backend(other.to_owned())),
    };
    it.done(reference)
}

/// A command line out of words.
fn command(words: &[String]) -> Result<String, Why> {
    let word = |word: &String| {
        if word.contains('\'') {
            return Err(Why::Form);
        }
        let plain = !word.is_empty()
            && !word.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\\'));
        Ok(if plain {
            word.clone()
        } else {
            format!("'{word}'")
        })
    };
    Ok(words
        .iter()
        .map(word)
        .collect::<Result<Vec<_>, _>>()?
        .join(" "))
}

/// Without its percent signs.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            out.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// A YAML file of `NAME: value` lines, as `vals exec -f` reads it; none if there is more in it.
pub fn flat(file: &[u8]) -> Option<Vec<(String, Option<Secret>)>> {
    let mut variables = Vec::new();
    for line in std::str::from_utf8(file).ok()?.lines() {
        if line.trim().is_empty() || line.starts_with('#') || line == "---" {
            continue;
        }
        let (name, rest) = line.split_once(':')?;
        let rest = rest
            .strip_prefix(' ')
            .filter(|rest| !rest.is_empty())?
            .trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(plain)
            || rest.starts_with(['|', '>', '[', '{', '&', '*', '!'])
        {
            return None;
        }
        let value = match rest.chars().next()? {
            quote @ ('"' | '\'') => {
                let inside = rest[1..].strip_suffix(quote)?;
                if inside.contains(['"', '\'', '\\']) {
                    return None;
                }
                inside
            }
            _ => rest
                .split_once(" #")
                .map_or(rest, |(value, _)| value.trim_end()),
        };
        variables.push((
            name.to_owned(),
            Some(Secret::new(value.as_bytes().to_vec())),
        ));
    }
    (!variables.is_empty()).then_some(variables)
}
