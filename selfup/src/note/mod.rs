//! The note that names a program inside its own binary.
//!
//! The attribute puts one ELF note into every program, in a section of its own, so that a binary on
//! disk can be asked who it is without running it: [`read`] does. A program without the attribute
//! places it by [`selfup::note!()`](macro@crate::note).
//!
//! # What it decides
//!
//! A candidate for an upgrade is refused before any of it runs unless its note says that it
//!
//! - is the *same program*: the names are equal. The name is `package/binary`, or the key `name`;
//!   who renames the package or the binary sets that to the old name.
//! - is *not older*, by the order of [semver](https://semver.org): the version is not lower than
//!   that of the binary that it would replace. `1.2.0-rc.1` is older than `1.2.0`, and what follows
//!   a `+` does not count. The same version with other bytes is a rebuild, and is taken.
//!   `allow_downgrade` takes any.
//! - has the *same libc* in its target triple, glibc or musl. Even a static binary, which would run,
//!   resolves names and allocates memory otherwise, so nobody should come by it through a mistake in
//!   a build. To change it, put the new binary in place by hand, once.
//!
//! One without a note is refused, too, unless `allow_unmarked` is set.
//!
//! A binary that is put in place by hand, for the next restart to start, is held to less, for an
//! operator chose it: it may be older, and have another libc. It has to be the same program, and to
//! say so if the one that runs does. So has the previous binary, to be gone back to by request. One that
//! is put back because the other failed its trial is not asked at all.
//!
//! # What it is made of
//!
//! The note's owner is `selfup`, its type 1. Its descriptor is a set of fields, each with its tag
//! and its length in front, two bytes each, little-endian: the protocol (1), the name (2), the
//! version (3) and the target (4). A reader skips the tags that it does not know, and a later version
//! may add some.
//!
//! The note survives `strip` and link-time optimisation. Other object formats have none.

use std::fs::File;
use std::path::Path;

use object::elf::{ELFCLASS64, FileHeader32, FileHeader64, PT_NOTE};
use object::read::elf::{FileHeader, ProgramHeader as _};
use object::{Endianness, ReadCache, ReadRef as _};

use crate::error::{BoxError, Context as _, Error, ErrorKind, Result};

mod semantic;
#[doc(hidden)]
pub mod write;

/// What a binary says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    protocol: u32,
    name: String,
    version: String,
    target: String,
}

impl Note {
    /// The program's name: `package/binary`, or what the key `name` says.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program's version: its package's, or what the key `version` says.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The target triple that it was built for, such as `x86_64-unknown-linux-gnu`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The version of the vocabulary that its master and child speak.
    #[must_use]
    pub fn protocol(&self) -> u32 {
        self.protocol
    }
}

#[cfg(test)]
impl Note {
    pub(crate) fn of_test(name: &str, version: &str, target: &str) -> Self {
        let [name, version, target] = [name, version, target].map(ToOwned::to_owned);
        Self { protocol: 1, name, version, target }
    }
}

/// The note of the binary at `path`, or `None` if it is an ELF file without one.
///
/// The file is not run, not mapped and not read whole.
///
/// # Errors
///
/// [`ErrorKind::Note`] if it cannot be read, is no ELF file, or its note is garbled.
pub fn read(path: impl AsRef<Path>) -> Result<Option<Note>> {
    let path = path.as_ref();
    let failed = || format!("{} cannot be read", path.display());
    let file = File::open(path).context(ErrorKind::Note, failed)?;
    read_from(&ReadCache::new(file)).map_err(|error| garbled(path).caused_by(error))
}

/// [`read`] for a file that is open.
pub(crate) fn read_from(data: &ReadCache<File>) -> Result<Option<Note>, BoxError> {
    let found = match data.read_bytes_at(0, 16) {
        Ok(ident) if ident[4] == ELFCLASS64.0 => find::<FileHeader64<Endianness>>(data)?,
        Ok(_) => find::<FileHeader32<Endianness>>(data)?,
        Err(()) => return Err("it is shorter than an ELF header".into()),
    };
    let Some(descriptor) = found else { return Ok(None) };
    parse(&descriptor).map(Some).ok_or_else(|| "a field of its note is cut off".into())
}

/// The descriptor of the first note that is ours.
fn find<H: FileHeader<Endian = Endianness>>(
    data: &ReadCache<File>,
) -> std::result::Result<Option<Vec<u8>>, object::Error> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    if header.phnum(endian, data)? > MOST_SEGMENTS {
        return Ok(None);
    }
    let segments = header.program_headers(endian, data)?.iter();
    let is_read = |segment: &&H::ProgramHeader| {
        segment.p_type(endian) == PT_NOTE && segment.p_filesz(endian).into() <= LONGEST
    };
    for segment in segments.filter(is_read).take(MOST_NOTES) {
        let Some(mut notes) = segment.notes(endian, data)? else { continue };
        while let Some(note) = notes.next()? {
            if note.name() == OWNER && note.n_type(endian).0 == KIND {
                return Ok(Some(note.desc().to_vec()));
            }
        }
    }
    Ok(None)
}

