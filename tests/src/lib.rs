//! The harness of the process suites: services made of real processes, releases made of real
//! binaries, and clients that count what they lose.
//!
//! Nothing here sleeps in place of waiting: a [`Service`] is observed through the lines that its
//! processes print, and every wait ends at [`PATIENCE`], by which a machine would have to be stuck.
#![allow(clippy::expect_used, reason = "what goes wrong in the harness fails the test at once")]

mod again;
mod certificate;
mod client;
mod clock;
mod container;
mod control;
pub mod faults;
pub mod forge;
pub mod idle;
mod manager;
pub mod manual;
mod mounted;
mod names;
mod nginx;
mod nobody;
mod operator;
mod package;
mod port;
mod process;
mod published;
mod publisher;
mod release;
mod scratch;
mod service;
mod shell;
mod signer;
mod sockets;
#[cfg(feature = "stores")]
pub mod stores;
mod succession;
mod terminal;
pub mod toll;
mod tool;
pub mod traced;
mod watched;
mod witness;

use std::time::Duration;

pub use self::again::{Busy, serve_once_free, serves_where_it_waited};
pub use self::certificate::Certificate;
pub use self::client::{Connection, Load, get, served_by, try_get};
pub use self::clock::Clock;
pub use self::container::{Container, Network};
pub use self::control::{Control, Remote};
pub use self::manager::{Manager, Told};
pub use self::mounted::Mounted;
pub use self::names::Names;
pub use self::nginx::Nginx;
pub use self::operator::{Operator, Pending, Reply};
pub use self::package::Package;
pub use self::port::Port;
pub use self::process::{Processes, children_of, eventually, send, status_of};
pub use self::published::Published;
pub use self::publisher::{Answer, Beside, Publisher};
pub use self::release::Release;
pub use self::scratch::Scratch;
pub use self::service::{Service, ServiceBuilder};
pub use self::shell::Shell;
pub use self::signer::Signer;
pub use self::sockets::clients_of;
pub use self::succession::{Fault, descriptors_of};
pub use self::terminal::Terminal;
pub use self::tool::{command, tool};
pub use self::watched::Watched;
pub use self::witness::{Lost, Witness};

/// How long anything may take. No test passes faster or slower for it.
pub const PATIENCE: Duration = Duration::from_secs(120);
