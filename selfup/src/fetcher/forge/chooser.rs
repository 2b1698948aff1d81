//! Which file of a release is the program for this machine.
//!
//! A name that is given is the name, letter by letter. Otherwise the names are read as those who
//! publish write them: the program, then in any order the version and the platform, then how it is
//! packed: `app-x86_64-unknown-linux-gnu.tar.xz`, `app-1.2.3-x86_64-unknown-linux-musl`,
//! `app_1.2.3_linux_amd64.tar.gz`. A name with a word that is not understood is passed over, whatever
//! else is in it, for the word may well say `debug` or `installer`. Of what is left:
//!
//! 1. the program is called as the project is; or, where no file is, all are called the same;
//! 2. the exact triple goes before its parts in other words, and those before a name that does not
//!    tell the C library;
//! 3. of one program packed in several ways the one is taken that is the least to unpack.
//!
//! What is then still more than one is an error that lists them, and so is nothing.
//!
//! Rejected: the longest common substring, and lists of regular expressions, as installers have
//! them: a program that replaces itself must not be replaced by its neighbour.

use super::model::{Asset, Tag};
use super::platform::{self, Platform, is_separator, words};
use crate::error::{Error, ErrorKind, Result};

/// What is looked for in a release.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The name of the project.
    pub(super) program: &'a str,
    pub(super) target: &'a str,
    pub(super) tag: &'a Tag,
    /// Whether archives can be unpacked.
    pub(super) can_unpack: bool,
}

/// A name that was understood.
#[derive(Debug)]
struct Named<'a> {
    asset: &'a Asset,
    program: String,
    platform: Platform,
    /// The words of the platform as they are written.
    triple: Vec<String>,
    packing: usize,
}

/// The file called `name`.
pub(super) fn by_name<'a>(assets: &'a [Asset], name: &str) -> Result<&'a Asset> {
    let found = assets.iter().find(|asset| asset.name == name);
    found.ok_or_else(|| {
        let others = shown(assets.iter());
        none(format!(
            "the release has no file {name:?}, but {others}; publish it, or correct `asset`"
        ))
    })
}

/// The file for this machine.
pub(super) fn by_platform<'a>(assets: &'a [Asset], wanted: &Wanted<'_>) -> Result<&'a Asset> {
    let triple = words(wanted.target);
    let Some(target) = Platform::of(triple.iter().map(String::as_str)) else {
        return Err(none(format!(
            "names for the target {} are not known; say which file it is with `asset`",
            wanted.target
        )));
    };
    let named: Vec<_> = assets.iter().filter_map(|asset| Named::read(asset, wanted)).collect();
    let Some(program) = program(&named, wanted.program) else {
        return Err(none(format!(
            "it is not clear which program of the release is meant: it has {}; say which file it is \
             with `asset`",
            shown(assets.iter())
        )));
    };
    let mut fitting: Vec<_> = named
        .iter()
        .filter(|named| named.program == program && named.platform.runs_on(&target))
        .collect();
    let closest = fitting.iter().map(|named| named.distance(&triple, &target)).min();
    fitting.retain(|named| Some(named.distance(&triple, &target)) == closest);
    let is_packed_only = !wanted.can_unpack && fitting.iter().all(|named| named.packing > 0);
    if let (true, Some(packed)) = (is_packed_only, fitting.first()) {
        return Err(none(format!(
            "the file for {} is {:?}, and this program was built without what unpacks that; build \
             it with selfup's feature `archives`, or publish the binary itself",
            wanted.target, packed.asset.name
        )));
    }
    let least = fitting.iter().map(|named| named.packing).min();
    fitting.retain(|named| Some(named.packing) == least);
    match fitting[..] {
        [one] => Ok(one.asset),
        [] => Err(none(format!(
            "the release has no file for {}, but {}; publish one with that triple in its name, or \
             say which it is with `asset`",
            wanted.target,
            shown(assets.iter())
        ))),
        _ => Err(none(format!(
            "several files of the release may be the one for {}: {}; say which it is with `asset`",
            wanted.target,
            shown(fitting.iter().map(|named| named.asset))
        ))),
    }
}

