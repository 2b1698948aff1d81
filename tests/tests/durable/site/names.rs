//! What an upgrade's files and calls are called.

/// The call by which a candidate is put in place.
pub(crate) const TAKES_THE_PATH: &str = "rename .app.selfup-stage- app";

/// The call by which the one before it comes back.
pub(crate) const COMES_BACK: &str = "rename .app.selfup-previous app";

pub(crate) const STAGED: &str = ".app.selfup-stage-";

pub(crate) const HISTORY: &str = ".app.selfup-history";

/// The history in a `state_dir`.
pub(crate) const ELSEWHERE: &str = "state/.app-*.selfup-history";

pub(crate) const TRIAL: &str = ".app.selfup-trial";

pub(crate) const PREVIOUS: &str = ".app.selfup-previous";

/// The name of the file that the user's code writes to, first of all.
pub(crate) const STARTS: &str = "starts";
