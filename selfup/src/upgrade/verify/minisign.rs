//! A signature in the form of minisign: four lines, of which the second and the last are base64.
//! <https://jedisct1.github.io/minisign/>, "Signature format".

use std::pin::Pin;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;

use minisign_verify::{Error as MinisignError, PublicKey as Verifier, Signature};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Signed, refused};
use crate::config::{PublicKey, key_id};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::fetcher::{Download, LONGEST_SIGNATURE};

/// A thread that digests what is read.
#[derive(Debug)]
pub(in crate::upgrade) struct Running {
    pieces: SyncSender<Piece>,
    /// Whether the signature is good.
    thread: JoinHandle<bool>,
    /// What it says, if it is.
    signed: Signed,
}

/// What the thread is sent.
#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// That was all. Without it nothing is good: a reading may be given up.
    End,
}

impl Running {
    /// Has the bytes of `download` looked at while they are read; an error if no bytes could make
    /// `text` a good signature by one of `keys`.
    pub(super) fn begin(download: &mut Download, text: &str, keys: &[PublicKey]) -> Result<Self> {
        let (signature, verifiers, signed) = trusted(text, keys)?;
        let (pieces, receive) = sync_channel(AHEAD);
        let thread = std::thread::Builder::new().name("selfup-verify".into());
        let thread = thread.spawn(move || is_good(&signature, &verifiers, &receive));
        let thread = thread.context(
            ErrorKind::Spawn,
            || "no thread for the signature of a candidate; raise `ulimit -u`",
        )?;
        let nothing: Pin<Box<dyn AsyncRead + Send>> = Box::pin(tokio::io::empty());
        let inner = std::mem::replace(&mut download.reader, nothing);
        download.reader = Box::pin(Watched { inner, pieces: pieces.clone() });
        Ok(Self { pieces, thread, signed })
    }

    pub(super) fn finish(self) -> Result<Signed> {
        let Self { pieces, thread, signed } = self;
        // A thread that panicked has said so, and has found nothing good.
        let _ = pieces.send(Piece::End);
        if thread.join().unwrap_or(false) {
            return Ok(signed);
        }
        Err(of_other_bytes(&signed))
    }
}

/// Whose signature of the bytes of `file` the `text` is: one of `keys`.
#[cfg(feature = "cli")]
pub(in crate::upgrade) fn check_file(
    mut file: &std::fs::File,
    text: &str,
    keys: &[PublicKey],
) -> Result<Signed> {
    use std::io::Read as _;
    let (signature, verifiers, signed) = trusted(text, keys)?;
    let streams = verifiers.iter().filter_map(|verifier| verifier.verify_stream(&signature).ok());
    let mut streams: Vec<_> = streams.collect();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => streams.iter_mut().for_each(|stream| stream.update(&buffer[..read])),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context(ErrorKind::Stage, || "it cannot be read"),
        }
    }
    if streams.iter_mut().any(|stream| stream.finalize().is_ok()) {
        return Ok(signed);
    }
    Err(of_other_bytes(&signed))
}

/// What `text` says it is, unless no bytes could make it a good signature by one of `keys`.
fn trusted(text: &str, keys: &[PublicKey]) -> Result<(Signature, Vec<Verifier>, Signed)> {
    let signature = decode(text)?;
    let found = text.lines().nth(1).and_then(key_id);
    let key = found.ok_or_else(|| garbled(text, "it does not say by which key it is"))?;
    let trusted = keys.iter().filter(|trusted| trusted.id() == key);
    let verifiers: Vec<_> = trusted.map(verifier).collect::<Result<_>>()?;
    match verifiers.first().map(|verifier| verifier.verify_stream(&signature)) {
        None => return Err(unknown_key(&key, keys)),
        Some(Err(MinisignError::UnsupportedLegacyMode)) => return Err(legacy()),
        Some(_) => {}
    }
    let signed = Signed { key, comment: shown(signature.trusted_comment()) };
    Ok((signature, verifiers, signed))
}

/// Sends the thread what is read. Where that is faster than the thread it waits, as it does for the
/// disk: nothing but the upgrade depends on the thread that reads.
struct Watched {
    inner: Pin<Box<dyn AsyncRead + Send>>,
    pieces: SyncSender<Piece>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.inner.as_mut().poll_read(context, buffer))?;
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            // Whoever is gone has found nothing good.
            let _ = self.pieces.send(Piece::Bytes(read.to_vec()));
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether one of the keys made both halves of `signature`, of the bytes and of the comment.
fn is_good(signature: &Signature, verifiers: &[Verifier], pieces: &Receiver<Piece>) -> bool {
    let streams = verifiers.iter().filter_map(|verifier| verifier.verify_stream(signature).ok());
    let mut streams: Vec<_> = streams.collect();
    loop {
        match pieces.recv() {
            Ok(Piece::Bytes(bytes)) => streams.iter_mut().for_each(|stream| stream.update(&bytes)),
            Ok(Piece::End) => return streams.iter_mut().any(|stream| stream.finalize().is_ok()),
            Err(_) => return false,
        }
    }
}

fn decode(text: &str) -> Result<Signature> {
    if text.len() > LONGEST_SIGNATURE {
        return Err(garbled(text, &format!("it is longer than {LONGEST_SIGNATURE} bytes")));
    }
    Signature::decode(text).map_err(|error| match error {
        MinisignError::UnsupportedAlgorithm => garbled(text, "its algorithm is not minisign's"),
        _ => garbled(text, "it is not in the form of minisign"),
    })
}

fn verifier(key: &PublicKey) -> Result<Verifier> {
    let verifier = Verifier::from_base64(&key.to_string());
    verifier.context(ErrorKind::Config, || format!("{key} is no minisign public key"))
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

fn of_other_bytes(signed: &Signed) -> Error {
    refused(format!(
        "its signature is by key {}, and not of these bytes: it is of another file, or one of \
         both was changed; publish the binary and its signature together",
        signed.key
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

/// So many pieces wait for the thread; a piece is what one read brings, 64 KiB at most.
const AHEAD: usize = 16;

/// In characters, of a text that is no signature.
const LONGEST_START: usize = 32;

/// In characters.
const LONGEST_COMMENT: usize = 256;

#[cfg(test)]
mod tests;
