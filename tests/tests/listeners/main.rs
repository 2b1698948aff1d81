//! Listeners of every kind: what TCP promises, UNIX sockets, UDP and sockets that were handed in do,
//! too.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod client;
mod given;
mod inet;
mod options;
mod udp;
mod unix;
