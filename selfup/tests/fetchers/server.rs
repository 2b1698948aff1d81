//! A server that says exactly what a test wants, byte by byte, and ends connections as it wants;
//! and a client that polls it.
//!
//! The server has threads of its own: what it does goes on while the fetcher's runtime sleeps, as
//! with a real one.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use selfup::BinaryId;
use selfup::fetcher::{Current, Download, Fetched, Fetcher};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Runtime;

/// An HTTP server on a port of the kernel's choice.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    flooded: Arc<AtomicUsize>,
    closed: Receiver<()>,
}

/// What a client sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    lines: Vec<String>,
}

/// What the server sends, and what it does then.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    AwaitRequest,
    Close,
    Reset,
    /// Sends on without an end, until the client has had enough.
    Flood,
}

impl Server {
    /// A server whose answers `reply` gives.
    pub(crate) fn start(reply: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::default();
        let flooded = Arc::default();
        let (log, reply) = (Arc::clone(&requests), Arc::new(Mutex::new(reply)));
        let (flood, (ended, closed)) = (Arc::clone(&flooded), channel());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                let (flood, ended) = (Arc::clone(&flood), ended.clone());
                std::thread::spawn(move || {
                    serve(&stream.unwrap(), &log, &*reply, &flood);
                    // By now the connection is closed. Most tests do not listen.
                    let _ = ended.send(());
                });
            }
        });
        Self { address, requests, flooded, closed }
    }

    /// A server that gives the `replies` in turn, and expects no request more.
    pub(crate) fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter();
        Self::start(move |request| match replies.next() {
            Some(reply) => reply,
            None => panic!("one request too many: {request:?}"),
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `url` with `user` (and a password, say) in it.
    pub(crate) fn url_of(&self, user: &str, path: &str) -> String {
        format!("http://{user}@{}{path}", self.address)
    }

    /// Waits until the server has closed one connection more.
    pub(crate) fn await_close(&self) {
        self.closed.recv_timeout(PATIENCE).unwrap();
    }

    /// How many zeros went out.
    pub(crate) fn flooded(&self) -> usize {
        self.flooded.load(Ordering::Relaxed)
    }

    /// Everything that was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The request lines of everything that was asked so far, without their protocol.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.line().to_owned()).collect()
    }
}

fn serve(
    mut stream: &TcpStream,
    log: &Mutex<Vec<Request>>,
    reply: &Mutex<impl FnMut(&Request) -> Reply>,
    flooded: &AtomicUsize,
) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader) {
        log.lock().unwrap().push(request.clone());
        let Reply { bytes, then } = (reply.lock().unwrap())(&request);
        // A client that is gone has what it wanted.
        let _ = stream.write_all(&bytes);
        match then {
            Then::AwaitRequest => {}
            Then::Close => {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            // When the caller drops the stream, that sends a reset instead of an end.
            Then::Reset => {
                let linger = Some(Duration::ZERO);
                socket2::SockRef::from(stream).set_linger(linger).unwrap();
                return;
            }
            Then::Flood => {
                let zeros = vec![0; 64 * 1024];
                while let Ok(written) = stream.write(&zeros) {
                    flooded.fetch_add(written, Ordering::Relaxed);
                }
                return;
            }
        }
    }
}

impl Request {
    fn read(reader: &mut BufReader<&TcpStream>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            match line.trim_end() {
                "" => return Some(Self { lines }),
                line => lines.push(line.to_owned()),
            }
        }
    }

    /// Method and path: `GET /app`.
    pub(crate) fn line(&self) -> &str {
        self.lines[0].trim_end_matches(" HTTP/1.1")
    }

    /// The values of the header `name`.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let headers = self.lines[1..].iter().filter_map(|line| line.split_once(": "));
        headers.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect()
    }
}

