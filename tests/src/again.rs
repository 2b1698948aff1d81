//! What is asked for again where a service has given up: it waits for seconds, and a machine may be slower.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::{PATIENCE, Release, Service, ServiceBuilder, eventually};

/// A restart of a binary that somebody has open for writing, so that nobody can execute it.
#[derive(Debug)]
pub struct Busy<'a> {
    service: &'a Service,
    asked: Instant,
    abandoned: usize,
}

impl Service {
    /// Asks for a restart of a binary that cannot be executed yet.
    #[must_use]
    pub fn restart_of_a_busy_binary(&self) -> Busy<'_> {
        let (asked, abandoned) = (Instant::now(), self.lines(ABANDONED).len());
        self.signal(Signal::SIGUSR2);
        Busy { service: self, asked, abandoned }
    }
}

impl Busy<'_> {
    /// Asks once more, if it was abandoned.
    ///
    /// # Panics
    ///
    /// If it was abandoned before its time.
    pub fn ask_again_if_abandoned(&mut self) {
        let abandoned = self.service.lines(ABANDONED).len();
        if abandoned > self.abandoned {
            let waited = self.asked.elapsed();
            assert!(waited >= BUSY, "the binary was waited for no longer than {waited:?}");
            *self = self.service.restart_of_a_busy_binary();
        }
    }
}

/// A service of a good release at an address that another one is about to let go of.
///
/// # Panics
///
/// If it is never free, or if the service ends for another reason.
#[must_use]
pub fn serve_once_free(address: &str) -> Service {
    let until = Instant::now() + PATIENCE;
    loop {
        let service = ServiceBuilder::new(&Release::good()).set("ADDRESS", address).spawn();
        if serves_where_it_waited(&service) {
            return service;
        }
        assert!(Instant::now() < until, "{address} is not free");
    }
}

/// Whether a service has come to serve that may find its address in use, or has given that up.
///
/// # Panics
///
/// If neither comes.
#[must_use]
pub fn serves_where_it_waited(service: &Service) -> bool {
    eventually("it serves, or its address is in use", || {
        let has = |words| !service.lines(words).is_empty();
        has("serving 1 ").then_some(true).or_else(|| has("it is in use; ").then_some(false))
    })
}

/// So long a binary that is being written is waited for, at least.
const BUSY: Duration = Duration::from_secs(2);

const ABANDONED: &str = "event restart_abandoned: ";
