//! What a file says, for whoever wants to see all of it: where a check would end at the first fault,
//! this goes on.

use object::ReadCache;

use super::{Acceptance, CUT, Error, Note, Path, Predecessors, Result};
use super::{check_start, claims, inspect_class, machine, note_in, open, refused, start_of};

/// A file that is an ELF binary, or was one before it was cut off.
#[derive(Debug)]
#[non_exhaustive]
pub struct Look {
    /// Word size, byte order and architecture.
    pub machine: String,
    /// Why this machine would not run it.
    pub problem: Option<Error>,
    /// Whether its headers name what is not there.
    pub is_cut: bool,
    /// What it says about itself.
    pub note: Option<Note>,
}

/// Looks at the file at `path`.
///
/// # Errors
///
/// `ErrorKind::Stage` if it cannot be read, `ErrorKind::Note` if it is no ELF file.
pub fn look(path: &Path) -> Result<Look> {
    let file = open(path)?;
    let own = machine(&ReadCache::new(open(Path::new("/proc/self/exe"))?))?;
    let start = start_of(&file)?;
    check_start(&start)?;
    let data = &ReadCache::new(file);
    let found = machine(data)?;
    let foreign = (found != own).then(|| {
        refused(format!(
            "it is built for {found}, and this machine is {own}; take the build for that"
        ))
    });
    let whole = inspect_class(&start, data);
    let is_cut = whole.as_ref().is_err_and(|error| error.to_string().starts_with(CUT));
    let noted = note_in(data);
    let problem = if is_cut { whole.err() } else { foreign.or(whole.err()) };
    let (note, garbled) = match noted {
        Ok(note) => (note, None),
        Err(error) => (None, Some(error)),
    };
    Ok(Look { machine: found.to_string(), problem: problem.or(garbled), is_cut, note })
}

/// Whether a file whose note is `found` may follow the one that says `replaced`.
///
/// # Errors
///
/// `ErrorKind::Note`, with what a service would say when it refused it.
pub fn may_follow(found: Option<&Note>, replaced: Option<&Note>) -> Result<()> {
    let predecessors = Predecessors { running: None, replaced };
    claims::check(found, predecessors, &Acceptance::default())
}

/// The C library that a target triple names, if it names a known one.
#[must_use]
pub fn libc_of(target: &str) -> Option<&'static str> {
    claims::libc_of(target)
}
