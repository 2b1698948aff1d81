//! A fetched binary that is not trusted yet, as the `pre_upgrade` hook sees it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Command;

use tempfile::TempPath;

use self::stamp::Stamp;
use super::lock::Held;
use crate::error::BoxError;
use crate::identity::BinaryId;
use crate::note::Note;
use crate::sys::mask::Mask;

pub(super) mod stamp;

/// The user's last word on a candidate before it is run.
pub(crate) type PreUpgradeHook = Box<dyn FnMut(&Candidate) -> Result<(), BoxError> + Send>;

/// A fetched binary, whole and digested, in a file of its own beside the binary that it may
/// replace.
///
/// The file goes away with the candidate, unless it is put in place. It must not be changed: what
/// is put in place is what was digested.
#[derive(Debug)]
pub struct Candidate {
    path: TempPath,
    /// Read-only, for a file that somebody can write cannot be executed; with its lock.
    file: Held,
    id: BinaryId,
    /// Of the file that it was unpacked from; its own, if that was the binary itself.
    published: BinaryId,
    stamp: Stamp,
    /// The signal mask that whoever started the service gave it.
    mask: Mask,
    note: Option<Note>,
    addresses: Option<Vec<String>>,
    trusted_comment: Option<String>,
    validator: Option<String>,
}

impl Candidate {
    pub(super) fn new(
        path: TempPath,
        file: Held,
        id: BinaryId,
        validator: Option<String>,
    ) -> io::Result<Self> {
        let stamp = Stamp::of(&file)?;
        let mask = Mask::empty();
        let (note, addresses, trusted_comment) = (None, None, None);
        let published = id;
        Ok(Self {
            path,
            file,
            id,
            published,
            stamp,
            mask,
            note,
            addresses,
            trusted_comment,
            validator,
        })
    }

    /// The same, unpacked from a file with this digest.
    #[cfg(feature = "archives")]
    pub(super) fn published_as(mut self, published: BinaryId) -> Self {
        self.published = published;
        self
    }

    /// The file, which can be executed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SHA-256 of its bytes: unpacked, where an archive was published.
    #[must_use]
    pub fn id(&self) -> BinaryId {
        self.id
    }

    /// The SHA-256 of what was published, which is the binary itself or the file that it was unpacked
    /// from.
    #[must_use]
    pub fn published(&self) -> BinaryId {
        self.published
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.stamp.length()
    }

    /// Its version, as its [note](mod@crate::note) says it; `None` if it has no note, which only
    /// `allow_unmarked` lets pass, or that says none.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.note.as_ref().map(Note::version).filter(|version| !version.is_empty())
    }

    /// The trusted comment of its signature, where the service verifies signatures: on one line, 256
    /// characters at most, with what is not printed escaped.
    #[must_use]
    pub fn trusted_comment(&self) -> Option<&str> {
        self.trusted_comment.as_deref()
    }

    /// A command that runs it, to be given arguments that make it end: without any it starts as
    /// every selfup program does, as a master. It gets the signal mask that the service was started
    /// with; the thread of a hook blocks the signals that the master handles.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        self.mask.apply_to(&mut command);
        command
    }

    /// The addresses that it said it listens on, if its probe told them.
    pub(crate) fn addresses(&self) -> Option<&[String]> {
        self.addresses.as_deref()
    }

    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    pub(super) fn set_addresses(&mut self, addresses: Option<Vec<String>>) {
        self.addresses = addresses;
    }

    pub(super) fn set_note(&mut self, note: Option<Note>) {
        self.note = note;
    }

    pub(super) fn set_trusted_comment(&mut self, comment: String) {
        self.trusted_comment = Some(comment);
    }

    pub(super) fn set_mask(&mut self, mask: impl Into<Mask>) {
        self.mask = mask.into();
    }

    pub(super) fn validator(&self) -> Option<&str> {
        self.validator.as_deref()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whether its path still leads to the bytes that were digested.
    pub(super) fn is_unchanged(&self) -> bool {
        let found = File::open(&self.path).and_then(|file| Stamp::of(&file));
        found.is_ok_and(|stamp| stamp == self.stamp)
    }

    pub(super) fn into_file(self) -> (TempPath, Held) {
        (self.path, self.file)
    }
}

#[cfg(selfup_supervised)]
#[cfg(test)]
mod tests {
    use nix::sys::signal::{SigSet, Signal};

    use super::*;
    use crate::upgrade::testing::{Place, staged};

    /// What a command of a candidate prints of its own status.
    fn status(candidate: &Candidate) -> String {
        loop {
            match candidate.command().arg("/proc/self/status").output() {
                // A fork of another test has the file open.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                    std::thread::yield_now();
                }
                output => break String::from_utf8(output.unwrap().stdout).unwrap(),
            }
        }
    }

    #[test]
    fn its_command_does_not_inherit_what_the_masters_threads_block() {
        let place = Place::with(b"bytes");
        let cat = std::fs::read("/bin/cat").unwrap();
        let mut candidate = staged(&place.target(), &cat).unwrap();
        SigSet::all().thread_block().unwrap();
        let free = status(&candidate);
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGHUP);
        candidate.set_mask(mask);
        let masked = status(&candidate);
        SigSet::all().thread_unblock().unwrap();
        assert!(free.contains("SigBlk:\t0000000000000000"), "{free}");
        assert!(masked.contains("SigBlk:\t0000000000000001"), "{masked}");
        // std ignores it, and gives what it starts the default again.
        let ignored = free.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        let bits = u64::from_str_radix(ignored, 16).unwrap();
        assert_eq!(bits & (1 << (libc::SIGPIPE - 1)), 0, "{ignored}");
    }
}
