//! Shedding, on connections in memory and with time that passes when nothing else happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::course::{Course, Server};
use super::traffic::Traffic;
use super::{connection, from_hyper};

const LINGER: Duration = Duration::from_secs(5);
/// Within [`LINGER`].
const ALMOST: Duration = Duration::from_millis(4999);
const LONG: Duration = Duration::from_secs(60);
const CLOSE: &str = "connection: close\r\n";

/// `/slow` is answered after [`LONG`], and `/stream` at once, but for its body.
pub(super) async fn answer(request: Request<Incoming>) -> Result<Response<SlowBody>, Infallible> {
    if request.uri() == "/slow" {
        tokio::time::sleep(LONG).await;
    }
    if request.uri() == "/upgrade" {
        let upgraded = hyper::upgrade::on(request);
        tokio::spawn(async {
            let mut wire = TokioIo::new(upgraded.await.unwrap());
            let mut word = [0; 4];
            while wire.read_exact(&mut word).await.is_ok() {
                wire.write_all(&word).await.unwrap();
            }
        });
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let response = response.header("connection", "upgrade").header("upgrade", "echo");
        return Ok(response.body(SlowBody::Sent).unwrap());
    }
    let delay = if request.uri() == "/stream" { LONG } else { Duration::ZERO };
    Ok(Response::new(SlowBody::Due(Box::pin(tokio::time::sleep(delay)))))
}

/// Says `hello` at its time.
pub(super) enum SlowBody {
    Due(std::pin::Pin<Box<tokio::time::Sleep>>),
    Sent,
}

impl http_body::Body for SlowBody {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<&'static [u8]>, Infallible>>> {
        if let Self::Due(due) = &mut *self {
            std::task::ready!(due.as_mut().poll(context));
            *self = Self::Sent;
            return std::task::Poll::Ready(Some(Ok(http_body::Frame::data(b"hello"))));
        }
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Sent)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(if self.is_end_stream() { 0 } else { 5 })
    }
}

struct Client {
    server: Arc<Server>,
    wire: DuplexStream,
    held: JoinHandle<()>,
}

impl Client {
    fn connect() -> Self {
        let server = Arc::new(Server::new(LINGER));
        let (wire, theirs) = tokio::io::duplex(4096);
        let service = from_hyper(service_fn(answer));
        let held = tokio::spawn(connection::hold(theirs, service, server.open()));
        Self { server, wire, held }
    }

