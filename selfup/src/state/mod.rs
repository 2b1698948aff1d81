//! What a running program knows and can ask for, whether it has a master or not.

mod active;
#[cfg_attr(not(unix), path = "blocking_elsewhere.rs")]
mod blocking;
mod drain;
mod gate;
mod health;
mod link;
mod listener;
mod open;
#[cfg_attr(not(selfup_supervised), path = "readiness_unsupervised.rs")]
mod readiness;
mod requests;
#[cfg_attr(not(unix), path = "signals_elsewhere.rs")]
mod signals;
mod stream;
mod udp;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

pub use self::active::Active;
pub use self::drain::GracefulShutdown;
use self::gate::{Gate, Phase};
pub(crate) use self::health::Health;
use self::health::Trial;
use self::link::Link;
pub use self::listener::Listener;
pub use self::stream::Stream;
pub use self::stream::blocking::BlockingStream;
#[cfg(feature = "stream")]
pub use self::stream::connections::Connections;
pub use self::udp::UdpSocket;
use crate::channel::message::{FromChild, FromMaster, PROTOCOL, Welcome};
use crate::channel::{self, Channel, Received};
use crate::config::Address;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::identity::{BinaryId, Generation};
use crate::listeners::{self, Bound, Kind};
use crate::note::{self, Note};
use crate::sys;

/// What a running program knows of itself, and what it can ask its master for.
///
/// Cheap to clone; every clone is the same state. Without a master everything works all the same,
/// but for [`restart`](Self::restart).
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    generation: Generation,
    master_pid: Option<u32>,
    started_at: SystemTime,
    bin_path: PathBuf,
    id: OnceLock<BinaryId>,
    note: OnceLock<Option<Note>>,
    addresses: Vec<Address>,
    listeners: Vec<Listener>,
    gate: Arc<Gate>,
    link: Arc<Link>,
}

impl State {
    /// The state of a child, from the welcome that waits on its channel. `None` if the master died
    /// before it said a word.
    pub(crate) fn of_child(channel: Channel) -> Result<Option<Self>> {
        let received = channel.receive().map_err(|error| {
            let message = if channel::lost_descriptors(&error) {
                "the master's listeners did not all arrive; raise the limit of open files \
                 (`ulimit -n`, `LimitNOFILE=`)"
            } else {
                "the master's welcome was not understood; restart the service"
            };
            Error::new(ErrorKind::Handoff, message).caused_by(error)
        })?;
        let Received::Message(FromMaster::Welcome(welcome), descriptors) = received else {
            return Ok(None);
        };
        let bound = listeners::receive(&welcome.addresses, descriptors)?;
        match Self::welcomed(&welcome, channel, bound) {
            // The master died behind its welcome.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(None),
            state => state.context(ErrorKind::Handoff, || "the channel is not served").map(Some),
        }
    }

    fn welcomed(welcome: &Welcome, channel: Channel, bound: Vec<Bound>) -> std::io::Result<Self> {
        let gate = Arc::new(Gate::new(Phase::Waiting)?);
        let link = Arc::new(Link::new(channel, welcome));
        let generation = Generation::new(welcome.generation);
        let state = Self::new(generation, Some(welcome.master_pid), bound, &gate, &link)?;
        let timeout = Duration::from_millis(welcome.terminate_timeout_ms);
        link.say(&FromChild::Hello { protocol: PROTOCOL, beats: true })?;
        link.serve(gate, timeout)?;
        // The end of the channel is what ends it from here on. Before, the listeners waited there,
        // and nobody would have closed them.
        sys::signal::outlive_parent();
        Ok(state)
    }

    /// The state of a program without a master.
    pub(crate) fn alone(bound: Vec<Bound>) -> Result<Self> {
        let state = Gate::new(Phase::Serving).and_then(|gate| {
            let link = Arc::new(Link::none());
            Self::new(Generation::FIRST, None, bound, &Arc::new(gate), &link)
        });
        state.context(ErrorKind::Unsupported, || "no descriptors; raise the limit of open files")
    }

