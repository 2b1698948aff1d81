//! What becomes of a request that a master has left to the one that takes its place.
//!
//! The answer names the generation that served then, and what comes of the request is told of a later
//! one. The events are read from the first that is kept, so that none is missed while the master becomes
//! other code; those from before are of that generation or of an earlier one.
//!
//! Rejected: asking again. The first request is done anyway, and a second rollback goes back further.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use tokio::time::sleep;

use super::act::Outcome;
use crate::client::Client;
use crate::end::{End, Failure};
use crate::events::{Event, Events};
use crate::output::Progress;

/// What is followed, and how much of it has been seen.
#[derive(Debug)]
pub(super) struct Follow {
    is_rollback: bool,
    /// The generation that served when it was postponed.
    after: u64,
    /// When it was asked for, in seconds since 1970.
    since: f64,
    /// The previous binary was put back since.
    is_back: bool,
    master: Option<u32>,
    /// The last event that was seen.
    last: String,
}

/// As much of an event as tells what came of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    at: f64,
    generation: u64,
    kind: String,
    reason: Option<String>,
    error: Option<String>,
}

impl Follow {
    /// Of the request `name`, which was asked for `since` then, and postponed when `after` served.
    pub(super) fn new(name: &str, after: u64, since: SystemTime) -> Self {
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let (is_rollback, last) = (name == "rollback", NOBODYS.to_owned());
        Self { is_rollback, after, since, is_back: false, master: None, last }
    }

    /// What becomes of it, however long that takes.
    pub(super) async fn run(
        mut self,
        client: &Client,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        loop {
            match client.events(Some(&self.last)).await {
                Ok(response) => {
                    let mut events = Events::new(response.into_body());
                    while let Ok(event) = events.next().await {
                        event.message().iter().for_each(|message| progress.set(message));
                        if let Some(outcome) = self.take(&event)? {
                            return Ok(outcome);
                        }
                    }
                }
                // The master is being replaced.
                Err(failure) if failure.is_lost || failure.end == End::Nothing => {}
                Err(failure) => return Err(failure),
            }
            // Nothing tells that it has time.
            sleep(PAUSE).await;
        }
    }

    /// What has become of it, if this tells.
    fn take(&mut self, event: &Event) -> Result<Option<Outcome>, Failure> {
        self.last = event.id.clone().unwrap_or_else(|| std::mem::take(&mut self.last));
        if let Some(status) = event.status() {
            let before = self.master.replace(status.master_pid);
            return match before.filter(|before| *before != status.master_pid) {
                Some(before) => Err(gone(before, status.master_pid)),
                None => Ok(None),
            };
        }
        let told = serde_json::from_str::<Told>(&event.data).unwrap_or_default();
        let is_late = told.at >= self.since;
        let is_about_it = told.generation > self.after && (self.is_back || !self.is_rollback);
        let generation = Some(told.generation);
        Ok(match event.name.as_str() {
            "rolled_back" => {
                self.is_back |= is_late;
                None
            }
            "committed" if is_about_it => Some(Outcome::new("committed", true, generation, None)),
            "restart_abandoned" if is_about_it && told.kind == REJECTED => {
                Some(Outcome::new("refused", false, None, told.reason))
            }
            "restart_abandoned" if is_about_it => {
                Some(Outcome::new("abandoned", false, generation, told.reason))
            }
            "warning" if self.is_rollback && is_late && told.kind == ROLLBACK => {
                Some(Outcome::new("failed", false, None, told.error))
            }
            _ => None,
        })
    }
}

fn gone(before: u32, now: u32) -> Failure {
    Failure::nothing(format!(
        "master {before} is gone before it was done, and master {now} was started, which was not \
         asked; `selfup status` shows how the service is"
    ))
}

/// The place of an event that nobody has told: all that are kept come behind it.
const NOBODYS: &str = "0-0";

/// The kind of a warning that a rollback cannot be.
const ROLLBACK: &str = "rollback";

/// The kind of what was turned down before it was started.
const REJECTED: &str = "rejected";

/// Between two connections.
const PAUSE: Duration = Duration::from_millis(300);
