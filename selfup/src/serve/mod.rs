//! HTTP on every listener of the service, without a request that is lost to a restart.
//!
//! hyper speaks the protocols; this room decides when a connection ends. hyper's own graceful
//! shutdown closes a connection of HTTP/1 that is idle, or of which nothing was read yet, at once,
//! and its client may be sending at that very moment. So here a connection is *shed*: from the pause
//! on, whatever is answered on it says `Connection: close`, by which its client knows; and only one
//! that is still idle when `linger` is over is closed without a word. What a client sends at that
//! very moment is lost, and no server can do better: HTTP/1 has no other word for "not here any
//! more" than an answer. HTTP/2 has one, GOAWAY, and hyper says it in two phases, so that streams
//! that are on their way are answered, too. What a client sends behind either is read until it
//! closes its side, for `linger` at most: a socket that is closed with something unread is reset,
//! and the client might lose the very word that tells it what to send again (RFC 9112, 9.6).
//!
//! - [`course`]: what all connections are told, and their count.
//! - [`connection`]: the future of one of them, which hears of the course, and sheds.
//! - [`traffic`]: whether one is idle: what came in, and what is being answered.
//! - [`answer`]: the service around the user's, which counts, and writes `Connection: close`.
//! - `tls`: the handshake before all that, with the feature `tls`.
//!
//! Under TLS a connection is what it is without: one that has not sent a byte of its handshake
//! lingers, and a handshake that has begun is finished, whatever is paused meanwhile; then the
//! connection lingers for its first request. A record of which a part came is the beginning of a
//! request, although nothing of it can be read yet. Whoever is cut is not told `close_notify`: what
//! it got is not the whole, and without a length that is all it could know it by (RFC 8446, 6.1).
//!
//! The course is one atomic word, which is read for each answer and each time that a connection is
//! polled; a connection enters a list of waiters once, and has a timer only while it is shed and
//! idle. So a request costs a few atomic operations, and neither a lock, nor a task, nor a box.
//!
//! What was rejected: hyper-util's `GracefulShutdown` for the above; axum's `serve`, which cannot
//! write the header; closing idle connections at the pause and resuming with none, for a rollback
//! would then cost every client its connection.

mod answer;
mod connection;
mod course;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod traffic;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower_service::Service;

use self::answer::Answers;
pub use self::answer::{FromHyper, from_hyper};
use self::course::{Course, Open, Server};
pub use self::settings::Serve;
#[cfg(feature = "tls")]
use self::tls::Tls;
use crate::entry::ProgramOutput;
use crate::error::{BoxError, Result};
use crate::state::{Listener, State, Stream};

/// What [`serve`] has done, once it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// How many connections this generation accepted.
    pub connections: usize,
    /// How many of them were still open when the time for the drain was over, upgraded ones and
    /// unfinished handshakes included.
    pub cut: usize,
}

/// A program may end with what it has served; what was cut is no failure of it.
// Whoever returns something else by mistake is told of the simpler ones.
#[diagnostic::do_not_recommend]
impl ProgramOutput for Served {
    fn into_exit_code(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

/// Serves HTTP/1 and HTTP/2 on every listener, until the program is to end and the last connection
/// has.
///
/// `service` is any tower service for requests: an axum `Router`, for one. What is written for hyper
/// goes through [`from_hyper`]. HTTP/2 is spoken to clients that begin with it ("prior knowledge"),
/// or choose it in the handshake of TLS, and upgrades work in both. One that asks for `Upgrade: h2c` is
/// answered in HTTP/1.1: RFC 9113, 3.1, has given that up. No limit is set to the time that a client
/// takes for its request: what stands in front of the service, or a layer of it, bounds that.
///
/// No request is lost to a restart. From the pause on, and during the drain:
///
/// - a request that is being answered is finished, with `Connection: close` if its head was not sent
///   yet;
/// - a connection that is idle, or has not sent its first byte, has five seconds
///   ([`linger`](Serve::linger)) to send one more request, which is answered with
///   `Connection: close`; one that says nothing is closed at their end;
/// - a connection of HTTP/2 is told GOAWAY, behind its first request if it has not sent one yet, and
///   closed once the streams are answered that its client had opened by then; a request that its
///   client begins nevertheless was not processed, as GOAWAY says (RFC 9113, 6.8), and clients send
///   it again on another connection;
/// - one that was upgraded, to a WebSocket say, goes on until the program ends it. It learns of the
///   drain from [`State::graceful_shutdown`].
///
/// With TLS (the feature `tls` and `Serve::tls`) a handshake that has begun is finished first, and
/// all of this holds for the connection that comes of it.
///
/// If the new generation fails on probation, this one serves on, and keeps its connections alive.
///
/// axum's own server on a listener of the service closes idle connections, and those of which nothing
/// was read yet, at once: [`State::listener`] tells in figures what that costs.
///
/// The end comes as soon as no connection is left, upgraded ones included; at once, if there is none.
/// What is left shortly before `terminate_timeout` is over is cut, which [`Served::cut`] counts, and
/// [`Event::Drained`](crate::Event::Drained) tells beside a warning of `tracing` in the program.
/// Without a master nothing bounds the drain but a second signal.
///
/// SIGTERM and SIGINT start the drain from here on, as with [`State::graceful_shutdown`]. Running out
/// of descriptors ends nothing: accepting is tried again when a connection has ended, or soon.
///
/// Dropped before its end, it accepts no more, and its connections are shed.
///
/// ```no_run
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use hyper::body::Incoming;
/// use hyper::service::service_fn;
///
/// #[selfup::main(address = ":3000")]
/// async fn prog(state: selfup::State) -> selfup::Result<selfup::Served> {
///     selfup::serve(&state, selfup::from_hyper(service_fn(hello))).await
/// }
///
/// async fn hello(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
///     Ok(Response::new("hello\n".into()))
/// }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if no address is configured.
pub async fn serve<S, B>(state: &State, service: S) -> Result<Served>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    S::Future: 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    serve_with(state, service, Serve::builder()).await
}

/// [`serve`], with settings.
///
/// ```no_run
/// # async fn with(state: selfup::State) -> selfup::Result<()> {
/// # let hello = async |_| Ok::<_, std::convert::Infallible>(http::Response::new("hello\n".to_owned()));
/// # let app = selfup::from_hyper(hyper::service::service_fn(hello));
/// selfup::serve_with(&state, app, selfup::Serve::builder().linger("2s")).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if no address is configured, or a setting cannot
/// work.
pub async fn serve_with<S, B>(state: &State, service: S, settings: Serve) -> Result<Served>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    S::Future: 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (reception, linger) = settings.check()?;
    let server = Arc::new(Server::new(linger));
    // The first one names what is missing.
    state.listener()?;
    let _shed_at_the_end = ShedOnDrop(&server);
    let accept = |listener: &Listener| {
        let (service, server, reception) = (service.clone(), server.clone(), reception.clone());
        accept(listener.clone(), service, server, reception)
    };
    let accepting = state.listeners().iter().map(accept).collect();
    // Afterwards nobody is between an accepted connection and its count.
    until(tell_the_course(state, &server), accepting).await;
    let cut = finish(&server, state.terminate_timeout()).await;
    let connections = server.accepted();
    state.tell_drained(connections, cut);
    Ok(Served { connections, cut })
}

