//! Durability: whatever ends a master, or fails it, the path holds a binary that runs.
//!
//! [`kill`] ends a master at each of its system calls, [`power`] takes from the disk whatever was not
//! flushed, [`fails`] has each call fail once, and [`sick`] does what an operator sees of that.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

mod fails;
mod kill;
mod points;
mod power;
mod sick;
mod site;