    fn new(
        generation: Generation,
        master_pid: Option<u32>,
        bound: Vec<Bound>,
        gate: &Arc<Gate>,
        link: &Arc<Link>,
    ) -> std::io::Result<Self> {
        let addresses = bound.iter().map(|bound| bound.address.clone()).collect();
        let (mut listeners, mut udp) = (Vec::new(), Vec::new());
        for bound in bound {
            match bound.kind {
                Kind::Tcp | Kind::Unix => {
                    link.open().begin();
                    listeners.push(Listener::new(bound, gate, link)?);
                }
                Kind::Udp => udp.push(UdpSocket::new(bound, gate, link)?),
            }
        }
        gate.hang(listeners.clone(), udp);
        Ok(Self(Arc::new(Inner {
            generation,
            master_pid,
            started_at: SystemTime::now(),
            bin_path: std::env::current_exe().unwrap_or_default(),
            id: OnceLock::new(),
            note: OnceLock::new(),
            addresses,
            listeners,
            gate: gate.clone(),
            link: link.clone(),
        })))
    }

    /// Begins the program's life: `health` is asked once it is ready, on `runtime` if it has one. A
    /// program without listeners is ready at once: it has nothing to wait for.
    pub(crate) fn starting(&self, health: Option<Health>, runtime: Option<Handle>) {
        if let Some(runtime) = &runtime {
            self.0.link.set_runtime(runtime.clone());
        }
        if let Some(health) = health.filter(|_| self.is_supervised()) {
            self.0.link.put_on(Trial::new(self.clone(), health, runtime));
        }
        if self.0.addresses.is_empty() {
            self.0.link.ready_if_automatic();
        }
    }

