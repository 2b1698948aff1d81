//! zip, as APPNOTE.TXT has it: read by its central directory, from the file on disk.
//!
//! A zip says everything twice, and readers differ in whom they believe. So what the central
//! directory says of the entry has to be what its local header says, and no other entry may lie in
//! its bytes. Its checksum is compared; entries of two methods are read, stored and deflated ones.
//! Behind the archive there may be nothing, so that no other reader finds another archive.

use std::io::BufReader;

use rawzip::{
    CompressionMethod, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipEntry,
    ZipFileHeaderRecord, ZipLocator,
};

use super::chooser::{Chooser, Entry, Kind};
use super::flow::{Failure, Output, pour};

/// The entry that was chosen, as the central directory has it.
struct Chosen {
    wayfinder: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    name: Vec<u8>,
    crc: u32,
    offset: u64,
}

/// Writes the entry that `chooser` takes from a file of so many bytes.
pub(super) async fn take(
    file: impl ReaderAt,
    length: u64,
    chooser: &mut Chooser<'_>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
    let located = ZipLocator::new().locate_in_reader(file, &mut buffer, length);
    let archive = located.map_err(|(_, error)| error)?;
    if archive.end_offset() != length {
        return Err("there is something behind its end".into());
    }
    let Some(chosen) = choose(&archive, &mut buffer, chooser)? else { return Ok(()) };
    let entry = archive.get_entry(chosen.wayfinder)?;
    check_agreement(&entry, &chosen, &mut buffer)?;
    check_overlap(&archive, &entry, &chosen, &mut buffer)?;
    let size = chosen.wayfinder.uncompressed_size_hint();
    output.expect(size)?;
    let packed = entry.reader();
    if chosen.method == CompressionMethod::STORE {
        let mut plain = entry.verifying_reader(packed);
        pour(&mut plain, |bytes| output.write(bytes)).await?;
    } else {
        let packed = BufReader::with_capacity(BUFFER, packed);
        let deflated = flate2::bufread::DeflateDecoder::new(packed);
        let mut plain = entry.verifying_reader(deflated);
        pour(&mut plain, |bytes| output.write(bytes)).await?;
        if plain.into_inner().total_in() != chosen.wayfinder.compressed_size_hint() {
            return Err("there is something behind the end of its entry".into());
        }
    }
    // What an empty entry's reader would not have compared.
    if output.written() != size {
        return Err("its entry is not as long as it says".into());
    }
    Ok(())
}

fn choose<R: ReaderAt>(
    archive: &ZipArchive<R>,
    buffer: &mut [u8],
    chooser: &mut Chooser<'_>,
) -> Result<Option<Chosen>, Failure> {
    let mut chosen = None;
    let mut count = 0;
    let mut entries = archive.entries(buffer);
    while let Some(record) = entries.next_entry()? {
        chooser.count()?;
        count += 1;
        let name = record.file_path();
        let mode = record.mode().value();
        let found = Entry { name: name.as_bytes(), kind: kind_of(mode), mode };
        if chooser.takes(&found)? {
            chosen = Some(Chosen::of(&record)?);
        }
    }
    if count != archive.entries_hint() {
        return Err("it has not as many entries as it says".into());
    }
    Ok(chosen)
}

impl Chosen {
    fn of(record: &ZipFileHeaderRecord<'_>) -> Result<Self, Failure> {
        let method = record.compression_method();
        if record.flags().is_encrypted() {
            return Err("its entry is encrypted".into());
        }
        if ![CompressionMethod::STORE, CompressionMethod::DEFLATE].contains(&method) {
            return Err(format!(
                "its entry is packed by {method}, and stored and deflated ones are \
                                read"
            )
            .into());
        }
        Ok(Self {
            wayfinder: record.wayfinder(),
            method,
            name: record.file_path().as_bytes().to_vec(),
            crc: record.crc32(),
            offset: record.local_header_offset(),
        })
    }
}

/// Refuses an entry whose local header, or what is behind its data, says something else.
fn check_agreement<R: ReaderAt>(
    entry: &ZipEntry<'_, R>,
    chosen: &Chosen,
    buffer: &mut Vec<u8>,
) -> Result<(), Failure> {
    // A name and an extra field, each of a length that has two bytes.
    buffer.resize(2 * usize::from(u16::MAX), 0);
    let local = entry.local_header(buffer)?;
    let wayfinder = &chosen.wayfinder;
    let says = (chosen.crc, wayfinder.compressed_size_hint(), wayfinder.uncompressed_size_hint());
    let sizes = match entry.reader().data_descriptor()? {
        Some(behind) => (behind.crc32(), behind.compressed_size(), behind.uncompressed_size()),
        None => (local.crc32(), local.compressed_size_hint(), local.uncompressed_size_hint()),
    };
    let is_same = local.file_path().as_bytes() == chosen.name
        && local.compression_method() == chosen.method
        && !local.flags().is_encrypted()
        && sizes == says;
    if is_same { Ok(()) } else { Err("its entry's two headers contradict each other".into()) }
}

/// Refuses an entry in whose bytes another one lies, or the directory.
fn check_overlap<R: ReaderAt>(
    archive: &ZipArchive<R>,
    entry: &ZipEntry<'_, R>,
    chosen: &Chosen,
    buffer: &mut [u8],
) -> Result<(), Failure> {
    let (_, end) = entry.compressed_data_range();
    let mut entries = archive.entries(buffer);
    let mut overlaps = end > archive.directory_offset();
    while let Some(other) = entries.next_entry()? {
        let begin = other.local_header_offset();
        let is_chosen = other.wayfinder() == chosen.wayfinder;
        if is_chosen && other.file_path().as_bytes() == chosen.name {
            continue;
        }
        let other_end = begin.saturating_add(HEADER).saturating_add(other.compressed_size_hint());
        overlaps |= begin < end && other_end > chosen.offset;
    }
    if overlaps { Err("its entries overlap".into()) } else { Ok(()) }
}

/// The type bits of a UNIX mode; archives of other systems have none.
fn kind_of(mode: u32) -> Kind {
    match mode & 0o170_000 {
        0 | 0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Other("is a symbolic link"),
        0o020_000 | 0o060_000 => Kind::Other("is a device"),
        0o010_000 => Kind::Other("is a pipe"),
        _ => Kind::Other("is of an unknown type"),
    }
}

/// Of a local header without its name: in bytes.
const HEADER: u64 = 30;

const BUFFER: usize = 64 * 1024;
