//! What every process manager does for a service.

use std::process::Command;

use nix::unistd::Pid;

use crate::site::Site;

/// A process manager that runs one service, until this is dropped.
pub(crate) trait Manager: Sized {
    /// Starts the manager, and by it the service of `site`. None where the manager is not installed, which is said.
    fn try_start(site: Site) -> Option<Self>;

    fn site(&self) -> &Site;

    /// The process that it takes for the service; none, if it says that there is none.
    fn pid(&self) -> Option<Pid>;

    /// Its command for a restart without a gap.
    fn reload(&self);

    /// Its command for a stop, which comes back when the service has ended.
    fn stop(&self);

    /// A shell in which the manager's commands are those of an operator.
    fn shell(&self, commands: &str) -> Command;

    /// What it wrote of an end with this code; with this signal.
    fn words_of_exit(code: i32) -> String;
    fn words_of_signal(signal: i32) -> String;

    /// What it has written of ends.
    fn ends(&self) -> String;
}
