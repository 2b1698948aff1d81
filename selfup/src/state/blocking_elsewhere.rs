//! The wait of a thread for a connection, where std has none that something else can end.

use std::io;
use std::time::Duration;

use super::gate::{Gate, Phase};

/// Lets the caller try to accept now and then, while `gate` is open.
#[expect(clippy::unnecessary_wraps, reason = "on Unix the wait can fail")]
pub(super) fn has_connection<T>(_socket: &T, gate: &Gate) -> io::Result<bool> {
    // No event is both a connection and the end of the wait for one.
    std::thread::sleep(PAUSE);
    Ok(gate.phase() == Phase::Serving)
}

/// Lets the caller try to send now and then.
#[expect(clippy::unnecessary_wraps, reason = "on Unix the wait can fail")]
pub(super) fn wait_to_send<T>(_socket: &T) -> io::Result<()> {
    std::thread::sleep(PAUSE);
    Ok(())
}

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(5);