impl Reply {
    /// `bytes`, and then the next request.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::AwaitRequest }
    }

    /// An answer with these header lines and no body, nor the length of one.
    pub(crate) fn head(status: &str, headers: &str) -> Self {
        Self::raw(format!("HTTP/1.1 {status}\r\n{}\r\n", crlf(headers)))
    }

    /// An answer with these header lines, a length and a body.
    pub(crate) fn body(status: &str, headers: &str, body: &str) -> Self {
        let headers = crlf(headers);
        let length = body.len();
        Self::raw(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
    }

    /// The start of an answer: these header lines, and so much of a body.
    pub(crate) fn start(headers: &str, body: &str) -> Self {
        Self::raw(format!("HTTP/1.1 200 OK\r\n{}\r\n{body}", crlf(headers)))
    }

    /// A redirect.
    pub(crate) fn redirect(location: impl AsRef<str>) -> Self {
        Self::body("302 Found", &format!("Location: {}", location.as_ref()), "")
    }

    /// ... and then the connection ends.
    pub(crate) fn close(self) -> Self {
        Self { then: Then::Close, ..self }
    }

    /// ... and then the connection is reset.
    pub(crate) fn reset(self) -> Self {
        Self { then: Then::Reset, ..self }
    }

    /// ... and then zeros without an end.
    pub(crate) fn flood(self) -> Self {
        Self { then: Then::Flood, ..self }
    }
}

/// Header lines, each ended as HTTP ends them.
fn crlf(headers: &str) -> String {
    headers.lines().flat_map(|line| [line, "\r\n"]).collect()
}

/// What the upgrade pipeline is to a fetcher: it polls, reads to the end, and keeps the validator.
pub(crate) struct Client {
    runtime: Runtime,
    validator: Option<String>,
    verifies: bool,
}

impl Client {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.unwrap(), validator: None, verifies: false }
    }

    /// ... of a service that verifies signatures.
    pub(crate) fn that_verifies() -> Self {
        Self { verifies: true, ..Self::new() }
    }

    /// One poll; a download, or `None` if nothing changed.
    pub(crate) fn poll(&self, fetcher: &mut impl Fetcher) -> Result<Option<Download>, String> {
        let current = Current::new(BinaryId::from_bytes([0; 32]));
        let current = current.with_validator(self.validator.clone());
        let current = current.with_wanted_signature(self.verifies);
        let answer = self.run(async { fetcher.fetch(&current).await });
        match answer.map_err(|error| chain(&*error))? {
            Fetched::Unchanged => Ok(None),
            Fetched::Binary(download) => Ok(Some(download)),
            other => panic!("{other:?}"),
        }
    }

    /// One poll that must find nothing new.
    pub(crate) fn finds_nothing(&self, fetcher: &mut impl Fetcher) {
        let found = self.poll(fetcher).unwrap();
        assert!(found.is_none(), "{found:?}");
    }

    /// One poll that must fail.
    pub(crate) fn fails(&self, fetcher: &mut impl Fetcher) -> String {
        self.poll(fetcher).map(|found| format!("{found:?}")).unwrap_err()
    }

    /// One poll that must find something, to be read by the test.
    pub(crate) fn finds(&self, fetcher: &mut impl Fetcher) -> Download {
        self.poll(fetcher).unwrap().expect("something new")
    }

    /// One whole cycle: a poll, the bytes, and the validator kept.
    pub(crate) fn takes(&mut self, fetcher: &mut impl Fetcher) -> String {
        let mut download = self.finds(fetcher);
        let content = self.read(&mut download).unwrap();
        self.validator = download.get_validator().map(str::to_owned);
        content
    }

    /// The rest of a download.
    pub(crate) fn read(&self, download: &mut Download) -> Result<String, String> {
        let mut content = String::new();
        self.run(download.read_to_string(&mut content))
            .map(|_| content)
            .map_err(|error| chain(&error))
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, future).await.expect("no end in sight")
        })
    }
}

/// An error and its causes, as they are reported.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);
