//! What the API names of an upgrade, where nothing upgrades a binary.

use crate::channel::Channel;
use crate::error::Result;

mod candidate;

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
