//! What HCP Vault Secrets answers: secrets of three kinds in both versions of the API, and pages.

use std::time::SystemTime;

use crate::clock;
use crate::format::json::{self, Json};
use crate::secret::Secret;

use super::fault::Fault;

/// An opened secret.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) version: Option<String>,
    /// When that was written.
    pub(super) changed: Option<SystemTime>,
    pub(super) values: Values,
}

impl Opened {
    fn of(entry: &Json, name: String) -> Result<Opened, Fault> {
        let Some((held, values)) = values(entry) else {
            return Err(Fault::NoValue(name));
        };
        let changed = held.get("created_at").and_then(Json::as_str);
        let version = number(held);
        Ok(Opened {
            name,
            changed: changed
                .filter(|_| version.is_some())
                .and_then(clock::moment),
            version,
            values,
        })
    }
}

/// What a secret holds.
pub(super) enum Values {
    /// A static secret.
    One(Secret),
    /// A rotating or dynamic secret.
    Several(Vec<(String, Secret)>),
}

/// A page of a listing.
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    pub(super) next: Option<String>,
}

fn parsed(body: &Secret) -> Result<Json, Fault> {
    json::parse(body.expose()).map_err(|fault| Fault::NoJson {
        line: fault.line,
        column: fault.column,
    })
}

/// A page of opened secrets.
pub(super) fn opened(body: &Secret) -> Result<Page<Opened>, Fault> {
    page(body, |entry| Opened::of(entry, name(entry)?))
}

/// A page of names.
pub(super) fn names(body: &Secret) -> Result<Page<String>, Fault> {
    page(body, name)
}

/// One opened secret, or one version of it.
pub(super) fn one(body: &Secret, name: &str) -> Result<Opened, Fault> {
    let json = parsed(body)?;
    Opened::of(json.get("secret").unwrap_or(&json), name.to_owned())
}

/// The code of an error: a number of gRPC.
pub(super) fn code(body: &Secret) -> Option<u64> {
    parsed(body).ok()?.get("code")?.whole()
}

fn page<T>(body: &Secret, entry: impl Fn(&Json) -> Result<T, Fault>) -> Result<Page<T>, Fault> {
    let json = parsed(body)?;
    let entries = match json.get("secrets") {
        Some(Json::List(entries)) => entries.as_slice(),
        // An empty list may be left out, or be written as null.
        Some(Json::Null) => &[],
        None if matches!(&json, Json::Object(_)) && json.get("code").is_none() => &[],
        _ => return Err(Fault::NoSecrets),
    };
    let next = json
        .get("pagination")
        .and_then(|pages| pages.get("next_page_token"));
    let next = next.and_then(Json::as_str).filter(|next| !next.is_empty());
    Ok(Page {
        entries: entries.iter().map(entry).collect::<Result<_, _>>()?,
        next: next.map(str::to_owned),
    })
}

fn name(entry: &Json) -> Result<String, Fault> {
    let name = entry.get("name").and_then(Json::as_str);
    name.map(str::to_owned).ok_or(Fault::NoSecrets)
}

/// The object that holds them, and they.
fn values(entry: &Json) -> Option<(&Json, Values)> {
    let text = |json: &Json| json.text().map(Secret::duplicate);
    // Both versions of the API; the older one names it `version`.
    let versions = ["static_version", "version"];
    if let Some(found) = versions.iter().find_map(|name| object(entry, name)) {
        let value = found.get("value").and_then(text)?;
        return Some((found, Values::One(value)));
    }
    let several = ["rotating_version", "dynamic_instance"];
    let found = several.iter().find_map(|name| object(entry, name))?;
    let Some(Json::Object(fields)) = found.get("values") else {
        return None;
    };
    let fields = fields
        .iter()
        .map(|(key, value)| Some((key.clone(), text(value)?)));
    let fields = fields.collect::<Option<Vec<_>>>()?;
    Some((found, Values::Several(fields)))
}

fn object<'a>(entry: &'a Json, name: &str) -> Option<&'a Json> {
    let found = entry.get(name)?;
    matches!(found, Json::Object(_)).then_some(found)
}

/// A version: a number in the SDK, text in the documentation.
fn number(found: &Json) -> Option<String> {
    Some(found.get("version")?.whole()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Values, one, opened};
    use crate::secret::Secret;

    fn body(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn every_kind_is_read() {
        let page = opened(&body(
            r#"{"secrets":[
                {"name":"A","type":"kv","static_version":{"version":3,"value":"a","created_at":"1970-01-01T00:00:09.5Z"}},
                {"name":"B","version":{"version":"2","type":"kv","value":"b"},"latest_version":"2"},
                {"name":"C","type":"rotating","rotating_version":{"version":7,"keys":["k"],"values":{"k":"c"}}},
                {"name":"D","type":"dynamic","dynamic_instance":{"ttl":"3600s","created_at":"1970-01-01T00:00:09Z","values":{"k":"d"}}}
            ],"pagination":{"next_page_token":"","previous_page_token":""}}"#,
        ));
        let page = page.ok().unwrap();
        assert!(page.next.is_none());
        let shown: Vec<_> = page
            .entries
            .iter()
            .map(|entry| {
                let value = match &entry.values {
                    Values::One(value) => value.expose(),
                    Values::Several(fields) => fields[0].1.expose(),
                };
                (entry.name.as_str(), entry.version.as_deref(), value)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("A", Some("3"), &b"a"[..]),
                ("B", Some("2"), b"b"),
                ("C", Some("7"), b"c"),
                ("D", None, b"d")
            ]
        );
        let ages = page.entries.iter().map(|entry| entry.changed.is_some());
        assert_eq!(ages.collect::<Vec<_>>(), [true, false, false, false]);
        let single = one(&body(r#"{"version":{"version":1,"value":"x"}}"#), "N");
        assert!(matches!(single.ok().unwrap().values, Values::One(_)));
    }

    #[test]
    fn what_is_not_an_answer_is_refused() {
        for bad in [
            "",
            "<html>",
            "[]",
            "\"secrets\"",
            r#"{"secrets":{}}"#,
            r#"{"secrets":[{}]}"#,
            r#"{"secrets":[{"name":"A"}]}"#,
            r#"{"secrets":[{"name":"A","static_version":{"value":1}}]}"#,
            r#"{"secrets":[{"name":"A","rotating_version":{"values":{"k":{}}}}]}"#,
            r#"{"code":5,"message":"x"}"#,
        ] {
            assert!(opened(&body(bad)).is_err(), "{bad}");
        }
        for none in ["{}", r#"{"secrets":null}"#, r#"{"secrets":[]}"#] {
            assert!(
                opened(&body(none)).ok().unwrap().entries.is_empty(),
                "{none}"
            );
        }
    }
}
