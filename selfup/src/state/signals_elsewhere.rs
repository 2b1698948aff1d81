//! Ctrl-C, as the start of a drain, where there are no signals.

use std::io;
use std::sync::Arc;

use super::gate::{Gate, Phase};
use crate::sys;

/// Has the first one drain this process, and the second one end it.
pub(super) fn drain_on_stop(gate: Arc<Gate>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("selfup-signals".into());
    thread.spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                gate.set(Phase::Draining);
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                sys::signal::kill_this_process();
            }
        });
    })?;
    Ok(())
}
