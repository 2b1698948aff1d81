//! A program that upgrades itself, without dropping a request.
//!
//! One attribute turns a program into a service with a small *master* process that keeps one PID
//! for life, owns the listening sockets, and runs the program in a *child* of the same binary. The
//! master watches a *fetcher* for a new binary, refuses a bad one before running it, installs a
//! good one atomically, and hands the sockets to a new child while the old one finishes its work.
//!
//! ```no_run
//! use tokio::io::AsyncWriteExt as _;
//!
//! #[selfup::main(
//!     address = ":3000",
//!     fetcher = http("http://localhost:4000/binaries/myapp", interval = "1s")
//! )]
//! async fn prog(state: selfup::State) -> std::io::Result<()> {
//!     let listener = state.listener().map_err(std::io::Error::other)?;
//!     loop {
//!         tokio::select! {
//!             accepted = listener.accept() => accepted?.0.write_all(b"hello\n").await?,
//!             () = state.graceful_shutdown() => return Ok(()),
//!         }
//!     }
//! }
//! ```
//!
//! # What happens at a restart
//!
//! SIGUSR2, [`restart()`], or an upgrade starts the next generation. It gets the same listeners and
//! is *ready* when it first waits for a connection; only then does it accept, and only then is the
//! old generation told to *pause*: it accepts nothing new, finishes what is open, and keeps its
//! listeners for the length of the *probation*, to take over again at once if the new one dies.
//! After that the old one *drains*: [`State::graceful_shutdown`] resolves, and when the program
//! returns, or `terminate_timeout` is over, it is gone.
//!
//! # Which stack
//!
//! [`serve`](fn@serve) is HTTP for any tower service or axum `Router`, and loses nothing; with the
//! feature `tls`, over TLS, too. [`State::listener`] goes with everything else that accepts, and
//! [`State::udp_socket`] with packets. With the feature `stream`,
//! [`Listener::connections`](https://docs.rs/selfup/latest/selfup/struct.Listener.html#method.connections)
//! is for stacks that take a stream of connections. A stack is *pausable* if a generation on it
//! accepts nothing while it is paused; one that is not goes on beside the next generation until it
//! drains.
//!
//! | stack | how it accepts | pausable | what a restart costs |
//! |---|---|---|---|
//! | axum, tower | `selfup::serve(&state, app)` | yes | nothing |
//! | WebSocket | the same, by axum's `WebSocketUpgrade` | yes | every connection, once it was told: 1001, "going away" |
//! | axum (feature `axum`) | `axum::serve(state.listener()?, app)` `.with_graceful_shutdown(state.graceful_shutdown())` | yes | connections that are idle at the drain, or of which nothing was read yet |
//! | hyper | a loop around [`Listener::accept`], and hyper-util's `GracefulShutdown` | yes | the same |
//! | tonic (feature `tonic`) | `.serve_with_incoming_shutdown(state.listener()?.connections(), state.graceful_shutdown())` | yes | nothing but streams without an end; a call that crosses with GOAWAY has not begun, and is called again |
//! | TCP | a loop around [`Listener::accept`] | yes | what the program does not wait for |
//! | threads | [`Listener::incoming`] | yes | what the program does not wait for |
//! | UDP | [`UdpSocket::recv_from`] | yes | nothing: what comes waits for whoever reads next |
//! | actix-web | `.listen(state.listener()?.into_std_tcp()?)` | no | connections that are idle at the drain, or were accepted in its last moment |
//! | actix-web | the same, paused by its `ServerHandle` as [`State::active`] says | yes | connections that are idle at the drain, or of which nothing was read yet |
//!
//! What was not read yet by the time of the drain is what a client sends later than the probation
//! after it has connected: next to nothing with the 10 s that are the default, and some requests of
//! clients that connect without pause with `probation = "0s"` (one or two a restart with axum or
//! hyper, five with actix-web, of 8 such clients). An unpausable generation accepts to the end, so
//! that no probation helps it: four a restart.
//!
//! Each of them is an example in `examples/stacks`, which is tested to do what is said here.
//!
//! Where a service listens is said by an [`Address`]: TCP, UNIX sockets, UDP, and sockets that the process
//! manager hands in.
//!
//! # What changes by an upgrade
//!
//! Everything. Once a new binary is committed, the master executes it in place (*succession*): the
//! PID, the children, the sockets and pending signals stay, and the new code brings its addresses,
//! fetcher, hooks and timeouts. An added address is bound before its generation is started; a
//! removed one is closed when the last generation that uses it has ended. A binary that fails before
//! it is in charge is replaced by the previous one in the same way.
//!
//! A candidate is refused before any of it runs if its [note](mod@note) says that it is another program,
//! an older version, or built for another libc, or if it has none.
//!
//! A file that is put in place by hand takes the same way at the next restart, but for the swap: it
//! is read and started once before it becomes a child. It may be an older one: that is the way back.
//!
//! A trial outlives its master: the next start goes on with it, and the third that comes to nothing
//! puts the previous binary back, as does one whose `init` and config take longer than a minute. (A
//! start that was told to stop, by whatever signal, is none of these; with glibc, one that exits with
//! status 0 from `init` or the config, as `app --version` may, is none either.) [`rollback()`] asks for
//! that at any time, and [`clear_refused()`] has binaries tried again that were refused.
//!
//! # Features
//!
//! On by default: `macros`, the attribute; `http`, [`fetcher::http`]; `serve`, [`serve`](fn@serve).
//!
//! Off: `verify`, signatures of what is published ([`Builder::verify`]); `archives`, candidates that are
//! published compressed or in an archive, as most GitHub releases are; `github`, `gitlab` and `gitea`,
//! releases of a project at a forge ([`fetcher::github`], [`fetcher::gitlab`], [`fetcher::gitea`]), which
//! bring no crate to those of `http`; `s3`, `gcs` and `azure`, objects in a store ([`fetcher::s3`],
//! [`fetcher::gcs`], [`fetcher::azure`]); `tls`, TLS under `serve`; `stream`, connections as a `Stream`
//! ([`Listener::connections`]); `axum` and `tonic`, a listener and its streams as theirs; `control`, a
//! socket by which an operator sees and moves the service ([`Builder::control`]);
//! `systemd`, what systemd is told by `sd_notify(3)`.
//!
//! # Under systemd
//!
//! With the feature `systemd` the master tells systemd (253 or newer for `Type=notify-reload`) how the
//! service is: `READY=1` when the first generation is ready; `RELOADING=1` when a restart or an upgrade
//! begins, and `READY=1` when the new generation is admitted or has failed; `STOPPING=1`; and in `STATUS=` the
//! generations, and why the last restart failed. Its patience is extended by `terminate_timeout` and
//! `ready_timeout`. `WatchdogSec=` starts the service again when the master's loop hangs, or the runtime of
//! the program that serves. With `FileDescriptorStoreMax=` systemd keeps the listening sockets, so that a
//! restart of the service and a crash refuse nobody; while it stops, who connects waits until systemd has
//! dropped them. A UNIX socket at a path is removed at a stop, and so kept over a crash alone.
//!
//! `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID` and `FDSTORE` are the master's: no program finds them in
//! its environment. Without a master the program is ready, and lives, all the same.
//!
//! `examples/systemd` has the units, with every line explained.
//!
//! # Where there can be no master
//!
//! Where a process may not fork, where the kernel lacks what a master needs, or with `SELFUP=off` in
//! the environment, the program runs in the first process, after a warning, with a [`State`] that
//! works the same; with `required` that is an error.
//!
//! So it is on every system but Linux, for the master needs pidfds, a signalfd and epoll, and
//! [`is_supported()`] says so. What is left there is tested on Linux, in a build with
//! `SELFUP_BUILD_UNSUPERVISED` in its environment. It is written for macOS and the BSDs, and with
//! less (SIGTERM is not noticed, only Ctrl-C is) for Windows, but was never compiled for either.

