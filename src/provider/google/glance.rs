//! What Google says of a version without its value, which is free where each value has its price: its number and when
//! it was made, for a secret that is made again begins with 1 again.
//!
//! It takes a right of its own (`roles/secretmanager.viewer`), and a quota that a project has 600 of in a
//! minute. So one secret asks for all of its project; who is refused, or asked to be patient, reads values.

use crate::format::json::{self, Json};
use crate::http::{Answer, Fault};
use crate::provider::Glance;

use super::reader::{Store, Target};

/// One for each target.
pub(super) fn at(store: &Store<'_>, targets: &[Target]) -> Vec<Glance> {
    let mut glances = vec![Glance::Closed; targets.len()];
    let mut refused: Vec<&str> = Vec::new();
    let mut projects: Vec<&str> = Vec::new();
    let (first, rest): (Vec<_>, Vec<_>) = targets.iter().enumerate().partition(|(_, target)| {
        let new = !projects.contains(&target.project.as_str());
        projects.push(&target.project);
        new
    });
    for mut those in [first, rest] {
        those.retain(|(_, target)| !refused.contains(&target.project.as_str()));
        let requests = those.iter().map(|(_, target)| {
            let location = target.location.as_deref();
            store.session.get(location, &target.path())
        });
        // Reading says what is wrong.
        let Ok(requests) = requests.collect::<Result<Vec<_>, _>>() else {
            return vec![Glance::Unclear; targets.len()];
        };
        let answers = store.session.client.together(&requests, usize::MAX);
        for ((at, target), answer) in those.into_iter().zip(answers) {
            if matches!(&answer, Ok(answer) if matches!(answer.status, 401 | 403 | 429)) {
                refused.push(&target.project);
            }
            glances[at] = glance(answer);
        }
    }
    glances
}

fn glance(answer: Result<Answer, Fault>) -> Glance {
    let Ok(answer) = answer else {
        return Glance::Unclear;
    };
    let mark = || {
        let content = json::parse(answer.body.expose()).ok()?;
        let text = |name| content.get(name).and_then(Json::as_str);
        let mark = format!("{} {}", text("name")?, text("createTime")?);
        (text("state") == Some("ENABLED")).then_some(mark)
    };
    match answer.status {
        200 => mark().map_or(Glance::Unclear, Glance::Mark),
        400..=499 => Glance::Closed,
        _ => Glance::Unclear,
    }
}
