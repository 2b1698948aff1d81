//! One request, from its head to its answer.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::access::{Access, Caller};
use super::answer::{self, Body, Refused};
use super::ask::{Answer, Ask, Asked, Status};
use super::limits::{Limits, MOST_BODY, MOST_REQUESTS, MOST_STREAMS};
use super::metrics;
use super::route::{Route, route};
use super::server::Stopped;
use super::sse;
use crate::event::{Event, Observer, Tap};

/// Answers the requests of every connection.
#[derive(Debug)]
pub(super) struct Clerk {
    ask: mpsc::Sender<Asked>,
    observer: Observer,
    tap: Tap,
    access: Access,
    limits: Limits,
    stopped: Stopped,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Clerk {
    pub(super) fn new(
        ask: mpsc::Sender<Asked>,
        observer: Observer,
        access: Access,
        limits: Limits,
        stopped: Stopped,
    ) -> Self {
        let (requests, streams) = (Semaphore::new(MOST_REQUESTS), Semaphore::new(MOST_STREAMS));
        Self {
            ask,
            tap: observer.subscribe(),
            observer,
            access,
            limits,
            stopped,
            requests: requests.into(),
            streams: streams.into(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) async fn answer(
        &self,
        caller: &Caller,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let Ok(seat) = self.requests.clone().try_acquire_owned() else {
            let words = format!("{MOST_REQUESTS} requests are answered already; try again soon");
            return Refused::for_now(words).into_response();
        };
        let answered = self.attend(caller, request).await;
        let response = answered.unwrap_or_else(Refused::into_response);
        response.map(|body| body.in_seat(seat))
    }

    async fn attend(
        &self,
        caller: &Caller,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refused> {
        let uri = request.uri();
        let (route, patience) = route(request.method(), uri.path(), uri.query())?;
        if let Route::Do(..) = route {
            self.access.check(caller)?;
        }
        let (head, body) = request.into_parts();
        self.pass_over(body).await?;
        match route {
            Route::Status => {
                let answer = self.ask(Ask::Status, caller, patience).await?;
                Ok(answer::of_loop(&answer))
            }
            Route::Metrics => {
                let status = self.status(caller, patience).await?;
                let text = metrics::render(&status, &self.tap.counts());
                Ok(answer::whole(StatusCode::OK, metrics::CONTENT_TYPE, text))
            }
            Route::Events => self.follow(caller, patience, &head.headers).await,
            Route::Do(ask, what) => {
                let by_pid = u32::try_from(caller.peer.pid).unwrap_or_default();
                self.observer.tell(&Event::Asked { what, by_uid: caller.peer.uid, by_pid });
                Ok(answer::of_loop(&self.ask(ask, caller, patience).await?))
            }
        }
    }

    async fn follow(
        &self,
        caller: &Caller,
        patience: Duration,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Refused> {
        let place = self.streams.clone().try_acquire_owned().map_err(|_| {
            let words = format!("{MOST_STREAMS} clients are told events already; try again later");
            Refused::for_now(words)
        })?;
        let mut tap = self.tap.clone();
        match headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default()) {
            Some(id) => tap.go_to(id),
            None => tap.skip(),
        }
        let status = self.status(caller, patience).await?;
        let told = sse::tell(tap, &status, self.stopped.clone(), self.limits.keep_alive, place);
        Ok(answer::stream(told))
    }

    async fn status(&self, caller: &Caller, patience: Duration) -> Result<Box<Status>, Refused> {
        match self.ask(Ask::Status, caller, patience).await? {
            Answer::Status(status) => Ok(status),
            Answer::Done(outcome) => {
                let reason = outcome.reason.unwrap_or_else(|| outcome.word.to_owned());
                Err(Refused::for_now(reason))
            }
        }
    }

    async fn ask(&self, what: Ask, caller: &Caller, patience: Duration) -> Result<Answer, Refused> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { what, by: caller.peer, answer };
        let mut stopped = pin!(self.stopped.wait());
        let is_taken = timeout(self.limits.busy.min(patience), self.ask.send(asked));
        tokio::select! {
            biased;
            is_taken = is_taken => match is_taken {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(gone()),
                Err(_) => {
                    let words = "the service is busy, and was not asked; try again soon";
                    return Err(Refused::for_now(words));
                }
            },
            () = &mut stopped => return Err(is_stopped("was not asked for")),
        }
        tokio::select! {
            // What is known is told, whatever else is so.
            biased;
            answer = answered => answer.map_err(|_| gone()),
            () = stopped => Err(is_stopped("goes on, if it can")),
            () = sleep(patience) => {
                let words = "the time is over; what was asked for goes on, and GET /status tells \
                             what becomes of it";
                Err(Refused::new(StatusCode::GATEWAY_TIMEOUT, words))
            }
        }
    }

    /// No request has a use for a body; one that says next to nothing is allowed.
    async fn pass_over(&self, body: Incoming) -> Result<(), Refused> {
        let too_large = || {
            let words = format!("no request has a body; {MOST_BODY} bytes are allowed");
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, words)
        };
        if body.size_hint().lower() > MOST_BODY {
            return Err(too_large());
        }
        let mut body = pin!(body);
        let length = timeout(self.limits.body, length(body.as_mut())).await.map_err(|_| {
            let words = "the body of the request did not come; send none";
            Refused::new(StatusCode::REQUEST_TIMEOUT, words)
        })?;
        if length > MOST_BODY { Err(too_large()) } else { Ok(()) }
    }
}

/// How long `body` is, read no further than to be too long. One that breaks off ends there: nothing of it
/// was wanted, and its client is gone.
async fn length(mut body: Pin<&mut Incoming>) -> u64 {
    let mut length = 0;
    while length <= MOST_BODY
        && let Some(Ok(frame)) = poll_fn(|context| body.as_mut().poll_frame(context)).await
    {
        length += frame.data_ref().map_or(0, Bytes::len) as u64;
    }
    length
}

fn gone() -> Refused {
    Refused::for_now("the service ends, or its master becomes other code; try again soon")
}

fn is_stopped(what: &str) -> Refused {
    let words = format!("the master becomes other code, or ends; this {what}; try again soon");
    Refused::for_now(words)
}
