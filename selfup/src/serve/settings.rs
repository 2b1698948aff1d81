use std::time::Duration;

use crate::config::IntoDuration;
use crate::error::Result;

/// Settings of [`serve_with`](crate::serve_with).
#[derive(Debug)]
#[must_use = "settings do nothing until they are given to `serve_with`"]
pub struct Serve {
    pub(super) linger: Result<Duration>,
    pub(super) tcp_nodelay: bool,
}

impl Serve {
    /// The settings of [`serve`](crate::serve).
    pub fn builder() -> Self {
        Self { linger: Ok(Duration::from_secs(5)), tcp_nodelay: true }
    }

    /// How long an idle connection may still send one more request at a restart or a stop, before
    /// it is closed. Default: 5 s.
    ///
    /// Longer than a client leaves a connection unused, it loses nothing. A stop waits as long for a
    /// client that keeps its connection and says nothing, but never longer than `terminate_timeout`.
    /// With zero, idle connections are closed at once, whoever is sending.
    pub fn linger(mut self, linger: impl IntoDuration) -> Self {
        self.linger = linger.into_duration();
        self
    }

    /// Whether small packets are sent at once on TCP (`TCP_NODELAY`, tcp(7)), where the address has no
    /// option [`nodelay`](crate::Address). Default: true.
    pub fn tcp_nodelay(mut self, tcp_nodelay: bool) -> Self {
        self.tcp_nodelay = tcp_nodelay;
        self
    }
}
