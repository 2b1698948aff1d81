//! Which binary each generation runs. What came through the pipeline is known; anything else is
//! digested when it is asked for, by a thread beside the loop, once for each file.

use std::fs::File;
use std::future::pending;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::unistd::Pid;
use tokio::sync::oneshot;

use crate::control::Binary;
use crate::identity::BinaryId;
use crate::master::examiner::executed_by;
use crate::note;
use crate::upgrade::{Stamp, Vetted};

/// What is known of the files that run.
#[derive(Debug, Default)]
pub(super) struct Identities {
    /// Nothing, of a file that could not be read.
    known: Vec<(Stamp, Option<Binary>)>,
    looking: Option<(Stamp, oneshot::Receiver<Option<Binary>>)>,
}

/// So many files are remembered: more than run at once.
const MOST: usize = 64;

impl Identities {
    /// A file that was looked at before it is started.
    pub(super) fn note(&mut self, vetted: &Vetted) {
        if let Some((stamp, id, version)) = &vetted.known {
            self.remember(stamp.clone(), Some(binary(*id, version.clone())));
        }
    }

    /// What `pid` runs, if that is known. If not, that is found out from here on, one file after
    /// another.
    pub(super) fn of(&mut self, pid: Pid) -> Known {
        let Ok(stamp) = Stamp::at(&executed_by(pid)) else { return Known::Not };
        if let Some((_, binary)) = self.known.iter().rfind(|(known, _)| *known == stamp) {
            return binary.clone().map_or(Known::Not, Known::As);
        }
        if self.looking.is_none() {
            let (found, receiver) = oneshot::channel();
            let expected = stamp.clone();
            let look = move || {
                // Nobody waits any more if the service ends.
                let _ = found.send(read(pid, &expected));
            };
            let thread = std::thread::Builder::new().name("selfup-digest".into()).spawn(look);
            if thread.is_err() {
                return Known::Not;
            }
            self.looking = Some((stamp, receiver));
        }
        Known::Soon
    }

    /// Waits until something more is known. Cancel-safe.
    pub(super) async fn found(&mut self) {
        let Some((stamp, found)) = &mut self.looking else { return pending().await };
        let (binary, stamp) = (found.await.ok().flatten(), stamp.clone());
        self.looking = None;
        self.remember(stamp, binary);
    }

    fn remember(&mut self, stamp: Stamp, binary: Option<Binary>) {
        self.known.retain(|(known, _)| *known != stamp);
        if self.known.len() == MOST {
            self.known.remove(0);
        }
        self.known.push((stamp, binary));
    }
}

/// What is known of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    As(Binary),
    /// It is being read, or is about to be.
    Soon,
    Not,
}

/// The binary that `pid` runs, if that is this file still.
fn read(pid: Pid, expected: &Stamp) -> Option<Binary> {
    let mut file = File::open(executed_by(pid)).ok()?;
    if Stamp::of_metadata(&file.metadata().ok()?).ok()? != *expected {
        return None;
    }
    let id = BinaryId::of_reader(&mut file).ok()?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let note = note::read(Path::new(&path)).ok().flatten();
    let version = note.map(|note| note.version().to_owned()).filter(|version| !version.is_empty());
    Some(binary(id, version))
}

fn binary(id: BinaryId, version: Option<String>) -> Binary {
    Binary { digest: id.to_string(), version }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::Inode;

    #[tokio::test]
    async fn a_file_that_runs_is_digested_once_and_by_a_thread() {
        let mut identities = Identities::default();
        let own = Pid::this();
        assert_eq!(identities.of(own), Known::Soon);
        identities.found().await;
        let digest = BinaryId::of_file("/proc/self/exe").unwrap().to_string();
        assert!(matches!(identities.of(own), Known::As(binary) if binary.digest == digest));
        assert!(identities.looking.is_none());
    }

    #[tokio::test]
    async fn what_was_vetted_is_known_and_who_is_gone_is_not() {
        let mut identities = Identities::default();
        let own = Path::new("/proc/self/exe");
        let (inode, stamp) = (Inode::at(own).unwrap(), Stamp::at(own).unwrap());
        let known = Some((stamp, BinaryId::from_bytes([7; 32]), Some("1.0.0".into())));
        identities.note(&Vetted { addresses: None, inode, known });
        assert!(matches!(identities.of(Pid::this()), Known::As(it) if it.digest.starts_with("07")));
        assert_eq!(identities.of(Pid::from_raw(i32::MAX)), Known::Not);
    }
}
