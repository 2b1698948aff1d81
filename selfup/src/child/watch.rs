use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc::Sender;

use super::Child;
use crate::channel::message::FromChild;
use crate::channel::{self, Channel, Received};
use crate::identity::Generation;
use crate::sys;
use crate::sys::pidfd::{Process, Status};
use crate::sys::process::failure_from;

/// What is heard from a child.
#[derive(Debug)]
pub(crate) enum News {
    /// The file could not be executed.
    NotStarted(io::Error),
    Said(FromChild),
    /// The last that is heard.
    Exited(Status),
}

/// Everything that is heard from `child`, in order, its end last.
///
/// The channel of `sender` is bounded: a child that floods its master waits for it. Nothing is taken
/// from the child before there is room for it, so a master that has emptied that channel has missed
/// nothing: what else there is, is heard by the next one.
pub(crate) fn follow(
    child: &Child,
    failure: Option<OwnedFd>,
    sender: Sender<(Generation, News)>,
) -> io::Result<()> {
    let watch = Watch {
        generation: child.generation,
        process: sys::fd::watch(Arc::clone(&child.process))?,
        channel: sys::fd::watch(Arc::clone(&child.channel))?,
        failure: failure.map(Receiver::from_owned_fd).transpose()?,
        sender,
    };
    tokio::spawn(watch.run());
    Ok(())
}

struct Watch {
    generation: Generation,
    process: AsyncFd<Arc<Process>>,
    channel: AsyncFd<Arc<Channel>>,
    /// Tells whether the file was executed at all; nothing, if that is known.
    failure: Option<Receiver>,
    sender: Sender<(Generation, News)>,
}

impl Watch {
    async fn run(mut self) {
        if let Some(error) = self.failure().await {
            let _ = self.process.readable().await;
            let _ = self.process.get_ref().try_wait();
            self.tell(News::NotStarted(error)).await;
            return;
        }
        let mut is_open = true;
        loop {
            let exited = tokio::select! {
                biased;
                exited = self.process.readable() => exited,
                is_said = self.hear(), if is_open => {
                    // If it closed its end, all that is left to hear is its exit.
                    is_open = is_said;
                    continue;
                }
            };
            while self.hear_at_once().await {}
            let Ok(room) = self.sender.reserve().await else { return };
            let status = match (self.process.get_ref().try_wait(), exited) {
                (Ok(Some(status)), _) => status,
                (Ok(None), Ok(mut exited)) => {
                    exited.clear_ready();
                    continue;
                }
                // Somebody else waited for it; how it ended is lost.
                (Err(_), _) | (_, Err(_)) => Status::Exited(1),
            };
            return room.send((self.generation, News::Exited(status)));
        }
    }

    /// Tells the next message, or says that there will be none. What cannot be read is skipped.
    async fn hear(&self) -> bool {
        loop {
            let Ok(mut ready) = self.channel.readable().await else { return false };
            let Ok(room) = self.sender.reserve().await else { return false };
            match self.channel.get_ref().try_receive() {
                Ok(Received::Message(message, _)) => {
                    room.send((self.generation, News::Said(message)));
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if is_unreadable(&error) => {}
                Err(error) if channel::is_passing(&error) => {
                    tokio::time::sleep(channel::PAUSE).await;
                }
                Ok(Received::End) | Err(_) => return false,
            }
        }
    }

    /// Tells a message that is there already; says whether there may be more.
    async fn hear_at_once(&self) -> bool {
        let Ok(room) = self.sender.reserve().await else { return false };
        match self.channel.get_ref().try_receive() {
            Ok(Received::Message(message, _)) => {
                room.send((self.generation, News::Said(message)));
                true
            }
            Err(error) => is_unreadable(&error),
            Ok(Received::End) => false,
        }
    }

    /// Why the file was not executed, once it is known that it was or was not.
    async fn failure(&mut self) -> Option<io::Error> {
        let mut number = Vec::new();
        let mut limited = tokio::io::AsyncReadExt::take(self.failure.take()?, 4);
        let read = tokio::io::AsyncReadExt::read_to_end(&mut limited, &mut number).await;
        read.err().or_else(|| failure_from(&number))
    }

    async fn tell(&self, news: News) {
        // The loop is gone only when the master ends.
        let _ = self.sender.send((self.generation, news)).await;
    }
}

/// Whether a message came that this version cannot read.
fn is_unreadable(error: &io::Error) -> bool {
    let cause = error.get_ref();
    error.kind() == io::ErrorKind::InvalidData
        || cause.is_some_and(<dyn std::error::Error + Send + Sync>::is::<serde_json::Error>)
}
