//! The socket itself, and the thread that serves it.

use std::path::Path;
use std::time::Duration;

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
    /// Whether there is something to be seen.
    is_begun: bool,
    /// Whether the thread could not be had, or ended by itself: it is tried again at a commit.
    has_failed: bool,
    observer: Observer,
}

impl Front {
    pub(super) fn new(address: Option<Address>, backlog: i32, observer: Observer) -> Self {
        let (bound, server) = (None, None);
        Self { address, backlog, bound, server, is_begun: false, has_failed: false, observer }
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
        if self.server.take_if(|server| server.is_over()).is_some() {
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
        self.server.is_none()
    }

    /// The same, waited for.
    pub(super) fn end(&mut self) {
        if let Some(server) = self.server.take() {
            server.finish();
        }
    }
}

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
