//! One opaque error for the whole crate.
//!
//! What callers branch on is [`ErrorKind`]; what people read is the `Display`, a lowercase fragment
//! that fits after "failed: ", names what was found and what was expected, and ends with what to
//! do. The cause is kept as [`source`](std::error::Error::source), so nothing is lost when an error
//! is raised.

mod kind;

use std::error::Error as StdError;
use std::fmt;

pub use self::kind::ErrorKind;
use crate::identity::Generation;

/// What hooks and fetchers may return: any error that can be sent between threads.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in words for people and with a [kind](Error::kind) for programs.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    generation: Option<Generation>,
    source: Option<BoxError>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner { kind, message, generation: None, source: None }))
    }

    pub(crate) fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn in_generation(mut self, generation: Generation) -> Self {
        self.0.generation = Some(generation);
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The generation that it concerns, if it concerns one.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.0.generation
    }

    /// The message and every cause below it, joined by ": ", for one line of a log.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// `error` and every cause below it, joined by ": ".
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("generation", &self.0.generation)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// Adds this crate's words to a foreign error.
pub(crate) trait Context<T> {
    /// The error as a `kind` whose message `describe` gives, with the error itself as the cause.
    fn context<M: Into<String>>(
        self,
        kind: ErrorKind,
        describe: impl FnOnce() -> M,
    ) -> Result<T, Error>;
}

impl<T, E: Into<BoxError>> Context<T> for std::result::Result<T, E> {
    fn context<M: Into<String>>(
        self,
        kind: ErrorKind,
        describe: impl FnOnce() -> M,
    ) -> Result<T, Error> {
        self.map_err(|source| Error::new(kind, describe()).caused_by(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_kept_and_the_chain_says_it_once() {
        let io = std::io::Error::other("disk on fire");
        let error = Err::<(), _>(io).context(ErrorKind::Stage, || "no candidate staged");
        let error = error.unwrap_err().in_generation(Generation::FIRST);
        assert_eq!(error.kind(), ErrorKind::Stage);
        assert_eq!(error.generation(), Some(Generation::FIRST));
        assert_eq!(error.to_string(), "no candidate staged");
        assert_eq!(error.chain(), "no candidate staged: disk on fire");
    }
}
