//! The fetchers as a user has them, against servers that misbehave on purpose.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where it fails")]

#[cfg(feature = "http")]
mod access;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod redirects;
#[cfg(feature = "http")]
mod resume;
#[cfg(feature = "http")]
mod server;
#[cfg(feature = "http")]
mod siblings;
