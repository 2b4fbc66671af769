//! Azure Arc: the agent on a machine outside of Azure. It gives tokens to who can read a file that
//! only root and the group `himds` can, and names that file in its first answer.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::format::json::{self, Json};
use crate::http::{Answer, Request, Value};
use crate::secret::{Secret, SecretBuffer};

use super::Setup;
use super::fault::Fault;
use super::managed::{CLIENT, address, client, named, token};

const NAME: &str = "the Arc agent";

/// Where the agent puts its files. A path elsewhere could be of any file that we can read.
const FOLDER: &str = "/var/opt/azcmagent/tokens";

/// More than a key has.
const MOST: usize = 4096;

/// Where the agent listens, if no variable says so.
pub(super) const USUAL: &str = "http://localhost:40342/metadata/identity/oauth2/token";

/// The agent is installed.
pub(super) fn is_here() -> bool {
    Path::new("/opt/azcmagent/bin/himds").exists()
}

pub(super) fn ask(setup: &Setup<'_>, endpoint: &str) -> Result<Secret, Failure> {
    let address = address(setup, "IDENTITY_ENDPOINT", endpoint, "2020-06-01")?;
    let client = client(setup)?;
    let request = || Request::get(address.clone()).header("metadata", Value::Plain("true".into()));
    let challenge = client.send(&request())?;
    if challenge.status != 401 {
        return Err(Fault::Answer(NAME, challenge.status).into());
    }
    let key = key(&challenge)?;
    let mut proof = SecretBuffer::with_capacity(key.expose().len() + 6);
    proof.push(b"Basic ");
    proof.push(key.expose());
    let proof = Value::Secret(proof.finish());
    let answer = client.send(&request().header("authorization", proof))?;
    match answer.status {
        200 => confirmed(setup, &answer),
        400 => Err(Fault::NoIdentity(NAME, named(setup)).into()),
        status => Err(Fault::Answer(NAME, status).into()),
    }
}

/// The content of the file that the agent names: `Basic realm=/var/opt/.../x.key`.
fn key(challenge: &Answer) -> Result<Secret, Failure> {
    let realm = challenge.header("www-authenticate").and_then(realm);
    let path = realm.filter(|path| of_agent(path));
    let path = PathBuf::from(path.ok_or_else(|| Failure::from(Fault::ArcFile))?);
    let unreadable = || Failure::from(Fault::ArcKey(path.clone()));
    let found = files::read(&path, MOST, Accept::Regular).map_err(|_| unreadable())?;
    Ok(found.ok_or_else(unreadable)?.bytes)
}

fn realm(header: &str) -> Option<&str> {
    let realm = header.trim_ascii().strip_prefix("Basic realm=")?;
    Some(realm.trim_matches('"'))
}

fn of_agent(path: &str) -> bool {
    let path = Path::new(path);
    path.parent() == Some(Path::new(FOLDER))
        && path.extension().is_some_and(|extension| extension == "key")
        && path.as_os_str().len() < 256
}

/// Older agents know no identities but the machine's own, and give that one.
fn confirmed(setup: &Setup<'_>, answer: &Answer) -> Result<Secret, Failure> {
    if let Some(wanted) = setup.text(CLIENT) {
        let json = json::parse(answer.body.expose()).ok();
        let given = json.as_ref().and_then(|json| json.get("client_id"));
        let given = given.and_then(Json::as_str).unwrap_or_default();
        if !given.eq_ignore_ascii_case(wanted) {
            return Err(Fault::NoIdentity(NAME, named(setup)).into());
        }
    }
    token(answer, NAME)
}

#[cfg(test)]
mod tests {
    use super::{of_agent, realm};

    #[test]
    fn only_files_of_the_agent_are_read() {
        assert!(of_agent("/var/opt/azcmagent/tokens/1.key"));
        for bad in [
            "/var/opt/azcmagent/tokens/1.pem",
            "/var/opt/azcmagent/tokens/../1.key",
            "/var/opt/azcmagent/tokens/a/1.key",
            "/etc/ssl/private/server.key",
            "tokens/1.key",
            "",
        ] {
            assert!(!of_agent(bad), "{bad}");
        }
        assert_eq!(realm("Basic realm=/a.key"), Some("/a.key"));
        assert_eq!(realm("Bearer realm=/a.key"), None);
    }
}
