//! Programs that are asked, and may never answer: `systemctl` waits for a bus, `rpm` for a lock.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::end::Failure;
use crate::service::block_on;

/// What `command` says, which is ended if it takes longer than [`PATIENCE`].
pub(super) fn output(command: &mut Command) -> io::Result<Output> {
    let asked = async {
        let answer = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let answer = timeout(PATIENCE, answer).await;
        Ok(answer.unwrap_or_else(|_| {
            let words = format!("it has not answered within {} s", PATIENCE.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, words))
        }))
    };
    block_on(asked).unwrap_or_else(|failure: Failure| Err(io::Error::other(failure.words)))
}

const PATIENCE: Duration = Duration::from_secs(10);
