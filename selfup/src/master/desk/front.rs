//! The socket itself, and the thread that serves it.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::config::{Address, Place};
use crate::control::{Asked, Server};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::Observer;
use crate::listeners::{Bound, Given, bind_all};

#[derive(Debug)]
pub(super) struct Front {
    /// Where it is, as the config says.
    address: Option<Address>,
    backlog: i32,
    bound: Option<Bound>,
    server: Option<Server>,
    /// Whether the thread was told to end.
    is_closing: bool,
    /// Whether there is something to be seen.
    is_begun: bool,
    /// Whether the thread could not be had, or ended by itself: it is tried again at a commit.
    has_failed: bool,
    observer: Observer,
}

impl Front {
    pub(super) fn new(address: Option<Address>, backlog: i32, observer: Observer) -> Self {
        let (bound, server) = (None, None);
        let (is_closing, is_begun, has_failed) = (false, false, false);
        Self { address, backlog, bound, server, is_closing, is_begun, has_failed, observer }
    }

    pub(super) fn bound(&self) -> Option<&Bound> {
        self.bound.as_ref()
    }

    /// Binds it, if it is to be anywhere.
    pub(super) fn bind(&mut self) -> Result<()> {
        let Some(address) = self.address.clone() else { return Ok(()) };
        // Nothing is waited for: the service can do without.
        let given = Given::default();
        let bound = bind_all(&[address], &[], &given, self.backlog, Duration::ZERO);
        let bound = bound.context(ErrorKind::Bind, || "there is no control socket");
        self.bound = bound?.pop();
        Ok(())
    }

    pub(super) fn take_over(&mut self, bound: Option<Bound>) {
        self.bound = bound;
    }

    /// The socket is this master's alone, and as its config says.
    pub(super) fn take_charge(&mut self) {
        let (Some(bound), Some(address)) = (&mut self.bound, &self.address) else {
            return self.try_again();
        };
        bound.placed.iter().for_each(|placed| placed.own());
        if let Err(error) = bound.become_as(address, self.backlog) {
            let text = "the options of the control socket were not all set";
            self.observer.warn(Error::new(ErrorKind::Bind, text).caused_by(error));
        }
    }

    /// Binds what could not be bound, and has a thread that failed started again.
    pub(super) fn try_again(&mut self) {
        self.has_failed = false;
        if self.bound.is_none()
            && let Err(error) = self.bind()
        {
            self.observer.warn(error);
        }
    }

    /// There is something to be seen. Says whether that is news.
    pub(super) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.is_begun, true)
    }

    /// Has it served, if it is bound.
    pub(super) fn open(&mut self, ask: &mpsc::Sender<Asked>) {
        // Who was told to end, for a succession that came to nothing, did not fail.
        if self.server.take_if(|server| server.is_over()).is_some()
            && !std::mem::take(&mut self.is_closing)
        {
            self.has_failed = true;
            let text = "the thread of the control socket has ended; it is started again at the next \
                        commit";
            self.observer.warn(Error::new(ErrorKind::Unsupported, text));
        }
        if self.server.is_some() || self.has_failed || !self.is_begun {
            return;
        }
        if let Some(bound) = &self.bound {
            let server = serve(bound, ask.clone(), &self.observer);
            self.has_failed = server.is_err();
            self.server = server.map_err(|error| self.observer.warn(error)).ok();
        }
    }

    /// Has it served no more. Says whether that is so.
    pub(super) fn close(&mut self) -> bool {
        if let Some(server) = &self.server {
            server.stop();
        }
        self.server.take_if(|server| server.is_over());
        self.is_closing = self.server.is_some();
        !self.is_closing
    }

    /// Whether its clients have been told that nobody takes up what they ask for.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// When to look whether a thread that was told to end has done so. Nothing else tells.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.is_closing.then(|| Instant::now() + LOOK)
    }

    /// The same, waited for.
    pub(super) fn end(&mut self) {
        if let Some(server) = self.server.take() {
            server.finish();
        }
    }
}

const LOOK: Duration = Duration::from_millis(10);

