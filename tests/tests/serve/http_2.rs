//! HTTP/2, by hyper's client: with prior knowledge in the clear, and as agreed on over TLS.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::Signal;
use rustls::ClientConfig;
use selfup_tests::{ServiceBuilder, eventually};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsConnector;

use super::client::To;
use super::tested::Tested;
use super::{FOR_EVER, service};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Start = fn(ServiceBuilder) -> Tested;

macro_rules! in_the_clear_and_over_tls {
    ($($test:ident)*) => {
        mod in_the_clear {
            $(#[test] fn $test() { super::$test(super::Tested::in_the_clear); })*
        }
        mod over_tls {
            $(#[test] fn $test() { super::$test(super::Tested::over_tls); })*
        }
    };
}

in_the_clear_and_over_tls! {
    twenty_restarts_lose_no_stream
    connections_that_were_opened_before_a_pause_lose_no_request
    a_large_body_goes_on_across_a_restart
    a_large_answer_is_read_as_slowly_as_its_client_likes
    a_tunnel_goes_on_until_the_program_ends_it
    an_idle_connection_is_told_to_go_and_holds_nothing_up
    one_that_has_asked_nothing_yet_is_answered_once_and_told_to_go_then
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn connect(to: &To) -> Result<SendRequest<Body>, Failure> {
    speak(to, TcpStream::connect(to.address).await?).await
}

async fn speak(to: &To, stream: TcpStream) -> Result<SendRequest<Body>, Failure> {
    let Some(config) = &to.tls else { return begin(stream).await };
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![b"h2".into()];
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(to.address.ip().into(), stream).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    begin(stream).await
}

async fn begin<I>(stream: I) -> Result<SendRequest<Body>, Failure>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(requests)
}

/// The body of the answer; `None` if the connection takes no more requests, and did not take this.
async fn ask(
    requests: &mut SendRequest<Body>,
    target: &str,
    body: Body,
) -> Result<Option<String>, Failure> {
    let method = if body.is_end_stream() { "GET" } else { "POST" };
    let request = Request::builder().method(method).uri(format!("http://h{target}")).body(body)?;
    if requests.ready().await.is_err() {
        return Ok(None);
    }
    let response = match requests.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            let was_taken = error.take_message().is_none() && !was_sent_away(error.error());
            return if was_taken { Err(error.into_error().into()) } else { Ok(None) };
        }
    };
    Ok(Some(String::from_utf8(read(response.into_body()).await?)?))
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        bytes.extend_from_slice(frame?.data_ref().map_or(&[], |data| data));
    }
    Ok(bytes)
}

/// Whether the server had said GOAWAY, and has processed nothing of the request, which its client
/// may therefore send again (RFC 9113, 6.8). hyper's client begins requests that cross with it.
fn was_sent_away(error: &hyper::Error) -> bool {
    let error = error.source().and_then(|error| error.downcast_ref::<h2::Error>());
    error.is_some_and(|error| {
        error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
    })
}

fn twenty_restarts_lose_no_stream(start: Start) {
    let (runtime, mut service) = (runtime(), start(service()));
    let (stop, (count, mut answered)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
    let client = |number: usize| {
        let (stop, count, to) = (stop.clone(), count.clone(), service.to().clone());
        runtime.spawn(async move {
            let mut requests = connect(&to).await?;
            let (target, length) =
                [("/", 0), ("/sleep?50", 0), ("/count", 16_000), ("/count", 1_000_000)][number % 4];
            while !stop.load(Ordering::SeqCst) {
                match ask(&mut requests, target, vec![b'x'; length].into()).await? {
                    Some(_) => count.send_modify(|count| *count += 1),
                    None => requests = connect(&to).await?,
                }
            }
            Ok::<_, Failure>(())
        })
    };
    let clients: Vec<_> = (0..8).map(client).collect();
    for next in 2..=21 {
        service.restart(next);
    }
    eventually("every earlier generation has ended", || {
        (service.lines("served ").len() == 20).then_some(())
    });
    let before = *answered.borrow();
    runtime.block_on(answered.wait_for(|count| *count >= before + 100)).unwrap();
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        runtime.block_on(client).unwrap().unwrap();
    }
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
    assert!(service.stop().success());
}

fn connections_that_were_opened_before_a_pause_lose_no_request(start: Start) {
    let builder = service().set("PROBATION", FOR_EVER).set("LINGER", FOR_EVER);
    let (runtime, mut service) = (runtime(), start(builder.set("HANDSHAKE_TIMEOUT", FOR_EVER)));
    let early: Vec<_> = (0..20).map(|_| service.to().connect().unwrap()).collect();
    service.have_all_accepted();
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    for stream in early {
        stream.set_nonblocking(true).unwrap();
        let answer = runtime.block_on(async {
            let mut requests = speak(service.to(), TcpStream::from_std(stream)?).await?;
            ask(&mut requests, "/", Body::empty()).await
        });
        assert!(answer.unwrap().is_some_and(|answer| answer.ends_with(" 1\n")));
    }
    assert!(service.stop().success());
}

