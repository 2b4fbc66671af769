//! Names without values: the secrets of a folder with their versions, or the fields of a secret.

use crate::clock;
use crate::format::json::Json;
use crate::provider::vault::answer::Reply;
use crate::provider::vault::fault::Fault;
use crate::provider::vault::path::{Ask, Kind, Path, What, encoded};
use crate::provider::vault::reader::Reader;
use crate::provider::vault::{all, wanted_version};
use crate::provider::{Listed, Wanted};

/// What is below a path: in a folder its secrets and folders, in a secret its fields.
pub(super) fn names(
    reader: &mut Reader<'_>,
    wanted: &Wanted<'_>,
    mount: &str,
    details: bool,
) -> Result<Vec<Listed>, Fault> {
    let (path, folder) = Path::of(wanted.reference, mount)?;
    if folder {
        return in_folder(reader, path, details);
    }
    let what = What::Read(wanted_version(wanted.reference)?);
    match one(reader, &path, what) {
        Ok(Reply::Secret {
            data,
            version,
            about,
            ..
        }) => {
            let fields = all(&data).into_iter();
            let listed = fields.map(|(name, _)| Listed {
                name,
                version: version.clone(),
                changed: about.changed,
                note: None,
            });
            Ok(listed.collect())
        }
        Ok(Reply::Names(_)) => Err(Fault::OddPath),
        // What is no secret may be a folder of them; if not, it is the secret that is missing.
        Err(fault @ Fault::Nothing { .. }) => in_folder(reader, path, details).map_err(|_| fault),
        Err(fault) => Err(fault),
    }
}

fn one(reader: &mut Reader<'_>, path: &Path, what: What) -> Result<Reply, Fault> {
    let ask = Ask {
        path: path.clone(),
        what,
    };
    let reply = reader.ask(std::slice::from_ref(&ask)).pop();
    reply.unwrap_or(Err(Fault::OddPath))
}

fn in_folder(reader: &mut Reader<'_>, path: Path, details: bool) -> Result<Vec<Listed>, Fault> {
    let Reply::Names(names) = one(reader, &path, What::List)? else {
        return Err(Fault::OddPath);
    };
    let leaf = |name: &&String| !name.ends_with('/');
    // Only KV v2 has versions. A token that may list need not be allowed to see them.
    let requests: Vec<String> = match reader.route(&path) {
        Some(route) if details && route.kind == Kind::V2 => {
            let leaves = names.iter().filter(leaf);
            let about = leaves.map(|name| path.child(name));
            let route = |path: Path| reader.route(&path).unwrap_or_else(|| route.clone());
            about
                .map(|path| encoded(&route(path).policy(What::List)))
                .collect()
        }
        _ => Vec::new(),
    };
    let mut about = reader.server.get_all(&requests).into_iter();
    let listed = names.into_iter().map(|name| {
        let answer = (!name.ends_with('/')).then(|| about.next()).flatten();
        let answer = answer.and_then(Result::ok).filter(|a| a.status == 200);
        let content = answer.and_then(|answer| reader.server.content(&answer).ok());
        let data = content.as_ref().and_then(|content| content.get("data"));
        let field = |name| data.and_then(|data| data.get(name));
        let version = field("current_version").and_then(Json::whole);
        let changed = field("updated_time").and_then(Json::as_str);
        Listed {
            version: version.filter(|n| *n > 0).map(|number| number.to_string()),
            changed: changed.and_then(clock::moment),
            note: None,
            name,
        }
    });
    Ok(listed.collect())
}
