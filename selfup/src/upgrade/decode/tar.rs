//! tar, POSIX and GNU: read from its first to its last byte, for only then is it known that there is
//! one entry of the name.
//!
//! The crate reads headers and no more: names that are longer than a header has room for come in
//! entries of their own, which it would hold in memory whatever their size. What two readers may
//! understand in two ways (two long names for one entry, a size beside that of the header) is
//! refused.

use std::io::Read;

use ::tar::{Archive, EntryType, Header, PaxExtensions};

use super::chooser::{Chooser, Entry, Kind};
use super::flow::{Failure, Output, pour};

/// Writes the entry that `chooser` takes.
pub(super) async fn take(
    plain: impl Read,
    chooser: &mut Chooser<'_>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut archive = Archive::new(plain);
    let mut long_name = None;
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        chooser.count()?;
        let kind = entry.header().entry_type();
        if let Some(name) = long_name_in(&mut entry, kind)? {
            if long_name.replace(name).is_some() {
                return Err("an entry has two long names".into());
            }
            continue;
        }
        if kind.is_pax_global_extensions() || kind.is_pax_local_extensions() || is_link_name(kind) {
            continue;
        }
        let header = entry.header();
        let name = long_name.take().unwrap_or_else(|| header.path_bytes().into_owned());
        let found = Entry { name: &name, kind: kind_of(header), mode: header.mode().unwrap_or(0) };
        let (is_taken, size) = (chooser.takes(&found)?, entry.size());
        let poured = if is_taken {
            output.expect(size)?;
            pour(&mut entry, |bytes| output.write(bytes)).await?
        } else {
            pour(&mut entry, |_| Ok(())).await?
        };
        if poured != size {
            return Err("an entry is cut off".into());
        }
    }
    if long_name.is_some() {
        return Err("the entry of a long name is missing".into());
    }
    end(archive.into_inner()).await
}

/// Behind the last entry there are zeros alone (pax(1), "ustar Interchange Format").
async fn end(mut rest: impl Read) -> Result<(), Failure> {
    let check = |bytes: &[u8]| {
        let is_end = bytes.iter().all(|&byte| byte == 0);
        if is_end { Ok(()) } else { Err("there is something behind its end".into()) }
    };
    match pour(&mut rest, check).await? {
        // Two blocks of zeros, of which one has been read.
        ..BLOCK => Err("its end is missing".into()),
        _ => Ok(()),
    }
}

/// The name of the next entry, where this one is about that.
fn long_name_in(entry: &mut impl Read, kind: EntryType) -> Result<Option<Vec<u8>>, Failure> {
    if kind.is_gnu_longname() {
        let mut name = text(entry)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        return Ok(Some(name));
    }
    let is_global = kind.is_pax_global_extensions();
    if !is_global && !kind.is_pax_local_extensions() {
        if is_link_name(kind) {
            text(entry)?;
        }
        return Ok(None);
    }
    let mut name = None;
    for extension in PaxExtensions::new(&text(entry)?) {
        let extension = extension?;
        let key = extension.key_bytes();
        if key == b"size" || key.starts_with(b"GNU.sparse.") || (is_global && key == b"path") {
            let key = String::from_utf8_lossy(key).into_owned();
            return Err(format!("its `{key}` is none that can be relied on").into());
        }
        if key == b"path" && name.replace(extension.value_bytes().to_vec()).is_some() {
            return Err("an entry has two long names".into());
        }
    }
    Ok(name)
}

/// A long name, or a few of them.
fn text(entry: &mut impl Read) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    entry.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(format!("a name in it is longer than {LONGEST} bytes").into());
    }
    Ok(text)
}

/// Where a link with a long name leads.
fn is_link_name(kind: EntryType) -> bool {
    kind.is_gnu_longlink()
}

fn kind_of(header: &Header) -> Kind {
    match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Link => Kind::Other("is a hard link"),
        EntryType::Symlink => Kind::Other("is a symbolic link"),
        EntryType::Char | EntryType::Block => Kind::Other("is a device"),
        EntryType::Fifo => Kind::Other("is a pipe"),
        EntryType::GNUSparse => Kind::Other("is a sparse file"),
        _ => Kind::Other("is of an unknown type"),
    }
}

const BLOCK: u64 = 512;

/// In bytes. A path has 4096 at most, and a few attributes come with it.
const LONGEST: u64 = 64 * 1024;
