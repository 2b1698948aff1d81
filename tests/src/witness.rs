//! Clients that can say which connections they lost.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::PATIENCE;
use crate::client::{read_answer, send_request};

/// Clients that ask without end, each request on a connection of its own.
#[derive(Debug)]
pub struct Witness {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Vec<Lost>>>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    round: AtomicUsize,
    answered: AtomicUsize,
}

/// A request that was not answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Lost {
    /// The client's port; 0 if it was never connected.
    pub port: u16,
    /// The round in which it connected.
    pub round: usize,
    /// What the client saw.
    pub error: String,
}

impl Witness {
    /// Starts a client for each of these targets.
    #[must_use]
    pub fn start(address: SocketAddr, targets: &[&'static str]) -> Self {
        let shared = Shared {
            stop: AtomicBool::new(false),
            round: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
        };
        let shared = Arc::new(shared);
        let client = |&target: &&'static str| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.ask(address, target))
        };
        let clients = targets.iter().map(client).collect();
        Self { shared, clients }
    }

    /// Says that another round begins.
    pub fn begin(&self, round: usize) {
        self.shared.round.store(round, Ordering::SeqCst);
    }

    /// How many requests were answered so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Stops asking, and gives what was lost.
    ///
    /// # Panics
    ///
    /// If a client panicked.
    #[must_use]
    pub fn stop(self) -> Vec<Lost> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let lost = self.clients.into_iter().map(|client| client.join().expect("a client"));
        lost.flatten().collect()
    }
}

impl Shared {
    fn ask(&self, address: SocketAddr, target: &str) -> Vec<Lost> {
        let mut lost = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            let round = self.round.load(Ordering::SeqCst);
            let mut port = 0;
            match ask(address, target, &mut port) {
                Ok(()) => drop(self.answered.fetch_add(1, Ordering::SeqCst)),
                Err(error) => lost.push(Lost { port, round, error: error.to_string() }),
            }
        }
        lost
    }
}

fn ask(address: SocketAddr, target: &str, port: &mut u16) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    *port = stream.local_addr()?.port();
    stream.set_read_timeout(Some(PATIENCE))?;
    send_request(&mut stream, target)?;
    read_answer(&mut stream).map(drop)
}
