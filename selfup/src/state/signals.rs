//! SIGTERM and SIGINT, as the start of a drain.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::{Gate, Phase};
use crate::sys;

/// A second SIGTERM that follows the first this closely is the same one: `timeout`, `kill -PGID`
/// and a control group deliver it to master and child both.
const SAME: Duration = Duration::from_secs(1);

/// Has both of them drain this process, and the second one end it.
pub(super) fn drain_on_stop(gate: Arc<Gate>) -> io::Result<()> {
    let (mut numbers, writer) = io::pipe()?;
    // A handler must not block; a full pipe holds a wakeup already.
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
    let thread = std::thread::Builder::new().name("selfup-signals".into());
    thread.spawn(move || {
        let mut first = None;
        let mut number = [0];
        while numbers.read_exact(&mut number).is_ok() {
            let first = *first.get_or_insert_with(Instant::now);
            gate.set(Phase::Draining);
            if first.elapsed() > SAME {
                sys::signal::end_by(number[0].into());
            }
        }
    })?;
    // What a script's `cmd &` had it ignore stays ignored.
    let interrupt = (!sys::signal::is_ignored(libc::SIGINT)).then_some(libc::SIGINT);
    for signal in interrupt.into_iter().chain([libc::SIGTERM]) {
        sys::signal::write_on(signal, writer.try_clone()?.into())?;
    }
    Ok(())
}
