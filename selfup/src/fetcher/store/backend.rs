//! What the kinds of stores have in common.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use reqwest::Url;

use super::sender::Connector;

/// A kind of store, and who asks it.
pub(super) trait Backend: fmt::Debug + Send + 'static {
    /// As the tools of its maker write it in front of a bucket.
    const SCHEME: &'static str;

    /// The variable that allows `http://` where the program says nothing of it: `object_store`'s.
    const ALLOW_HTTP: &'static str;

    /// The mistake among its settings and the environment's, if there is one.
    fn mistake(&self, endpoint: Option<&Url>, is_anonymous: bool) -> Option<String>;

    /// Whether it was told who asks.
    fn has_credentials(&self) -> bool;

    /// What makes the requests, and the URL of the server where it is not its maker's.
    fn open(&self, wanted: Wanted<'_>) -> object_store::Result<(Arc<dyn ObjectStore>, String)>;
}

/// What is to be opened.
pub(super) struct Wanted<'a> {
    pub(super) bucket: &'a str,
    pub(super) endpoint: Option<&'a Url>,
    pub(super) is_anonymous: bool,
    pub(super) connector: Connector,
}

impl Wanted<'_> {
    /// The URL of the server, as `object_store` wants it.
    pub(super) fn endpoint_text(&self) -> Option<String> {
        self.endpoint.map(|url| url.as_str().trim_end_matches('/').to_owned())
    }
}

/// Whether the value of a variable is a yes, in the words that `object_store` has for one.
pub(super) fn is_yes(value: &str) -> bool {
    ["1", "true", "on", "yes", "y"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// Nothing is asked twice: the schedule has the back-off.
pub(super) fn once() -> RetryConfig {
    let backoff = BackoffConfig::default();
    RetryConfig { backoff, max_retries: 0, retry_timeout: Duration::ZERO }
}
