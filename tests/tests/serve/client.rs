//! Clients that keep their connections, and hear when they are not to.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use selfup_tests::{PATIENCE, eventually};

/// Where a service is, and whether it speaks TLS.
#[derive(Debug, Clone)]
pub(crate) struct To {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl From<SocketAddr> for To {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

impl To {
    /// A connection on which nothing was said.
    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Speaks TLS on `stream` from now on, if the service does.
    pub(crate) fn speak(&self, stream: TcpStream) -> io::Result<Kept> {
        let Some(config) = &self.tls else { return Ok(Kept::on(stream)) };
        let mut tls = self.begin(config)?;
        let mut stream = stream;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Kept::on(StreamOwned::new(tls, stream)))
    }

    pub(crate) fn begin(&self, config: &Arc<ClientConfig>) -> io::Result<ClientConnection> {
        let name = self.address.ip().into();
        ClientConnection::new(config.clone(), name).map_err(io::Error::other)
    }
}

/// What a connection carries its bytes on.
trait Wire: Read + Write + Send + std::fmt::Debug {}

impl<W: Read + Write + Send + std::fmt::Debug> Wire for W {}

/// A connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Kept(BufReader<Box<dyn Wire>>);

/// An answer of the fixture.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: String,
    /// Whether the server closes the connection after it, and says so.
    pub(crate) is_last: bool,
}

impl Kept {
    #[expect(private_bounds, reason = "any stream")]
    pub(crate) fn on(wire: impl Wire + 'static) -> Self {
        Self(BufReader::new(Box::new(wire)))
    }

    pub(crate) fn open(to: impl Into<To>) -> Self {
        Self::try_open(&to.into()).unwrap()
    }

    fn try_open(to: &To) -> io::Result<Self> {
        to.speak(to.connect()?)
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)?;
        self.0.get_mut().flush()
    }

    pub(crate) fn ask(&mut self, target: &str) -> io::Result<()> {
        self.say(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
    }

    /// Asks how many bytes `length` are, and sends no more than the head.
    pub(crate) fn post(&mut self, length: usize) -> io::Result<()> {
        let head = format!("POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        self.say(head.as_bytes())
    }

    /// Up to the end of the next head, in lower case.
    pub(crate) fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::Error::other(format!("closed after {head:?}")));
            }
        }
        Ok(head.to_lowercase())
    }

    pub(crate) fn read(&mut self, length: usize) -> io::Result<String> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse().ok());
        let length = length.filter(|_| head.starts_with("http/1.1 200"));
        let length = length.ok_or_else(|| io::Error::other(head.clone()))?;
        let is_last = head.contains("\r\nconnection: close\r\n");
        Ok(Answer { body: self.read(length)?, is_last })
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask(target).unwrap();
        self.answer().unwrap()
    }

    /// Waits until the server closes, without another word; over TLS, but for `close_notify`.
    pub(crate) fn closed(&mut self) {
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0);
    }
}

/// How clients ask.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// What they wait for after each answer.
    pub(crate) between: Duration,
    /// Whether each request has a connection of its own.
    pub(crate) is_short: bool,
    /// How many bytes are sent with each request, if any.
    pub(crate) body: usize,
}

/// Clients that ask again and again on connections that they keep as long as they may.
#[derive(Debug)]
pub(crate) struct KeptLoad {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Option<String>>>,
}

#[derive(Debug)]
struct Shared {
    to: To,
    manner: Manner,
    stop: AtomicBool,
    /// The generation that has answered last, for each worker.
    answered_by: Vec<AtomicU64>,
    answered: AtomicUsize,
}

impl KeptLoad {
    /// Starts `workers` clients.
    pub(crate) fn start(to: impl Into<To>, workers: usize, manner: Manner) -> Self {
        let answered_by = (0..workers).map(|_| AtomicU64::new(0)).collect();
        let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let to = to.into();
        let shared = Arc::new(Shared { to, manner, stop, answered_by, answered });
        let worker = |number| {
            let shared = shared.clone();
            std::thread::spawn(move || shared.ask(number).err().map(|error| error.to_string()))
        };
        let workers = (0..workers).map(worker).collect();
        Self { shared, workers }
    }

    /// Waits until each client is answered by `generation`.
    pub(crate) fn wait_for_all_at(&self, generation: u64) {
        eventually("every client is answered by the newest generation", || {
            let all = || self.shared.answered_by.iter();
            let is_it = |by: &AtomicU64| by.load(Ordering::SeqCst) == generation;
            let has_failed = self.workers.iter().any(JoinHandle::is_finished);
            (has_failed || all().all(is_it)).then_some(())
        });
    }

    /// Stops asking. How many requests were answered, and what went wrong, a line a client.
    pub(crate) fn stop(self) -> (usize, Vec<String>) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let failures = self.workers.into_iter().filter_map(|worker| worker.join().unwrap());
        let failures = failures.collect();
        (self.shared.answered.load(Ordering::SeqCst), failures)
    }
}

impl Shared {
    /// Until it is stopped, or something goes wrong: a connection that was closed without a word,
    /// too.
    fn ask(&self, worker: usize) -> io::Result<()> {
        let Manner { between, is_short, body } = self.manner;
        let bytes = vec![b'x'; body];
        let mut kept = Kept::try_open(&self.to)?;
        while !self.stop.load(Ordering::SeqCst) {
            if body == 0 {
                kept.ask("/")?;
            } else {
                kept.post(body)?;
                kept.say(&bytes)?;
            }
            let answer = kept.answer()?;
            let generation = answer.body.split_whitespace().last();
            let generation = generation.and_then(|generation| generation.parse().ok());
            let generation = generation.ok_or_else(|| io::Error::other(answer.body.clone()))?;
            self.answered_by[worker].store(generation, Ordering::SeqCst);
            self.answered.fetch_add(1, Ordering::SeqCst);
            if answer.is_last {
                kept.closed();
            }
            if answer.is_last || is_short {
                kept = Kept::try_open(&self.to)?;
            }
            std::thread::park_timeout(between);
        }
        Ok(())
    }
}
