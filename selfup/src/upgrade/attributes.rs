//! What a binary has beside its bytes: owner, mode, and extended attributes.
//!
//! A candidate gets them in the order that keeps them: a change of the owner takes set-id bits and
//! capabilities away, and so does a write. Set-id bits and capabilities come last of all, when the
//! candidate has passed every check, for an untrusted file must have neither.
//!
//! What cannot be copied is found out by trying it on an empty file before anything is fetched. What
//! would make the program fail (a capability, set-id bits) is an error, the rest a warning. A
//! signature of the bytes (IMA, EVM) is not copied: the bytes are others.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use xattr::FileExt as _;

use crate::error::{Error, ErrorKind, Result};

/// Gives `file` what `like` has, but for what would give it rights of its own.
pub(super) fn copy(like: &File, file: &File) -> io::Result<()> {
    copy_owner(like, file)?;
    file.set_permissions(Permissions::from_mode(like.metadata()?.mode() & 0o777))?;
    for name in names(like).filter(|name| *name != CAPABILITY) {
        // What cannot be copied was told before.
        let _ = copy_one(like, file, &name);
    }
    Ok(())
}

/// Gives `file`, which is trusted now, the rest. Says whether anything was missing.
pub(super) fn complete(like: &File, file: &File) -> io::Result<bool> {
    let mode = like.metadata()?.mode() & 0o7777;
    let mut is_new = file.metadata()?.mode() & 0o7777 != mode;
    if is_new {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    if names(like).any(|name| name == CAPABILITY) {
        is_new |= copy_one(like, file, OsStr::new(CAPABILITY))?;
    }
    Ok(is_new)
}

/// Tries all of it on `trial`, an empty file that is removed, and tells what would be lost.
///
/// # Errors
///
/// For what the program cannot do without.
pub(super) fn losses(like: &File, trial: &File) -> Result<Option<Error>> {
    let user = nix::unistd::geteuid();
    let Ok(owner) = copy(like, trial).and_then(|()| Ok((like.metadata()?, trial.metadata()?)))
    else {
        // The file system does not even tell; the swap will.
        return Ok(None);
    };
    let (was, is) = owner;
    let mut lost = Vec::new();
    if was.uid() != is.uid() {
        if was.mode() & 0o4000 != 0 {
            return Err(missing(&format!("the set-user-id bit of user {}", was.uid())));
        }
        lost.push(format!("its owner (user {}, and user {user} then)", was.uid()));
    }
    if was.gid() != is.gid() {
        if was.mode() & 0o2000 != 0 {
            return Err(missing(&format!("the set-group-id bit of group {}", was.gid())));
        }
        lost.push(format!("its group ({}, and {} then)", was.gid(), is.gid()));
    }
    for name in names(like) {
        if copy_one(like, trial, &name).is_err() {
            if name == CAPABILITY {
                return Err(missing(&format!("its capabilities ({})", capabilities(like))));
            }
            lost.push(format!("its attribute {}", name.display()));
        }
    }
    let words = format!(
        "an upgrade by user {user} would lose of the binary {}; run the service as who may set that",
        lost.join(", ")
    );
    Ok((!lost.is_empty()).then(|| Error::new(ErrorKind::Swap, words)))
}

fn missing(what: &str) -> Error {
    let user = nix::unistd::geteuid();
    let words = format!(
        "an upgrade by user {user} would lose {what} of the binary, and it would fail without; run \
         the service as root, or give it the right by the process manager (such as \
         `AmbientCapabilities` of systemd) and take it from the file"
    );
    Error::new(ErrorKind::Swap, words)
}

/// Root can give a file away; others can give it to another group of theirs.
fn copy_owner(like: &File, file: &File) -> io::Result<()> {
    let (like, is) = (like.metadata()?, file.metadata()?);
    if (like.uid(), like.gid()) == (is.uid(), is.gid()) {
        return Ok(());
    }
    let (uid, gid) = (Some(like.uid()), Some(like.gid()));
    if nix::unistd::geteuid().is_root() {
        return std::os::unix::fs::fchown(file, uid, gid);
    }
    // What cannot be copied was told before.
    let _ = std::os::unix::fs::fchown(file, uid.filter(|uid| *uid != is.uid()), gid)
        .or_else(|_| std::os::unix::fs::fchown(file, None, gid));
    Ok(())
}

/// Says whether `file` had it otherwise.
fn copy_one(like: &File, file: &File, name: &OsStr) -> io::Result<bool> {
    let Some(value) = like.get_xattr(name)? else { return Ok(false) };
    // A label that the file has already may not be set, and need not.
    if file.get_xattr(name).ok().flatten().as_ref() == Some(&value) {
        return Ok(false);
    }
    file.set_xattr(name, &value)?;
    Ok(true)
}

/// The attributes that are copied. Where there is no such thing there are none.
fn names(file: &File) -> impl Iterator<Item = OsString> + use<> {
    let of_other_bytes = |name: &OsString| name == "security.ima" || name == "security.evm";
    let names = file.list_xattr().into_iter().flatten();
    names.filter(move |name| !of_other_bytes(name)).collect::<Vec<_>>().into_iter()
}

/// Which capabilities they are, as capabilities(7) calls them, as far as they have a name here.
fn capabilities(file: &File) -> String {
    let value = file.get_xattr(CAPABILITY).ok().flatten().unwrap_or_default();
    // `struct vfs_cap_data`: the magic number, then permitted and inheritable, twice.
    let word = |at: usize| value.get(at..at + 4).map(|word| [word[0], word[1], word[2], word[3]]);
    let word = |at| u64::from(word(at).map_or(0, u32::from_le_bytes));
    let permitted = word(4) | word(12) << 32;
    let name = |number: u32| match number {
        10 => "cap_net_bind_service".to_owned(),
        12 => "cap_net_admin".to_owned(),
        13 => "cap_net_raw".to_owned(),
        _ => format!("no. {number}"),
    };
    let held = (0..64).filter(|number| permitted & (1 << number) != 0);
    held.map(name).collect::<Vec<_>>().join(", ")
}

/// The capabilities that a file gives to whoever executes it.
const CAPABILITY: &str = "security.capability";

#[cfg(test)]
mod tests;
