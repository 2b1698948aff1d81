//! The only room with unsafe code: what neither std nor nix offers safely.
//!
//! Each function is small, wraps one thing the kernel does, and is safe to call with any
//! arguments. Everything else in the crate is built from these and from safe crates.
#![allow(unsafe_code, reason = "this room wraps system calls; the rest of the crate denies it")]

pub(crate) mod env;
pub(crate) mod fd;
#[cfg(target_os = "linux")]
pub(crate) mod lifeline;
#[cfg(target_os = "linux")]
pub(crate) mod pidfd;
#[cfg(target_os = "linux")]
pub(crate) mod process;
#[cfg(target_os = "linux")]
pub(crate) mod seqpacket;
pub(crate) mod signal;
