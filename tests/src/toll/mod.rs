//! The toll that restarts take from clients of every kind: what they lose, counted.
//!
//! A [`Crowd`] of clients asks a [`Service`] whose answers begin with `hello PID GENERATION`, on one
//! kind of connection, while it restarts again and again. Each client does what an ordinary one
//! would: it sends a request anew that its server cannot have processed, and counts that. The clock
//! of the restarts is real, for what is counted is what happens between them.

mod ask;
mod count;
mod http_1;
mod http_2;
mod wire;
mod worker;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::task::JoinSet;

use self::ask::{Ask, Client};
pub use self::count::Count;
use self::count::Tally;
pub use self::wire::{Protocol, Wire};
use crate::{PATIENCE, Service};

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Connects anew for each request.
    Short,
    /// Keeps its connection, and asks again as soon as it is answered.
    Kept,
    /// Keeps its connection, and thinks between an answer and the next request.
    Thinking,
    /// Connects anew, and is answered late.
    Long,
    /// Keeps its connection, and sends 16 kB in a few parts.
    SmallPost,
    /// Keeps its connection, and sends 10 MB for most of a second.
    LargePost,
    /// Connects just before a restart, and sends its request 0.3 s after it.
    Early,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Short,
        Self::Kept,
        Self::Thinking,
        Self::Long,
        Self::SmallPost,
        Self::LargePost,
        Self::Early,
    ];

    fn keeps(self) -> bool {
        !matches!(self, Self::Short | Self::Long | Self::Early)
    }
}

/// How many clients of which kind.
pub type Crowd = fn(Kind) -> usize;

/// Clients of one service, and its restarts.
#[derive(Debug)]
#[must_use = "nothing is asked until it is taken"]
pub struct Toll {
    wire: Wire,
    protocol: Protocol,
    crowd: Crowd,
    restarts: u64,
    every: Duration,
    long: Duration,
}

impl Toll {
    /// That of five restarts, half a second apart.
    pub fn of(crowd: Crowd, wire: Wire, protocol: Protocol) -> Self {
        let (every, long) = (Duration::from_millis(500), Duration::from_millis(300));
        Self { wire, protocol, crowd, restarts: 5, every, long }
    }

    /// How often the service is restarted, from its first generation on. The next restart waits for
    /// the commit of the one before.
    pub fn restarts(mut self, restarts: u64) -> Self {
        self.restarts = restarts;
        self
    }

    /// How long a request of [`Kind::Long`] takes.
    pub fn long(mut self, long: Duration) -> Self {
        self.long = long;
        self
    }

    /// Has the service restart, and gives what that cost each kind of client.
    ///
    /// # Panics
    ///
    /// If a restart is not committed.
    #[must_use]
    pub fn take(self, service: &Service) -> Vec<Count> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
        // Its clock is used on this thread, too.
        let _entered = runtime.enter();
        let crowd = self.crowd;
        let clients = Arc::new(Clients { toll: self, stopped: OnceLock::new() });
        let mut tallies = JoinSet::new();
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Early) {
            for number in 0..crowd(kind) {
                tallies.spawn_on(clients.clone().work(kind, number), runtime.handle());
            }
        }
        let (restarts, early) = clients.restart(service, &runtime);
        let _ = clients.stopped.set(Instant::now());
        let mut tallies = runtime.block_on(tallies.join_all());
        tallies.push(early);
        let count = |kind| Count::of(kind, &tallies, &restarts);
        Kind::ALL.into_iter().filter(|kind| crowd(*kind) > 0).map(count).collect()
    }
}

#[derive(Debug)]
struct Clients {
    toll: Toll,
    /// When the last restart was done with.
    stopped: OnceLock<Instant>,
}

impl Clients {
    /// When each restart was asked for, and what became of the early clients.
    fn restart(
        &self,
        service: &Service,
        runtime: &tokio::runtime::Runtime,
    ) -> (Vec<Instant>, Tally) {
        let (mut at, mut early) = (Vec::new(), Tally::of(Kind::Early));
        runtime.block_on(tokio::time::sleep(self.toll.every));
        for next in (2..).take(usize::try_from(self.toll.restarts).expect("a few restarts")) {
            let waiting = runtime.block_on(self.connect_early());
            service.signal(Signal::SIGUSR2);
            let asked = Instant::now();
            at.push(asked);
            runtime.block_on(async {
                tokio::time::sleep_until((asked + BEFORE_AN_EARLY_REQUEST).into()).await;
                self.ask_early(waiting, &mut early).await;
            });
            service.wait_for(&format!("event committed: generation {next} "));
            runtime.block_on(tokio::time::sleep_until((asked + self.toll.every).into()));
        }
        // Whoever thinks is to be asked by the last one, too, and whoever is idle to be shed.
        runtime.block_on(tokio::time::sleep(LAST));
        (at, early)
    }

    /// Connections on which no request was sent, half of them before anything was said.
    async fn connect_early(&self) -> Vec<Result<Early, String>> {
        let mut connections = Vec::new();
        for number in 0..(self.toll.crowd)(Kind::Early) {
            let open = async {
                let wire = self.toll.wire.open().await?;
                if number % 2 == 0 {
                    return Ok(Early::Silent(wire));
                }
                self.toll.greet(wire).await.map(Early::Greeted)
            };
            connections.push(open.await.map_err(|error| format!("not connected: {error}")));
        }
        connections
    }

    async fn ask_early(&self, connections: Vec<Result<Early, String>>, tally: &mut Tally) {
        let mut asked = JoinSet::new();
        for connection in connections {
            let toll = self.toll.wire.clone();
            let protocol = self.toll.protocol;
            asked.spawn(async move {
                let mut client = match connection? {
                    Early::Greeted(client) => client,
                    Early::Silent(wire) => Client::greet(&toll, protocol, wire)
                        .await
                        .map_err(|error| format!("not greeted: {error}"))?,
                };
                let answer = tokio::time::timeout(PATIENCE, client.ask(&Ask::get("/"))).await;
                answer.map_err(|_| "no answer came".to_owned())
            });
        }
        while let Some(answer) = asked.join_next().await {
            match answer.expect("no client panics") {
                Ok(answer) => tally.note(answer, false),
                Err(failure) => tally.fail(failure),
            }
        }
    }
}

impl Toll {
    async fn greet(&self, wire: wire::Opened) -> std::io::Result<Client> {
        Client::greet(&self.wire, self.protocol, wire).await
    }
}

enum Early {
    /// Only connected.
    Silent(wire::Opened),
    /// As far as a client can come without a request.
    Greeted(Client),
}

const BEFORE_AN_EARLY_REQUEST: Duration = Duration::from_millis(300);

/// Longer than any client thinks.
const LAST: Duration = Duration::from_secs(1);
