//! Unpacks what is published: gzip, zstd and xz, and the binary in an archive of tar or zip.
//!
//! What a source signs and digests is what it publishes, so this comes after both were compared,
//! and writes a second file. How the published one is packed is told by its first bytes, and not by
//! a name. A compressed file is the binary, or a tar archive; in an archive the
//! [`chooser`] finds the one entry that is the binary. Nothing else is ever written, under no name
//! that an archive gives: the classic attacks on unpackers have no file to end in.
//!
//! Everything is streamed: no archive, no entry and no name is held in memory as a whole, windows
//! and dictionaries are 64 MiB at most (what `xz -9` takes), and they are touched only as far as
//! they are filled. A bomb ends at `max_size` bytes of what is unpacked, at 10,000 entries, or after
//! ten minutes, which may be the fault of a host that is busy: that is tried again. Whatever is behind the end of a file is refused, for two readers would disagree
//! about it. The checksums of all five formats are compared.
//!
//! The published file is gone as soon as it is unpacked. A candidate that was unpacked has two
//! digests: its own is that of the binary, which is what runs later and what probes, hooks and
//! events are told; [`Candidate::published`] is that of the file that was delivered, which the
//! source announced, and by which the history knows the file when it is delivered again.
//!
//! Rejected: `zip` and `async-compression`, which bring an encoder, a runtime's adapters and more
//! for each format; libraries in C, which a hostile file could do more harm to.
//!
//! Limits: a binary that is packed twice is unpacked once, and refused. In a zip, entries that are
//! packed by anything but deflate are. A tar archive without POSIX's or GNU's mark is not known as
//! one.
#![cfg_attr(not(feature = "archives"), allow(rustdoc::broken_intra_doc_links, reason = "left out"))]

use std::fs::File;
use std::io::Read as _;

pub(super) use self::format::Format;
use self::format::START;
use super::candidate::Candidate;
use super::preflight::Target;
use crate::error::{Context as _, Error, ErrorKind, Result};

#[cfg(feature = "archives")]
mod chooser;
#[cfg(feature = "archives")]
mod flow;
mod format;
#[cfg(feature = "archives")]
mod gzip;
#[cfg(feature = "archives")]
mod tar;
#[cfg(feature = "archives")]
mod xz;
#[cfg(feature = "archives")]
mod zip;
#[cfg(feature = "archives")]
mod zstd;

/// What is unpacked.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "archives"), expect(dead_code, reason = "nothing is unpacked"))]
pub(super) struct Terms {
    /// The end of the path of an archive's entry that is the binary.
    pub(super) bin: Vec<u8>,
    /// In bytes, unpacked.
    pub(super) max_size: u64,
}

/// `candidate`, unpacked if it is packed.
///
/// # Errors
///
/// [`ErrorKind::Decode`] if there is something wrong with the published file; every other kind is no
/// fault of its.
pub(super) async fn unpack(
    candidate: Candidate,
    target: &Target,
    terms: &Terms,
) -> Result<Candidate> {
    match format_of(candidate.file())? {
        None => Ok(candidate),
        Some(format) => Box::pin(unpack_as(format, candidate, target, terms)).await,
    }
}

/// Whether `error` is that unpacking took too long.
pub(super) fn is_overdue(error: &Error) -> bool {
    let cause = std::error::Error::source(error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::TimedOut)
}

fn format_of(file: &File) -> Result<Option<Format>> {
    let mut start = Vec::new();
    let read = file.take(START as u64).read_to_end(&mut start);
    read.context(ErrorKind::Stage, || "its first bytes cannot be read")?;
    Ok(Format::of(&start))
}

#[cfg(not(feature = "archives"))]
#[expect(clippy::unused_async, reason = "the other one waits")]
async fn unpack_as(format: Format, _: Candidate, _: &Target, _: &Terms) -> Result<Candidate> {
    let words = format!(
        "it is packed as {format}, and this program was built without what unpacks that; build it \
         with selfup's feature `archives`, or publish the binary itself"
    );
    Err(Error::new(ErrorKind::Decode, words))
}

