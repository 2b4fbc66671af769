//! Links that strangers can make.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Fault, folder};

/// The rule of the kernel's `protected_symlinks`, also where that is off: in a sticky folder that
/// everybody can write to, a link counts only if we or the folder's owner made it.
pub fn refuse_foreign_link(path: &Path) -> Result<(), Fault> {
    let Ok(link) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !link.is_symlink() {
        return Ok(());
    }
    let Ok(parent) = std::fs::metadata(folder(path)) else {
        return Ok(());
    };
    let open_to_all = parent.mode() & 0o002 != 0;
    let ours = link.uid() == nix::unistd::geteuid().as_raw() || link.uid() == parent.uid();
    if open_to_all && !ours {
        return Err(Fault::ForeignLink(path.to_owned()));
    }
    Ok(())
}
