//! What a vault does when a value is put, and the list of its versions.

use envshim::format::json::{self, Json};

use super::{Secret, Seen, State, bundle, parameter, refusal};
use crate::house::server::answer;

/// The most that a secret takes.
const MOST: usize = 25_600;

fn bad(message: &str) -> Vec<u8> {
    refusal(400, "BadParameter", message, "")
}

impl State {
    pub(super) fn put(&mut self, seen: &Seen, vault: &str, path: &str, host: &str) -> Vec<u8> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let ["secrets", name] = parts[..] else {
            return refusal(405, "MethodNotAllowed", "", "");
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || name.len() > 127 || !name.chars().all(fits) {
            return bad("The request URI contains an invalid name");
        }
        let kind = seen.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/json") {
            return refusal(415, "UnsupportedMediaType", "", "");
        }
        let Ok(Json::Object(members)) = json::parse(&seen.body) else {
            return bad("The request body is not a JSON object");
        };
        let (mut value, mut more) = (None, String::new());
        let mut attributes = "\"enabled\":true".to_owned();
        for (member, given) in &members {
            let plain = String::from_utf8(given.compact().expose().to_vec()).expect("text");
            match (member.as_str(), given) {
                ("value", Json::Text(text)) => {
                    value = Some(String::from_utf8(text.expose().to_vec()).expect("text"));
                }
                ("contentType", Json::Text(_) | Json::Null) | ("tags", Json::Object(_)) => {
                    more += &format!(",\"{member}\":{plain}");
                }
                // The SDK sends it empty, too.
                ("attributes", Json::Object(all)) => {
                    if !all.is_empty() {
                        attributes = plain[1..plain.len() - 1].to_owned();
                    }
                }
                _ => return bad("Property has invalid value"),
            }
        }
        let Some(value) = value.filter(|value| (1..=MOST).contains(&value.len())) else {
            return bad("Property value has invalid value");
        };
        let mine = self
            .secrets
            .iter()
            .rfind(|secret| secret.vault == vault && secret.name.eq_ignore_ascii_case(name));
        if mine.is_some_and(|secret| secret.more.contains("\"managed\":true")) {
            return refusal(
                403,
                "Forbidden",
                "Operation set is not allowed on this secret.",
                "",
            );
        }
        let name = mine.map_or(name, |secret| &secret.name).to_owned();
        let now = self.meanwhile.iter().position(|(other, _)| *other == name);
        let theirs = now.map(|at| self.meanwhile.remove(at).1);
        if let Some(theirs) = theirs {
            self.add(vault, &name, theirs, "\"enabled\":true", "");
        }
        self.add(vault, &name, value, &attributes, &more);
        self.secrets
            .last()
            .map_or(Vec::new(), |secret| bundle(secret, host))
    }

    fn add(&mut self, vault: &str, name: &str, value: String, attributes: &str, more: &str) {
        self.secrets.push(Secret {
            vault: vault.to_owned(),
            name: name.to_owned(),
            version: format!("{:032x}", self.secrets.len() + 1),
            value,
            attributes: attributes.to_owned(),
            more: more.to_owned(),
        });
    }
}

/// A page of the versions of a secret, 25 at most and in no order; none for what is not there.
pub(super) fn versions(all: &[&Secret], name: &str, query: &str, host: &str) -> Vec<u8> {
    let most = parameter(query, "maxresults").map_or(Ok(25), |text| text.parse::<usize>());
    let Ok(most @ 1..=25) = most else {
        return bad("Invalid maxresults");
    };
    let start = parameter(query, "$skiptoken").and_then(|text| text.parse().ok());
    let start: usize = start.unwrap_or(0);
    let mut mine: Vec<&&Secret> = all
        .iter()
        .filter(|secret| secret.name.eq_ignore_ascii_case(name))
        .collect();
    mine.sort_by_key(|secret| secret.version.bytes().rev().collect::<Vec<u8>>());
    let items: Vec<String> = mine
        .iter()
        .skip(start)
        .take(most)
        .map(|secret| {
            format!(
                "{{\"id\":\"https://{host}/secrets/{}/{}\",\"attributes\":{{{},\"created\":1629853039,\"updated\":1629853039}}{}}}",
                secret.name, secret.version, secret.attributes, secret.more
            )
        })
        .collect();
    let next = if start + most < mine.len() {
        let next = start + most;
        format!(
            "\"https://{host}/secrets/{name}/versions?api-version=7.4&$skiptoken={next}&maxresults={most}\""
        )
    } else {
        "null".to_owned()
    };
    answer(
        200,
        "Content-Type: application/json; charset=utf-8\r\n",
        format!("{{\"value\":[{}],\"nextLink\":{next}}}", items.join(",")),
    )
}
