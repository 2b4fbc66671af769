//! `.env.dump`: the result of a load, for starts without network.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files;
use crate::format::dotenv::{self, Difference};
use crate::secret::Secret;
use crate::source::DUMP;

/// Writes the dump, whole or not at all, readable by its owner only. Returns its path and the names
/// that other readers would see differently.
pub fn write<'a>(
    folder: &Path,
    variables: impl Iterator<Item = (&'a str, &'a Secret, bool)>,
) -> Result<(PathBuf, Vec<Difference>), Failure> {
    let path = if folder == Path::new(".") {
        PathBuf::from(DUMP)
    } else {
        folder.join(DUMP)
    };
    let (text, differences) = dotenv::write(variables);
    files::replace(&path, text.expose(), 0o600)?;
    Ok((path, differences))
}
