//! Handshakes and records, in memory and with time that passes when nothing else happens.

use std::io::Write as _;

use hyper::service::service_fn;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::super::from_hyper;
use super::super::tests::answer;
use super::*;

const LINGER: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(60);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn configs() -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    // Not by `builder()`, which would make one the default of the whole process: another test sees that there is none.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let server = config.with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
    let client = ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (server, client)
}

/// A connection of which nothing was said yet.
struct Begun {
    server: Arc<Server>,
    held: JoinHandle<()>,
    wire: DuplexStream,
    config: ClientConfig,
}

struct Client {
    server: Arc<Server>,
    held: JoinHandle<()>,
    tls: tokio_rustls::client::TlsStream<DuplexStream>,
}

impl Begun {
    fn new() -> Self {
        let server = Arc::new(Server::new(LINGER));
        let (wire, theirs) = tokio::io::duplex(64 * 1024);
        let (config, client) = configs();
        let tls = Tls::new(config.into(), TIMEOUT).unwrap();
        let held = tokio::spawn(hold(theirs, tls, from_hyper(service_fn(answer)), server.open()));
        Self { server, held, wire, config: client }
    }

    async fn shake_hands(self) -> Client {
        let Self { server, held, wire, config } = self;
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        Client { server, held, tls: connector.connect(name, wire).await.unwrap() }
    }

    /// Waits until the server closes, without a word; so long it took.
    async fn closed(mut self) -> Duration {
        let since = Instant::now();
        assert_eq!(self.wire.read(&mut [0]).await.unwrap(), 0);
        self.held.await.unwrap();
        self.server.all_ended().await;
        since.elapsed()
    }
}

impl Client {
    async fn connect() -> Self {
        Begun::new().shake_hands().await
    }

    /// The next answer; whether it says that it is the last.
    async fn hear(&mut self) -> bool {
        let mut text = String::new();
        while !text.ends_with("hello") {
            text.push(self.tls.read_u8().await.unwrap().into());
        }
        text.contains("connection: close\r\n")
    }

    /// Waits until the server closes with `close_notify`; so long it took.
    async fn closed(mut self) -> Duration {
        let since = Instant::now();
        assert_eq!(self.tls.read(&mut [0]).await.unwrap(), 0);
        drop(self.tls);
        self.held.await.unwrap();
        self.server.all_ended().await;
        since.elapsed()
    }
}

fn is_about(time: Duration, expected: Duration) -> bool {
    time.abs_diff(expected) < Duration::from_millis(10)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_closed_in_time() {
    let silence = Begun::new().closed().await;
    assert!(is_about(silence, TIMEOUT), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_closed_when_it_has_lingered() {
    let client = Begun::new();
    client.server.set(Course::Shed);
    let silence = client.closed().await;
    assert!(is_about(silence, LINGER), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_has_begun_has_its_time_whatever_is_shed() {
    let mut client = Begun::new();
    client.wire.write_all(&[22, 3, 1]).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    client.server.set(Course::Shed);
    let rest = client.closed().await;
    assert!(is_about(rest + Duration::from_secs(1), TIMEOUT), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_resumed_server_waits_for_handshakes_again() {
    let client = Begun::new();
    client.server.set(Course::Shed);
    sleep(LINGER / 2).await;
    client.server.set(Course::Serve);
    sleep(LINGER).await;
    let mut client = client.shake_hands().await;
    client.tls.write_all(REQUEST).await.unwrap();
    assert!(!client.hear().await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_lingers_for_its_first_request_from_the_end_of_its_handshake() {
    let client = Begun::new();
    client.server.set(Course::Shed);
    sleep(LINGER / 2).await;
    let mut client = client.shake_hands().await;
    sleep(LINGER * 3 / 4).await;
    client.tls.write_all(REQUEST).await.unwrap();
    assert!(client.hear().await);
    client.closed().await;
}

#[tokio::test(start_paused = true)]
async fn half_a_record_is_waited_for() {
    for (at, is_first) in [(1, true), (4, false), (5, true), (20, true), (20, false)] {
        let mut client = Client::connect().await;
        if !is_first {
            client.tls.write_all(REQUEST).await.unwrap();
            assert!(!client.hear().await);
        }
        let (wire, session) = client.tls.get_mut();
        let mut record = Vec::new();
        session.writer().write_all(REQUEST).unwrap();
        session.write_tls(&mut record).unwrap();
        wire.write_all(&record[..at]).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        client.server.set(Course::Shed);
        sleep(LONG).await;
        client.tls.get_mut().0.write_all(&record[at..]).await.unwrap();
        assert!(client.hear().await, "{at} {is_first}");
        client.closed().await;
    }
}

/// What the client says without saying anything, such as that its keys change, is no request.
#[tokio::test(start_paused = true)]
async fn a_record_without_a_request_keeps_nobody() {
    let mut client = Client::connect().await;
    client.tls.write_all(REQUEST).await.unwrap();
    assert!(!client.hear().await);
    client.tls.get_mut().1.refresh_traffic_keys().unwrap();
    client.tls.flush().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    client.server.set(Course::Shed);
    let idle = client.closed().await;
    assert!(is_about(idle, LINGER), "{idle:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_told_when_it_is_closed_even_if_it_never_said_anything() {
    let client = Client::connect().await;
    client.server.set(Course::Shed);
    let idle = client.closed().await;
    assert!(is_about(idle, LINGER), "{idle:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_is_not_told_that_all_is_well() {
    let mut client = Client::connect().await;
    client.tls.write_all(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    client.server.set(Course::Shed);
    client.server.set(Course::Cut);
    let end = client.tls.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    let begun = Begun::new();
    begun.server.set(Course::Cut);
    assert!(is_about(begun.closed().await, Duration::ZERO));
}

#[test]
fn both_http_are_offered_where_no_protocol_is() {
    let (mut config, _) = configs();
    let protocols = |config: &ServerConfig| {
        let tls = Tls::new(config.clone().into(), TIMEOUT).unwrap();
        tls.acceptor.config().alpn_protocols.clone()
    };
    assert_eq!(protocols(&config), [&b"h2"[..], b"http/1.1"]);
    config.alpn_protocols = vec![b"http/1.1".into()];
    assert_eq!(protocols(&config), [b"http/1.1"]);
}

#[test]
fn what_cannot_work_is_turned_down() {
    let (mut config, _) = configs();
    let error = Tls::new(config.clone().into(), Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    config.max_early_data_size = 1000;
    let error = Tls::new(config.into(), TIMEOUT).unwrap_err();
    assert_eq!(error.to_string(), "early data is not read; set `max_early_data_size` to 0");
}

#[test]
fn a_record_is_within_until_its_last_byte_however_it_comes() {
    let records = [23, 3, 3, 0, 2, 1, 2, 23, 3, 3, 1, 1].into_iter().chain([0; 257]);
    let bytes: Vec<u8> = records.collect();
    let ends = [7, bytes.len()];
    for at in 0..bytes.len() {
        let mut records = Records::default();
        records.hear(&bytes[..at]);
        assert_eq!(records.is_within_one(), at > 0 && !ends.contains(&at), "{at}");
        records.hear(&bytes[at..]);
        assert!(!records.is_within_one(), "{at}");
    }
}

#[test]
fn a_record_without_content_is_whole_with_its_head() {
    let mut records = Records::default();
    records.hear(&[23, 3, 3, 0, 0]);
    assert!(!records.is_within_one());
}
