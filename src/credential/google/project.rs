//! Which project is meant where a name does not say: variables, the credentials, gcloud.

use std::path::Path;

use crate::credential::Tried;
use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::format::ini::{self, Ini};

use super::fault::Fault;
use super::{Found, Setup, file};

/// In this order; the first is our own.
const VARIABLES: &[&str] = &[
    "GCP_PROJECT_ID",
    "GOOGLE_CLOUD_PROJECT",
    "GCLOUD_PROJECT",
    "CLOUDSDK_CORE_PROJECT",
];

/// More than any such file has.
const MOST: usize = 64 << 10;

/// Finds it. `found`: whose credentials there are, where any are needed.
pub(super) fn find(setup: &Setup<'_>, found: Option<&Found>) -> Result<String, Failure> {
    let mut tried = Tried::default();
    for name in VARIABLES {
        match setup.text(name) {
            Some(project) => return Ok(project.to_owned()),
            None => tried.add(name, "unset".to_owned()),
        }
    }
    if let Some(project) = found.and_then(|found| found.project.clone()) {
        return Ok(project);
    }
    if let Some(project) = of_gcloud(setup) {
        return Ok(project);
    }
    tried.add("gcloud", "says none".to_owned());
    Err(Fault::NoProject(tried).into())
}

/// What `gcloud config set project` has written.
fn of_gcloud(setup: &Setup<'_>) -> Option<String> {
    let folder = file::folder(setup)?;
    let text = |path: &Path| {
        let found = files::read(path, MOST, Accept::Regular).ok()??;
        String::from_utf8(found.bytes.expose().trim_ascii().to_vec()).ok()
    };
    let active = setup.text("CLOUDSDK_ACTIVE_CONFIG_NAME").map(str::to_owned);
    let active = active.or_else(|| text(&folder.join("active_config")));
    let active = active.as_deref().unwrap_or("default");
    let named = folder.join(format!("configurations/config_{active}"));
    [named, folder.join("properties")].iter().find_map(|path| {
        let config: Ini = ini::parse(text(path)?.as_bytes()).ok()?;
        config.text("core", "project").map(str::to_owned)
    })
}
