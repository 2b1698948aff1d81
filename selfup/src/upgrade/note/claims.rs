//! What a binary says about itself, held against what is in place.
//!
//! The name is compared with that of the program that runs. Version and libc are compared with the
//! binary that would be replaced, for that is what the next start would run: with
//! `no_restart_after_fetch` or `upgrade_master = false` it may be newer than the master. If that one
//! says nothing, or is somebody else's, those of the program that runs count.
//!
//! Versions are ordered as semver orders them, pre-releases included and build metadata left out;
//! what has the same version is a rebuild, and taken. A version that cannot be read is not known to
//! be newer, so it is refused where there is one to compare it with.
//!
//! A change of the libc is refused although a static binary runs on any: what resolves names,
//! allocates memory and reads locales would be another from one release to the next, and `{target}`
//! in a URL never leads there. Who wants it puts that binary in place by hand, once, as every
//! other step back or aside: a file that an operator chose is held to its name alone.

use semver::Version;

use super::refused;
use crate::config::Acceptance;
use crate::error::Result;
use crate::note::Note;

/// Whom a candidate has to follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Predecessors<'a> {
    /// The note of the program that runs.
    pub(super) running: Option<&'a Note>,
    /// The note of the binary at the path.
    pub(super) replaced: Option<&'a Note>,
}

impl<'a> Predecessors<'a> {
    fn in_place(self) -> Option<&'a Note> {
        let is_ours =
            |replaced: &&Note| self.running.is_none_or(|running| running.name() == replaced.name());
        self.replaced.filter(is_ours).or(self.running)
    }
}

/// Refuses a candidate that says `found`, unless it may follow.
pub(super) fn check(
    found: Option<&Note>,
    predecessors: Predecessors<'_>,
    accepted: &Acceptance,
) -> Result<()> {
    let Some(found) = found else {
        return if accepted.allow_unmarked { Ok(()) } else { unmarked(predecessors.running) };
    };
    let Some(in_place) = predecessors.in_place() else { return Ok(()) };
    check_name(in_place, found)?;
    check_libc(in_place, found)?;
    if accepted.allow_downgrade { Ok(()) } else { check_version(in_place, found) }
}

/// [`check`] for a binary that an operator put in place: he may go back, and change the libc. It
/// has to say which program it is if the one that runs does.
pub(super) fn check_deployed(
    found: Option<&Note>,
    running: Option<&Note>,
    allow_unmarked: bool,
) -> Result<()> {
    match (found, running) {
        (None, Some(_)) if !allow_unmarked => unmarked(running),
        (Some(found), Some(running)) => check_name(running, found),
        _ => Ok(()),
    }
}

fn unmarked(running: Option<&Note>) -> Result<()> {
    let expected = match running {
        Some(running) => format!("this service runs {}", shown(running.name())),
        None => "only binaries that do are taken".to_owned(),
    };
    Err(refused(format!(
        "it does not say which program it is, and {expected}; publish a binary that is marked by \
         `#[selfup::main]` or `selfup::note!()`, or set `allow_unmarked`"
    )))
}

/// Refuses the binary of another program.
fn check_name(in_place: &Note, found: &Note) -> Result<()> {
    if in_place.name() == found.name() {
        return Ok(());
    }
    let (name, other) = (shown(in_place.name()), shown(found.name()));
    Err(refused(format!(
        "it is the program {other}, and this service runs {name}; publish a binary of this \
         program, or, if it was renamed, set `name` to {name}"
    )))
}

fn check_libc(in_place: &Note, found: &Note) -> Result<()> {
    let (Some(libc), Some(other)) = (libc_of(in_place.target()), libc_of(found.target())) else {
        return Ok(());
    };
    if libc == other {
        return Ok(());
    }
    let (target, found) = (shown(in_place.target()), shown(found.target()));
    Err(refused(format!(
        "it is built for {found}, with {other}, and the binary in place for {target}, with {libc}; \
         publish the build for {target}, or change the libc by hand: put the new binary in place \
         and restart"
    )))
}

fn check_version(in_place: &Note, found: &Note) -> Result<()> {
    let Ok(version) = Version::parse(in_place.version()) else { return Ok(()) };
    let shown_version = shown(in_place.version());
    let Ok(offered) = Version::parse(found.version()) else {
        let words = match found.version() {
            "" => "it does not say which version it is".to_owned(),
            other => format!("its version {} is not MAJOR.MINOR.PATCH", shown(other)),
        };
        return Err(refused(format!(
            "{words}, and {shown_version} is in place; set `version`, or take any by \
             `allow_downgrade`"
        )));
    };
    if offered.cmp_precedence(&version).is_ge() {
        return Ok(());
    }
    Err(refused(format!(
        "it is version {}, older than {shown_version}, which is in place; publish a later version, \
         set `allow_downgrade`, or, to go back once, put the binary in place by hand and restart",
        shown(found.version())
    )))
}

/// The C library that a target triple names, if it names a known one.
pub(super) fn libc_of(target: &str) -> Option<&'static str> {
    let environment = target.rsplit('-').next().unwrap_or_default();
    LIBCS.iter().find(|(prefix, _)| environment.starts_with(prefix)).map(|(_, libc)| *libc)
}

/// By what the last part of a triple begins with: `gnueabihf` and `gnux32` are glibc, too, and the
/// rest of what they say is in the headers.
const LIBCS: &[(&str, &str)] = &[
    ("gnu", "glibc"),
    ("musl", "musl"),
    ("ohos", "musl of OpenHarmony"),
    ("uclibc", "uClibc"),
    ("android", "bionic"),
];

/// In quotes, escaped, and not without end: the bytes may be anybody's.
fn shown(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// In characters.
const LONGEST_SHOWN: usize = 100;

#[cfg(test)]
mod tests;
