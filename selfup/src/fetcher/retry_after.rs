//! An error of a source that says for how long it wants to be left alone.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::error::BoxError;

/// An error that comes with a time: before that, the source is not to be asked again.
///
/// A [`Fetcher`](super::Fetcher) returns it when its source answers so, as HTTP does by status 429
/// and `Retry-After`. It counts as any other error, and the next poll is not before the time is over.
///
/// ```
/// use std::time::Duration;
///
/// use selfup::fetcher::RetryAfter;
///
/// let error = RetryAfter::new(Duration::from_secs(90), "the quota is used up");
/// assert_eq!(error.after(), Duration::from_secs(90));
/// ```
#[derive(Debug)]
pub struct RetryAfter {
    after: Duration,
    error: BoxError,
}

impl RetryAfter {
    /// `error`, after which the source is left alone for the time `after`.
    pub fn new(after: Duration, error: impl Into<BoxError>) -> Self {
        Self { after, error: error.into() }
    }

    /// For how long the source is left alone.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for RetryAfter {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}