    /// Whether a master supervises this program.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        self.0.link.is_supervised()
    }

    /// The SHA-256 of the running binary: what `sha256sum` prints for it.
    ///
    /// Digested at the first call, from the file that runs, even if another has taken its path; a
    /// file that cannot be read any more gives 64 zeros.
    #[must_use]
    pub fn id(&self) -> &BinaryId {
        self.0.id.get_or_init(|| {
            let running = Path::new("/proc/self/exe");
            let id = BinaryId::of_file(running).or_else(|_| BinaryId::of_file(&self.0.bin_path));
            id.unwrap_or(BinaryId::from_bytes([0; 32]))
        })
    }

    /// The version of the running binary, as its [note](mod@crate::note) says it: its package's, or
    /// what the key `version` says. `None` if it has no note, as on systems whose binaries are not
    /// ELF files.
    ///
    /// Read at the first call, from the file that runs, even if another has taken its path.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let note = self.0.note.get_or_init(|| {
            let read = note::read("/proc/self/exe").or_else(|_| note::read(&self.0.bin_path));
            read.ok().flatten()
        });
        note.as_ref().map(Note::version).filter(|version| !version.is_empty())
    }

    /// Which child of the service this is: 1, 2, 3, ... Always 1 without a master.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.0.generation
    }

    /// When this generation was started.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        self.0.started_at
    }

    /// The path of the binary, as it was when this generation was started.
    #[must_use]
    pub fn bin_path(&self) -> &Path {
        &self.0.bin_path
    }

    /// The process that owns the sockets, if there is one. It is the same for every generation.
    #[must_use]
    pub fn master_pid(&self) -> Option<u32> {
        self.0.master_pid
    }

    /// The first address, as configured.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.0.addresses.first()
    }

    /// All addresses, as configured.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.0.addresses
    }

    /// The listener of the first address that is not one for UDP.
    ///
    /// What a restart costs depends on how the program drains. hyper's graceful shutdown, and so that
    /// of `axum::serve`, closes connections that are idle or of which nothing was read yet, whoever is
    /// sending; [`serve`](crate::serve()) does not. In twenty restarts with clients over HTTP/1.1 and
    /// a `probation` of zero, axum's server closed each of 640 connections that 32 clients kept while
    /// one was asking, and 380 to 400 of 400 that were opened just before a restart, without an
    /// answer. The probation of 10 s that is the default leaves the latter the time that they need,
    /// but kept connections stay with the previous generation as long, and end in the same way, 160
    /// of 160 in five restarts. `serve` loses none of either, and its clients move at once
    /// (`cargo bench -p selfup-tests --bench handoff`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if no such address is configured.
    pub fn listener(&self) -> Result<Listener> {
        self.0.listeners.first().cloned().ok_or_else(|| {
            let message = "no address to accept at is configured; add `address = \":3000\"`";
            Error::new(ErrorKind::Config, message)
        })
    }

    /// The listener of the address that was configured by this name, or with these words; its options
    /// may be left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it is none of the configured ones, or one for UDP.
    pub fn listener_at(&self, address: &str) -> Result<Listener> {
        let mut listeners = self.0.listeners.iter();
        let found = listeners.find(|listener| listener.address().is_meant_by(address));
        found.cloned().ok_or_else(|| self.is_none("listener", address))
    }

    /// The socket of the first address for UDP.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if no such address is configured, or the program is to end.
    pub fn udp_socket(&self) -> Result<UdpSocket> {
        self.udp_sockets().into_iter().next().ok_or_else(|| {
            let message = "there is no UDP socket: the program is to end, or none is configured; add \
                           `address = \"udp::3000\"`";
            Error::new(ErrorKind::Config, message)
        })
    }

    /// The UDP socket of the address that was configured by this name, or with these words; its
    /// options may be left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it is none of the configured ones, or the program is to end.
    pub fn udp_socket_at(&self, address: &str) -> Result<UdpSocket> {
        let mut sockets = self.udp_sockets().into_iter();
        let found = sockets.find(|socket| socket.address().is_meant_by(address));
        found.ok_or_else(|| self.is_none("UDP socket", address))
    }

    /// All UDP sockets, in the order of the addresses; none, once the program is to end.
    #[must_use]
    pub fn udp_sockets(&self) -> Vec<UdpSocket> {
        self.0.gate.udp_sockets()
    }

    fn is_none(&self, what: &str, address: &str) -> Error {
        let known: Vec<_> = self.0.addresses.iter().map(Address::as_str).collect();
        let message = format!("no {what} for {address:?}; configured are {known:?}");
        Error::new(ErrorKind::Config, message)
    }

    /// All listeners, in the order of the addresses, without those for UDP.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.0.listeners
    }

    /// Tells the master that this generation can serve; once is enough. Needed with
    /// `ready = "manual"`, and harmless otherwise. With a health hook, the master is told when that
    /// finds the program well; this does not wait for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Handoff`] if the master takes no messages, or there is no thread to ask the
    /// health hook from.
    pub fn ready(&self) -> Result<()> {
        self.0.link.ready().context(ErrorKind::Handoff, || "the master was not told of readiness")
    }

    /// Resolves when the program is to finish its work and end.
    #[must_use]
    pub fn graceful_shutdown(&self) -> GracefulShutdown {
        GracefulShutdown::new(&self.0.gate)
    }

    /// Whether this generation is the one that serves, as a watch: for cron jobs, queue consumers and
    /// whatever else must not be done by two generations at once.
    #[must_use]
    pub fn active(&self) -> Active {
        Active::new(&self.0.gate)
    }

    /// Calls `call` when the program's runtime has its turn for it.
    #[cfg(all(selfup_supervised, feature = "systemd"))]
    pub(crate) fn beat(&self, call: impl FnOnce() + Send + 'static) {
        self.0.link.when_it_runs(call);
    }

    /// How long a drain may take, before the master ends it.
    #[cfg(feature = "serve")]
    pub(crate) fn terminate_timeout(&self) -> Option<Duration> {
        self.0.link.terminate_timeout()
    }

    /// Tells the master, if there is one, what became of the connections.
    #[cfg(feature = "serve")]
    pub(crate) fn tell_drained(&self, connections: usize, cut: usize) {
        // Unheard, it is only not reported.
        let _ = self.0.link.say(&FromChild::Drained { connections, cut });
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("generation", &self.0.generation)
            .field("master_pid", &self.0.master_pid)
            .field("addresses", &self.0.addresses)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
