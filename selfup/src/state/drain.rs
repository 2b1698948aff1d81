//! How a program learns that it is to end.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use super::gate::{Gate, Phase};
use super::signals;

/// Resolves when the program is to finish its work and end: after a restart, at a stop, or because
/// the master is gone.
///
/// Any number of tasks may wait for it, anywhere, and each clone resolves. It is cancel-safe, and
/// stays resolved. The first one that is made in a process takes SIGTERM and SIGINT over: they
/// start a drain from then on, instead of ending the process at once. A SIGINT that the process was
/// started to ignore stays ignored.
pub struct GracefulShutdown {
    gate: Arc<Gate>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl GracefulShutdown {
    pub(super) fn new(gate: &Arc<Gate>) -> Self {
        listen_for_signals(gate);
        Self { gate: gate.clone(), waiting: None }
    }

    /// Blocks until the program is to end, for a program without a runtime.
    pub fn wait(&self) {
        self.gate.wait_for(Phase::Draining);
    }

    /// Whether the program is to end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.gate.phase() == Phase::Draining
    }
}

impl Clone for GracefulShutdown {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), waiting: None }
    }
}

impl Future for GracefulShutdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_requested() {
            return Poll::Ready(());
        }
        let gate = self.gate.clone();
        let waiting = self.waiting.get_or_insert_with(|| {
            let mut phase = gate.subscribe();
            Box::pin(async move {
                let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
            })
        });
        waiting.as_mut().poll(context)
    }
}

impl fmt::Debug for GracefulShutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requested = self.is_requested();
        f.debug_struct("GracefulShutdown").field("requested", &requested).finish()
    }
}

/// Makes SIGTERM and SIGINT start a drain, once in a process.
fn listen_for_signals(gate: &Arc<Gate>) {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        // A program whose signals cannot be taken over keeps their default action.
        let _ = signals::drain_on_stop(gate.clone());
    });
}