    async fn say(&mut self, text: &str) {
        self.wire.write_all(text.as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, path: &str) {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    }

    /// The next answer up to the end of its head.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.wire.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    async fn body(&mut self) {
        let mut body = [0; 5];
        self.wire.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"hello");
    }

    /// The next answer; its head.
    async fn hear(&mut self) -> String {
        let head = self.head().await;
        self.body().await;
        head
    }

    /// Waits until the server closes, without another word.
    async fn closed(mut self) {
        assert_eq!(self.wire.read(&mut [0]).await.unwrap(), 0);
        self.held.await.unwrap();
        self.server.all_ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_takes_one_more_request_and_says_that_it_was_the_last() {
    let mut client = Client::connect();
    client.ask("/").await;
    assert!(!client.hear().await.contains(CLOSE));
    client.server.set(Course::Shed);
    tokio::time::sleep(ALMOST).await;
    client.ask("/").await;
    assert!(client.hear().await.contains(CLOSE));
    client.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed_when_it_has_lingered() {
    let client = Client::connect();
    // It is waiting for its first byte.
    tokio::time::sleep(LONG).await;
    client.server.set(Course::Shed);
    let shed = Instant::now();
    client.closed().await;
    assert!(shed.elapsed().abs_diff(LINGER) < Duration::from_millis(10), "{:?}", shed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_says_nothing_more_is_closed_when_it_has_lingered() {
    let mut client = Client::connect();
    client.ask("/").await;
    client.hear().await;
    client.server.set(Course::Shed);
    let shed = Instant::now();
    client.closed().await;
    assert!(shed.elapsed().abs_diff(LINGER) < Duration::from_millis(10), "{:?}", shed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_being_answered_is_finished_and_was_the_last() {
    let mut client = Client::connect();
    client.ask("/slow").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.server.set(Course::Shed);
    assert!(client.hear().await.contains(CLOSE));
    client.closed().await;
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_waited_for() {
    let request = "PRI / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (at, is_first) in [(1, true), (1, false), (18, true), (18, false)] {
        let mut client = Client::connect();
        if !is_first {
            client.ask("/").await;
            client.hear().await;
        }
        client.say(&request[..at]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.server.set(Course::Shed);
        tokio::time::sleep(LONG).await;
        client.say(&request[at..]).await;
        assert!(client.hear().await.contains(CLOSE), "{at} {is_first}");
        client.closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_was_promised_to_be_kept_lingers_from_the_end_of_its_answer() {
    let mut client = Client::connect();
    client.ask("/stream").await;
    assert!(!client.head().await.contains(CLOSE));
    client.server.set(Course::Shed);
    client.body().await;
    tokio::time::sleep(ALMOST).await;
    client.ask("/").await;
    assert!(client.hear().await.contains(CLOSE));
    client.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_resumed_server_keeps_its_connections() {
    let mut client = Client::connect();
    for _ in 0..3 {
        client.server.set(Course::Shed);
        tokio::time::sleep(ALMOST).await;
        client.server.set(Course::Serve);
        tokio::time::sleep(LONG).await;
        client.ask("/").await;
        assert!(!client.hear().await.contains(CLOSE));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_over_before_it_was_noticed_does_not_deafen() {
    let mut client = Client::connect();
    client.ask("/").await;
    client.hear().await;
    client.server.set(Course::Shed);
    client.server.set(Course::Serve);
    tokio::time::sleep(LONG).await;
    client.server.set(Course::Shed);
    client.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_not_shed_and_counts_until_its_end() {
    let mut client = Client::connect();
    client.server.set(Course::Shed);
    client
        .say("GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101") && !head.contains(CLOSE), "{head}");
    tokio::time::sleep(LONG).await;
    client.say("ping").await;
    let mut word = [0; 4];
    client.wire.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"ping");
    assert_eq!(client.server.count(), 1);
    drop(client.wire);
    client.server.all_ended().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_ends_at_once() {
    let mut client = Client::connect();
    client.ask("/slow").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.server.set(Course::Shed);
    client.server.set(Course::Cut);
    let cut = Instant::now();
    client.closed().await;
    assert!(cut.elapsed() < Duration::from_millis(10), "{:?}", cut.elapsed());
}

#[test]
fn http_2_is_known_by_its_whole_preface_however_it_comes() {
    let server = Arc::new(Server::new(LINGER));
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for at in 1..preface.len() {
        let traffic = Arc::new(Traffic::new(&server));
        traffic.hear(&preface[..at]);
        assert!(!traffic.is_http_2());
        traffic.hear(&preface[at..]);
        traffic.hear(b"and more");
        assert!(traffic.is_http_2());
        let other = Arc::new(Traffic::new(&server));
        other.hear(&preface[..at]);
        other.hear(b"x");
        other.hear(&preface[at..]);
        assert!(!other.is_http_2());
    }
}

#[test]
fn the_end_of_an_answer_of_http_2_wakes_the_connection_that_waits_for_it() {
    struct Woken(std::sync::atomic::AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let traffic = Arc::new(Traffic::new(&Arc::new(Server::new(LINGER))));
    traffic.hear(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let woken = Arc::new(Woken(false.into()));
    let waker = woken.clone().into();
    let context = std::task::Context::from_waker(&waker);
    assert!(!traffic.waits_for_answers(&context));
    let request = traffic.begin();
    assert!(traffic.waits_for_answers(&context));
    drop(request);
    assert!(woken.0.load(std::sync::atomic::Ordering::Relaxed));
    assert!(!traffic.waits_for_answers(&context));
}
