#![deny(warnings, missing_docs, unreachable_pub)]

//! Documentation.

/// Documentation.
#[selfup::main]
pub async fn main(_: selfup::State) {}
