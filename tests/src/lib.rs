//! The harness of the process suites: services made of real processes, releases made of real
//! binaries, and clients that count what they lose.
//!
//! Nothing here sleeps in place of waiting: a [`Service`] is observed through the lines that its
//! processes print, and every wait ends at [`PATIENCE`], by which a machine would have to be stuck.

mod client;
mod process;
mod publisher;
mod release;
mod service;

use std::time::Duration;

pub use self::client::{Load, get, try_get};
pub use self::process::{Processes, eventually};
pub use self::publisher::{Answer, Publisher};
pub use self::release::Release;
pub use self::service::{Service, ServiceBuilder};

/// How long anything may take. No test passes faster or slower for it.
pub const PATIENCE: Duration = Duration::from_secs(120);
