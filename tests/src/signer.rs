//! Somebody who signs releases.

use std::fmt;
use std::io::Read;

use minisign::KeyPair;

use crate::Release;

/// A key pair of minisign's.
pub struct Signer(KeyPair);

impl Signer {
    /// A signer whom nobody knows yet.
    ///
    /// # Panics
    ///
    /// If the system has no random numbers.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().expect("there are random numbers"))
    }

    /// The public key, as `verify` takes it.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.pk.to_base64()
    }

    /// The text of a `.minisig` file for `release`.
    ///
    /// # Panics
    ///
    /// If the system has no random numbers.
    #[must_use]
    pub fn sign(&self, release: &Release) -> String {
        let comment = format!("release\t{}", release.id().short());
        self.sign_all(release.bytes(), &comment)
    }

    /// The text of a `.minisig` file for all that `reader` has, with this trusted comment.
    ///
    /// # Panics
    ///
    /// If the system has no random numbers, or the bytes cannot be read.
    #[must_use]
    pub fn sign_all(&self, reader: impl Read, comment: &str) -> String {
        let signed = minisign::sign(None, &self.0.sk, reader, Some(comment), None);
        signed.expect("there are random numbers, and it can be read").into_string()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.key()).finish()
    }
}
