//! What a client is answered: a status, and JSON, text, or events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use http_body::{Frame, SizeHint};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::ask::{Answer, POSTPONED};

/// Why a request is not done, in words for its client.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    words: String,
    allow: Option<Method>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self { status, words: words.into(), allow: None }
    }

    /// What is here for now only, and asked again soon.
    pub(super) fn for_now(words: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, words)
    }

    pub(super) fn allowing(self, method: &Method) -> Self {
        Self { allow: Some(method.clone()), ..self }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    pub(super) fn into_response(self) -> Response<Body> {
        #[derive(Serialize)]
        struct Words {
            error: String,
        }
        let mut response = json(self.status, &Words { error: self.words });
        let headers = response.headers_mut();
        if let Some(Ok(allow)) = self.allow.map(|method| HeaderValue::from_str(method.as_str())) {
            headers.insert(ALLOW, allow);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// What the loop answered, as it stands. The status tells whether it is what was asked for.
pub(super) fn of_loop(answer: &Answer) -> Response<Body> {
    match answer {
        Answer::Status(status) => json(StatusCode::OK, status),
        Answer::Done(outcome) => {
            let status = match outcome.word {
                _ if outcome.is_good => StatusCode::OK,
                POSTPONED => StatusCode::ACCEPTED,
                "stopping" => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::CONFLICT,
            };
            json(status, outcome)
        }
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(text) => whole(status, "application/json", text + "\n"),
        // Nothing that is answered has what JSON cannot say.
        Err(_) => whole(StatusCode::INTERNAL_SERVER_ERROR, "application/json", String::new()),
    }
}

pub(super) fn whole(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    respond(status, kind, Body::new(Content::Whole(Some(text.into()))))
}

pub(super) fn stream(events: mpsc::Receiver<Bytes>) -> Response<Body> {
    respond(StatusCode::OK, "text/event-stream", Body::new(Content::Stream(events)))
}

fn respond(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Body {
    content: Content,
    /// Its place among those that are answered at once, until it is sent or given up.
    _seat: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Content {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Bytes>),
}

impl Body {
    fn new(content: Content) -> Self {
        Self { content, _seat: None }
    }

    pub(super) fn in_seat(self, seat: OwnedSemaphorePermit) -> Self {
        Self { _seat: Some(seat), ..self }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take()),
            Content::Stream(events) => events.poll_recv(context),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Stream(_) => SizeHint::default(),
        }
    }
}