/// The fields, or `None` if one is cut off or is no text. Unknown ones are skipped.
fn parse(mut descriptor: &[u8]) -> Option<Note> {
    let mut note =
        Note { protocol: 0, name: String::new(), version: String::new(), target: String::new() };
    while let Some((head, rest)) = descriptor.split_first_chunk::<4>() {
        let tag = u16::from_le_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        if tag == TAG_PADDING {
            break;
        }
        let (field, rest) = rest.split_at_checked(length)?;
        // It is told in a line of a log, and nothing in it may look like another.
        let is_plain = |text: &&str| !text.contains(char::is_control);
        let text = || std::str::from_utf8(field).ok().filter(is_plain).map(ToOwned::to_owned);
        match tag {
            TAG_PROTOCOL => note.protocol = u32::from_le_bytes(field.try_into().ok()?),
            TAG_NAME => note.name = text()?,
            TAG_VERSION => note.version = text()?,
            TAG_TARGET => note.target = text()?,
            _ => {}
        }
        descriptor = rest;
    }
    Some(note)
}

fn garbled(path: &Path) -> Error {
    let path = path.display();
    let text = format!("{path} is no ELF file with a note that can be read; build it again");
    Error::new(ErrorKind::Note, text)
}

/// Whose notes are ours.
const OWNER: &[u8] = b"selfup";

/// The note's type, which only its owner gives a meaning.
const KIND: u32 = 1;

/// The descriptor is filled with zeros to a multiple of four.
const TAG_PADDING: u16 = 0;
const TAG_PROTOCOL: u16 = 1;
const TAG_NAME: u16 = 2;
const TAG_VERSION: u16 = 3;
const TAG_TARGET: u16 = 4;

/// The table of more segments is not read: its length may be a lie, and a sparse file bears it out.
const MOST_SEGMENTS: u32 = 1 << 14;

/// A segment of notes is small; a longer one is not ours, and not read.
const LONGEST: u64 = 64 * 1024;

/// So many of them are read; a binary has a handful. All that is read is held in memory.
const MOST_NOTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::write::{Fields, Note as Written};
    use super::*;

    const FIELDS: Fields = Fields::of_cargo(Some("shop"), Some("till"), Some("1.2.3"));

    #[test]
    fn a_binary_without_a_note_is_no_error() {
        assert_eq!(read("/bin/sh").unwrap(), None);
    }

    #[test]
    fn what_is_no_binary_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(read(file.path()).unwrap_err().kind(), ErrorKind::Note);
        std::fs::write(file.path(), [b'x'; 4096]).unwrap();
        assert_eq!(read(file.path()).unwrap_err().kind(), ErrorKind::Note);
    }

    #[test]
    fn the_name_is_that_of_package_and_binary() {
        let written = Written::<{ FIELDS.descriptor_len() }>::new(&FIELDS);
        let note = written.parse();
        assert_eq!((note.name(), note.version()), ("shop/till", "1.2.3"));
    }

    /// Each of them is somewhere else in a file that has no such length on disk.
    #[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
    #[test]
    fn segments_without_end_take_no_memory_without_end() {
        use std::io::Write as _;
        let highest = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let count = 10_000_u16;
        let mut bytes = std::fs::read("/proc/self/exe").unwrap()[..64].to_vec();
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[56..58].copy_from_slice(&count.to_le_bytes());
        for number in 0..u64::from(count) {
            let (offset, length) = (1 << 20 | number << 16, 60_000_u64);
            bytes.extend_from_slice(&[4, 0, 0, 0, 4, 0, 0, 0]);
            for word in [offset, 0, 0, length, length, 4] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        file.as_file().set_len(1 << 30).unwrap();
        let before = highest();
        let _ = read(file.path());
        let grown = highest() - before;
        assert!(grown < 8 * 1024, "{grown} KiB");
    }

    #[test]
    fn a_line_of_a_log_cannot_be_forged_by_a_name() {
        assert_eq!(parse(b"\x02\0\x03\0a/b").unwrap().name(), "a/b");
        assert_eq!(parse(b"\x02\0\x03\0a\nb"), None);
    }

    #[test]
    fn fields_of_a_later_version_are_skipped_and_cut_ones_refused() {
        let later = b"\x09\0\x02\0xx\x03\0\x01\09";
        assert_eq!(parse(later).unwrap().version(), "9");
        for length in 5..later.len() {
            let note = parse(&later[..length]);
            assert!(length == 6 || note.is_none_or(|note| note.version().is_empty()), "{length}");
        }
    }
}
