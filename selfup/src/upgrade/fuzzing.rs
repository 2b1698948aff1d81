//! What the fuzz targets in `fuzz/` call, and what they keep, as a test.

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::{decode, note};
use crate::config::Acceptance;

/// Unpacks what is published like this, if it is packed, and keeps nothing of it.
pub fn archive(bytes: &[u8]) {
    let mut unpacking = pin!(decode::try_out(bytes, b"app", 1 << 20));
    let mut context = Context::from_waker(Waker::noop());
    // It waits for nothing, and gives way now and then.
    while unpacking.as_mut().poll(&mut context) == Poll::Pending {}
}

/// Reads the headers and the note of the file at `path`.
pub fn note(path: &Path) {
    let _ = note::check(path, None, &Acceptance::default());
    let _ = crate::note::read(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(target: &str) -> Vec<std::path::PathBuf> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let entries = std::fs::read_dir(directory).unwrap();
        let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert!(paths.len() >= 4, "the corpus is kept in the tree: {paths:?}");
        paths
    }

    #[test]
    fn what_the_fuzzers_keep_is_read_without_a_panic() {
        for path in corpus("archive") {
            let bytes = std::fs::read(path).unwrap();
            archive(&bytes);
            // Cut off anywhere, too.
            (0..bytes.len()).step_by(97).for_each(|length| archive(&bytes[..length]));
        }
        for path in corpus("note") {
            note(&path);
        }
    }
}
