mod grammar;

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// A minisign public key.
///
/// Its [`Display`](fmt::Display) is the last line of the `.pub` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(String);

impl PublicKey {
    /// The key that `text` is: the last line of a `.pub` file, or the whole of one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], with what was found and what was expected.
    pub fn parse(text: &str) -> Result<Self> {
        let key = grammar::parse(text).map_err(|words| Error::new(ErrorKind::Config, words))?;
        Ok(Self(key.to_owned()))
    }

    /// Its number, as minisign shows it: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        // It was checked to be base64 when it was made.
        key_id(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of the key in the base64 of a key or a signature: 8 bytes, the lowest first, behind
/// the two of the algorithm.
pub(crate) fn key_id(base64: &str) -> Option<String> {
    let mut bits: u128 = 0;
    for byte in base64.as_bytes().get(..CHARACTERS)? {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        bits = bits << 6 | digit as u128;
    }
    // 14 characters are 84 bits, of which the last 4 belong to what follows.
    let number = u64::try_from(bits >> 4 & u128::from(u64::MAX)).ok()?;
    Some(format!("{:016X}", number.swap_bytes()))
}

const CHARACTERS: usize = 14;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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
        PublicKey::parse(self).map(|key| vec![key])
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_key_is_its_last_line_and_has_a_number() {
        let file = format!("untrusted comment: minisign public key E7620F1842B4E81F\n{KEY}\n");
        for text in [KEY, &file, &format!(" {KEY}\r\n")] {
            let key = PublicKey::parse(text).unwrap();
            assert_eq!((key.to_string().as_str(), key.id().as_str()), (KEY, "E7620F1842B4E81F"));
        }
        let signature = "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z";
        assert_eq!(key_id(signature).unwrap(), "E7620F1842B4E81F");
        assert_eq!(key_id("RUQf"), None);
        assert_eq!(key_id("RUQf6LRCGA9=5559r3g7"), None);
    }

    #[test]
    fn what_is_no_key_is_told_what_is_one_and_no_secret_is_shown() {
        let signature = "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mG";
        for (text, shown) in [
            ("abc", "\"abc\""),
            ("", "\"\""),
            (signature, signature),
            (&KEY[1..], &KEY[1..]),
            (&KEY.replace('z', "-"), "-"),
            (&"swordfish".repeat(20), "\"swordfishswo...\""),
        ] {
            let words = PublicKey::parse(text).unwrap_err().to_string();
            assert!(words.contains("is not a minisign public key: expected 56 base64"), "{words}");
            assert!(words.contains(shown), "{words}");
        }
        for secret in ["RWRTY0Iyswordfish", "untrusted comment: secret\nRWQAAEIyswordfish\n"] {
            let words = PublicKey::parse(secret).unwrap_err().to_string();
            assert!(words.starts_with("a minisign secret key belongs to who signs"), "{words}");
            assert!(!words.contains("swordfish"), "{words}");
        }
    }

    #[test]
    fn the_attribute_has_the_same_grammar() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/public_key");
        let its = own.join("../../../../selfup-macros/src/main_attr/value/public_key");
        if !its.exists() {
            // So it is in a published package.
            return;
        }
        let read = |directory: &Path| std::fs::read_to_string(directory.join("grammar.rs"));
        assert_eq!(read(&own).unwrap(), read(&its).unwrap());
    }

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
}
