//! What a service is configured to do: a [`Config`], made by a [`Builder`], from which the data
//! flows one way into the master.
//!
//! A setter never fails: what it was given is checked in [`Builder::build`], which names every
//! setting that cannot work, and its fix, at once.

mod acceptance;
mod address;
mod builder;
mod control;
mod duration;
mod public_key;
mod signal;
mod size;

use std::fmt;
use std::time::Duration;

pub(crate) use self::acceptance::Acceptance;
pub use self::address::{Address, IntoAddresses};
pub(crate) use self::address::{Host, Options, Place, Socket};
pub use self::builder::Builder;
pub use self::control::IntoControl;
pub use self::duration::IntoDuration;
#[cfg(all(feature = "verify", selfup_supervised))]
pub(crate) use self::public_key::key_id;
pub use self::public_key::{IntoPublicKeys, PublicKey};
pub(crate) use self::signal::RestartSignal;
pub use self::size::IntoSize;
use crate::event::{EventHook, Verbosity};
use crate::fetcher::BoxFetcher;
use crate::upgrade::PreUpgradeHook;

/// What a service is configured to do. Made by [`Config::builder`].
pub struct Config {
    pub(crate) addresses: Vec<Address>,
    pub(crate) backlog: i32,
    pub(crate) upgrades: Upgrades,
    pub(crate) restarts: Restarts,
    pub(crate) verbosity: Verbosity,
    pub(crate) on_event: Option<EventHook>,
    pub(crate) required: bool,
    /// Where the control socket is; nowhere, if it is none.
    pub(crate) control: Option<Address>,
}

/// Where new binaries come from, and what happens to them.
pub(crate) struct Upgrades {
    pub(crate) fetcher: Option<BoxFetcher>,
    pub(crate) min_fetch_interval: Duration,
    pub(crate) pre_upgrade: Option<PreUpgradeHook>,
    pub(crate) acceptance: Acceptance,
    pub(crate) restart_after_fetch: bool,
    /// Whether the master becomes the new binary, too, once it is committed.
    pub(crate) master_follows: bool,
}

/// How one generation follows another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restarts {
    /// `None`: there are none, the signal is an ordinary one.
    pub(crate) signal: Option<RestartSignal>,
    pub(crate) ready_manually: bool,
    pub(crate) ready_timeout: Duration,
    pub(crate) probation: Duration,
    pub(crate) terminate_timeout: Duration,
    pub(crate) max_draining: usize,
    /// Whether two generations may run at once.
    pub(crate) overlap: bool,
}

impl Config {
    /// A builder with every setting at its default.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("addresses", &self.addresses)
            .field("has_fetcher", &self.upgrades.fetcher.is_some())
            .field("restarts", &self.restarts)
            .finish_non_exhaustive()
    }
}
