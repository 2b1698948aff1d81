//! What is to be read beside the reference: how things are done, what is promised, and what others do.
//!
//! | page | for whom |
//! |---|---|
//! | [`howto`] | who builds a service, and who is called at three in the morning |
//! | [`deploying`] | who puts one on a machine: systemd, containers, supervisord, runit, links, read-only systems |
//! | [`guarantees`] | who wants to know what can be relied on, what cannot, and how that is known |
//! | [`compared`] | who chooses between this and something else |
//!
//! Every command on these pages is run by a test, as it stands, and every program compiled by one.

#[doc = include_str!("howto.md")]
pub mod howto {}

#[doc = include_str!("deploying.md")]
pub mod deploying {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("compared.md")]
pub mod compared {}
