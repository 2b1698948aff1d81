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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::access::{Access, Caller};
use super::answer::{self, Body, Refused};
use super::ask::{Answer, Ask, Asked, Status};
use super::limits::{Limits, MOST_BODY, MOST_REQUESTS, MOST_STREAMS, MOST_WAITING};
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
    waiting: Arc<Semaphore>,
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
        Self {
            ask,
            tap: observer.subscribe(),
            observer,
            access,
            limits,
            stopped,
            requests: Semaphore::new(MOST_REQUESTS).into(),
            waiting: Semaphore::new(MOST_WAITING).into(),
            streams: Semaphore::new(MOST_STREAMS).into(),
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
        let Ok(mut seat) = self.requests.clone().try_acquire_owned() else {
            let words = format!("{MOST_REQUESTS} requests are answered already; try again soon");
            return Refused::for_now(words).into_response();
        };
        let answered = self.attend(caller, request, &mut seat).await;
        let response = answered.unwrap_or_else(Refused::into_response);
        response.map(|body| body.in_seat(seat))
    }

    async fn attend(
        &self,
        caller: &Caller,
        request: Request<Incoming>,
        seat: &mut OwnedSemaphorePermit,
    ) -> Result<Response<Body>, Refused> {
        let uri = request.uri();
        let (route, patience) = route(request.method(), uri.path(), uri.query())?;
        if let Route::Do(..) = route {
            self.access.check(caller)?;
        }
        let (head, body) = request.into_parts();
        self.pass_over(body).await?;
        match route {
            Route::Status => Ok(answer::of_loop(&self.ask(Ask::Status, patience).await?)),
            Route::Metrics => {
                let status = self.status(patience).await?;
                let text = metrics::render(&status, &self.tap.counts());
                Ok(answer::whole(StatusCode::OK, metrics::CONTENT_TYPE, text))
            }
            Route::Events => self.follow(patience, &head.headers).await,
            Route::Do(ask, what) => {
                self.have_wait(ask, seat)?;
                let room = self.room(patience).await?;
                let told = Event::Asked { what, by_uid: caller.uid, by_pid: caller.pid };
                self.observer.tell(&told);
                let answered = room.ask(ask);
                Ok(answer::of_loop(&self.wait(answered, patience).await?))
            }
        }
    }

    /// Gives the seat back for a place among those that wait.
    fn have_wait(&self, ask: Ask, seat: &mut OwnedSemaphorePermit) -> Result<(), Refused> {
        match self.waiting.clone().try_acquire_owned() {
            Ok(place) => *seat = place,
            Err(_) if matches!(ask, Ask::Restart | Ask::Check) => {
                let words = format!("{MOST_WAITING} requests wait already; try again later");
                return Err(Refused::for_now(words));
            }
            // This is what an operator may need just because so many wait: it keeps its seat.
            Err(_) => {}
        }
        Ok(())
    }

    async fn follow(
        &self,
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
        let status = self.status(patience).await?;
        let told = sse::tell(tap, &status, self.stopped.clone(), self.limits.keep_alive, place);
        Ok(answer::stream(told))
    }

    async fn status(&self, patience: Duration) -> Result<Box<Status>, Refused> {
        match self.ask(Ask::Status, patience).await? {
            Answer::Status(status) => Ok(status),
            Answer::Done(outcome) => {
                let reason = outcome.reason.unwrap_or_else(|| outcome.word.to_owned());
                Err(Refused::for_now(reason))
            }
        }
    }

    async fn ask(&self, what: Ask, patience: Duration) -> Result<Answer, Refused> {
        let answered = self.room(patience).await?.ask(what);
        self.wait(answered, patience).await
    }

    /// Room for a question to the loop.
    async fn room(&self, patience: Duration) -> Result<Room<'_>, Refused> {
        tokio::select! {
            // The loop hears nobody any more.
            biased;
            () = self.stopped.wait() => Err(is_stopped("was not asked for")),
            room = timeout(self.limits.busy.min(patience), self.ask.reserve()) => match room {
                Ok(Ok(room)) => Ok(Room(room)),
                Ok(Err(_)) => Err(gone()),
                Err(_) => {
                    let words = "the service is busy, and was not asked; try again soon";
                    Err(Refused::for_now(words))
                }
            },
        }
    }

    async fn wait(
        &self,
        answered: oneshot::Receiver<Answer>,
        patience: Duration,
    ) -> Result<Answer, Refused> {
        tokio::select! {
            // The loop answers all that it has taken up before it has this thread stop.
            biased;
            answer = answered => answer.map_err(|_| gone()),
            () = self.stopped.wait() => Err(is_stopped("was not taken up")),
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

/// Room for one question.
struct Room<'a>(mpsc::Permit<'a, Asked>);

impl Room<'_> {
    fn ask(self, what: Ask) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Asked { what, answer });
        answered
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
