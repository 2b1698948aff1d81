//! The operator's eyes and hands: HTTP/1.1 with JSON on a UNIX socket. What can be asked, and what each
//! field means, is in `control.md`, which the public documentation shows.
//!
//! A [`Server`] is a thread with a runtime of its own. It turns a request into an [`Asked`] for the
//! master's loop, and the loop's [`Answer`] into JSON; it decides nothing and knows nothing of the
//! service but its events, so however many clients hang, the loop has one bounded queue to look
//! at, and waits for none of them. The other way round a loop that does not answer costs a client its
//! patience.
//!
//! - [`ask`]: what is asked and answered, as it stands in JSON
//! - [`server`]: the thread, its connections, and its end
//! - [`clerk`]: one request: what it is for ([`route`]), who may ask it ([`access`]), and the way to the loop
//! - [`answer`]: bodies and words; [`metrics`] for Prometheus, [`sse`] for who follows the events
//! - [`limits`]: all that a client may have; [`wire`] cuts one that does not read
//!
//! The master becomes other code by executing it, which ends every thread: so it [stops](Server::stop) the
//! server before, and starts another behind. The listening descriptor is the loop's, and only a copy is
//! here: who connects meanwhile waits in the kernel's queue. Who was waiting for an answer that is not
//! known yet is told that it goes on, or to ask again, and who follows the events goes on where it was.
//!
//! Who may act is decided by what the kernel noted at `connect`. The socket is held by a descriptor without
//! access (`O_PATH`) and compared with what was bound, so its rights are read as they are now, and a
//! lesser user who may write the directory gains nothing by another socket under its name. Supplementary
//! groups count, for that is how operators are in a group. A refusal is no event: whoever may connect could fill
//! the log with them.
//!
//! A request with a body has it passed over, and one with `Origin` is answered as any other: a browser
//! cannot connect to a UNIX socket, so nobody's page can ask in its user's name. `Host` is of no meaning for
//! the same reason.
//!
//! What was rejected: a protocol of our own, for which there is no curl; the program's `serve` with a
//! router, for the former knows of pauses and the latter is a dependency; `dbus`, which servers in
//! containers lack; connections that are kept alive, which only take the place of others here; a channel
//! that loses events to who is slow without a word, or has no memory for who comes back.
//!
//! Limits: who may connect may take all the places there are, for as long as it likes: give the
//! socket to whom you trust. In a user namespace all users that it does not map are one. Another
//! service on the same machine asks as whatever user it runs as, so two of one user may restart each other.

mod access;
mod answer;
mod ask;
mod clerk;
mod limits;
mod metrics;
mod route;
mod server;
mod sse;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use self::ask::{
    Answer, Ask, Asked, Binary, GenerationStatus, Outcome, POSTPONED, Refusal, Status, Upgrade,
    Upgrades, UpgradesState,
};
pub(crate) use self::server::Server;
