//! Are these the bytes that the source announced, and did somebody sign them who is trusted?
//!
//! The digest is computed while the bytes are staged, so comparing it reads nothing. A signature is
//! one of minisign's: Ed25519 over the BLAKE2b digest of the bytes *as they were published*, so that
//! nothing is unpacked or parsed that nobody vouches for. The staged file is read once more for it,
//! and only where it is asked for, names a key that is trusted, and the bytes are not known already;
//! the file is read by offset and a buffer at a time, so memory stays flat. What the signature says in
//! its trusted comment is covered by a second signature, and told only once both are good.
//!
//! Everything else is refused, and says what was found: no signature, one that is garbled, one by
//! another key, one of other bytes, and a legacy one. A legacy signature is over the bytes themselves
//! and could only be checked with all of them in memory.
//!
//! What is refused here is no matter of the bytes: the same ones are good once their signature is
//! published, and whoever can serve a bad signature for a moment must not keep good bytes out for
//! ever. So no digest is remembered, and the cycle does not end. What keeps a bad release from being
//! read at every poll is the room's `offering`.
//!
//! Rejected: verifying the bytes on their way to the disk. It would save reading them from memory
//! again, and would have each way of delivering and resuming them know of it. Rejected: signatures of
//! another kind. Minisign's are one line of code to verify as a stream, without a dependency; they
//! carry the number of their key, by which a wrong key can be told from a wrong file.
//!
//! Limits: a digest from the same source guards against a broken transfer, not against a forger. A
//! signature says that the bytes were released at some time, not that they are the newest: an old
//! release with its signature is turned down by the version in its note. BLAKE2b takes about two
//! seconds for a gigabyte. What is put at the path by hand is the operator's, and nobody has to have
//! signed it.

#[cfg(feature = "verify")]
mod minisign;

use std::fs::File;

use crate::config::PublicKey;
use crate::error::{Error, ErrorKind, Result};
use crate::fetcher::Signature;
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
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// The number of the key.
    pub(super) key: String,
    /// The trusted comment, as it may be shown.
    pub(super) comment: String,
}

/// Refuses `file` unless one of `keys` signed it; where there are none, nobody has to.
pub(super) fn signature(
    file: &File,
    signature: &Signature,
    keys: &[PublicKey],
) -> Result<Option<Signed>> {
    if keys.is_empty() {
        return Ok(None);
    }
    match signature {
        Signature::Given(text) => check(file, text, keys).map(Some),
        Signature::Missing(words) => Err(refused(format!(
            "there is no signature: {words}; sign what is published with `minisign -Sm FILE`, and \
             publish FILE.minisig beside it"
        ))),
        Signature::Unknown => Err(refused(
            "there is no signature, for the fetcher delivers none; set `Download::signature`",
        )),
    }
}

#[cfg(feature = "verify")]
use self::minisign::check;

/// The config refuses keys that nothing can check.
#[cfg(not(feature = "verify"))]
fn check(_: &File, _: &str, _: &[PublicKey]) -> Result<Signed> {
    Err(refused("signatures cannot be verified without the feature `verify`"))
}

fn refused(words: impl Into<String>) -> Error {
    Error::new(ErrorKind::Verify, words)
}
