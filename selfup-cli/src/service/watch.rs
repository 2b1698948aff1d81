//! Events, as long as anybody reads them.
//!
//! The stream ends whenever the master becomes other code or another process. It is tried again
//! until the patience is over, from behind the last event that was seen, and the status that comes
//! first tells which of both it was.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;
use tokio::time::{Instant, sleep_until, timeout};

use super::status::Status;
use crate::client::Client;
use crate::end::{End, Failure};
use crate::events::{Event, Events};
use crate::output::{self, BOLD, DOUBTFUL, Output};
use crate::text;

pub(super) async fn run(
    client: &Client,
    patience: Duration,
    output: Output,
) -> Result<End, Failure> {
    tokio::select! {
        watched = Watch { client, patience, output, master: None, last: None }.run() => watched,
        () = nobody_reads() => Ok(End::Done),
    }
}

struct Watch<'a> {
    client: &'a Client,
    patience: Duration,
    output: Output,
    /// The process that was watched last.
    master: Option<u32>,
    /// The last event that was seen.
    last: Option<String>,
}

impl Watch<'_> {
    async fn run(mut self) -> Result<End, Failure> {
        // What cannot be reached at first is named wrongly, or not running.
        let mut events = self.connect().await?;
        loop {
            match events.next().await {
                Ok(event) if !self.take(&event) => return Ok(End::Done),
                Ok(_) => {}
                Err(why) => events = self.connect_again(why.as_deref()).await?,
            }
        }
    }

    async fn connect(&mut self) -> Result<Events, Failure> {
        let response = self.client.events(self.last.as_deref()).await?;
        let mut events = Events::new(response.into_body());
        // Who accepts and says nothing is about to end.
        let first = timeout(ANSWERING, events.next()).await;
        let first = first.unwrap_or_else(|_| Err(Some("it says nothing".to_owned())));
        let first = first.map_err(|why| self.client.lost(why.as_deref().unwrap_or(CLOSED)))?;
        let Some(status) = first.status() else {
            return Err(self.client.foreign("its first event is not its status"));
        };
        self.tell(&status);
        self.take(&first);
        Ok(events)
    }

    /// Says whose events these are.
    fn tell(&mut self, status: &Status) {
        let master = status.master_pid;
        output::say(&match self.master.replace(master) {
            None => format!("watching {}, master {master}", status.path),
            Some(before) if before == master => format!(
                "watching again: master {master} goes on, perhaps as other code (a succession)"
            ),
            Some(before) => {
                format!("watching again: master {before} is gone, and master {master} was started")
            }
        });
    }

    /// Says whether anybody reads on.
    fn take(&mut self, event: &Event) -> bool {
        self.last = event.id.clone().or(self.last.take());
        if self.output.is_json() {
            return output::line(text::json(&event.document().to_string()));
        }
        if event.status().is_some() {
            // People are told by `tell`.
            return true;
        }
        let colour = if is_warning(&event.name) { DOUBTFUL } else { BOLD };
        let (name, message) = (text::shown(&event.name, 64), event.message());
        let message = text::line(&message.unwrap_or_else(|| event.data.clone()));
        output::line(format_args!("{colour}{name:<19}{colour:#} {message}"))
    }

    async fn connect_again(&mut self, why: Option<&str>) -> Result<Events, Failure> {
        let why = why.unwrap_or(CLOSED);
        output::say(&format!("the connection has ended ({why})"));
        let until = Instant::now() + self.patience;
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.connect().await {
                Ok(events) => return Ok(events),
                Err(failure) if Instant::now() + pause > until => return Err(failure),
                Err(failure) if failure.is_unreachable() || failure.is_lost => {}
                Err(failure) => return Err(failure),
            }
            // Nothing tells that somebody listens at a path again.
            sleep_until(Instant::now() + pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether an operator should look at it: by its name, for that is all that a stranger's version says.
fn is_warning(name: &str) -> bool {
    let words =
        ["failed", "refused", "abandoned", "timed_out", "disabled", "warning", "rolled_back"];
    words.iter().any(|word| name.contains(word))
}

/// Ends when stdout is a pipe or a socket that nobody reads any more.
async fn nobody_reads() {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    // Unchecked: it stays as it is for whoever else has it, and blocks. A file, which always takes
    // more, cannot be waited for.
    let stdout = stdout.and_then(Sender::from_owned_fd_unchecked);
    let error = async { stdout?.ready(Interest::ERROR).await };
    if error.await.is_err() {
        std::future::pending::<()>().await;
    }
}

const CLOSED: &str = "the service closed it";

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// So long a master that accepts connections may take to say who it is.
const ANSWERING: Duration = Duration::from_secs(10);
