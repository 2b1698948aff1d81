//! Releases in buckets: S3 by s3s, Azure's Blob Storage by Azurite, Google Cloud Storage by
//! fake-gcs-server.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]
#![allow(clippy::print_stdout, reason = "the figures are there to be read")]

mod faults;
mod lent;
mod many;
mod own;
