use crate::error::Result;

/// A minisign public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(String);

/// One public key or several, as the setting `verify` takes them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a minisign public key",
    label = "expected a public key, or a list of public keys",
    note = "write the last line of the .pub file as a string, or a list of such"
)]
pub trait IntoPublicKeys {
    /// The keys, or the first reason why one is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with what was found and what was expected.
    fn into_public_keys(self) -> Result<Vec<PublicKey>>;
}

impl IntoPublicKeys for PublicKey {
    fn into_public_keys(self) -> Result<Vec<PublicKey>> {
        Ok(vec![self])
    }
}

impl IntoPublicKeys for &str {
    fn into_public_keys(self) -> Result<Vec<PublicKey>> {
        Ok(vec![PublicKey(self.to_owned())])
    }
}

impl IntoPublicKeys for String {
    fn into_public_keys(self) -> Result<Vec<PublicKey>> {
        self.as_str().into_public_keys()
    }
}

impl IntoPublicKeys for &String {
    fn into_public_keys(self) -> Result<Vec<PublicKey>> {
        self.as_str().into_public_keys()
    }
}

impl<T: IntoPublicKeys> IntoPublicKeys for Vec<T> {
    fn into_public_keys(self) -> Result<Vec<PublicKey>> {
        collect(self)
    }
}

impl<T: IntoPublicKeys, const N: usize> IntoPublicKeys for [T; N] {
    fn into_public_keys(self) -> Result<Vec<PublicKey>> {
        collect(self)
    }
}

impl<T: IntoPublicKeys + Clone> IntoPublicKeys for &[T] {
    fn into_public_keys(self) -> Result<Vec<PublicKey>> {
        collect(self.iter().cloned())
    }
}

fn collect<T: IntoPublicKeys>(parts: impl IntoIterator<Item = T>) -> Result<Vec<PublicKey>> {
    let mut keys = Vec::new();
    for part in parts {
        keys.extend(part.into_public_keys()?);
    }
    Ok(keys)
}