fn a_large_body_goes_on_across_a_restart(start: Start) {
    const LENGTH: usize = 10_000_000;
    let (runtime, mut service) = (runtime(), start(service()));
    let mut requests = runtime.block_on(connect(service.to())).unwrap();
    let (go_on, gate) = oneshot::channel();
    let half = || Bytes::from(vec![b'x'; LENGTH / 2]);
    let body = Halves { first: Some(half()), gate, second: Some(half()) };
    let answer = runtime.spawn(async move { ask(&mut requests, "/count", Body::new(body)).await });
    service.wait_for("counting 1");
    service.restart(2);
    let late = service.wait_until_served_by(2);
    go_on.send(()).unwrap();
    let answer = runtime.block_on(answer).unwrap().unwrap().unwrap();
    assert_eq!(answer, format!("{LENGTH} 1\n"));
    service.wait_for(&format!("served 1: {}, 0 cut", 1 + late));
    assert!(service.stop().success());
}

/// All of it was handed to hyper, but its client has no room for it.
fn a_large_answer_is_read_as_slowly_as_its_client_likes(start: Start) {
    let builder = service().set("LINGER", "300ms").set("TERMINATE_TIMEOUT", FOR_EVER);
    let (runtime, mut service) = (runtime(), start(builder));
    let mut silent = service.open();
    let mut requests = runtime.block_on(connect(service.to())).unwrap();
    let request = Request::get("http://h/large").body(Body::empty()).unwrap();
    let answer = runtime.block_on(requests.send_request(request)).unwrap();
    service.restart(2);
    silent.closed();
    let answer = runtime.block_on(read(answer.into_body())).unwrap();
    assert_eq!(answer.len(), 10_000_000);
    drop(requests);
    service.wait_for("served 1: 2, 0 cut");
    assert!(service.stop().success());
}

/// RFC 8441, by which a `WebSocket` comes over HTTP/2.
fn a_tunnel_goes_on_until_the_program_ends_it(start: Start) {
    let builder = service().set("LINGER", "300ms").set("PROBATION", FOR_EVER);
    let (runtime, mut service) = (runtime(), start(builder));
    let mut silent = service.open();
    let mut requests = runtime.block_on(connect(service.to())).unwrap();
    // The server's settings have come with the first answer.
    runtime.block_on(ask(&mut requests, "/", Body::empty())).unwrap().unwrap();
    let mut tunnel = runtime.block_on(dig(&mut requests)).unwrap();
    let say = |tunnel: &mut TokioIo<Upgraded>, word: &[u8; 4], answer: &[u8; 4]| {
        let mut heard = [0; 4];
        runtime.block_on(tunnel.write_all(word)).unwrap();
        runtime.block_on(tunnel.read_exact(&mut heard)).unwrap();
        assert_eq!(&heard, answer);
    };
    say(&mut tunnel, b"ping", b"ping");
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    silent.closed();
    say(&mut tunnel, b"pong", b"pong");
    service.signal(Signal::SIGTERM);
    let mut last = [0; 4];
    runtime.block_on(tunnel.read_exact(&mut last)).unwrap();
    assert_eq!(&last, b"over");
    drop((tunnel, requests));
    assert!(service.wait().success());
}

async fn dig(requests: &mut SendRequest<Body>) -> Result<TokioIo<Upgraded>, Failure> {
    let mut request = Request::connect("http://h/echo").body(Body::empty())?;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let answer = requests.send_request(request).await?;
    assert_eq!(answer.status(), 200);
    Ok(TokioIo::new(hyper::upgrade::on(answer).await?))
}

/// A body whose second half waits for a word.
struct Halves {
    first: Option<Bytes>,
    gate: oneshot::Receiver<()>,
    second: Option<Bytes>,
}

impl HttpBody for Halves {
    type Data = Bytes;
    type Error = oneshot::error::RecvError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.second.is_some() {
            ready!(Pin::new(&mut self.gate).poll(context))?;
        }
        Poll::Ready(self.second.take().map(|second| Ok(Frame::data(second))))
    }
}

fn an_idle_connection_is_told_to_go_and_holds_nothing_up(start: Start) {
    let (runtime, mut service) = (runtime(), start(service().set("LINGER", FOR_EVER)));
    let mut requests = runtime.block_on(connect(service.to())).unwrap();
    let mut ask = || runtime.block_on(ask(&mut requests, "/", Body::empty())).unwrap();
    ask().unwrap();
    service.restart(2);
    service.wait_for("served 1: 1, 0 cut");
    assert_eq!(ask(), None);
    assert!(service.stop().success());
}

/// It has a connection to send its request on, and would be sent away with nothing.
fn one_that_has_asked_nothing_yet_is_answered_once_and_told_to_go_then(start: Start) {
    let builder = service().set("LINGER", FOR_EVER).set("TERMINATE_TIMEOUT", FOR_EVER);
    let (runtime, mut service) = (runtime(), start(builder));
    let mut requests = runtime.block_on(connect(service.to())).unwrap();
    service.have_all_accepted();
    service.restart(2);
    // The next generation has its connections from now on, and this one is still there.
    let late = service.wait_until_served_by(2);
    let mut ask = || runtime.block_on(ask(&mut requests, "/", Body::empty())).unwrap();
    assert!(ask().unwrap().ends_with(" 1\n"));
    service.wait_for(&format!("served 1: {}, 0 cut", 2 + late));
    assert_eq!(ask(), None);
    assert!(service.stop().success());
}
