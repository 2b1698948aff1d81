//! What the file says about itself, read without running it.
//!
//! The headers of an ELF file tell how long it must be: every table, segment and section has to lie
//! inside the file, so a file that was cut off is noticed wherever it was cut, its last section
//! included. Word size, byte order and machine must be those of the binary that runs, and the
//! interpreter must be there. Then the file's own note says which program, version and target it
//! is: see [`claims`].
//!
//! The file is not mapped, for mapping needs unsafe code and dies of a file that shrinks, and not
//! read whole: the headers are read by offset, and what they may make us read is bounded.
//!
//! Limits: of a binary whose section headers were stripped, or that carries data behind its last
//! section, only the segments are known. Of a binary without a note, which `allow_unmarked` lets
//! pass, it is not known which program it is; the probe tells at least whether it is one of selfup's.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use object::elf::{
    ELFCLASS64, ELFMAG, ET_CORE, ET_DYN, ET_EXEC, ET_REL, FileHeader32, FileHeader64, PT_INTERP,
    PT_LOAD, SHT_NOBITS, SHT_NULL,
};
use object::read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _};
use object::{Endianness, ReadCache, ReadRef as _};

use self::claims::Predecessors;
use self::machine::Machine;
use super::decode::Format;
use crate::config::Acceptance;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::note::{Note, read_from};

mod claims;
#[cfg(feature = "cli")]
pub(super) mod look;
mod machine;

type Data<'data> = &'data ReadCache<File>;

/// Gives the note of the file at `path`, which is refused unless it is a whole binary for this
/// machine, and may follow the one that runs and the one that says `replaced`.
pub(super) fn check(
    path: &Path,
    replaced: Option<&Note>,
    accepted: &Acceptance,
) -> Result<Option<Note>> {
    let (found, running) = check_file(open(path)?)?;
    let predecessors = Predecessors { running: running.as_ref(), replaced };
    claims::check(found.as_ref(), predecessors, accepted)?;
    Ok(found)
}

/// [`check`] for a file that was put in place by hand.
pub(super) fn check_deployed(file: File, allow_unmarked: bool) -> Result<()> {
    let (found, running) = check_file(file)?;
    claims::check_deployed(found.as_ref(), running.as_ref(), allow_unmarked)
}

/// What the running program's archives call it: its name, without the package; `None` where it does
/// not say.
pub(super) fn own_name() -> Option<Vec<u8>> {
    let own = read_from(&ReadCache::new(open(Path::new("/proc/self/exe")).ok()?)).ok()??;
    own.name().rsplit('/').next().filter(|name| !name.is_empty()).map(Into::into)
}

/// The note of a binary that may be anything: none, if it has none that can be read.
pub(super) fn of(path: &Path) -> Option<Note> {
    read_from(&ReadCache::new(File::open(path).ok()?)).ok().flatten()
}

/// The note of `file` and that of the program that runs; an error unless the file is a whole binary
/// for this machine.
fn check_file(file: File) -> Result<(Option<Note>, Option<Note>)> {
    let running_data = &ReadCache::new(open(Path::new("/proc/self/exe"))?);
    let own = machine(running_data)?;
    let start = start_of(&file)?;
    check_start(&start)?;
    let data = &ReadCache::new(file);
    let found = machine(data)?;
    if found != own {
        return Err(refused(format!(
            "it is built for {found}, and this process runs on {own}; publish the binary that is \
             built for this target"
        )));
    }
    inspect_class(&start, data)?;
    let found = note_in(data)?;
    // Whatever is wrong with our own, it is no fault of the file's.
    Ok((found, read_from(running_data).ok().flatten()))
}

fn note_in(data: Data<'_>) -> Result<Option<Note>> {
    read_from(data).map_err(|error| {
        refused("its note is garbled; publish the binary as it was built").caused_by(error)
    })
}

// Not the candidate's fault: it is tried again.
fn open(path: &Path) -> Result<File> {
    File::open(path).context(ErrorKind::Stage, || format!("{} cannot be read", path.display()))
}

fn start_of(mut file: &File) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    let read = file.by_ref().take(START).read_to_end(&mut start);
    read.context(ErrorKind::Stage, || "its first bytes cannot be read")?;
    Ok(start)
}

/// Tells what is no ELF file at all, by its first bytes.
fn check_start(start: &[u8]) -> Result<()> {
    if start.is_empty() {
        return Err(refused("the file is empty; publish the whole binary"));
    }
    if start.starts_with(&ELFMAG) && start.len() > 16 {
        return Ok(());
    }
    if ELFMAG.starts_with(start) || start.starts_with(&ELFMAG) {
        return Err(cut(start.len() as u64, "its first header"));
    }
    let packed = || Format::of(start).map(|format| format!("packed as {format}"));
    let foreign = FOREIGN.iter().find(|(magic, _)| start.starts_with(magic));
    let known = foreign.map(|(_, program)| (*program).to_owned()).or_else(packed);
    Err(refused(match known {
        Some(what) => {
            format!("it is {what}, not an ELF binary; publish the binary, packed once at most")
        }
        None => format!(
            "it is no ELF binary, for it begins with \"{}\"; see what the source delivers",
            start.escape_ascii()
        ),
    }))
}

fn machine(data: Data<'_>) -> Result<Machine> {
    let ident = data.read_bytes_at(0, 16).map_err(|()| cut(length(data), "its first header"))?;
    if ident[4] == ELFCLASS64.0 {
        machine_of(64, header::<FileHeader64<Endianness>>(data)?)
    } else {
        machine_of(32, header::<FileHeader32<Endianness>>(data)?)
    }
}

