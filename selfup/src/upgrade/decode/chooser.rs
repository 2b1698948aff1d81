//! Which entry of an archive is the binary.
//!
//! An entry is meant if the end of its path is the path that is wanted, component by component: an
//! `app` that is wanted is found as `app-1.2-x86_64/bin/app`, and not as `my-app`. There has to be
//! exactly one such file. What is meant by name and is no plain file, or has a path or bits that
//! nobody who packs a program gives it, is not passed over but refused: somebody wanted it taken.
//! All other entries are passed over, whatever they are, for they are never written anywhere.

use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};

/// The end of the path of the entry that is the binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upgrade) struct Wanted {
    components: Vec<Vec<u8>>,
    /// Whether it is the whole path.
    is_whole: bool,
}

/// What an archive says of one of its entries.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: Kind,
    pub(super) mode: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// In words.
    Other(&'static str),
}

/// Looks at the entries of one archive, one after another.
#[derive(Debug)]
pub(super) struct Chooser<'a> {
    wanted: &'a Wanted,
    taken: Option<String>,
    /// The files that were passed over, the first few.
    others: Vec<String>,
    count: usize,
}

impl Wanted {
    /// The entry that ends with `path`, or that is `path` if that begins with `./`.
    pub(in crate::upgrade) fn new(path: &[u8]) -> Self {
        let components = components(path).map(<[u8]>::to_vec).collect();
        Self { components, is_whole: path.starts_with(b"./") || path.starts_with(b"/") }
    }

    fn is_meant(&self, name: &[u8]) -> bool {
        let mut found = components(name).rev();
        let is_end = self.components.iter().rev().all(|wanted| found.next() == Some(wanted));
        is_end && !self.components.is_empty() && !(self.is_whole && found.next().is_some())
    }

    fn shown(&self) -> String {
        let joined = self.components.join(&b'/');
        let start = if self.is_whole { "./" } else { "" };
        format!("{start}{}", shown(&joined))
    }
}

impl<'a> Chooser<'a> {
    pub(super) fn new(wanted: &'a Wanted) -> Self {
        Self { wanted, taken: None, others: Vec::new(), count: 0 }
    }

    /// Counts one more thing in the archive, of which there may be so many.
    pub(super) fn count(&mut self) -> Result<()> {
        self.count += 1;
        if self.count > MOST_ENTRIES {
            return Err(refused(format!(
                "it has more than {MOST_ENTRIES} entries; publish the program in an archive of its \
                 own"
            )));
        }
        Ok(())
    }

    /// Whether `entry` is the one.
    pub(super) fn takes(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let name = entry.name;
        if entry.kind == Kind::Directory || name.ends_with(b"/") {
            return Ok(false);
        }
        if !self.wanted.is_meant(name) {
            if self.others.len() < MOST_SHOWN {
                self.others.push(shown(name));
            }
            return Ok(false);
        }
        let shown = shown(name);
        if let Some(fault) = fault(entry) {
            return Err(refused(format!(
                "its entry {shown} {fault}; publish an archive with {} as a plain file",
                self.wanted.shown()
            )));
        }
        if let Some(taken) = &self.taken {
            return Err(refused(format!(
                "both {taken} and {shown} may be the program; say which by its whole path, as in \
                 `bin = \"./{shown}\"`"
            )));
        }
        self.taken = Some(shown);
        Ok(true)
    }

    /// Refuses an archive in which the entry was not.
    pub(super) fn finish(&self) -> Result<()> {
        if self.taken.is_some() {
            return Ok(());
        }
        let mut found = self.others.join(", ");
        let more = self.count.saturating_sub(self.others.len());
        if self.others.is_empty() {
            "no file".clone_into(&mut found);
        } else if more > 0 && self.others.len() == MOST_SHOWN {
            // A string takes everything.
            let _ = write!(found, " and more, {} entries in all", self.count);
        }
        Err(refused(format!(
            "it has no {}, but {found}; say which is the program with `bin`",
            self.wanted.shown()
        )))
    }
}

