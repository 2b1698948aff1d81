//! Are these the bytes that the source announced?
//!
//! The digest is computed while the bytes are staged, so this reads nothing. A mismatch is a matter
//! of this download, not of the release: nothing is remembered, and the next poll tries again.
//!
//! Limits: a digest from the same source guards against a broken transfer, not against a forger.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::BinaryId;

/// Refuses bytes that digest to `found` where their source announced another digest.
pub(super) fn digest(found: BinaryId, announced: Option<BinaryId>) -> Result<()> {
    match announced {
        Some(announced) if announced != found => Err(Error::new(
            ErrorKind::Verify,
            format!(
                "the bytes have SHA-256 {found}, and {announced} was announced; publish the \
                 binary and its digest together"
            ),
        )),
        _ => Ok(()),
    }
}
