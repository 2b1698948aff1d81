//! A directory whose rights are taken away, and given back.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use selfup_tests::{Release, ServiceBuilder};
use tempfile::TempDir;

/// The directory of a binary that its service may write, or may not.
///
/// Root may write everywhere, so as root the service is one of another user.
pub(crate) struct Yard {
    directory: TempDir,
    is_root: bool,
}

impl Yard {
    /// With this binary, which can be replaced.
    pub(crate) fn new(release: &Release) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let yard = Self { directory, is_root: nix::unistd::geteuid().is_root() };
        let binary = yard.directory().join("app");
        release.install(&binary);
        if yard.is_root {
            chown(&binary, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        yard.may_write(true);
        yard
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Whether the service may create, rename and remove files there, from here on.
    pub(crate) fn may_write(&self, may: bool) {
        let mode = fs::Permissions::from_mode(if may || self.is_root { 0o755 } else { 0o555 });
        fs::set_permissions(self.directory(), mode).expect("it is ours");
        if self.is_root {
            chown(self.directory(), Some(if may { NOBODY } else { 0 }), None).expect("root may");
        }
    }

    /// The same service, by the user for whom that holds.
    pub(crate) fn started_by_its_user(&self, builder: ServiceBuilder) -> ServiceBuilder {
        let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        if self.is_root { builder.under(&user) } else { builder }
    }
}

/// Owns nothing, on every system.
const NOBODY: u32 = 65_534;
