//! Durability: whatever ends a master, or fails it, the path holds a binary that runs.
//!
//! [`kill`] ends a master at each of its system calls, [`power`] takes from the disk whatever was not
//! flushed, [`fails`] has each call fail once, [`sick`] does what an operator sees of that, [`closed`] has
//! upgrades turned off under what waits in place, and [`clock`] sets the wall clock meanwhile.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

mod clock;
mod closed;
mod fails;
mod kill;
mod place;
mod points;
mod power;
mod sick;
mod site;
mod yard;
