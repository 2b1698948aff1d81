//! Clients that keep their connections, and hear when they are not to.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use selfup_tests::{PATIENCE, eventually};

/// A connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Kept(BufReader<TcpStream>);

/// An answer of the fixture.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: String,
    /// Whether the server closes the connection after it, and says so.
    pub(crate) is_last: bool,
}

impl Kept {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap()
    }

    fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub(crate) fn ask(&mut self, target: &str) -> io::Result<()> {
        self.say(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
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

    /// Waits until the server closes, without another word.
    pub(crate) fn closed(&mut self) {
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0);
    }
}

/// Clients that ask again and again on connections that they keep as long as they may.
#[derive(Debug)]
pub(crate) struct KeptLoad {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Option<String>>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    between: Duration,
    /// Whether each request has a connection of its own.
    is_short: bool,
    stop: AtomicBool,
    /// The generation that has answered last, for each worker.
    answered_by: Vec<AtomicU64>,
    answered: AtomicUsize,
}

impl KeptLoad {
    /// Starts `workers` clients that wait for `between` after each answer.
    pub(crate) fn start(address: SocketAddr, workers: usize, between: Duration) -> Self {
        Self::of(address, workers, between, false)
    }

    /// Starts `workers` clients that connect anew for each request.
    pub(crate) fn short(address: SocketAddr, workers: usize) -> Self {
        Self::of(address, workers, Duration::ZERO, true)
    }

    fn of(address: SocketAddr, workers: usize, between: Duration, is_short: bool) -> Self {
        let answered_by = (0..workers).map(|_| AtomicU64::new(0)).collect();
        let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let shared = Arc::new(Shared { address, between, is_short, stop, answered_by, answered });
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
        let mut kept = Kept::try_open(self.address)?;
        while !self.stop.load(Ordering::SeqCst) {
            kept.ask("/")?;
            let answer = kept.answer()?;
            let generation = answer.body.split_whitespace().last();
            let generation = generation.and_then(|generation| generation.parse().ok());
            let generation = generation.ok_or_else(|| io::Error::other(answer.body.clone()))?;
            self.answered_by[worker].store(generation, Ordering::SeqCst);
            self.answered.fetch_add(1, Ordering::SeqCst);
            if answer.is_last {
                kept.closed();
            }
            if answer.is_last || self.is_short {
                kept = Kept::try_open(self.address)?;
            }
            std::thread::park_timeout(self.between);
        }
        Ok(())
    }
}
