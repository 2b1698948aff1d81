//! HTTP/2, by hyper's client.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Bytes, HttpBody};
use axum::http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::Sleep;

use super::ask::{Answer, Ask, Loss};
use super::wire::Ready;

pub(super) struct Connection(SendRequest<Parts>);

impl Connection {
    pub(super) async fn greet(wire: Ready) -> io::Result<Self> {
        let greeted = handshake(TokioExecutor::new(), TokioIo::new(wire)).await;
        let (requests, connection) = greeted.map_err(io::Error::other)?;
        // How it ended is told to the requests.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self(requests))
    }

    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Answer, Loss> {
        let request =
            Request::builder().method(ask.method()).uri(format!("http://h{}", ask.target));
        let request = request.body(Parts::of(ask)).map_err(|error| failed(&error))?;
        if self.0.ready().await.is_err() {
            return Err(Loss::SentAway);
        }
        let response = self.0.try_send_request(request).await.map_err(|mut error| {
            if error.take_message().is_some() || was_sent_away(error.error()) {
                return Loss::SentAway;
            }
            failed(&chain(error.error()))
        })?;
        if response.status() != 200 {
            return Err(failed(&response.status()));
        }
        ask.answer(&text(response.into_body()).await?, false)
    }
}

/// Whether the server had said GOAWAY, and has processed nothing of the request, which its client
/// may therefore send again (RFC 9113, 6.8). hyper's client begins requests that cross with it.
fn was_sent_away(error: &hyper::Error) -> bool {
    let error = error.source().and_then(|error| error.downcast_ref::<h2::Error>());
    error.is_some_and(|error| {
        error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
    })
}

async fn text(mut body: Incoming) -> Result<String, Loss> {
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        let frame = frame.map_err(|error| failed(&chain(&error)))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
    }
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn failed(error: &impl ToString) -> Loss {
    Loss::Failed(error.to_string())
}

fn chain(error: &hyper::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// A body that comes in parts.
struct Parts {
    part: Bytes,
    left: usize,
    between: std::time::Duration,
    due: Option<Pin<Box<Sleep>>>,
}

impl Parts {
    fn of(ask: &Ask) -> Self {
        let part = Bytes::from(vec![b'x'; ask.part]);
        Self { part, left: ask.parts, between: ask.between, due: None }
    }
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let between = self.between;
        let due = self.due.get_or_insert_with(|| Box::pin(tokio::time::sleep(between)));
        ready!(due.as_mut().poll(context));
        self.due = None;
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.part.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.left * self.part.len()) as u64)
    }
}