/// What the program is called in the names of a release.
fn program(named: &[Named<'_>], project: &str) -> Option<String> {
    let project = words(project).join("-");
    let (first, others) = named.split_first()?;
    if named.iter().any(|named| named.program == project) {
        return Some(project);
    }
    let is_one = others.iter().all(|other| other.program == first.program);
    is_one.then(|| first.program.clone())
}

impl<'a> Named<'a> {
    fn read(asset: &'a Asset, wanted: &Wanted<'_>) -> Option<Self> {
        let (stem, packing) = unpacked(&asset.name);
        let mut words = words(&without_version(stem, wanted.tag));
        let project = self::words(wanted.program);
        let project_end = if words.starts_with(&project) { project.len() } else { 0 };
        let is_behind = |word: &String| word == VERSION || platform::is_known(word);
        let at = words[project_end..].iter().position(is_behind)?;
        let mut triple = words.split_off(project_end + at);
        triple.retain(|word| word != VERSION);
        let platform = Platform::of(triple.iter().map(String::as_str))?;
        // A number behind a name that is not the project's is another version.
        let is_number = |word: &String| word.starts_with(|letter: char| letter.is_ascii_digit());
        let is_another =
            words.get(project_end.max(1)..).is_some_and(|words| words.iter().any(is_number));
        let is_one = platform.is_told() && !words.is_empty() && !is_another;
        is_one.then(|| Self { asset, program: words.join("-"), platform, triple, packing })
    }

    /// How far the name is from that of the target.
    fn distance(&self, triple: &[String], target: &Platform) -> u8 {
        match () {
            () if self.triple == triple => 0,
            () if self.platform.is_complete(target) => 1,
            () => 2,
        }
    }
}

/// Whether a file of this name is packed.
pub(super) fn is_packed(name: &str) -> bool {
    unpacked(name).1 > 0
}

/// A name without how the file is packed, and the place of that among [`PACKINGS`].
fn unpacked(name: &str) -> (&str, usize) {
    let mut packings = PACKINGS.iter().enumerate();
    let found = packings.find_map(|(index, packing)| {
        let at = name.len().checked_sub(packing.len())?;
        let (stem, end) = (name.get(..at)?, name.get(at..)?);
        end.eq_ignore_ascii_case(packing).then_some((stem, index + 1))
    });
    found.unwrap_or((name, 0))
}

/// `stem` with a word of its own in place of the version, which has separators in it.
fn without_version(stem: &str, tag: &Tag) -> String {
    let mut replaced = String::new();
    let (mut rest, mut at_start) = (stem, true);
    while let Some(letter) = rest.chars().next() {
        let forms = [Some(rest), rest.strip_prefix(['v', 'V'])];
        let found = forms.into_iter().flatten().find_map(|rest| {
            let behind = rest.strip_prefix(tag.number())?;
            (behind.is_empty() || behind.starts_with(is_separator)).then_some(behind)
        });
        if let (true, Some(behind)) = (at_start, found) {
            replaced.push_str(VERSION);
            (rest, at_start) = (behind, false);
            continue;
        }
        replaced.push(letter);
        at_start = is_separator(letter);
        rest = &rest[letter.len_utf8()..];
    }
    replaced
}

/// Some names for people, who may have them in a terminal.
fn shown<'a>(assets: impl ExactSizeIterator<Item = &'a Asset>) -> String {
    let count = assets.len();
    let names: Vec<_> = assets.take(MOST_SHOWN).map(|asset| shortened(&asset.name)).collect();
    match (count, names.join(", ")) {
        (0, _) => "no file".to_owned(),
        (count, names) if count > MOST_SHOWN => format!("{names} and more, {count} files in all"),
        (_, names) => names,
    }
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST_SHOWN) {
        Some((at, _)) => format!("{}...", &name[..at]),
        None => name.to_owned(),
    }
}

fn none(words: String) -> Error {
    Error::new(ErrorKind::Fetch, words)
}

/// Stands for the version among the words of a name; no name has it, for a name has no control
/// character.
const VERSION: &str = "\u{1}";

/// What can be unpacked, in the order in which one is preferred to another: the smallest first, and
/// what is no archive last, for a name says nothing of a binary's rights. The binary itself goes
/// before all.
const PACKINGS: &[&str] = &[
    ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.gz", ".tgz", ".tar", ".zip", ".zst", ".xz", ".gz",
];

const MOST_SHOWN: usize = 20;

/// In characters.
const LONGEST_SHOWN: usize = 100;

#[cfg(test)]
mod tests;
