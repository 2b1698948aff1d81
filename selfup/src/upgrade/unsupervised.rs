//! What the API names of an upgrade, where nothing upgrades a binary.

use crate::channel::Channel;
use crate::error::Result;

mod candidate;

/// Nobody competes for a binary that is not upgraded.
mod lock {
    pub(super) type Held = std::fs::File;
}

pub use self::candidate::Candidate;
pub(crate) use self::candidate::PreUpgradeHook;

/// Nobody is probed: no channel to answer on exists.
pub(crate) fn answer_probe(
    _channel: &Channel,
    _token: String,
    _config: &Result<Option<Vec<String>>>,
    _rehearse: fn(&str) -> Result<()>,
) {
}

/// A trial that a master goes on with: there is no master.
#[derive(Debug)]
pub(crate) struct Unfinished(std::convert::Infallible);

/// Nothing is ever on trial.
pub(crate) fn reckon(_is_overdue: bool) -> Option<Unfinished> {
    None
}

/// No binary was ever replaced.
pub(crate) fn previous_of(_path: &std::path::Path) -> Option<std::path::PathBuf> {
    None
}
