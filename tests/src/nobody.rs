//! A service of somebody who is not root.

use nix::unistd::{Gid, Uid, chown};

use crate::ServiceBuilder;

/// Somebody whom nothing else belongs to.
const NOBODY: u32 = 65534;

impl ServiceBuilder {
    /// Gives the binary and its directory to somebody whom nothing else belongs to, and runs the
    /// service as that user, if this one is root: who may do everything.
    ///
    /// # Panics
    ///
    /// If they cannot be given away.
    #[must_use]
    pub fn as_nobody(self) -> Self {
        if !Uid::effective().is_root() {
            return self;
        }
        for ours in [self.directory(), &self.binary()] {
            let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            chown(ours, Some(user), Some(group)).expect("root may give it away");
        }
        self.under(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    }
}
