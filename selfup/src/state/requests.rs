//! What a program asks its master for.

use super::State;
use crate::channel::message::FromChild;
use crate::error::{Context as _, Error, ErrorKind, Result};

impl State {
    /// Asks the master for a restart: a new generation takes over once it is ready.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] without a master, [`ErrorKind::Handoff`] if it has not come to what it was
    /// asked for before.
    pub fn restart(&self) -> Result<()> {
        self.ask(&FromChild::Restart, "restart")
    }

    /// Asks the master to poll the fetcher at once.
    ///
    /// # Errors
    ///
    /// As [`restart`](Self::restart).
    pub fn check_now(&self) -> Result<()> {
        self.ask(&FromChild::CheckNow, "poll of the fetcher")
    }

    /// Asks the master to put the previous binary back and to restart into it.
    ///
    /// It passes a probe first, and is on trial like any candidate; so if it comes to nothing, the
    /// service stays as it is. Once it is in place, the binary that it was rolled back from is
    /// refused whoever offers it, until [`clear_refused`](Self::clear_refused). A binary that waits
    /// on disk for a restart, or is on trial, is put back without more: a trial ends at once, and the
    /// generation that served before goes on. With `overlap = false` it is started again.
    ///
    /// With `no_restart` it is put in place and started by the next start of the service. What
    /// becomes of it is told as events.
    ///
    /// # Errors
    ///
    /// As [`restart`](Self::restart); [`ErrorKind::Rollback`] if there is no previous binary.
    pub fn rollback(&self) -> Result<()> {
        let previous = crate::upgrade::previous_of(self.bin_path());
        if self.is_supervised()
            && let Some(previous) = previous.filter(|previous| !previous.exists())
        {
            let message = format!(
                "there is no previous binary at {}; only an upgrade leaves one",
                previous.display()
            );
            return Err(Error::new(ErrorKind::Rollback, message));
        }
        self.ask(&FromChild::RollBack, "rollback")
    }

    /// Asks the master to forget which binaries were refused or failed, so that they are asked for
    /// and tried again, at once.
    ///
    /// # Errors
    ///
    /// As [`restart`](Self::restart).
    pub fn clear_refused(&self) -> Result<()> {
        self.ask(&FromChild::ClearRefused, "forgetting of what was refused")
    }

    fn ask(&self, message: &FromChild, what: &str) -> Result<()> {
        if !self.is_supervised() {
            let message = format!("no master to ask for a {what}: the program runs unsupervised");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let failed = || format!("the master was not asked for a {what}; try again");
        self.0.link.ask(message).context(ErrorKind::Handoff, failed)
    }
}
