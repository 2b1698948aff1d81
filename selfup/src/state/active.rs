//! Whether work that must not be done twice is this generation's.

use std::fmt;
use std::sync::Arc;

use super::gate::{Gate, Phase};

/// Whether this generation is the one that serves: admitted, not paused, not draining.
///
/// For work that must not be done by two generations at once, such as cron jobs and the consumers
/// of a queue. Cheap to clone; every clone says the same, in every thread. At the handover both
/// generations are active for an instant, as they both accept for an instant, so that at every
/// moment one is. The first generation is active from its start, and a program without a master
/// until its drain.
///
/// ```no_run
/// # async fn clean_up() {}
/// use std::time::Duration;
///
/// /// A cron job: once a minute, in the generation that serves.
/// async fn every_minute(state: selfup::State) {
///     let active = state.active();
///     while active.wait().await {
///         tokio::select! {
///             () = tokio::time::sleep(Duration::from_secs(60)) => clean_up().await,
///             // Another generation has taken over; if it fails, this one is active again.
///             () = active.lost() => {}
///         }
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Active {
    gate: Arc<Gate>,
}

impl Active {
    pub(super) fn new(gate: &Arc<Gate>) -> Self {
        Self { gate: gate.clone() }
    }

    /// Whether this generation is active now.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.gate.phase() == Phase::Serving
    }

    /// Waits until this generation is active, and gives `true`; `false` once it drains and never
    /// will be again. At once if either is so. Cancel-safe.
    pub async fn wait(&self) -> bool {
        let mut phase = self.gate.subscribe();
        let decided = |phase: &Phase| matches!(phase, Phase::Serving | Phase::Draining);
        // The gate lives as long as this watch, so it is never closed.
        phase.wait_for(decided).await.is_ok_and(|phase| *phase == Phase::Serving)
    }

    /// Waits until this generation is not active; at once if it is not. Cancel-safe.
    pub async fn lost(&self) {
        let mut phase = self.gate.subscribe();
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
    }

    /// [`wait`](Self::wait), for a program without a runtime: blocks.
    ///
    /// SIGTERM ends the wait only if the program waits on
    /// [`graceful_shutdown`](super::State::graceful_shutdown) or [`incoming`](super::Listener::incoming)
    /// somewhere; otherwise it ends the process.
    #[must_use]
    pub fn wait_blocking(&self) -> bool {
        self.gate.wait_to_accept()
    }
}

impl fmt::Debug for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Active").field("is_active", &self.is_active()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(phase: Phase) -> (Arc<Gate>, Active) {
        let gate = Arc::new(Gate::new(phase).unwrap());
        let active = Active::new(&gate);
        (gate, active)
    }

    #[test]
    fn a_generation_is_active_while_it_serves_and_at_no_other_time() {
        let (gate, active) = active(Phase::Waiting);
        for (phase, expected) in [
            (Phase::Waiting, false),
            (Phase::Serving, true),
            (Phase::Paused, false),
            (Phase::Serving, true),
            (Phase::Draining, false),
        ] {
            gate.set(phase);
            assert_eq!(active.is_active(), expected, "{phase:?}");
        }
    }

    #[tokio::test]
    async fn a_wait_ends_at_the_admission_and_at_the_drain() {
        let (gate, active) = active(Phase::Waiting);
        for (phase, expected) in [(Phase::Serving, true), (Phase::Draining, false)] {
            let waiting = tokio::spawn({
                let active = active.clone();
                async move {
                    active.lost().await;
                    active.wait().await
                }
            });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished(), "{phase:?}");
            gate.set(phase);
            assert_eq!(waiting.await.unwrap(), expected, "{phase:?}");
        }
    }

    #[test]
    fn a_thread_waits_as_a_task_does() {
        let (gate, active) = active(Phase::Paused);
        let waiting = std::thread::spawn(move || (active.wait_blocking(), active));
        gate.set(Phase::Serving);
        let (is_active, active) = waiting.join().unwrap();
        assert!(is_active);
        gate.set(Phase::Draining);
        assert!(!active.wait_blocking());
    }
}
