//! Are these the bytes that the source announced, and did somebody sign them who is trusted?
//!
//! The digest is computed while the bytes are staged, so comparing it reads nothing. A signature is
//! one of minisign's: Ed25519 over the `BLAKE2b` digest of the bytes *as they were published*, so that
//! nothing is unpacked or parsed that nobody vouches for. The bytes are digested on their way to the
//! disk, by a thread beside the one that writes them: `BLAKE2b` takes about two seconds for a gigabyte,
//! which would come on top of everything else, and it is a second reading less. The thread is there
//! only where a signature is asked for and names a key that is trusted, and is never more than a
//! megabyte behind. What the signature says in its trusted comment is covered by a second signature,
//! and told only once both are good.
//!
//! Everything else is refused, and says what was found: no signature, one that is garbled, one by
//! another key, one of other bytes, and a legacy one. A legacy signature is over the bytes themselves
//! and could only be checked with all of them in memory. Most of that is known before a byte is read,
//! and the bytes are read all the same: what runs already, or was refused before, needs no signature.
//!
//! What is refused here is no matter of the bytes: the same ones are good once their signature is
//! published, and whoever can serve a bad signature for a moment must not keep good bytes out for
//! ever. So no digest is remembered, and the cycle does not end. What keeps a bad release from being
//! read at every poll is the room's `offering`.
//!
//! Rejected: signatures of another kind. Minisign's can be verified as a stream, by a crate of its
//! author's without a dependency; and they carry the number of their key, by which a wrong key can
//! be told from a wrong file.
//!
//! Limits: a digest from the same source guards against a broken transfer, not against a forger. A
//! signature says that the bytes were released at some time, not that they are the newest: an old
//! release with its signature is turned down by the version in its note. What is put at the path by
//! hand is the operator's, and nobody has to have signed it.

#[cfg(feature = "verify")]
pub(super) mod minisign;

use crate::config::PublicKey;
use crate::error::{Error, ErrorKind, Result};
use crate::fetcher::{Download, Signature};
use crate::identity::BinaryId;

/// Refuses bytes that digest to `found` where their source announced another digest.
pub(super) fn digest(found: BinaryId, announced: Option<BinaryId>) -> Result<()> {
    match announced {
        Some(announced) if announced != found => Err(refused(format!(
            "the bytes have SHA-256 {found}, and {announced} was announced; publish the binary and \
             its digest together"
        ))),
        _ => Ok(()),
    }
}

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    /// The number of the key.
    pub(super) key: String,
    /// The trusted comment, as it may be shown.
    pub(super) comment: String,
}

/// The verification of a download that is being read.
#[derive(Debug)]
#[must_use = "what is not finished is not verified"]
pub(super) enum Check {
    /// Nobody has to sign it.
    Unasked,
    /// Whatever its bytes are, its signature is none.
    Refused(Error),
    #[cfg(feature = "verify")]
    Running(minisign::Running),
}

impl Check {
    /// From now on what is read of `download` is looked at: one of `keys` has to have signed it, or
    /// nobody, if there are none.
    pub(super) fn begin(download: &mut Download, keys: &[PublicKey]) -> Self {
        if keys.is_empty() {
            return Self::Unasked;
        }
        let begun = match std::mem::take(&mut download.signature) {
            Signature::Given(text) => begin(download, &text, keys),
            Signature::Missing(words) => Err(refused(format!(
                "there is no signature: {words}; sign what is published with `minisign -Sm FILE`, \
                 and publish FILE.minisig beside it"
            ))),
            Signature::Unknown => Err(refused(
                "there is no signature, for the fetcher delivers none; set `Download::signature`",
            )),
        };
        begun.unwrap_or_else(Self::Refused)
    }

    /// Whose signature it is, now that the download was read to its end; `None` if nobody has to
    /// sign.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Verify`] if it is not good; any other kind if it could not be looked at.
    pub(super) fn finish(self) -> Result<Option<Signed>> {
        match self {
            Self::Unasked => Ok(None),
            Self::Refused(error) => Err(error),
            #[cfg(feature = "verify")]
            Self::Running(running) => running.finish().map(Some),
        }
    }
}

#[cfg(feature = "verify")]
fn begin(download: &mut Download, text: &str, keys: &[PublicKey]) -> Result<Check> {
    minisign::Running::begin(download, text, keys).map(Check::Running)
}

/// The config refuses keys that nothing can check.
#[cfg(not(feature = "verify"))]
fn begin(_: &mut Download, _: &str, _: &[PublicKey]) -> Result<Check> {
    Err(refused("signatures cannot be verified without the feature `verify`"))
}

fn refused(words: impl Into<String>) -> Error {
    Error::new(ErrorKind::Verify, words)
}
