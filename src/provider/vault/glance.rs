//! What Vault says of a KV secret of version 2 without its value: the number of the version and when it was made,
//! for after a secret was removed with all that was ever in it, numbers begin anew.
//!
//! It takes a right of its own, `read` on `metadata/`, which a policy for `data/` does not give. So one
//! path asks for all of its mount, and a mount that refuses is not asked again.

use std::time::SystemTime;

use crate::clock;
use crate::format::json::Json;
use crate::http::Answer;
use crate::provider::Glance;
use crate::provider::vault::fault::Fault;
use crate::provider::vault::path::{Kind, Path, Route, What, encoded};
use crate::provider::vault::server::Server;

/// The path of a secret and its version, if one was asked for.
pub(super) type Place = (Path, Option<u32>);

/// One for each place; `None` where no engine of this kind can be.
pub(super) fn at(server: &Server, places: &[Option<Place>]) -> Vec<Glance> {
    let routes: Vec<Option<Route>> = places
        .iter()
        .map(|place| route(&place.as_ref()?.0))
        .collect();
    let unasked = |route: &Option<Route>| match route {
        Some(_) => Glance::Closed,
        None => Glance::Unclear,
    };
    let mut glances: Vec<Glance> = routes.iter().map(unasked).collect();
    let mut refused: Vec<&str> = Vec::new();
    let mut mounts: Vec<&str> = Vec::new();
    let (first, rest): (Vec<_>, Vec<_>) = routes
        .iter()
        .enumerate()
        .filter_map(|(at, route)| Some((at, route.as_ref()?)))
        .partition(|(_, route)| {
            let new = !mounts.contains(&route.mount.as_str());
            mounts.push(&route.mount);
            new
        });
    for mut those in [first, rest] {
        those.retain(|(_, route)| !refused.contains(&route.mount.as_str()));
        let paths = those.iter().map(|(_, route)| route.policy(What::List));
        let paths: Vec<String> = paths.map(|path| encoded(&path)).collect();
        let answers = server.get_all(&paths);
        for ((at, route), answer) in those.into_iter().zip(answers) {
            if matches!(&answer, Ok(answer) if matches!(answer.status, 400 | 401 | 403)) {
                refused.push(&route.mount);
            }
            let version = places[at].as_ref().and_then(|(_, version)| *version);
            glances[at] = glance(server, answer, version);
        }
    }
    glances
}

/// Where the value would be, if the engine is one with versions.
fn route(path: &Path) -> Option<Route> {
    let guesses = path.guesses(What::Read(None)).into_iter();
    let mut routes = guesses.filter(|route| route.kind == Kind::V2);
    let explicit = || {
        let written = path.mount.is_none() && path.rest.split('/').nth(1) == Some("data");
        path.route(path.group(), Kind::V2).filter(|_| written)
    };
    routes.next().or_else(explicit)
}

fn glance(server: &Server, answer: Result<Answer, Fault>, version: Option<u32>) -> Glance {
    let content = match answer {
        Ok(answer) if answer.status == 200 => server.content(&answer),
        Ok(answer) if matches!(answer.status, 400..=499) && answer.status != 429 => {
            return Glance::Closed;
        }
        _ => return Glance::Unclear,
    };
    let mark = content.ok().and_then(|content| mark(&content, version));
    mark.map_or(Glance::Unclear, Glance::Mark)
}

/// The mark of a version that can be read.
fn mark(content: &Json, version: Option<u32>) -> Option<String> {
    let data = content.get("data")?;
    let number = match version {
        Some(number) => u64::from(number),
        None => data.get("current_version")?.whole()?,
    };
    let about = data.get("versions")?.get(&number.to_string())?;
    let made = about.get("created_time")?.as_str()?;
    let ends = about.get("deletion_time")?.as_str()?;
    let gone = matches!(about.get("destroyed"), Some(Json::Bool(true)))
        || !ends.is_empty() && clock::moment(ends).is_none_or(|end| end <= SystemTime::now());
    (!gone).then(|| format!("{number} {made}"))
}

#[cfg(test)]
mod tests {
    use super::mark;
    use crate::format::json::parse;

    #[test]
    fn only_a_version_that_can_be_read_has_a_mark() {
        let version = |ends: &str, destroyed| {
            format!(
                r#"{{"created_time": "2026-02-03T10:00:00.5Z", "deletion_time": "{ends}", "destroyed": {destroyed}}}"#
            )
        };
        let content = |versions: &str| {
            let text = format!(
                r#"{{"data": {{"current_version": 2, "versions": {{"1": {}, {versions}}}}}}}"#,
                version("", false)
            );
            let Ok(json) = parse(text.as_bytes()) else {
                panic!("{text}")
            };
            json
        };
        let of = |ends, destroyed| content(&format!(r#""2": {}"#, version(ends, destroyed)));
        let made = "2 2026-02-03T10:00:00.5Z".to_owned();
        assert_eq!(mark(&of("", false), None), Some(made.clone()));
        assert_eq!(mark(&of("2999-01-01T00:00:00Z", false), None), Some(made));
        assert_eq!(mark(&of("2026-02-04T00:00:00Z", false), None), None);
        assert_eq!(mark(&of("", true), None), None);
        let first = "1 2026-02-03T10:00:00.5Z".to_owned();
        assert_eq!(mark(&of("", true), Some(1)), Some(first));
        assert_eq!(mark(&of("", false), Some(3)), None);
        // One that is not told of any more.
        assert_eq!(mark(&content(r#""3": null"#), None), None);
    }
}
