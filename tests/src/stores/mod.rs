//! Servers that have buckets, on the loopback interface, and what stands between them and a service.

mod azure;
mod gcs;
mod relay;
mod s3;
mod tool;

use std::time::Duration;

pub use self::azure::Azurite;
pub use self::gcs::FakeGcs;
pub use self::relay::{Exchange, Flaw, Relay};
pub use self::s3::S3Server;
pub use self::tool::tool;
use crate::{Release, Service, ServiceBuilder};

/// A server with one bucket, `releases`, in which the service looks for `dir/app`.
pub trait Bucket {
    /// Puts an object there, in one step.
    fn put(&self, key: &str, bytes: &[u8]);

    /// Where it is.
    fn address(&self) -> std::net::SocketAddr;

    /// The variables of the fixture by which it asks there, at the root URL `endpoint` of this server's.
    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)>;
}

/// A service that looks for its releases in a bucket, and whoever it asks.
#[derive(Debug)]
pub struct Stored<B> {
    /// What runs.
    pub service: Service,
    /// All that is asked comes through here.
    pub relay: Relay,
    /// Where its releases come from.
    pub bucket: B,
}

impl<B: Bucket> Stored<B> {
    /// A service with these variables, whose first release is in the bucket, and which has found out that
    /// there is nothing new.
    #[must_use]
    pub fn start(bucket: B, variables: &[(&str, &str)]) -> Self {
        let first = Release::good();
        bucket.put(KEY, first.bytes());
        let relay = Relay::start(bucket.address());
        let mut builder = ServiceBuilder::new(&first).set("INTERVAL", "100ms");
        for (name, value) in bucket.variables(&relay.url()) {
            builder = builder.set(name, value);
        }
        for (name, value) in variables {
            builder = builder.set(name, *value);
        }
        let stored = Self { service: builder.start(), relay, bucket };
        stored.relay.wait_for(2);
        stored
    }

    /// Publishes `release`, and waits until a generation of it is committed; gives how long it took until
    /// it had answered.
    pub fn upgrade(&self, release: &Release) -> Duration {
        let committed = self.service.lines("event committed: ").len();
        let published = std::time::Instant::now();
        self.bucket.put(KEY, release.bytes());
        self.service.wait_for_nth("event committed: ", committed + 1);
        self.service.assert_runs(release);
        published.elapsed()
    }
}

/// Where the binary is in the bucket.
pub const KEY: &str = "dir/app";
