//! A unit file and its drop-ins, as systemd.syntax(7) has them.
//!
//! Limits: specifiers stay as they are; nothing is known of what drop-ins elsewhere say.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Unit;

/// The unit in the file at `path`, with the drop-ins in the directory `path.d`.
pub(super) fn read(path: &Path) -> Result<Unit, String> {
    let mut unit = Unit { name: path.display().to_string(), ..Unit::default() };
    add(&mut unit, &text_of(path)?);
    let mut directory = path.as_os_str().to_owned();
    directory.push(".d");
    let entries = std::fs::read_dir(PathBuf::from(directory)).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).take(MOST_DROP_INS).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "conf")) {
        add(&mut unit, &text_of(path)?);
    }
    Ok(unit)
}

fn text_of(path: &Path) -> Result<String, String> {
    let unread =
        |error: &dyn std::fmt::Display| format!("unit {} cannot be read: {error}", path.display());
    // A pipe would be waited for.
    if !path.is_file() {
        return Err(unread(&"there is no such file"));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(|error| unread(&error))?;
    file.take(LARGEST).read_to_string(&mut text).map_err(|error| unread(&error))?;
    Ok(text)
}

/// The section `[Service]` of `text`.
fn add(unit: &mut Unit, text: &str) {
    let (mut is_service, mut joined) = (false, String::new());
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) || (line.is_empty() && joined.is_empty()) {
            continue;
        }
        joined.push_str(line);
        if joined.ends_with('\\') {
            joined.pop();
            joined.push(' ');
            continue;
        }
        let line = std::mem::take(&mut joined);
        if let Some(section) = line.strip_prefix('[') {
            is_service = section.trim_end_matches(']') == "Service";
        } else if let Some((key, value)) = line.split_once('=').filter(|_| is_service) {
            unit.add(key.trim(), value.trim());
        }
    }
}

/// In bytes; systemd reads lines of 1 MiB at most.
const LARGEST: u64 = 1 << 20;

const MOST_DROP_INS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> Unit {
        let mut unit = Unit::default();
        add(&mut unit, text);
        unit
    }

    #[test]
    fn only_the_section_of_the_service_counts() {
        let unit = unit(
            "[Unit]\nRestart=no\n[Service]\n# Restart=never\n Restart = always \n[Install]\nType=x\n",
        );
        assert_eq!((unit.get("Restart"), unit.get("Type")), (Some("always"), None));
    }

    #[test]
    fn lines_go_on_and_lists_are_added_to_and_emptied() {
        let text = "[Service]\nReadWritePaths=/a \\\n# between\n  /b\nReadWritePaths=/c\n\
                    ReadOnlyPaths=/x\nReadOnlyPaths=\n";
        let unit = unit(text);
        assert_eq!(unit.words("ReadWritePaths").collect::<Vec<_>>(), ["/a", "/b", "/c"]);
        assert_eq!(unit.words("ReadOnlyPaths").count(), 0);
    }
}
