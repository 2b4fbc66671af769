//! Giving a field a value: the other half of [`super::pick()`], which finds it there afterwards.

use super::Json;

impl Json {
    /// Sets the field that [`pick`](super::pick()) finds by this name or dotted path. One that is
    /// not there yet becomes a field of the object that the path up to its last dot leads to, else a
    /// top-level field of exactly this name. `false` where the value is no object.
    pub fn put(&mut self, field: &str, value: Json) -> bool {
        if self.pointer(field).is_some() {
            if let Some(place) = self.place(field) {
                *place = value;
                return true;
            }
            return false;
        }
        if let Some((path, name)) = field.rsplit_once('.')
            && let Some(Json::Object(_)) = self.pointer(path)
            && let Some(Json::Object(fields)) = self.place(path)
        {
            fields.push((name.to_owned(), value));
            return true;
        }
        match self {
            Json::Object(fields) => {
                fields.push((field.to_owned(), value));
                true
            }
            _ => false,
        }
    }

    /// What [`Json::pointer`] finds, to be changed.
    fn place(&mut self, path: &str) -> Option<&mut Json> {
        let own = match self {
            Json::Object(fields) => fields.iter().position(|(name, _)| name == path),
            Json::List(_) => path.parse().ok(),
            _ => None,
        };
        if let Some(at) = own {
            return self.nth(at);
        }
        let (name, rest) = path.match_indices('.').find_map(|(dot, _)| {
            let (name, rest) = (path.get(..dot)?, path.get(dot + 1..)?);
            let inner = match self {
                Json::List(entries) => entries.get(name.parse::<usize>().ok()?),
                _ => self.get(name),
            };
            inner?.pointer(rest).map(|_| (name, rest))
        })?;
        let at = match self {
            Json::Object(fields) => fields.iter().position(|(known, _)| known == name)?,
            _ => name.parse().ok()?,
        };
        self.nth(at)?.place(rest)
    }

    fn nth(&mut self, at: usize) -> Option<&mut Json> {
        match self {
            Json::Object(fields) => fields.get_mut(at).map(|(_, value)| value),
            Json::List(entries) => entries.get_mut(at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Json, parse, pick};
    use crate::secret::Secret;

    #[test]
    fn what_was_put_is_picked() {
        let cases = [
            (r#"{}"#, "a", r#"{"a":"v"}"#),
            (r#"{"a":1,"b":2}"#, "a", r#"{"a":"v","b":2}"#),
            (r#"{"a":null}"#, "a", r#"{"a":"v"}"#),
            (r#"{"a":{"b":1}}"#, "a.b", r#"{"a":{"b":"v"}}"#),
            (r#"{"a":{"b":1}}"#, "a.c", r#"{"a":{"b":1,"c":"v"}}"#),
            (
                r#"{"a":{"b":1},"a.b":2}"#,
                "a.b",
                r#"{"a":{"b":1},"a.b":"v"}"#,
            ),
            (r#"{"a":[1,2]}"#, "a.1", r#"{"a":[1,"v"]}"#),
            (r#"{"a":"t"}"#, "a.b", r#"{"a":"t","a.b":"v"}"#),
            (r#"{"a.b":{"c.d":1}}"#, "a.b.c.d", r#"{"a.b":{"c.d":"v"}}"#),
        ];
        for (before, field, after) in cases {
            let mut json = parse(before.as_bytes()).unwrap();
            assert!(json.put(field, Json::Text(Secret::new(b"v".to_vec()))));
            assert_eq!(
                json.compact().expose(),
                after.as_bytes(),
                "{before} {field}"
            );
            assert_eq!(pick(&json, field).ok().unwrap().expose(), b"v");
        }
        assert!(!parse(b"[1]").unwrap().put("a", Json::Null));
        assert!(!parse(b"3").unwrap().put("a", Json::Null));
    }
}
