//! The trial in progress, in a file beside the binary: `.NAME.selfup-trial`.
//!
//! It is a journal of one entry. Before a candidate takes the path it says which binary will be
//! there and which was; it goes when the trial is over. Whoever finds it, and the digest of the file
//! on disk, knows what a master that was killed had in hand: the candidate is not in place, or is on
//! trial, or failed and was or was not put back yet. The digest decides, and the file only explains.
//!
//! It lies beside the binary even where the history does not, for it is needed before the config
//! says where that is: a config that panics is a way to fail, too. The history takes over what it
//! says of a failure as soon as somebody has the history in hand, and can write it: until then the
//! file stays, so that a start does not forget the failure.
//!
//! Limits: while the history cannot be written, the trial of another candidate takes the file over,
//! and a failure before that is in memory alone.

use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::history::shortened;
use super::preflight::Target;
use crate::error::{BoxError, Context as _, Error, ErrorKind, Result};
use crate::identity::BinaryId;

/// Which binary is on trial, and which waits to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) candidate: BinaryId,
    pub(super) previous: BinaryId,
    /// How many masters were started with it unfinished, and not stopped as they were told.
    pub(super) starts: u32,
    /// Why it failed, once it has.
    pub(super) failed: Option<Failure>,
}

/// What is remembered of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) reason: String,
}

/// At so many starts the previous binary is put back.
pub(super) const MOST_STARTS: u32 = 3;

impl Trial {
    pub(super) fn of(candidate: BinaryId, previous: BinaryId) -> Self {
        Self { candidate, previous, starts: 0, failed: None }
    }

    /// What the file says, or `None` if there is none.
    pub(super) fn load(folder: &Folder) -> Result<Option<Self>> {
        let read = folder.read(FILE, LARGEST).map_err(BoxError::from);
        let parsed = read.and_then(|text| text.as_deref().map(from_text).transpose());
        parsed.context(ErrorKind::Stage, || {
            let path = folder.path_of(FILE);
            let path = path.display();
            format!(
                "{path}, the note of a trial, cannot be read, so the binary in place stays; \
                     remove it"
            )
        })
    }

    /// Writes it down. A power cut may undo that until the directory is flushed.
    pub(super) fn write(&self, folder: &Folder) -> Result<(), BoxError> {
        let text = serde_json::to_string_pretty(&self.to_record())? + "\n";
        Ok(folder.write(FILE, &text)?)
    }

    /// Writes it down for good.
    pub(super) fn save(&self, folder: &Folder) -> Result<()> {
        let written = self.write(folder).and_then(|()| Ok(folder.flush()?));
        written.context(ErrorKind::Stage, || {
            format!(
                "the note of a trial cannot be written in directory {}, so it is not counted how \
                 often the binary in place was started; free some space, and make it writable",
                folder.directory().display()
            )
        })
    }

    /// There is none any more, whatever happens.
    pub(super) fn remove(target: &Target) -> Result<()> {
        target.folder().remove(FILE).context(ErrorKind::Stage, || {
            let path = target.folder().path_of(FILE);
            format!("{}, the note of a trial, cannot be removed; remove it", path.display())
        })
    }

    /// Whether there is a file. It is there from before a candidate takes the path until it stays.
    pub(super) fn is_there(folder: &Folder) -> bool {
        folder.path_of(FILE).symlink_metadata().is_ok()
    }

    /// The last start did not count.
    pub(super) fn excuse(&mut self) {
        self.starts = self.starts.saturating_sub(1);
    }

    pub(super) fn fail(&mut self, reason: &Error) {
        self.failed = Some(Failure { kind: reason.kind(), reason: shortened(&reason.chain()) });
    }

    fn to_record(&self) -> Record {
        let failed = self.failed.as_ref().map(|Failure { kind, reason }| FailureText {
            kind: super::history::name_of(*kind).to_owned(),
            reason: reason.clone(),
        });
        Record {
            version: VERSION,
            about: ABOUT.to_owned(),
            candidate: self.candidate.to_string(),
            previous: self.previous.to_string(),
            starts: self.starts,
            failed,
        }
    }
}

impl Failure {
    pub(super) fn error(&self) -> Error {
        Error::new(self.kind, self.reason.clone())
    }
}

fn from_text(text: &str) -> Result<Trial, BoxError> {
    let record: Record = serde_json::from_str(text)?;
    if record.version != VERSION {
        let found = record.version;
        return Err(format!("it is of version {found}, and {VERSION} can be read").into());
    }
    let failed = record.failed.map(|FailureText { kind, reason }| Failure {
        kind: super::history::kind_of(&kind),
        reason: shortened(&reason),
    });
    let (candidate, previous) = (record.candidate.parse()?, record.previous.parse()?);
    if candidate == previous {
        // Put back again and again, it would never be another.
        return Err("both of its binaries are the same".into());
    }
    Ok(Trial { candidate, previous, starts: record.starts, failed })
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    /// For people only.
    #[serde(default)]
    about: String,
    candidate: String,
    previous: String,
    #[serde(default)]
    starts: u32,
    #[serde(default)]
    failed: Option<FailureText>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FailureText {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    reason: String,
}

const FILE: &str = "trial";

const VERSION: u32 = 1;

const ABOUT: &str = "the binary in place is on trial; if it does not pass, the previous one is put \
                     back";

/// In bytes: more than the longest takes, each character of its reason escaped.
const LARGEST: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::testing::Place;

    fn trial() -> Trial {
        Trial::of(BinaryId::from_bytes([1; 32]), BinaryId::from_bytes([2; 32]))
    }

    #[test]
    fn what_is_written_is_read() {
        let place = Place::with(b"bytes");
        let target = place.target();
        assert_eq!(Trial::load(target.folder()).unwrap(), None);
        let mut trial = trial();
        trial.starts = 2;
        trial.fail(&Error::new(ErrorKind::NotReady, "\u{1}".repeat(10_000)));
        trial.write(target.folder()).unwrap();
        let found = Trial::load(target.folder()).unwrap().unwrap();
        assert_eq!(found, trial);
        assert_eq!(found.failed.unwrap().error().kind(), ErrorKind::NotReady);
        Trial::remove(&target).unwrap();
        assert_eq!(place.names(), ["app"]);
    }

    #[test]
    fn the_first_versions_file_is_read_for_ever() {
        let (one, two) = (BinaryId::from_bytes([1; 32]), BinaryId::from_bytes([2; 32]));
        let text = format!(r#"{{"version":1,"new":[],"candidate":"{one}","previous":"{two}"}}"#);
        assert_eq!(from_text(&text).unwrap(), trial());
    }

    #[test]
    fn what_is_garbled_is_an_error_with_the_remedy() {
        let place = Place::with(b"bytes");
        let target = place.target();
        let id = BinaryId::from_bytes([1; 32]);
        let same = format!(r#"{{"version":1,"candidate":"{id}","previous":"{id}"}}"#);
        for text in ["", "{}", "[]", "{\"version\":2}", &same, &" ".repeat(20_000)] {
            target.folder().write(FILE, text).unwrap();
            let words = Trial::load(target.folder()).unwrap_err().chain();
            assert!(words.contains("cannot be read") && words.contains("; remove it"), "{words}");
        }
    }
}
