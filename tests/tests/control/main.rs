//! The control socket over real processes: what an operator sees, and what comes of what he asks for.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod bounds;
mod restart;
mod socket;
mod status;
mod succession;
mod upgrades;

use selfup_tests::{Answer, Operator, Published, Publisher, Release, Service, ServiceBuilder};

/// A service with a control socket, and these variables.
fn service(variables: &[(&str, &str)]) -> (Service, Operator) {
    let (builder, operator) = Operator::of(ServiceBuilder::new(&Release::good()), "");
    let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
    (variables.iter().fold(builder, set).start(), operator)
}

/// The same, with releases, that polls when an operator asks and at no other time: the schedule has a
/// poll at a random moment after each start and each succession.
fn published(variables: &[(&str, &str)]) -> (Published, Operator) {
    let (published, operator) = polling(variables);
    operator.post("/pause-upgrades").assert_good("paused");
    (published, operator)
}

/// The same, with polls of its own.
fn polling(variables: &[(&str, &str)]) -> (Published, Operator) {
    let release = Release::good();
    let publisher = Publisher::start(Answer::Whole(release.clone()));
    let (builder, operator) = Operator::of(ServiceBuilder::new(&release), "");
    let builder = builder.set("INTERVAL", "1h").set("MIN_FETCH_INTERVAL", "1ms");
    (Published::of(builder, publisher, variables), operator)
}

/// A release that was just published.
fn publish(published: &Published, release: Release) -> Release {
    published.publisher.publish(Answer::Whole(release.clone()));
    release
}
