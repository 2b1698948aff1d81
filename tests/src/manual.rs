//! The commands of the README and the manual, as they stand there.
//!
//! Each block of commands is behind a comment that a reader does not see, and that says where it is to be run:
//! `<!-- run: ROOM -->`. More may follow: `, SITUATION` what the room has to have gone through, `; shows: TEXT` what the
//! commands have to print, `; logs: TEXT` what the service has to tell as an event, `; answers` that it serves behind
//! them. `<!-- file: PATH -->` is a file of the user's.

use std::path::Path;

/// Commands, or the text of a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Block {
    /// Page and line.
    pub place: String,
    /// Where it is to be run.
    pub what: What,
    /// What is in the block.
    pub text: String,
}

/// What is to be done with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// To be run by the suite that has this room.
    Run {
        /// Which one.
        room: String,
        /// What it has to have gone through.
        situations: Vec<String>,
        /// What is seen of the commands, and behind them.
        seen: Vec<Seen>,
    },
    /// A file with this path.
    File(String),
}

/// What is seen of commands, and behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// Their output has this text.
    Shows(String),
    /// The service has an event with this text.
    Logs(String),
    /// The service answers.
    Answers,
}

impl Block {
    /// Asserts that what it `printed` has all that it is to show.
    ///
    /// # Panics
    ///
    /// If it has not.
    pub fn assert_shown(&self, printed: &str) {
        let What::Run { seen, .. } = &self.what else { return };
        for seen in seen {
            if let Seen::Shows(text) = seen {
                assert!(printed.contains(text), "{} shows no {text:?}: {printed}", self.place);
            }
        }
    }
}

/// The blocks of a room, in their order.
///
/// # Panics
///
/// If a block of commands says nothing of where it is to be run.
#[must_use]
pub fn of_room(wanted: &str) -> Vec<Block> {
    let is_of_it = |block: &Block| matches!(&block.what, What::Run { room, .. } if room == wanted);
    let found: Vec<_> = blocks().into_iter().filter(is_of_it).collect();
    assert!(!found.is_empty(), "no page has commands for {wanted:?}");
    found
}

/// Every block of commands, and every file, of every page.
///
/// # Panics
///
/// If a block of commands says nothing of where it is to be run.
#[must_use]
pub fn blocks() -> Vec<Block> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member");
    let manual = workspace.join("selfup/src/manual");
    let mut pages: Vec<_> = std::fs::read_dir(manual).expect("it is there").flatten().collect();
    pages.sort_by_key(std::fs::DirEntry::path);
    let pages = pages.into_iter().map(|page| page.path());
    let pages = pages.filter(|page| page.extension().is_some_and(|kind| kind == "md"));
    let of_page = |page: &Path| {
        let name = page.file_name().expect("it has one").to_string_lossy().into_owned();
        of_text(&name, &std::fs::read_to_string(page).expect("it is there"))
    };
    let readme = workspace.join("README.md");
    std::iter::once(readme).chain(pages).flat_map(|page| of_page(&page)).collect()
}

fn of_text(page: &str, text: &str) -> Vec<Block> {
    let lines: Vec<_> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(language) = lines[at].strip_prefix("```") else {
            at += 1;
            continue;
        };
        let place = format!("{page}:{}", at + 1);
        let before = if at == 0 { "" } else { lines[at - 1] };
        let behind = lines[at + 1..].iter().position(|line| *line == "```");
        let end = at + 1 + behind.unwrap_or_else(|| panic!("{place} has no end"));
        let text = lines[at + 1..end].join("\n") + "\n";
        match what(before) {
            Some(what) => blocks.push(Block { place, what, text }),
            None => assert_ne!(
                language,
                "sh",
                "{place}: nothing says where it is run: see `{}`",
                file!()
            ),
        }
        at = end + 1;
    }
    blocks
}

fn what(line: &str) -> Option<What> {
    let comment = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    if let Some(path) = comment.strip_prefix("file: ") {
        return Some(What::File(path.to_owned()));
    }
    let mut parts = comment.strip_prefix("run: ")?.split("; ");
    let (room, situations) = parts.next()?.split_once(", ").map_or_else(
        || (comment.strip_prefix("run: ").and_then(|of| of.split("; ").next()), vec![]),
        |(room, situations)| (Some(room), situations.split(" and ").map(str::to_owned).collect()),
    );
    let seen = parts.map(|part| match part.split_once(": ") {
        Some(("shows", text)) => Seen::Shows(text.to_owned()),
        Some(("logs", text)) => Seen::Logs(text.to_owned()),
        _ if part == "answers" => Seen::Answers,
        _ => panic!("{part:?} is nothing that is seen: {line}"),
    });
    Some(What::Run { room: room?.to_owned(), situations, seen: seen.collect() })
}
