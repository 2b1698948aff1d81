//! Somebody who signs releases.

use std::fmt;

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
        let signed = minisign::sign(None, &self.0.sk, release.bytes(), Some(&comment), None);
        signed.expect("there are random numbers").into_string()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.key()).finish()
    }
}
