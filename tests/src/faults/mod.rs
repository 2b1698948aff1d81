//! What can go wrong between a service and where its releases live, for every fetcher that asks over a
//! network.
//!
//! A [`Source`] is one kind of such a place. It gives its good answers to a [`Front`], the server that
//! the fetcher really asks: over TCP, TLS or HTTP/2, or through a proxy ([`Way`]), and with one [`Fault`] at a time.
//! So each fault is written once, and a new kind of source brings a type that implements [`Source`], and
//! two tests:
//!
//! - [`each_fault_is_an_error`]: the fetcher alone. A fault is an error in its own words, and the next
//!   poll after it takes what is published.
//! - [`no_fault_is_noticed`]: a real service, whose clients ask on meanwhile. After each fault the next
//!   release is taken, and no request fails.
//!
//! [`an_idle_poll_is_one_request`], [`a_name_is_waited_for`] and [`publish_to_serving`] go through every source as well. A server
//! that is real stands behind the front by [`Forward`].

mod checks;
mod forward;
mod front;
mod http;
mod http_2;
mod message;
mod poller;

use std::path::Path;

pub use self::checks::{
    a_name_is_waited_for, an_idle_poll_is_one_request, each_fault_is_an_error, no_fault_is_noticed,
    publish_to_serving,
};
pub use self::forward::Forward;
pub use self::front::{Front, Way};
pub use self::http::HttpSource;
pub use self::message::{Asked, Reply, Request};
pub use self::poller::{Poller, chain};
use crate::Release;

/// A place where releases live, and the fetcher that asks it.
pub trait Source {
    /// The fetcher, as a user has it.
    type Fetcher: selfup::Fetcher;

    /// A place that is asked this way, where nothing is published yet.
    fn start(way: Way) -> Self;

    /// What stands before it.
    fn front(&self) -> &Front;

    /// The fetcher that asks it, and gives up what is silent for so long.
    fn fetcher(&self, silence: &str) -> Self::Fetcher;

    /// The variables of the fixture by which it has that fetcher; the [way](Front::variables) apart.
    fn variables(&self) -> Vec<(String, String)>;

    /// Publishes `release` in place of every other.
    fn publish(&self, release: &Release);

    /// What the error says when this fault was met: a part of it.
    fn words(&self, fault: Fault) -> &'static str {
        fault.words()
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody listens.
    Refused,
    /// The connection is reset in the middle of the headers.
    ResetInHead,
    /// The connection ends in the middle of the body.
    Truncated,
    /// The connection ends in the middle of the body, and who asks for the rest gets it.
    Cut,
    /// Nothing comes any more in the middle of the body.
    Stalled,
    /// Status 500.
    ServerError,
    /// Status 429, with `Retry-After`.
    TooManyRequests,
    /// Status 403 as the forges have it when their quota is used up.
    RateLimited,
    /// Each answer leads to itself.
    RedirectLoop,
    /// What answers is something else: the page of a captive portal.
    WrongContent,
    /// The certificate is from nobody who is trusted.
    UnknownAuthority,
    /// What a redirect names is no host.
    NoSuchHost,
}

impl Fault {
    /// All of them that fail a poll; not each [is met](Front::knows) in every way.
    pub const ALL: [Self; 11] = [
        Self::Refused,
        Self::ResetInHead,
        Self::Truncated,
        Self::Stalled,
        Self::ServerError,
        Self::TooManyRequests,
        Self::RateLimited,
        Self::RedirectLoop,
        Self::WrongContent,
        Self::UnknownAuthority,
        Self::NoSuchHost,
    ];

    /// What `http()` says of it; nothing where it says nothing, for the bytes are as good as others.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Refused => "Connection refused",
            Self::ResetInHead => "connection",
            Self::Truncated => "the download broke off",
            Self::Stalled => "the server sent nothing for 2s in the middle of the download",
            Self::ServerError => "status 500 Internal Server Error",
            Self::TooManyRequests => "status 429 Too Many Requests",
            Self::RateLimited => "status 403 Forbidden",
            Self::RedirectLoop => "more than 10 redirects",
            Self::WrongContent | Self::Cut => "",
            Self::UnknownAuthority => "invalid peer certificate",
            Self::NoSuchHost => "dns error",
        }
    }
}

impl Fault {
    /// For how long a fetcher that meets it is to wait for the next bytes: where nothing else is silent,
    /// a machine may be slow.
    fn silence(self) -> &'static str {
        if self == Self::Stalled { "2s" } else { "30s" }
    }

    /// Whether it says when to come again.
    fn tells_when(self) -> bool {
        matches!(self, Self::TooManyRequests | Self::RateLimited)
    }
}

/// For how long a fault says that it wants to be left alone, in seconds.
const RETRY_AFTER: u64 = 1;

/// The certificate authority of the front, for who is to trust it.
fn ca_of(directory: &Path) -> std::path::PathBuf {
    directory.join("cert.pem")
}
