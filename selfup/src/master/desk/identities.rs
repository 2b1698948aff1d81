//! Which binary each generation runs. What came through the pipeline is known; anything else is
//! digested when it is asked for, by a thread beside the loop, once for each generation.

use std::fs::File;
use std::future::pending;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::sync::oneshot;

use crate::control::Binary;
use crate::identity::{BinaryId, Generation};
use crate::master::examiner::executed_by;
use crate::note;
use crate::upgrade::{Stamp, Vetted};

/// What is known of the files that run.
#[derive(Debug, Default)]
pub(super) struct Identities {
    /// What the pipeline knows.
    vetted: Vec<(Stamp, Binary)>,
    /// What was found of those who live.
    found: Vec<Found>,
    looking: Option<(Key, oneshot::Receiver<Option<Binary>>)>,
}

/// A child. One that is not ready is another: it may not have executed its binary yet.
type Key = (Generation, Pid, bool);

/// What a child runs.
#[derive(Debug)]
struct Found {
    of: Key,
    /// Nothing, if that could not be read.
    binary: Option<Binary>,
    /// When it is looked at again.
    until: Option<Instant>,
}

/// So many files of the pipeline are remembered: more than run at once.
const MOST: usize = 64;

/// So long holds what may be another thing the next moment.
const LATELY: Duration = Duration::from_secs(5);

impl Identities {
    /// A file that was looked at before it is started.
    pub(super) fn note(&mut self, vetted: &Vetted) {
        if let Some((stamp, id, version)) = &vetted.known {
            self.vetted.retain(|(known, _)| known != stamp);
            if self.vetted.len() == MOST {
                self.vetted.remove(0);
            }
            self.vetted.push((stamp.clone(), binary(*id, version.clone())));
        }
    }

    /// Forgets everybody else.
    pub(super) fn keep(&mut self, living: &[(Generation, Pid, bool)]) {
        self.found.retain(|found| living.contains(&found.of));
    }

    /// What a child runs, if that is known. If not, that is found out from here on, one child after
    /// another. The file is not even looked at here: its file system may not answer.
    pub(super) fn of(&mut self, generation: Generation, pid: Pid, is_ready: bool) -> Known {
        let (key, now) = ((generation, pid, is_ready), Instant::now());
        self.found.retain(|found| found.until.is_none_or(|until| now < until));
        if let Some(found) = self.found.iter().find(|found| found.of == key) {
            return found.binary.clone().map_or(Known::Not, Known::As);
        }
        if self.looking.is_none() {
            let (found, receiver) = oneshot::channel();
            let vetted = self.vetted.clone();
            let look = move || {
                // Nobody waits any more if the service ends.
                let _ = found.send(read(pid, &vetted));
            };
            let thread = std::thread::Builder::new().name("selfup-digest".into()).spawn(look);
            if thread.is_err() {
                return Known::Not;
            }
            self.looking = Some((key, receiver));
        }
        Known::Soon
    }

    /// Waits until something more is known. Cancel-safe.
    pub(super) async fn found(&mut self) {
        let Some((of, found)) = &mut self.looking else { return pending().await };
        let (binary, of) = (found.await.ok().flatten(), *of);
        self.looking = None;
        let (.., is_ready) = of;
        let is_settled = is_ready && binary.is_some();
        let until = (!is_settled).then(|| Instant::now() + LATELY);
        self.found.push(Found { of, binary, until });
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

/// The binary that `pid` runs.
fn read(pid: Pid, vetted: &[(Stamp, Binary)]) -> Option<Binary> {
    let mut file = File::open(executed_by(pid)).ok()?;
    let stamp = Stamp::of_metadata(&file.metadata().ok()?).ok()?;
    if let Some((_, binary)) = vetted.iter().rfind(|(known, _)| *known == stamp) {
        return Some(binary.clone());
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

    const FIRST: Generation = Generation::FIRST;

    #[tokio::test]
    async fn a_file_that_runs_is_digested_once_and_by_a_thread() {
        let mut identities = Identities::default();
        let own = Pid::this();
        assert_eq!(identities.of(FIRST, own, true), Known::Soon);
        identities.found().await;
        let digest = BinaryId::of_file("/proc/self/exe").unwrap().to_string();
        let known = identities.of(FIRST, own, true);
        assert!(matches!(known, Known::As(binary) if binary.digest == digest));
        assert!(identities.looking.is_none());
    }

    #[tokio::test]
    async fn what_was_vetted_is_known_and_who_is_gone_is_not() {
        let mut identities = Identities::default();
        let own = Path::new("/proc/self/exe");
        let (inode, stamp) = (Inode::at(own), std::fs::metadata(own).unwrap());
        let (inode, stamp) = (inode.unwrap(), Stamp::of_metadata(&stamp).unwrap());
        let known = Some((stamp, BinaryId::from_bytes([7; 32]), Some("1.0.0".into())));
        identities.note(&Vetted { addresses: None, inode, known });
        let (own, gone) = (Pid::this(), Pid::from_raw(i32::MAX));
        for pid in [own, gone] {
            assert_eq!(identities.of(FIRST, pid, true), Known::Soon);
            identities.found().await;
        }
        let known = identities.of(FIRST, own, true);
        assert!(matches!(known, Known::As(it) if it.digest.starts_with("07")));
        assert_eq!(identities.of(FIRST, gone, true), Known::Not);
    }

    #[tokio::test]
    async fn another_generation_is_looked_at_anew_and_so_is_one_that_has_become_ready() {
        let mut identities = Identities::default();
        let (own, second) = (Pid::this(), Generation::new(2));
        let keys = [(FIRST, own, false), (FIRST, own, true), (second, own, true)];
        for (generation, pid, is_ready) in keys {
            assert_eq!(identities.of(generation, pid, is_ready), Known::Soon);
            identities.found().await;
        }
        assert_eq!(identities.found.len(), keys.len());
        identities.keep(&keys[2..]);
        assert_eq!(identities.found.len(), 1, "who is gone is forgotten");
        assert_eq!(identities.of(FIRST, own, true), Known::Soon);
    }

    #[tokio::test]
    async fn what_could_not_be_read_is_tried_again() {
        let mut identities = Identities::default();
        let gone = Pid::from_raw(i32::MAX);
        identities.of(FIRST, gone, true);
        identities.found().await;
        assert_eq!(identities.of(FIRST, gone, true), Known::Not, "not at once");
        identities.found[0].until = Some(Instant::now());
        assert_eq!(identities.of(FIRST, gone, true), Known::Soon);
    }
}
