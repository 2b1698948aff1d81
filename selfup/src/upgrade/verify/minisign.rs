//! A signature in the form of minisign: four lines, of which the second and the last are base64.
//! <https://jedisct1.github.io/minisign/>, "Signature format".

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use minisign_verify::{Error as MinisignError, PublicKey as Verifier, Signature};

use super::{Signed, refused};
use crate::config::{PublicKey, key_id};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::fetcher::LONGEST_SIGNATURE;

/// Whose signature of `file` the `text` is; an error unless it is good and of one of `keys`.
pub(super) fn check(file: &File, text: &str, keys: &[PublicKey]) -> Result<Signed> {
    if text.len() > LONGEST_SIGNATURE {
        return Err(garbled(text, &format!("it is longer than {LONGEST_SIGNATURE} bytes")));
    }
    let signature = Signature::decode(text).map_err(|error| match error {
        MinisignError::UnsupportedAlgorithm => garbled(text, "its algorithm is not minisign's"),
        _ => garbled(text, "it is not in the form of minisign"),
    })?;
    let found = text.lines().nth(1).and_then(key_id);
    let found = found.ok_or_else(|| garbled(text, "it does not say by which key it is"))?;
    let mut trusted = keys.iter().filter(|key| key.id() == found).peekable();
    if trusted.peek().is_none() {
        return Err(unknown_key(&found, keys));
    }
    for key in trusted {
        if is_good(file, &signature, key)? {
            let comment = shown(signature.trusted_comment());
            return Ok(Signed { key: found, comment });
        }
    }
    Err(refused(format!(
        "its signature is by key {found}, and not of these bytes: it is of another file, or one of \
         both was changed; publish the binary and its signature together"
    )))
}

/// Whether `key` made both halves of `signature`, of the bytes and of the comment.
fn is_good(file: &File, signature: &Signature, key: &PublicKey) -> Result<bool> {
    let verifier = Verifier::from_base64(&key.to_string());
    let verifier = verifier.context(ErrorKind::Config, || format!("{key} is no public key"))?;
    let mut stream = match verifier.verify_stream(signature) {
        Ok(stream) => stream,
        Err(MinisignError::UnsupportedLegacyMode) => return Err(legacy()),
        Err(_) => return Ok(false),
    };
    let mut buffer = vec![0; BUFFER];
    let mut offset = 0;
    loop {
        let read = match file.read_at(&mut buffer, offset) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.context(ErrorKind::Stage, || "the staged file cannot be read again")?,
        };
        if read == 0 {
            return Ok(stream.finalize().is_ok());
        }
        stream.update(&buffer[..read]);
        offset += read as u64;
    }
}

fn garbled(text: &str, why: &str) -> Error {
    let start: String = text.chars().take(LONGEST_START).collect();
    refused(format!(
        "its signature is garbled: {why}, and begins with \"{}\"; expected the four lines that \
         `minisign -Sm FILE` writes to FILE.minisig",
        start.escape_debug()
    ))
}

fn unknown_key(found: &str, keys: &[PublicKey]) -> Error {
    let trusted: Vec<_> = keys.iter().map(PublicKey::id).collect();
    let trusted = trusted.join(" or ");
    refused(format!(
        "it is signed by key {found}, which is not trusted here; expected a signature by {trusted}, \
         the keys in `verify`"
    ))
}

fn legacy() -> Error {
    refused(
        "its signature is a legacy one, of the bytes and not of their digest; sign again with \
         `minisign -SHm FILE`",
    )
}

/// The comment on one line, bounded, without what would not be seen or would move the cursor.
fn shown(comment: &str) -> String {
    let mut shown = String::new();
    for character in comment.chars() {
        let next: String = match character {
            // Minisign's own comments have tabs between their parts.
            '\t' => " ".into(),
            '"' | '\'' | '\\' => character.into(),
            other => other.escape_debug().collect(),
        };
        if shown.chars().count() + next.chars().count() > LONGEST_COMMENT {
            break;
        }
        shown.push_str(&next);
    }
    shown
}

const BUFFER: usize = 64 * 1024;

/// In characters, of a text that is no signature.
const LONGEST_START: usize = 32;

/// In characters.
const LONGEST_COMMENT: usize = 256;

#[cfg(test)]
mod tests;
