//! Clients of the fixture.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::{PATIENCE, Service};

/// The body of the answer to one request on a connection of its own.
///
/// # Panics
///
/// If there is none: the service dropped it.
#[must_use]
pub fn get(address: SocketAddr, target: &str) -> String {
    try_get(address, target)
        .unwrap_or_else(|error| panic!("GET {target} was not answered: {error}"))
}

/// Asks until `generation` answers, and gives its answer.
///
/// # Panics
///
/// If it never does, or if a request is not answered.
#[expect(clippy::must_use_candidate, reason = "often it is only waited for")]
pub fn served_by(address: SocketAddr, generation: u64) -> String {
    let name = format!(" {generation} ");
    crate::eventually(&format!("generation {generation} answers"), || {
        Some(get(address, "/")).filter(|answer| answer.contains(&name))
    })
}

/// [`get`], with what went wrong.
///
/// # Errors
///
/// A connection that was refused or reset, or an answer that is not whole.
pub fn try_get(address: SocketAddr, target: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    send_request(&mut stream, target)?;
    read_answer(&mut stream)
}

pub(crate) fn send_request(stream: &mut TcpStream, target: &str) -> io::Result<()> {
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
}

pub(crate) fn read_answer(stream: &mut TcpStream) -> io::Result<String> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") && is_whole(head, body) => {
            Ok(body.to_owned())
        }
        _ => Err(io::Error::other(format!("the answer is not whole: {answer:?}"))),
    }
}

/// A connection of its own, for a request that is sent later.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Connects, and says nothing yet.
    ///
    /// # Panics
    ///
    /// If the service refuses it.
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it is accepted");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline that is not zero");
        Self(stream)
    }

    /// Sends the one request.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub fn ask(&mut self, target: &str) {
        send_request(&mut self.0, target).expect("the connection is open");
    }

    /// The body of the answer.
    ///
    /// # Errors
    ///
    /// A connection that was reset, or an answer that is not whole.
    pub fn answer(mut self) -> io::Result<String> {
        read_answer(&mut self.0)
    }
}

fn is_whole(head: &str, body: &str) -> bool {
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.and_then(|length| length.parse().ok()) == Some(body.len())
}

/// Clients that ask without end, and count.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    workers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts `workers` clients that ask for `target`, one request after another.
    #[must_use]
    pub fn start(address: SocketAddr, target: &'static str, workers: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let worker = |_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || ask(address, target, &stop, &answered))
        };
        let workers = (0..workers).map(worker).collect();
        Self { stop, answered, workers }
    }

    /// How many requests were answered so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits until `more` further requests were answered.
    pub fn wait_for(&self, more: usize) {
        let goal = self.answered() + more;
        crate::eventually("the load is answered", || (self.answered() >= goal).then_some(()));
    }

    /// Stops asking, and gives what went wrong, one line a request that was not answered.
    ///
    /// # Panics
    ///
    /// If a client panicked.
    #[must_use]
    pub fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let failures = self.workers.into_iter().map(|worker| worker.join().expect("a client"));
        failures.flatten().collect()
    }
}

impl Service {
    /// Has it restarted so often, from its first generation on, under load.
    ///
    /// # Panics
    ///
    /// If a request was not answered.
    pub fn assert_nothing_is_lost_to(&self, restarts: u64) {
        let load = Load::start(self.address(), "/", 8);
        for restart in 1..=restarts {
            self.restart(restart + 1);
        }
        load.wait_for(100);
        assert_eq!(load.stop(), [""; 0]);
    }
}

fn ask(
    address: SocketAddr,
    target: &str,
    stop: &AtomicBool,
    answered: &AtomicUsize,
) -> Vec<String> {
    let mut failures = Vec::new();
    while !stop.load(Ordering::SeqCst) && failures.len() < 100 {
        match try_get(address, target) {
            Ok(_) => drop(answered.fetch_add(1, Ordering::SeqCst)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures
}