fn machine_of<H: FileHeader<Endian = Endianness>>(bits: u8, header: &H) -> Result<Machine> {
    let endian = header.endian().map_err(garbled)?;
    Ok(Machine { bits, endian, number: header.e_machine(endian).0 })
}

fn header<H: FileHeader>(data: Data<'_>) -> Result<&H> {
    if length(data) < size_of::<H>() as u64 {
        return Err(cut(length(data), "its first header"));
    }
    H::parse(data).map_err(garbled)
}

fn inspect_class(start: &[u8], data: Data<'_>) -> Result<()> {
    if start[4] == ELFCLASS64.0 {
        inspect::<FileHeader64<Endianness>>(data)
    } else {
        inspect::<FileHeader32<Endianness>>(data)
    }
}

/// Checks that everything that the headers name is there.
fn inspect<H: FileHeader<Endian = Endianness>>(data: Data<'_>) -> Result<()> {
    let header = header::<H>(data)?;
    let endian = header.endian().map_err(garbled)?;
    let kind = header.e_type(endian);
    if ![ET_EXEC, ET_DYN].contains(&kind) {
        let kind = match kind {
            ET_REL => "an object file".to_owned(),
            ET_CORE => "a core file".to_owned(),
            other => format!("an ELF file of type {}", other.0),
        };
        return Err(refused(format!("it is {kind}, not a program; publish the linked binary")));
    }
    inspect_segments(header, endian, data)?;
    inspect_sections(header, endian, data)
}

fn inspect_segments<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    data: Data<'_>,
) -> Result<()> {
    let table = header.e_phoff(endian).into();
    let count = header.phnum(endian, data).map_err(|_| cut(length(data), "its section headers"))?;
    inside(data, table, table_size::<H::ProgramHeader>(count)?, "its program headers")?;
    let segments = header.program_headers(endian, data).map_err(garbled)?;
    let (mut loads, mut interpreters) = (0, 0);
    for segment in segments {
        let (offset, size) = segment.file_range(endian);
        let kind = segment.p_type(endian);
        if kind == PT_LOAD {
            loads += 1;
            inside(data, offset, size, "a segment")?;
        } else if kind == PT_INTERP {
            interpreters += 1;
            if interpreters > 1 {
                let words = "it names several interpreters; publish the binary as it was built";
                return Err(refused(words));
            }
            inside(data, offset, size, "the name of its interpreter")?;
            inspect_interpreter(data, offset, size)?;
        }
    }
    if loads == 0 {
        return Err(refused("it has nothing to load; publish the linked binary"));
    }
    Ok(())
}

fn inspect_sections<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    data: Data<'_>,
) -> Result<()> {
    let table: u64 = header.e_shoff(endian).into();
    if table == 0 {
        return Ok(());
    }
    let count = header.shnum(endian, data).map_err(|_| cut(length(data), "its section headers"))?;
    inside(data, table, table_size::<H::SectionHeader>(count)?, "its section headers")?;
    for section in header.section_headers(endian, data).map_err(garbled)? {
        if ![SHT_NULL, SHT_NOBITS].contains(&section.sh_type(endian)) {
            let (offset, size) = (section.sh_offset(endian).into(), section.sh_size(endian).into());
            inside(data, offset, size, "a section")?;
        }
    }
    Ok(())
}

fn inspect_interpreter(data: Data<'_>, offset: u64, size: u64) -> Result<()> {
    let text = data.read_bytes_at(offset, size.min(LONGEST_PATH)).unwrap_or_default();
    let path = Path::new(OsStr::from_bytes(text.split(|&byte| byte == 0).next().unwrap_or(text)));
    if path.exists() {
        return Ok(());
    }
    Err(refused(format!(
        "its interpreter {} is not on this machine; publish a binary that is built for this \
         machine's libc, or install that one",
        path.display()
    )))
}

fn table_size<T>(count: u32) -> Result<u64> {
    if count > MOST_HEADERS {
        return Err(refused(format!(
            "it has {count} headers in one table, and at most {MOST_HEADERS} are read; publish the \
             binary as it was built"
        )));
    }
    Ok(u64::from(count) * size_of::<T>() as u64)
}

/// Refuses a file that ends before `offset + size`.
fn inside(data: Data<'_>, offset: u64, size: u64, what: &str) -> Result<()> {
    let length = length(data);
    match offset.checked_add(size) {
        Some(end) if end <= length => Ok(()),
        Some(end) => Err(cut(length, &format!("{what}, which ends at {end}"))),
        None => Err(cut(length, what)),
    }
}

fn length(data: Data<'_>) -> u64 {
    data.len().unwrap_or(0)
}

fn cut(length: u64, within: &str) -> Error {
    refused(format!(
        "{CUT}: the file ends after {length} bytes, within {within}; publish the whole binary"
    ))
}

fn garbled(error: object::Error) -> Error {
    refused("its ELF headers are garbled; publish the binary as it was built").caused_by(error)
}

fn refused(words: impl Into<String>) -> Error {
    Error::new(ErrorKind::Note, words)
}

const CUT: &str = "it is cut off";

/// As many first bytes are looked at, and shown where they are no binary's.
const START: u64 = 32;

/// The tables of a binary with more headers are not read: each may be a lie of 64 bytes.
const MOST_HEADERS: u32 = 1 << 14;

const LONGEST_PATH: u64 = 4096;

/// What is published in place of a binary by mistake, beside what is packed twice.
const FOREIGN: &[(&[u8], &str)] =
    &[(b"MZ", "a Windows program"), (&[0xcf, 0xfa, 0xed, 0xfe], "a macOS program")];

#[cfg(test)]
mod tests;
