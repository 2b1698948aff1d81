//! A fetcher that is polled without a service.

use std::error::Error;

use selfup::fetcher::{Current, Download, Fetched, Fetcher};
use selfup::{BinaryId, BoxError};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Runtime;

use crate::PATIENCE;

/// What the upgrade pipeline is to a fetcher: it polls, reads to the end, and keeps the validator.
#[derive(Debug)]
pub struct Poller<F> {
    runtime: Runtime,
    fetcher: F,
    delivered: Option<String>,
    taken: Option<String>,
    verifies: bool,
}

impl<F: Fetcher> Poller<F> {
    /// One that has taken nothing yet.
    ///
    /// # Panics
    ///
    /// If there can be no runtime.
    #[must_use]
    pub fn new(fetcher: F) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (delivered, taken, verifies) = (None, None, false);
        Self { runtime: runtime.expect("a runtime"), fetcher, delivered, taken, verifies }
    }

    /// Asks by this fetcher from now on, with what was taken so far.
    pub fn ask_by(&mut self, fetcher: F) {
        self.fetcher = fetcher;
    }

    /// ... of a service that verifies signatures.
    #[must_use]
    pub fn that_verifies(self) -> Self {
        Self { verifies: true, ..self }
    }

    /// One poll, and what it finds, before a byte of it is read.
    ///
    /// # Errors
    ///
    /// That of the fetcher.
    pub fn poll(&mut self) -> Result<Option<Download>, BoxError> {
        let current = Current::new(BinaryId::from_bytes([0; 32]));
        let current = current.with_validator(self.taken.clone());
        let current = current.with_wanted_signature(self.verifies);
        let polling = async { tokio::time::timeout(PATIENCE, self.fetcher.fetch(&current)).await? };
        match self.runtime.block_on(polling)? {
            Fetched::Binary(download) => {
                self.delivered = download.get_validator().map(str::to_owned);
                Ok(Some(download))
            }
            _ => Ok(None),
        }
    }

    /// One poll, and all bytes of what it finds.
    ///
    /// # Errors
    ///
    /// That of the fetcher, or of the bytes.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, BoxError> {
        let Some(mut download) = self.poll()? else { return Ok(None) };
        let mut bytes = Vec::new();
        let reading =
            async { tokio::time::timeout(PATIENCE, download.read_to_end(&mut bytes)).await };
        self.runtime.block_on(reading)??;
        Ok(Some(bytes))
    }

    /// What was delivered last is taken.
    pub fn keep(&mut self) {
        self.taken.clone_from(&self.delivered);
    }

    /// The validator of what was taken last.
    #[must_use]
    pub fn validator(&self) -> Option<&str> {
        self.taken.as_deref()
    }
}

/// An error and its causes, as they are reported.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
