//! Services under the process managers of others, each by the files of `examples/` as they stand: supervisord, runit,
//! and none at all, as the first process of a container.
//!
//! supervisord and runit are those of Debian, in a directory of their own, and know nothing but that directory. What both
//! have to see is told once, in [`story`].
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod container;
mod first;
mod manager;
mod runit;
mod site;
mod story;
mod supervisord;
