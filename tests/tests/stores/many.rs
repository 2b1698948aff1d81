//! What only shows after many polls. `POLLS` says how many thousands.

use selfup_tests::faults::{Front, Source as _, Way};
use selfup_tests::idle::leave_nothing;
use selfup_tests::stores::{Azurite, Bucket, FakeGcs, KEY, S3Server, Stored};
use selfup_tests::{Release, ServiceBuilder};

/// What is no binary is refused once, and known then. It is short, for s3s-fs reads all of it for its
/// `ETag`.
fn leave_nothing_of<B: Bucket>(bucket: &B, endpoint: &str) {
    bucket.put(KEY, b"no binary");
    let variables = bucket.variables(endpoint);
    let mut builder = ServiceBuilder::new(&Release::good());
    for (name, value) in &variables {
        builder = builder.set(name, value);
    }
    let (_, source) = variables.iter().find(|(name, _)| *name == "FETCHER").expect("it has a name");
    let mut service = leave_nothing(builder, source);
    assert_eq!(service.lines("event candidate_refused: ").len(), 1);
    assert!(service.stop().success());
}

#[test]
fn ten_thousand_polls_of_s3_leave_memory_and_descriptors_where_they_were() {
    let bucket = S3Server::start();
    leave_nothing_of(&bucket, &format!("http://{}", bucket.address()));
}

#[test]
fn ten_thousand_polls_of_azure_leave_memory_and_descriptors_where_they_were() {
    if Azurite::is_there() {
        let bucket = Azurite::start();
        leave_nothing_of(&bucket, &format!("http://{}", bucket.address()));
    }
}

/// Behind the front, which knows conditions.
#[test]
fn ten_thousand_polls_of_gcs_leave_memory_and_descriptors_where_they_were() {
    if FakeGcs::is_there() {
        let source = Stored::<FakeGcs>::start(Way::Plain);
        leave_nothing_of(&source.bucket, &Front::base(source.front()));
    }
}
