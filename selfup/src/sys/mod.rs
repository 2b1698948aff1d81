//! The only room with unsafe code: what neither std nor nix offers safely.
//!
//! Each function is small, wraps one thing the kernel does, and is safe to call with any
//! arguments. Everything else in the crate is built from these and from safe crates.
#![allow(unsafe_code, reason = "this room wraps system calls; the rest of the crate denies it")]

pub(crate) mod env;
#[cfg(selfup_supervised)]
pub(crate) mod exit;
#[cfg(selfup_supervised)]
pub(crate) mod fd;
#[cfg(selfup_supervised)]
pub(crate) mod keeper;
#[cfg(selfup_supervised)]
pub(crate) mod lifeline;
#[cfg_attr(not(selfup_supervised), path = "mask_unsupervised.rs")]
pub(crate) mod mask;
#[cfg(all(selfup_supervised, feature = "control"))]
pub(crate) mod peer_groups;
#[cfg(selfup_supervised)]
pub(crate) mod pidfd;
#[cfg(selfup_supervised)]
pub(crate) mod process;
#[cfg(unix)]
pub(crate) mod rename;
#[cfg(selfup_supervised)]
pub(crate) mod seqpacket;
#[cfg_attr(not(unix), path = "signal_elsewhere.rs")]
pub(crate) mod signal;
mod status;

pub(crate) use self::status::Status;
