//! One connection, from its first byte to its end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::futures::Notified;
use tokio::time::Sleep;
use tower_service::Service;

use super::answer::Counted;
use super::course::{Course, Open, Server, Turn};
use super::traffic::{Traffic, Wire};
use crate::error::BoxError;

/// Serves a connection until it ends: by its client, or because it is shed or cut.
pub(super) async fn hold<I, S, B>(io: I, service: S, open: Open)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    S::Future: 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let server = open.server().clone();
    let traffic = Arc::new(Traffic::new(&server));
    let wire = TokioIo::new(Wire::new(io, traffic.clone(), open));
    let service = Counted::new(service, traffic.clone());
    let mut http = pin!(server.protocol.serve_connection_with_upgrades(wire, service));
    let turned = pin!(server.turned());
    let mut ear = Ear { server: &server, turned, heard: None };
    let mut shedding = Shedding::default();
    poll_fn(|context| {
        let course = ear.poll_course(context);
        if course == Course::Cut {
            return Poll::Ready(());
        }
        loop {
            if let Poll::Ready(result) = http.as_mut().poll(context) {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection has failed");
                }
                return Poll::Ready(());
            }
            match shedding.next(course, &traffic, &server, context) {
                Next::Wait => return Poll::Pending,
                Next::Close => http.as_mut().graceful_shutdown(),
                Next::Drop => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Hears of the course, and takes a lock for it only when there is news.
struct Ear<'server, 'task> {
    server: &'server Server,
    turned: Pin<&'task mut Notified<'server>>,
    heard: Option<(Turn, Waker)>,
}

impl Ear<'_, '_> {
    fn poll_course(&mut self, context: &mut Context<'_>) -> Course {
        let turn = self.server.turn();
        let is_news =
            |(heard, waker): &(Turn, Waker)| *heard != turn || !waker.will_wake(context.waker());
        if self.heard.as_ref().is_none_or(is_news) {
            self.turned.set(self.server.turned());
            // One that is set after this wakes this task; one before is read now.
            let _ = self.turned.as_mut().poll(context);
            self.heard = Some((self.server.turn(), context.waker().clone()));
        }
        self.heard.as_ref().map_or(turn, |(turn, _)| *turn).course()
    }
}

/// How far the end of a connection has come.
#[derive(Debug, Default)]
struct Shedding {
    is_closing: bool,
    /// Runs while it is idle.
    linger: Option<Pin<Box<Sleep>>>,
}

enum Next {
    Wait,
    /// By hyper's graceful shutdown.
    Close,
    Drop,
}

impl Shedding {
    fn next(
        &mut self,
        course: Course,
        traffic: &Traffic,
        server: &Server,
        context: &mut Context<'_>,
    ) -> Next {
        if course == Course::Serve {
            self.linger = None;
            return Next::Wait;
        }
        let is_http_2 = traffic.is_http_2();
        if is_http_2 && !self.is_closing {
            // GOAWAY leaves its client the time that it needs.
            self.is_closing = true;
            return Next::Close;
        }
        // What HTTP/2 says apart from requests is of no use to anybody any more.
        let is_busy = if is_http_2 { traffic.is_answering() } else { traffic.is_busy() };
        if is_busy || (self.is_closing && !is_http_2) {
            self.linger = None;
            return Next::Wait;
        }
        let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(server.linger)));
        if linger.as_mut().poll(context).is_pending() {
            return Next::Wait;
        }
        if is_http_2 {
            return Next::Drop;
        }
        self.is_closing = true;
        Next::Close
    }
}
