//! Which version of glibc a binary needs, and whether it is here.
//!
//! The dynamic loader compares the versions that a binary asks for with those that the library
//! defines, and does not start it if one is missing. The library is looked for beside the
//! interpreter that the binary names, where every distribution has it.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use object::elf::{FileHeader32, FileHeader64, PT_INTERP, SHT_GNU_VERDEF, SHT_GNU_VERNEED};
use object::read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _};
use object::{Endianness, ReadCache, ReadRef as _};

/// 2.34.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32, u32);

impl Version {
    /// The version in a name such as `GLIBC_2.34` or `GLIBC_2.2.5`.
    fn in_name(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
        let mut numbers = name.split('.').map(|number| number.parse().ok());
        Some(Self(numbers.next()??, numbers.next()??))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[derive(Debug)]
pub(crate) struct Glibc {
    pub(crate) wanted: Version,
    /// The newest that this machine has, if that could be told.
    pub(crate) found: Option<Version>,
}

impl Glibc {
    /// Why a binary that wants it does not start here.
    pub(crate) fn problem(&self) -> Option<String> {
        let found = self.found.filter(|found| *found < self.wanted)?;
        Some(format!(
            "it needs glibc {}, and this machine has {found}; build it on a system as old as this \
             machine's, or for musl",
            self.wanted
        ))
    }
}

/// What the binary at `path` needs of glibc; nothing, if it is none or needs none.
pub(crate) fn of(path: &Path) -> Option<Glibc> {
    let data = &ReadCache::new(File::open(path).ok()?);
    let (wanted, interpreter) = if is_64(data)? {
        let wanted = newest::<FileHeader64<Endianness>>(data, Table::Needed)?;
        (wanted, interpreter::<FileHeader64<Endianness>>(data))
    } else {
        let wanted = newest::<FileHeader32<Endianness>>(data, Table::Needed)?;
        (wanted, interpreter::<FileHeader32<Endianness>>(data))
    };
    Some(Glibc { wanted, found: interpreter.and_then(|path| beside(&path)) })
}

/// The newest version of the library beside an interpreter.
fn beside(interpreter: &Path) -> Option<Version> {
    let library = interpreter.canonicalize().ok()?.with_file_name("libc.so.6");
    let data = &ReadCache::new(File::open(library).ok()?);
    if is_64(data)? {
        newest::<FileHeader64<Endianness>>(data, Table::Defined)
    } else {
        newest::<FileHeader32<Endianness>>(data, Table::Defined)
    }
}

fn is_64(data: Data<'_>) -> Option<bool> {
    Some(data.read_bytes_at(0, 16).ok()?[4] == 2)
}

type Data<'data> = &'data ReadCache<File>;

fn interpreter<H: FileHeader<Endian = Endianness>>(data: Data<'_>) -> Option<PathBuf> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    if header.phnum(endian, data).ok()? > MOST_HEADERS {
        return None;
    }
    let segments = header.program_headers(endian, data).ok()?;
    let segment = segments.iter().find(|segment| segment.p_type(endian) == PT_INTERP)?;
    let (offset, size) = segment.file_range(endian);
    let text = data.read_bytes_at(offset, size.min(LONGEST_PATH)).ok()?;
    Some(OsStr::from_bytes(text.split(|byte| *byte == 0).next()?).into())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Needed,
    Defined,
}

/// The newest version of glibc in a table of versions.
fn newest<H: FileHeader<Endian = Endianness>>(data: Data<'_>, table: Table) -> Option<Version> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    if header.shnum(endian, data).ok()? > MOST_HEADERS {
        return None;
    }
    let sections = header.sections(endian, data).ok()?;
    let kind = if table == Table::Needed { SHT_GNU_VERNEED } else { SHT_GNU_VERDEF };
    let is_asked = |section: &&H::SectionHeader| {
        section.sh_type(endian) == kind && section.sh_size(endian).into() <= LONGEST_SECTION
    };
    let section = sections.iter().find(is_asked)?;
    let (mut newest, mut count) = (None, 0);
    let mut see = |name: &[u8]| {
        newest = newest.max(Version::in_name(name));
        count += 1;
        (count < MOST_NAMES).then_some(())
    };
    if let Some((mut needed, link)) = section.gnu_verneed(endian, data).ok()? {
        let strings = sections.strings(endian, data, link).ok()?;
        while let Some((_, mut names)) = needed.next().ok()? {
            while let Some(name) = names.next().ok()? {
                see(name.name(endian, strings).ok()?)?;
            }
        }
    } else if let Some((mut defined, link)) = section.gnu_verdef(endian, data).ok()? {
        let strings = sections.strings(endian, data, link).ok()?;
        while let Some((_, mut names)) = defined.next().ok()? {
            // The first is its own, the others those that it follows.
            if let Some(name) = names.next().ok()? {
                see(name.name(endian, strings).ok()?)?;
            }
        }
    }
    newest
}

/// The tables of a file with more are not read.
const MOST_HEADERS: u32 = 1 << 14;

/// In bytes; glibc's own is 2 KiB.
const LONGEST_SECTION: u64 = 256 << 10;

/// Entries may overlap, so a short section may have millions.
const MOST_NAMES: usize = 4096;

const LONGEST_PATH: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let [old, new] = ["GLIBC_2.9", "GLIBC_2.34"].map(|name| Version::in_name(name.as_bytes()));
        assert!(old < new && old.is_some());
        assert_eq!(Version::in_name(b"GLIBC_PRIVATE"), None);
        assert_eq!(Version::in_name(b"GLIBC_2.2.5"), Some(Version(2, 2)));
    }

    #[test]
    fn a_version_that_is_not_here_is_a_problem() {
        let glibc = |wanted, found| Glibc { wanted, found: Some(found) };
        let problem = glibc(Version(2, 39), Version(2, 36)).problem().unwrap();
        assert!(problem.contains("needs glibc 2.39, and this machine has 2.36"), "{problem}");
        assert_eq!(glibc(Version(2, 36), Version(2, 36)).problem(), None);
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_runs_here_needs_no_more_than_is_here() {
        let own = of(Path::new("/proc/self/exe")).unwrap();
        assert!(own.found.is_some_and(|found| found >= own.wanted), "{own:?}");
        assert!(own.wanted >= Version(2, 2), "{own:?}");
        assert_eq!(own.problem(), None);
    }
}
