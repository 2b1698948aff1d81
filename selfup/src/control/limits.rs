//! What a client may have: all in one place.

use std::time::Duration;

/// Times. Tests have shorter ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the head of a request, from the connection on.
    pub(super) head: Duration,
    pub(super) body: Duration,
    /// Whoever reads nothing of what is sent for so long is gone.
    pub(super) stall: Duration,
    /// For reading what a client still sends when it was answered, until it has closed its side: one that is
    /// closed with something unread is reset, and the client might lose its answer.
    pub(super) linger: Duration,
    /// Until the loop has room for a question.
    pub(super) busy: Duration,
    /// Between two words to a client that is told events, so that whoever stands between does not take
    /// it for dead.
    pub(super) keep_alive: Duration,
    /// For what is being answered when the server is stopped.
    pub(super) grace: Duration,
}

impl Limits {
    pub(super) const USUAL: Self = Self {
        head: Duration::from_secs(5),
        body: Duration::from_secs(5),
        stall: Duration::from_secs(10),
        linger: Duration::from_secs(1),
        busy: Duration::from_secs(10),
        keep_alive: Duration::from_secs(15),
        grace: Duration::from_millis(800),
    };
}

/// So much, in bytes, is read of that.
pub(super) const MOST_UNWANTED: u64 = 1024 * 1024;

/// So many requests are answered at once; the next is told to come back.
pub(super) const MOST_REQUESTS: usize = 16;

/// So many wait beside them for what they have asked for, which may take an hour: who looks has a place
/// all the same. With those above they are no more than the desk has tickets.
pub(super) const MOST_WAITING: usize = 48;

/// So many of them are told events.
pub(super) const MOST_STREAMS: usize = 8;

/// So many connections are open at once; the next waits in the kernel's queue. More than may be answered
/// and wait, for some have said nothing yet.
pub(super) const MOST_OPEN: usize = MOST_REQUESTS + MOST_WAITING + 16;

/// In bytes, with the first line.
pub(super) const MOST_HEAD: usize = 8 * 1024;

pub(super) const MOST_HEADERS: usize = 64;

/// In bytes.
pub(super) const MOST_BODY: u64 = 1024;
