//! Clients of sockets that are not TCP's.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use selfup_tests::{Answer, PATIENCE, Published, Release, eventually};

/// The body of the answer to one request.
pub(crate) fn try_get(at: &UnixAddr, target: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect_addr(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.1 200"));
    let whole = body.filter(|(_, body)| !body.is_empty());
    whole.map(|(_, body)| body.to_owned()).ok_or_else(|| io::Error::other(format!("{answer:?}")))
}

pub(crate) fn get(path: &Path, target: &str) -> String {
    try_get(&UnixAddr::from_pathname(path).unwrap(), target).unwrap()
}

/// Publishes `release`, and waits until the master runs it, too, whatever it listens on.
pub(crate) fn succeed(published: &Published, release: &Release) {
    let before = published.service.successions();
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for_nth("event master_replaced: ", before + 1);
    published.service.assert_master_runs(release);
}

/// Clients that ask a UNIX socket without end, and count.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    workers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub(crate) fn start(at: &UnixAddr) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
        let worker = |_| {
            let (at, stop, answered) = (at.clone(), Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::SeqCst) && failures.len() < 100 {
                    match try_get(&at, "/") {
                        Ok(_) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                        Err(error) => failures.push(error.to_string()),
                    }
                }
                failures
            })
        };
        let workers = (0..4).map(worker).collect();
        Self { stop, answered, workers }
    }

    /// Waits for 50 more answers, and gives what was not answered.
    pub(crate) fn stop(self) -> Vec<String> {
        let goal = self.answered.load(Ordering::SeqCst) + 50;
        let is_reached = || (self.answered.load(Ordering::SeqCst) >= goal).then_some(());
        eventually("the load is answered", is_reached);
        self.stop.store(true, Ordering::SeqCst);
        self.workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    }
}

/// A client that sends one numbered packet after another, and notes who answers which.
pub(crate) struct Packets {
    stop: Arc<AtomicBool>,
    sent: Arc<OnceLock<u32>>,
    sending: JoinHandle<()>,
    reading: JoinHandle<BTreeMap<u32, u64>>,
}

impl Packets {
    /// Four packets a millisecond at most, and so few that wait for an answer that no queue overflows,
    /// however long nobody reads: the kernel's loss would be nobody's here.
    pub(crate) fn start(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(OnceLock::new()));
        let answered = Arc::<AtomicUsize>::default();
        let sending = std::thread::spawn({
            let socket = socket.try_clone().unwrap();
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            let answered = Arc::clone(&answered);
            move || {
                let mut count = 0;
                while !stop.load(Ordering::SeqCst) {
                    if (count as usize) < answered.load(Ordering::SeqCst) + MOST_UNANSWERED {
                        // One that cannot be sent is one that is not answered.
                        let _ = socket.send(format!("{count}").as_bytes());
                        count += 1;
                    }
                    // A pace, and no wait for anything.
                    std::thread::sleep(Duration::from_micros(250));
                }
                sent.set(count).unwrap();
            }
        });
        let reading = std::thread::spawn({
            let sent = Arc::clone(&sent);
            move || read(&socket, &sent, &answered)
        });
        Self { stop, sent, sending, reading }
    }

    /// Stops sending, and gives how many were sent, and which generation has answered which of them.
    pub(crate) fn stop(self) -> (u32, BTreeMap<u32, u64>) {
        self.stop.store(true, Ordering::SeqCst);
        self.sending.join().unwrap();
        (*self.sent.get().unwrap(), self.reading.join().unwrap())
    }
}

/// Until all is answered, or nothing has come for long.
fn read(socket: &UdpSocket, sent: &OnceLock<u32>, count: &AtomicUsize) -> BTreeMap<u32, u64> {
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let (mut answered, mut packet) = (BTreeMap::new(), [0; 100]);
    let mut last = Instant::now();
    let is_all = |count: usize| sent.get().is_some_and(|sent| count >= *sent as usize);
    while !is_all(answered.len()) && last.elapsed() < QUIET {
        let Ok(length) = socket.recv(&mut packet) else { continue };
        let text = std::str::from_utf8(&packet[..length]).unwrap();
        let (generation, number) = text.split_once(' ').unwrap();
        let twice = answered.insert(number.parse().unwrap(), generation.parse().unwrap());
        assert_eq!(twice, None, "packet {number} was answered twice");
        count.store(answered.len(), Ordering::SeqCst);
        last = Instant::now();
    }
    answered
}

/// With its overhead a short packet takes less than a kilobyte of a queue of 200 or more.
const MOST_UNANSWERED: usize = 64;

/// What was not answered for so long never will be.
const QUIET: Duration = Duration::from_secs(15);

/// The generation that answers one packet.
pub(crate) fn ask(server: SocketAddr) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.send(b"hello").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut packet = [0; 100];
    let length = socket.recv(&mut packet).unwrap();
    let text = std::str::from_utf8(&packet[..length]).unwrap();
    text.strip_suffix(" hello").unwrap().parse().unwrap()
}

/// Waits until nothing is bound to the port.
pub(crate) fn wait_until_free(server: SocketAddr) {
    let since = Instant::now();
    eventually("the port is free", || UdpSocket::bind(server).ok());
    assert!(since.elapsed() < PATIENCE);
}