#[cfg(feature = "archives")]
async fn unpack_as(
    format: Format,
    candidate: Candidate,
    target: &Target,
    terms: &Terms,
) -> Result<Candidate> {
    use super::stage::{Headroom, Sink, check_free, not_written};

    let (published, length) = (candidate.id(), candidate.length());
    let validator = candidate.validator().map(str::to_owned);
    let (mut sink, mut headroom) = (Sink::new(target)?, Headroom::default());
    let mut room = |size| check_free(format_args!("{size} bytes"), size, target.folder());
    let mut to = |bytes: &[u8]| {
        // Not every format says how much is to come, and none is believed.
        headroom.check(sink.written(), 0, target)?;
        sink.write(bytes)
    };
    let mut output = flow::Output::new(terms.max_size, &mut room, &mut to);
    let file = File::open(candidate.path());
    let file = file.context(ErrorKind::Stage, || "the published file cannot be opened")?;
    let file = rawzip::FileReader::from(file);
    Box::pin(decode(format, file, length, &terms.bin, &mut output)).await?;
    drop(candidate);
    let (path, file, id) = sink.finish()?;
    let unpacked = Candidate::new(path, file, id, validator);
    let unpacked = unpacked.map_err(|error| not_written(error, target));
    Ok(unpacked?.published_as(published))
}

/// Finds the binary `bin` in `file`, which has so many bytes, and gives it to `output`.
#[cfg(feature = "archives")]
async fn decode(
    format: Format,
    file: impl rawzip::ReaderAt,
    length: u64,
    bin: &[u8],
    output: &mut flow::Output<'_>,
) -> Result<()> {
    use std::io::BufReader;

    let (wanted, watch) = (chooser::Wanted::new(bin), flow::Watch::start());
    let mut chooser = chooser::Chooser::new(&wanted);
    let source = flow::Source::new(file, &watch);
    let chooser = &mut chooser;
    let decoded = match format {
        Format::Zip => match zip::take(source, length, chooser, output).await {
            Ok(()) => chooser.finish().map_err(Into::into),
            Err(failure) => Err(failure),
        },
        Format::Tar => decode_plain(source, &watch, chooser, output).await,
        Format::Gzip => {
            decode_plain(gzip::open(BufReader::new(source)), &watch, chooser, output).await
        }
        Format::Zstd => {
            decode_plain(zstd::open(BufReader::new(source)), &watch, chooser, output).await
        }
        Format::Xz => decode_plain(xz::open(BufReader::new(source)), &watch, chooser, output).await,
    };
    decoded.map_err(|failure| watch.reason().unwrap_or_else(|| failure.into_error(format)))
}

/// `plain` is the binary, or a tar archive with it.
#[cfg(feature = "archives")]
async fn decode_plain(
    plain: impl std::io::Read,
    watch: &std::rc::Rc<flow::Watch>,
    chooser: &mut chooser::Chooser<'_>,
    output: &mut flow::Output<'_>,
) -> Result<(), flow::Failure> {
    let mut plain = flow::Capped::new(plain, output.most(), watch);
    let mut start = Vec::new();
    plain.by_ref().take(START as u64).read_to_end(&mut start)?;
    let is_tar = Format::is_tar(&start);
    let mut whole = std::io::Cursor::new(start).chain(plain);
    if !is_tar {
        return flow::pour(&mut whole, |bytes| output.write(bytes)).await.map(drop);
    }
    tar::take(whole, chooser, output).await?;
    Ok(chooser.finish()?)
}

/// [`unpack`] for a fuzzer: what is unpacked goes nowhere.
#[cfg(all(any(fuzzing, test), feature = "archives"))]
pub(super) async fn try_out(bytes: &[u8], bin: &[u8], most: u64) {
    let Some(format) = Format::of(&bytes[..bytes.len().min(START)]) else { return };
    let (mut room, mut to) = (|_| Ok(()), |_: &[u8]| Ok(()));
    let mut output = flow::Output::new(most, &mut room, &mut to);
    let _ = Box::pin(decode(format, bytes, bytes.len() as u64, bin, &mut output)).await;
}

/// In bytes: the most that a decoder looks back.
#[cfg(feature = "archives")]
const WINDOW: u32 = 64 << 20;

/// What the tests of the whole pipeline publish.
#[cfg(feature = "archives")]
#[cfg(test)]
pub(super) mod testing {
    pub(in crate::upgrade) use super::tests::gzip;
    use super::tests::{tarred as tar, zipped as zip};

    pub(in crate::upgrade) fn tarred(name: &str, data: &[u8]) -> Vec<u8> {
        tar::archive(&[tar::file(name, data)])
    }

    pub(in crate::upgrade) fn zipped(name: &str, data: &[u8]) -> Vec<u8> {
        zip::archive(&[zip::file(name, data).deflated()])
    }
}

#[cfg(feature = "archives")]
#[cfg(test)]
mod tests;
