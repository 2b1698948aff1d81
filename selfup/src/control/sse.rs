//! Events as they are told, in the format of server-sent events (HTML, 9.2).
//!
//! The first one is `status`, so that who connects knows what the events change; it is asked for behind
//! the place from which they are told, so none falls between. The `id` of each names a place among the
//! events that are kept: a client that comes back with it, as `Last-Event-ID`, is told what it has
//! missed meanwhile, over a succession as well.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::ask::Status;
use super::server::Stopped;
use crate::event::{Fields, Heard, Tap, bounded};

/// Tells a client of `tap` what there is to hear, until it is gone or the server stops.
pub(super) fn tell(
    mut tap: Tap,
    status: &Status,
    stopped: Stopped,
    keep_alive: Duration,
    place: OwnedSemaphorePermit,
) -> mpsc::Receiver<Bytes> {
    let (sender, events) = mpsc::channel(1);
    let first = first(&tap, status);
    tokio::spawn(async move {
        let _place = place;
        let follow = async {
            let mut next = first;
            loop {
                if sender.send(next).await.is_err() {
                    return;
                }
                next = tokio::select! {
                    biased;
                    heard = tap.next() => event(&tap, &heard),
                    () = tokio::time::sleep(keep_alive) => ":\n\n".into(),
                };
            }
        };
        tokio::select! {
            biased;
            () = stopped.wait() => drop(sender.try_send(GOODBYE.into())),
            () = sender.closed() => {}
            () = follow => {}
        }
    });
    events
}

fn first(tap: &Tap, status: &Status) -> Bytes {
    // What cannot be said is left out; nothing in it cannot.
    let status = serde_json::to_string(status).unwrap_or_default();
    format!("retry: {RETRY}\nid: {}\nevent: status\ndata: {status}\n\n", tap.place()).into()
}

/// What was heard, behind what was missed before it.
fn event(tap: &Tap, heard: &Heard) -> Bytes {
    let mut text = String::new();
    if heard.missed > 0 {
        let missed = heard.missed;
        let message = format!("{missed} events were missed: they came faster than they were read");
        let data = serde_json::json!({ "event": "missed", "message": message, "missed": missed });
        text = format!("event: missed\ndata: {data}\n\n");
    }
    let (told, event) = (&heard.told, &heard.told.event);
    let since = told.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at = (since.as_secs_f64() * 1000.0).round() / 1000.0;
    let (name, message, fields) = (event.name(), bounded(event.to_string()), event.fields());
    let data = serde_json::to_string(&Data { event: name, at, message, fields });
    let data = data.unwrap_or_default();
    let place = tap.place_of(told.number);
    // Writing to a string does not fail.
    let _ = write!(text, "id: {place}\nevent: {name}\ndata: {data}\n\n");
    text.into()
}

/// What an event is in JSON.
#[derive(Serialize)]
struct Data<'a> {
    event: &'a str,
    at: f64,
    message: String,
    #[serde(flatten)]
    fields: Fields<'a>,
}

/// A client that was closed comes back after so long, in milliseconds: a succession takes less.
const RETRY: u32 = 1000;

const GOODBYE: &str = ": the service ends, or its master becomes other code; connect again\n\n";