/// What keeps an entry that is meant from being taken.
fn fault(entry: &Entry<'_>) -> Option<&'static str> {
    match entry.kind {
        Kind::Other(kind) => Some(kind),
        _ if entry.name.starts_with(b"/") => Some("has an absolute path"),
        _ if components(entry.name).any(|part| part == b"..") => Some("has `..` in its path"),
        _ if entry.name.contains(&0) => Some("has a zero byte in its path"),
        _ if entry.mode & SET_ID != 0 => Some("has a set-id bit"),
        _ => None,
    }
}

/// The parts of a path that lead anywhere.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// A name for people, who may have it in a terminal: escaped, and not longer than a line.
fn shown(name: &[u8]) -> String {
    let start = String::from_utf8_lossy(&name[..name.len().min(LONGEST_SHOWN)]).into_owned();
    let mut shown: String = start.chars().flat_map(printable).collect();
    if name.len() > LONGEST_SHOWN {
        shown.push_str("...");
    }
    shown
}

fn printable(letter: char) -> Vec<char> {
    if letter.is_control() { letter.escape_default().collect() } else { vec![letter] }
}

fn refused(words: String) -> Error {
    Error::new(ErrorKind::Decode, words)
}

const SET_ID: u32 = 0o6000;

/// Archives of programs have a handful, with their documentation and licences; this is for one that
/// has the whole tree of its web pages in it. A million of them would take minutes.
const MOST_ENTRIES: usize = 10_000;

const MOST_SHOWN: usize = 8;

/// In bytes.
const LONGEST_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Entry<'_> {
        Entry { name: name.as_bytes(), kind: Kind::File, mode: 0o755 }
    }

    fn choose(wanted: &str, names: &[&str]) -> Result<Vec<bool>> {
        let wanted = Wanted::new(wanted.as_bytes());
        let mut chooser = Chooser::new(&wanted);
        let taken = names.iter().map(|name| {
            chooser.count()?;
            chooser.takes(&file(name))
        });
        let taken = taken.collect::<Result<Vec<_>>>()?;
        chooser.finish().map(|()| taken)
    }

    fn refusal(wanted: &str, names: &[&str]) -> String {
        let error = choose(wanted, names).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        error.to_string()
    }

    #[test]
    fn the_end_of_a_path_is_meant_and_not_the_end_of_a_name() {
        let names = ["app-1.2/README", "app-1.2/my-app", "app-1.2/bin/app", "app-1.2/app.d/x"];
        for wanted in ["app", "bin/app", "app-1.2/bin/app", "./app-1.2/bin/app"] {
            assert_eq!(choose(wanted, &names).unwrap(), [false, false, true, false], "{wanted}");
        }
        for wanted in ["sbin/app", "./bin/app", "./app", "pp", "", "/"] {
            assert!(choose(wanted, &names).is_err(), "{wanted}");
        }
        assert_eq!(choose("app", &["./app"]).unwrap(), [true]);
        assert_eq!(choose("app", &["app/", "app/app"]).unwrap(), [false, true]);
    }

    #[test]
    fn two_that_may_be_the_program_are_refused_with_their_names() {
        let words = refusal("app", &["a/app", "b/app"]);
        assert!(words.contains("both a/app and b/app may be the program"), "{words}");
        assert_eq!(choose("b/app", &["a/app", "b/app"]).unwrap(), [false, true]);
        assert_eq!(choose("./app", &["a/app", "app"]).unwrap(), [false, true]);
        assert!(refusal("app", &["app", "./app"]).contains("both app and ./app"));
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let words = refusal("app", &["README", "bin/\u{7}tool"]);
        assert!(words.contains("it has no app, but README, bin/\\u{7}tool;"), "{words}");
        assert!(refusal("app", &["app/"]).contains("but no file"));
        let names: Vec<_> = (0..100).map(|number| format!("{number:0>200}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let words = refusal("app", &names);
        assert!(words.contains("... and more, 100 entries in all"), "{words}");
        assert!(words.len() < 1200, "{words}");
    }

    #[test]
    fn what_nobody_packs_in_good_faith_is_refused_where_it_is_meant_and_passed_over_elsewhere() {
        let wanted = Wanted::new(b"app");
        let kinds = ["is a symbolic link", "is a device"].map(|kind| (Kind::Other(kind), kind));
        for (kind, words) in kinds {
            let entry = Entry { kind, ..file("bin/app") };
            let error = Chooser::new(&wanted).takes(&entry).unwrap_err().to_string();
            assert!(error.contains(&format!("its entry bin/app {words};")), "{error}");
            let entry = Entry { kind, ..file("bin/other") };
            assert!(!Chooser::new(&wanted).takes(&entry).unwrap());
        }
        for (name, words) in [
            ("../app", "has `..` in its path"),
            ("bin/../../app", "has `..` in its path"),
            ("/usr/bin/app", "has an absolute path"),
        ] {
            assert!(refusal("app", &[name]).contains(words), "{name}");
        }
        for mode in [0o4755, 0o2755, 0o6755] {
            let entry = Entry { mode, ..file("app") };
            let error = Chooser::new(&wanted).takes(&entry).unwrap_err().to_string();
            assert!(error.contains("has a set-id bit"), "{error}");
        }
    }

    #[test]
    fn entries_are_counted() {
        let wanted = Wanted::new(b"app");
        let mut chooser = Chooser::new(&wanted);
        for _ in 0..MOST_ENTRIES {
            chooser.count().unwrap();
        }
        assert!(chooser.count().unwrap_err().to_string().contains("more than 10000 entries"));
    }
}
