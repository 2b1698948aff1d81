//! Servers that have buckets, as sources of releases: S3 by s3s, Azure's Blob Storage by Azurite, and
//! Google Cloud Storage by fake-gcs-server. Each stands behind a [`Front`], with the faults of all.

mod azure;
mod gcs;
mod s3;
mod tool;

use std::net::SocketAddr;

use selfup::fetcher::Store;

pub use self::azure::Azurite;
pub use self::gcs::FakeGcs;
pub use self::s3::S3Server;
use crate::faults::{Fault, Forward, Front, Reply, Request, Source, Way};
use crate::{Release, ServiceBuilder};

/// A server with one bucket, `releases`.
pub trait Bucket: Sized {
    /// The kind of store that it is.
    type Kind;

    /// One on a port of its own.
    fn start() -> Self;

    /// Where it is.
    fn address(&self) -> SocketAddr;

    /// Puts an object there.
    fn put(&self, key: &str, bytes: &[u8]);

    /// What asks for [`KEY`] there, by the root `endpoint`.
    fn fetcher(&self, endpoint: &str) -> Store<Self::Kind>;

    /// The variables of the fixture by which it has that fetcher.
    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)>;

    /// What the `server` that this is answers, as its original would.
    #[must_use]
    fn answer(server: Forward, request: &Request) -> Reply {
        server.answer(request)
    }
}

/// A bucket behind a front.
#[derive(Debug)]
pub struct Stored<B> {
    front: Front,
    /// What is behind it.
    pub bucket: B,
}

impl<B: Bucket> Stored<B> {
    /// How a service of `release` that asks there is to be started.
    #[must_use]
    pub fn service(&self, release: &Release) -> ServiceBuilder
    where
        Store<B::Kind>: selfup::Fetcher,
    {
        let variables = self.variables().into_iter().chain(self.front.variables());
        let builder = ServiceBuilder::new(release).set("INTERVAL", "100ms");
        variables.fold(builder, |builder, (name, value)| builder.set(&name, value))
    }
}

impl<B: Bucket> Source for Stored<B>
where
    Store<B::Kind>: selfup::Fetcher,
{
    type Fetcher = Store<B::Kind>;

    fn start(way: Way) -> Self {
        let bucket = B::start();
        let server = Forward(bucket.address());
        let front = Front::start(way, move |request| B::answer(server, request));
        Self { front, bucket }
    }

    fn front(&self) -> &Front {
        &self.front
    }

    fn fetcher(&self, silence: &str) -> Self::Fetcher {
        let fetcher = self.bucket.fetcher(&self.front.base()).timeout(silence);
        self.front.reached_by(fetcher, Store::ca, Store::proxy, Store::allow_http)
    }

    fn variables(&self) -> Vec<(String, String)> {
        let variables = self.bucket.variables(&self.front.base()).into_iter();
        variables.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn publish(&self, release: &Release) {
        self.bucket.put(KEY, release.bytes());
    }

    fn words(&self, fault: Fault) -> &'static str {
        match fault {
            // None is followed: it would carry what was signed for one server to another.
            Fault::RedirectLoop | Fault::NoSuchHost => "status 302 Found",
            fault => fault.words(),
        }
    }
}

/// Where the binary is in the bucket.
pub const KEY: &str = "dir/app";