fn serve(bound: &Bound, ask: mpsc::Sender<Asked>, observer: &Observer) -> Result<Server> {
    let failed = || "the control socket cannot be served; raise the limit of open files";
    let (Place::Path(path), Some(placed)) = (bound.address.place(), &bound.placed) else {
        return Err(Error::new(ErrorKind::Unsupported, failed()));
    };
    let started = bound.socket.try_clone().and_then(|copy| {
        Server::start(copy.into(), (Path::new(path), placed.inode()), ask, observer)
    });
    started.context(ErrorKind::Unsupported, failed)
}

/// Takes the socket at `index` out of `bound`, if it is where `address` says.
pub(in crate::master) fn take_out(
    bound: &mut Vec<Bound>,
    index: Option<usize>,
    address: Option<&Address>,
) -> Option<Bound> {
    let index = index?;
    let is_it = bound.get(index)?.address.place() == address?.place();
    is_it.then(|| bound.remove(index))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::event::{Event, Verbosity};

    /// A front whose socket is served, and what it tells.
    fn opened(
        directory: &Path,
        ask: &mpsc::Sender<Asked>,
    ) -> (Front, std::sync::mpsc::Receiver<Event>) {
        let (tell, told) = channel();
        let hook = move |event: &Event| drop(tell.send(event.clone()));
        let observer = Observer::start(Verbosity::Silent, Some(Box::new(hook)));
        let path = directory.join("control").display().to_string();
        let address = Address::of_control(&path).unwrap();
        let mut front = Front::new(Some(address), 16, observer);
        front.bind().unwrap();
        front.begin();
        front.open(ask);
        (front, told)
    }

    fn wait_for_the_end(front: &Front) {
        let begin = Instant::now();
        while front.server.as_ref().is_some_and(|server| !server.is_over()) {
            assert!(begin.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_succession_that_comes_to_nothing_has_the_socket_served_again_without_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let (ask, mut asked) = mpsc::channel(1);
        let (mut front, told) = opened(directory.path(), &ask);
        if !front.close() {
            assert!(front.deadline().is_some(), "nobody looks");
        }
        wait_for_the_end(&front);
        front.open(&ask);
        assert!(front.server.is_some() && !front.has_failed && front.deadline().is_none());
        let mut client = UnixStream::connect(directory.path().join("control")).unwrap();
        let request = b"GET /status HTTP/1.1\r\nHost: selfup\r\n\r\n";
        std::io::Write::write_all(&mut client, request).unwrap();
        assert!(asked.blocking_recv().is_some());
        assert!(told.try_recv().is_err(), "nothing has failed");
    }

    #[test]
    fn a_thread_that_ends_by_itself_is_told_of_and_started_again_at_a_commit() {
        let directory = tempfile::tempdir().unwrap();
        let (ask, _asked) = mpsc::channel(1);
        let (mut front, told) = opened(directory.path(), &ask);
        front.server.as_ref().unwrap().stop();
        wait_for_the_end(&front);
        front.open(&ask);
        assert!(front.server.is_none());
        let event = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(event.name(), "warning");
        front.try_again();
        front.open(&ask);
        assert!(front.server.is_some());
    }

    #[test]
    fn a_successor_that_names_no_owner_takes_the_socket_from_who_had_it() {
        use std::os::unix::fs::MetadataExt as _;
        let (own, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        if !own.is_root() {
            assert!(std::env::var_os("CI").is_none(), "CI runs this as root");
            return eprintln!("SKIPPED: only root can give a socket to another user");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        let owner_of = |path: &Path| {
            let metadata = std::fs::metadata(path).unwrap();
            (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
        };
        let address = |options: &str| Address::of_control(&format!("{}{options}", path.display()));
        let observer = Observer::start(Verbosity::Silent, None);
        let before = address("?owner=12345&group=54321&mode=0660").unwrap();
        let mut front = Front::new(Some(before), 16, observer.clone());
        front.bind().unwrap();
        assert_eq!(owner_of(&path), (12345, 54321, 0o660));
        let mut successor = Front::new(Some(address("").unwrap()), 16, observer);
        successor.take_over(front.bound.take());
        successor.take_charge();
        assert_eq!(owner_of(&path), (own.as_raw(), group.as_raw(), 0o600));
    }
}
