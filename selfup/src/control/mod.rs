//! The operator's eyes and hands: HTTP/1.1 with JSON on a UNIX socket.
#![expect(dead_code, reason = "nobody serves it yet")]

mod access;
mod answer;
mod ask;
mod clerk;
mod limits;
mod metrics;
mod route;
mod server;
mod sse;
#[cfg(test)]
mod tests;
mod wire;

#[cfg_attr(not(test), expect(unused_imports, reason = "nobody serves it yet"))]
pub(crate) use self::ask::{
    Answer, Ask, Asked, Binary, GenerationStatus, Outcome, Refusal, Status, Upgrade, Upgrades,
    UpgradesState,
};
#[cfg_attr(not(test), expect(unused_imports, reason = "nobody serves it yet"))]
pub(crate) use self::server::Server;