// docs.rs says of each item which feature it takes.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without a master nothing asks for much that belongs to one; the supervised build tells what is
// dead in truth.
#![cfg_attr(not(selfup_supervised), allow(dead_code, reason = "for a master"))]

#[cfg(all(selfup_supervised, feature = "cli"))]
#[doc(hidden)]
#[path = "cli.rs"]
pub mod __cli;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg_attr(not(selfup_supervised), path = "channel/unsupervised.rs")]
mod channel;
#[cfg(selfup_supervised)]
mod child;
mod config;
#[cfg(all(selfup_supervised, feature = "control"))]
mod control;
mod entry;
mod error;
mod event;
pub mod fetcher;
mod identity;
mod listeners;
// Its programs use both.
#[cfg(any(doc, all(doctest, feature = "axum", feature = "control")))]
pub mod manual;
#[cfg_attr(not(selfup_supervised), path = "master/unsupervised.rs")]
mod master;
pub mod note;
#[cfg(all(selfup_supervised, feature = "systemd"))]
mod notify;
#[cfg(selfup_supervised)]
mod origin;
mod peer;
mod role;
#[cfg(feature = "serve")]
mod serve;
mod state;
mod sys;
#[cfg(all(test, unix))]
mod testing;
#[cfg_attr(not(selfup_supervised), path = "upgrade/unsupervised.rs")]
mod upgrade;

pub use self::config::{
    Address, Builder, Config, IntoAddresses, IntoControl, IntoDuration, IntoPublicKeys, IntoSize,
    PublicKey,
};
pub use self::entry::{
    Program, ProgramArgument, ProgramOutput, Runtime, check_now, clear_refused, is_supported,
    restart, rollback, run, sanity_check, try_run,
};
pub use self::error::{BoxError, Error, ErrorKind, Result};
pub use self::event::Event;
pub use self::fetcher::{Current, Download, Fetched, Fetcher};
pub use self::identity::{BinaryId, Generation, ParseBinaryIdError};
pub use self::peer::PeerAddr;
pub use self::role::Role;
#[cfg(feature = "serve")]
pub use self::serve::{FromHyper, Serve, Served, from_hyper, serve, serve_with};
#[cfg(feature = "stream")]
pub use self::state::Connections;
pub use self::state::{
    Active, BlockingStream, GracefulShutdown, Listener, State, Stream, UdpSocket,
};
pub use self::upgrade::Candidate;
#[cfg(all(any(fuzzing, test), selfup_supervised, feature = "archives"))]
#[doc(hidden)]
pub use self::upgrade::fuzzing;
#[doc = include_str!("main_attr.md")]
#[cfg(feature = "macros")]
pub use selfup_macros::main;
