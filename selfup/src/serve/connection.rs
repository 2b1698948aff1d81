//! One connection, from its first byte to its end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::answer::{Answers, Counted};
use super::course::{Course, Ear, Open, Server};
use super::traffic::{Traffic, Wire};

/// Serves a connection until it ends: by its client, or because it is shed or cut.
pub(super) fn hold<I, S>(io: I, service: S, open: Open) -> impl Future<Output = ()> + Send
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Answers,
{
    // A future that awaited the other would have everything twice.
    let traffic = Arc::new(Traffic::new(open.server()));
    serve(io, service, traffic, open)
}

/// [`hold`], for a connection of which something is known already.
pub(super) async fn serve<I, S>(io: I, service: S, traffic: Arc<Traffic>, open: Open)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Answers,
{
    let server = open.server().clone();
    let wire = TokioIo::new(Wire::new(io, traffic.clone(), open));
    let service = Counted::new(service, traffic.clone());
    let mut http = pin!(server.protocol.serve_connection_with_upgrades(wire, service));
    let turned = pin!(server.turned());
    let mut ear = Ear::new(&server, turned);
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
        // Who has asked nothing yet would be sent away with nothing.
        if is_http_2 && !self.is_closing && traffic.was_asked() {
            // GOAWAY leaves its client the time that it needs.
            return self.close(traffic);
        }
        let goes_on = if is_http_2 {
            // What is said apart from streams is of no use to anybody any more.
            traffic.waits_for_answers(context) || (self.is_closing && traffic.goes_on())
        } else {
            self.is_closing || traffic.is_busy()
        };
        if goes_on {
            self.linger = None;
            return Next::Wait;
        }
        let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(server.linger)));
        if linger.as_mut().poll(context).is_pending() {
            return Next::Wait;
        }
        match (is_http_2, self.is_closing) {
            // Its client has to hear of it yet.
            (true, false) => self.linger = None,
            (true, true) => {
                traffic.let_go();
                return Next::Drop;
            }
            (false, _) => traffic.let_go(),
        }
        self.close(traffic)
    }

    fn close(&mut self, traffic: &Traffic) -> Next {
        self.is_closing = true;
        traffic.go_away();
        Next::Close
    }
}
