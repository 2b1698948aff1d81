//! `selfup::serve`: every connection is answered, whoever keeps it and whatever it carries.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test at once")]

mod clear;
mod client;
mod curl;
mod either;
mod http_2;
mod many;

mod tested;
mod tls;

use selfup_tests::{Release, ServiceBuilder};

fn service() -> ServiceBuilder {
    ServiceBuilder::new(&Release::of_fixture("served"))
}

/// Longer than any test has patience.
const FOR_EVER: &str = "1h";
