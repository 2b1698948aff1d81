//! What is asked for to be done, and what became of it.

use std::time::{Duration, SystemTime};

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::follow::Follow;
use crate::client::{Client, Reply};
use crate::end::{End, Failure};
use crate::events::Events;
use crate::output::{self, GOOD, Output, Progress};
use crate::text;

/// What became of it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Outcome {
    #[serde(rename = "outcome")]
    word: String,
    #[serde(default)]
    is_good: bool,
    #[serde(default)]
    generation: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
}

impl Outcome {
    pub(super) fn new(
        word: &str,
        is_good: bool,
        generation: Option<u64>,
        reason: Option<String>,
    ) -> Self {
        Self { word: word.to_owned(), is_good, generation, reason }
    }
}

pub(super) async fn run(
    client: &Client,
    name: &str,
    patience: Duration,
    output: Output,
) -> Result<End, Failure> {
    let target = match name {
        "pause" => "/pause-upgrades".to_owned(),
        "resume" => "/resume-upgrades".to_owned(),
        name => format!("/{name}"),
    };
    let (since, until) = (SystemTime::now(), Instant::now() + patience);
    let mut progress = Progress::new();
    let mut reply = with_progress(client, &target, patience, &mut progress).await?;
    let Ok(mut outcome) = serde_json::from_str::<Outcome>(&reply.body) else {
        return Err(no_outcome(client, &reply));
    };
    if let (StatusCode::ACCEPTED, Some(after)) = (reply.status, outcome.generation) {
        let followed = Follow::new(name, after, since).run(client, &mut progress);
        outcome =
            timeout_at(until, followed).await.unwrap_or_else(|_| Err(client.late(patience)))?;
        reply.status = if outcome.is_good { StatusCode::OK } else { StatusCode::CONFLICT };
        reply.body = serde_json::to_string(&outcome).unwrap_or_default();
    }
    drop(progress);
    let is_good = outcome.is_good && reply.status == StatusCode::OK;
    if output.is_json() {
        output::line(text::json(reply.body.trim()));
    } else if is_good {
        output::line(format_args!("{GOOD}{}{GOOD:#}", text::line(&words(name, &outcome))));
    }
    if is_good {
        return Ok(End::Done);
    }
    output::say(&format!("selfup: {}", words(name, &outcome)));
    Ok(End::Nothing)
}

fn no_outcome(client: &Client, reply: &Reply) -> Failure {
    if reply.status.is_success() {
        return client.foreign("it tells no outcome");
    }
    client.refused(reply)
}

/// The answer; until it comes, each event is a line for who sits at a terminal.
async fn with_progress(
    client: &Client,
    target: &str,
    patience: Duration,
    progress: &mut Progress,
) -> Result<Reply, Failure> {
    let asked = client.ask(Method::POST, target, patience);
    if !progress.is_shown() {
        return asked.await;
    }
    progress.set("asked; waiting for the outcome");
    let shown = async {
        // Who may ask may look; if not, there is nothing to show.
        if let Ok(response) = client.events(None).await {
            let mut events = Events::new(response.into_body());
            while let Ok(event) = events.next().await {
                if let Some(message) = event.message() {
                    progress.set(&message);
                }
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        reply = asked => reply,
        () = shown => unreachable!("it has no end"),
    }
}

fn words(name: &str, outcome: &Outcome) -> String {
    let generation = outcome.generation.map(|generation| format!(" (generation {generation})"));
    let reason = outcome.reason.as_deref().map(|reason| format!(": {reason}"));
    let word = &outcome.word;
    format!("{name}: {word}{}{}", generation.unwrap_or_default(), reason.unwrap_or_default())
}
