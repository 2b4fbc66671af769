//! The word that another platform has for a workload: a token in a file, a variable, behind an
//! address, or in the credential file itself; as it is, or inside a JSON document.

use std::path::{Path, PathBuf};

use crate::files::{self, Accept};
use crate::format::json::{self, Json};
use crate::http::{self, Address, Client, Request};
use crate::secret::Secret;

use super::{Fault, Sources};

/// A token is a few kilobytes.
const MOST: usize = 1 << 20;

/// Where the token is.
pub enum Subject {
    /// Here.
    Token(Secret),
    /// In a file.
    File(PathBuf, Form),
    /// Behind an address of the platform.
    Url {
        /// The address.
        address: Address,
        /// Headers that it wants.
        headers: Vec<(String, Secret)>,
        /// In which form it answers.
        form: Form,
    },
}

/// In which form a token comes.
pub enum Form {
    /// As it is.
    Plain,
    /// As a text in a JSON document, at this JSON pointer (RFC 6901).
    Json(String),
}

impl Subject {
    /// Reads the `workload` of a credential file.
    pub(super) fn read(
        workload: &Json,
        path: &Path,
        sources: &Sources<'_>,
    ) -> Result<Subject, Fault> {
        let odd = |why| Fault::OddFile(path.to_owned(), why);
        let text = |json: &Json, name| {
            let text = json.get(name).and_then(Json::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let known = ["file", "url", "env", "token", "aws"].map(|name| workload.get(name));
        if known.iter().flatten().count() != 1 {
            return Err(odd(
                "`workload` needs exactly one of `file`, `url`, `env` and `token`",
            ));
        }
        match known {
            [Some(file), ..] => {
                let place = text(file, "path").ok_or(odd("`file` has no `path`"))?;
                Ok(Subject::File(PathBuf::from(place), Form::read(file, path)?))
            }
            [_, Some(url), ..] => {
                let address = text(url, "url").and_then(|text| Address::parse(&text).ok());
                let mut headers = Vec::new();
                if let Some(Json::Object(fields)) = url.get("headers") {
                    for (name, value) in fields {
                        let value = value.text().ok_or(odd("a header of `url` is no text"))?;
                        headers.push((name.clone(), value.duplicate()));
                    }
                }
                Ok(Subject::Url {
                    address: address.ok_or(odd("`url` has no usable `url`"))?,
                    headers,
                    form: Form::read(url, path)?,
                })
            }
            [_, _, Some(env), ..] => {
                let name = text(env, "var").ok_or(odd("`env` has no `var`"))?;
                let value = (sources.variable)(&name).filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| Fault::NoVariable(path.to_owned(), name))?;
                let form = Form::read(env, path)?;
                form.token(Secret::new(value.to_vec())).map(Subject::Token)
            }
            [_, _, _, Some(token), _] => {
                let token = token.get("token").and_then(Json::text);
                let token = token.filter(|token| !token.expose().is_empty());
                let token = token.ok_or(odd("`token` has no `token`"))?;
                Ok(Subject::Token(token.duplicate()))
            }
            _ => Err(odd("the identity of an AWS workload is not spoken here")),
        }
    }

    /// Gets the token.
    pub(super) fn token(&self, platform: &Client) -> Result<Secret, Fault> {
        match self {
            Subject::Token(token) => Ok(token.duplicate()),
            Subject::File(path, form) => {
                let found = files::read(path, MOST, Accept::Pipe).map_err(Fault::File)?;
                let found = found.ok_or_else(|| Fault::NoFile(path.clone()))?;
                form.token(Secret::new(found.bytes.expose().trim_ascii().to_vec()))
            }
            Subject::Url {
                address,
                headers,
                form,
            } => {
                let mut request = Request::get(address.clone());
                for (name, value) in headers {
                    let value = http::Value::Secret(value.duplicate());
                    request = request.header(name.clone(), value);
                }
                let answer = platform.send(&request).map_err(Fault::Unanswered)?;
                if !(200..300).contains(&answer.status) {
                    return Err(Fault::Platform(address.origin(), answer.status));
                }
                form.token(answer.body)
            }
        }
    }
}

impl Form {
    fn read(source: &Json, path: &Path) -> Result<Form, Fault> {
        let odd = |why| Fault::OddFile(path.to_owned(), why);
        let pointer = source.get("subject_cred_pointer").and_then(Json::as_str);
        match (source.get("format_type").map(Json::as_str), pointer) {
            (None | Some(Some("value" | "")), None | Some("")) => Ok(Form::Plain),
            (Some(Some("json")), Some(pointer)) if pointer.starts_with('/') => {
                Ok(Form::Json(pointer.to_owned()))
            }
            (Some(Some("json")), _) => Err(odd(
                "`format_type` json needs a `subject_cred_pointer` such as /access_token",
            )),
            _ => Err(odd("`format_type` is neither `value` nor `json`")),
        }
    }

    fn token(&self, content: Secret) -> Result<Secret, Fault> {
        let token = match self {
            Form::Plain => content,
            Form::Json(pointer) => {
                let json = json::parse(content.expose()).ok();
                let found = json.as_ref().and_then(|json| follow(json, pointer));
                let found = found.and_then(Json::text).map(Secret::duplicate);
                found.ok_or_else(|| Fault::NoSubject(pointer.clone()))?
            }
        };
        if token.expose().is_empty() || std::str::from_utf8(token.expose()).is_err() {
            return Err(Fault::BadSubject);
        }
        Ok(token)
    }
}

/// What a JSON pointer leads to.
fn follow<'a>(json: &'a Json, pointer: &str) -> Option<&'a Json> {
    let mut at = json;
    for part in pointer.split('/').skip(1) {
        at = match at {
            Json::List(entries) => entries.get(part.parse::<usize>().ok()?)?,
            fields => fields.get(&part.replace("~1", "/").replace("~0", "~"))?,
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::follow;
    use crate::format::json::{Json, parse};

    #[test]
    fn pointers_lead_where_the_standard_says() {
        let json = parse(br#"{"a":{"b":["x",{"~/":"y"}]},"":"z"}"#)
            .ok()
            .unwrap();
        let at = |pointer| follow(&json, pointer).and_then(Json::as_str);
        assert_eq!(at("/a/b/0"), Some("x"));
        assert_eq!(at("/a/b/1/~0~1"), Some("y"));
        assert_eq!(at("/"), Some("z"));
        assert_eq!(at("/a/b/2"), None);
        assert_eq!(at("/a/c"), None);
    }
}
