//! vault-env and secret-init, both of bank-vaults: `vault:PATH#KEY#VERSION`, whole or inside `${...}`, and the
//! other stores of secret-init, whole.

use super::{Context, Part, Reference, Tool, Value, Why, text};

/// A value that is one reference.
pub(super) fn whole(
    name: &str,
    value: &str,
    context: Context,
) -> Option<(Tool, Result<Reference, Why>)> {
    if starts(value) {
        if matches!(name, "VAULT_TOKEN" | "BAO_TOKEN") && value.ends_with(":login") {
            return Some((Tool::VaultEnv, Err(Why::TokenHandedOn)));
        }
        return Some((Tool::VaultEnv, vault(value, context)));
    }
    let reference = if let Some(rest) = value.strip_prefix("azure:keyvault:") {
        let (name, version) = halves(rest, "/");
        Reference::new("azure", name).with("version", version)
    } else if let Some(rest) = value.strip_prefix("gcp:secretmanager:") {
        let (name, version) = halves(rest, "/versions/");
        Reference::new("gcp", name).with("version", version.filter(|version| *version != "latest"))
    } else if name.ends_with("_ARN") || name == "ARN" {
        // A program that wants to know where its secret is.
        return None;
    } else if value.starts_with("arn:aws:secretsmanager:") {
        Reference::new("aws", value)
    } else if let Some(rest) = value.strip_prefix("arn:aws:ssm:") {
        let (region, rest) = rest.split_once(':')?;
        let (_, parameter) = rest.split_once(":parameter/")?;
        // A name in a tree begins with a slash, which its ARN has only once.
        let root = if parameter.contains('/') { "/" } else { "" };
        Reference::new("ssm", &format!("{root}{parameter}")).with("region", Some(region))
    } else if context.secret_init && value.starts_with("file:/") && !value.starts_with("file://") {
        Reference::new("file", value.trim_start_matches("file:"))
    } else {
        return None;
    };
    let reference = reference.with("optional", context.optional.then_some("1"));
    Some((Tool::SecretInit, Ok(reference)))
}

/// References in `${...}` among text.
pub(super) fn inline(value: &str, context: Context) -> Option<Result<Value, Why>> {
    let mut parts = Vec::new();
    let mut rest = value;
    let mut from = 0;
    while let Some(at) = rest[from..].find("${").map(|at| from + at) {
        if !starts(&rest[at + 2..]) {
            from = at + 2;
            continue;
        }
        // A template as its key has braces of its own.
        let inside = &rest[at + 2..];
        let length = match inside
            .find("#${")
            .filter(|key| inside.find('}').is_some_and(|end| *key < end))
        {
            Some(key) => key + inside[key..].find("}}")? + 1,
            None => inside.find('}')?,
        };
        text(&mut parts, &rest[..at]);
        match vault(&inside[..length], context) {
            Ok(reference) => parts.push(Part::Reference(reference.to_string())),
            Err(why) => return Some(Err(why)),
        }
        rest = &inside[length + 1..];
        from = 0;
    }
    if parts.is_empty() {
        return None;
    }
    text(&mut parts, rest);
    Some(Ok(Value {
        parts,
        tool: Some(Tool::VaultEnv),
        settings: Vec::new(),
    }))
}

fn starts(value: &str) -> bool {
    let value = value.trim_start_matches('>');
    value.starts_with("vault:") || value.starts_with("bao:")
}

fn vault(value: &str, context: Context) -> Result<Reference, Why> {
    if value.starts_with('>') {
        return Err(Why::Writes);
    }
    let (_, rest) = value.split_once(':').ok_or(Why::Form)?;
    let cipher = rest
        .split_once(':')
        .and_then(|(version, _)| version.strip_prefix('v'));
    if cipher.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(Why::Transit);
    }
    let mut pieces = rest.splitn(3, '#');
    let path = pieces.next().unwrap_or_default();
    let key = pieces
        .next()
        .filter(|key| !key.is_empty())
        .ok_or(Why::NoField)?;
    let key = match key
        .strip_prefix("${.")
        .and_then(|key| key.strip_suffix('}'))
    {
        Some(key) if key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => key,
        _ if key.contains("${") => return Err(Why::Template),
        _ => key,
    };
    let version = pieces.next().filter(|version| *version != "-1");
    if version.is_some_and(|version| version.parse::<u32>().is_err()) {
        return Err(Why::Form);
    }
    if path.contains('$') || key.contains('$') {
        return Err(Why::Variable);
    }
    // Its paths begin with the mount; ours say so with a slash.
    let reference =
        Reference::new("vault", &format!("/{}", path.trim_matches('/'))).field(Some(key));
    let reference = reference.with("version", version);
    Ok(reference.with("optional", context.optional.then_some("1")))
}

fn halves<'a>(text: &'a str, between: &str) -> (&'a str, Option<&'a str>) {
    match text.split_once(between) {
        Some((name, version)) => (name, Some(version).filter(|version| !version.is_empty())),
        None => (text, None),
    }
}