/// Accepts on every listener until `end`.
///
/// On the task of the program, and on none of their own: so what is allocated for a connection when
/// it is accepted lies together, apart from what each thread of the runtime adds while it serves.
/// Idle connections take a tenth less of memory for it, with the allocator of glibc.
async fn until(end: impl Future<Output = ()>, accepting: Vec<impl Future<Output = Infallible>>) {
    let mut end = pin!(end);
    let mut accepting: Vec<_> = accepting.into_iter().map(Box::pin).collect();
    poll_fn(|context| {
        if end.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        // What a task may do before others have their turn is shared by all: each is the first once.
        let first = accepting.len().min(1);
        accepting.rotate_left(first);
        for accept in &mut accepting {
            // None ever ends.
            let _: Poll<Infallible> = accept.as_mut().poll(context);
        }
        Poll::Pending
    })
    .await;
}

async fn accept<S>(
    listener: Listener,
    service: S,
    server: Arc<Server>,
    mut reception: Reception,
) -> Infallible
where
    S: Answers,
{
    let mut back_off = FIRST_BACK_OFF;
    let of_address = listener.address().options().nodelay;
    reception.tcp_nodelay = of_address.unwrap_or(reception.tcp_nodelay);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                back_off = FIRST_BACK_OFF;
                reception.receive(stream, service.clone(), server.open());
            }
            Err(error) => {
                if back_off == FIRST_BACK_OFF {
                    let address = listener.address();
                    tracing::warn!(%address, %error, "nothing can be accepted; trying again");
                }
                // The end of a connection frees what may be short, but others use it up, too.
                let _ = tokio::time::timeout(back_off, server.an_end()).await;
                back_off = LONGEST_BACK_OFF.min(back_off * 2);
            }
        }
    }
}

/// What is done with a connection before it says anything.
#[derive(Debug, Clone)]
struct Reception {
    tcp_nodelay: bool,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl Reception {
    fn receive<S: Answers>(&self, stream: Stream, service: S, open: Open) {
        if let Some(tcp) = stream.as_tcp() {
            // One that its client has closed already is found out by reading.
            let _ = tcp.set_nodelay(self.tcp_nodelay);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            tokio::spawn(tls::hold(stream, tls.clone(), service, open));
            return;
        }
        tokio::spawn(connection::hold(stream, service, open));
    }
}

/// Has connections follow the phases of the generation, until it drains.
async fn tell_the_course(state: &State, server: &Server) {
    // SIGTERM drains from here on.
    let _shutdown = state.graceful_shutdown();
    let active = state.active();
    while active.wait().await {
        server.set(Course::Serve);
        active.lost().await;
        server.set(Course::Shed);
    }
    server.set(Course::Shed);
}

/// Waits for the connections that are left, and cuts those that are too late.
async fn finish(server: &Server, terminate_timeout: Option<Duration>) -> usize {
    let bound =
        terminate_timeout.map(|timeout| timeout.saturating_sub(LAST_WORDS.min(timeout / 10)));
    let Some(bound) = bound else {
        server.all_ended().await;
        return 0;
    };
    if tokio::time::timeout(bound, server.all_ended()).await.is_ok() {
        return 0;
    }
    let cut = server.count();
    server.set(Course::Cut);
    if cut > 0 {
        tracing::warn!(cut, "connections were cut, for the time to drain is over");
    }
    cut
}

/// Nobody tells the connections of the pause any more.
struct ShedOnDrop<'a>(&'a Server);

impl Drop for ShedOnDrop<'_> {
    fn drop(&mut self) {
        self.0.set(Course::Shed);
    }
}

const FIRST_BACK_OFF: Duration = Duration::from_millis(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// What a program has between the end of its connections and its own, at most.
const LAST_WORDS: Duration = Duration::from_secs(1);
