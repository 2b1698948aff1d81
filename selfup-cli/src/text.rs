//! Words of strangers, made fit for a terminal.
//!
//! What a socket or a file says may hold escape sequences that move the cursor, and characters that
//! turn the direction of what follows. They are written as escapes, and what is too long is cut.

use std::fmt::Write as _;

/// `text` on one line, of `longest` characters at most.
pub(crate) fn shown(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == longest {
            shown.push_str("...");
            break;
        }
        if is_plain(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    shown
}

/// [`shown`], as long as a line of a report may be.
pub(crate) fn line(text: &str) -> String {
    shown(text, LONGEST_LINE)
}

/// A JSON document with the same meaning, of which a terminal shows every character.
///
/// What is no plain character can only stand in a string, or is white space between two tokens.
pub(crate) fn json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        if is_plain(character) {
            shown.push(character);
        } else if matches!(character, '\n' | '\r' | '\t') {
            shown.push(' ');
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown
}

fn is_plain(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !character.is_control() && !turns
}

/// In characters.
const LONGEST_LINE: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_does_not_move_the_cursor() {
        assert_eq!(line("a\x1b[2Jb\r\nc\u{9b}d"), "a\\u{1b}[2Jb\\r\\nc\\u{9b}d");
        assert_eq!(line("\u{202e}abc"), "\\u{202e}abc");
        assert_eq!(line("größe 5 µs"), "größe 5 µs");
    }

    #[test]
    fn what_has_no_end_is_cut() {
        assert_eq!(shown("abcdef", 3), "abc...");
        assert_eq!(shown("abc", 3), "abc");
    }

    #[test]
    fn a_document_keeps_its_meaning() {
        let document = "{\n\"a\": \"x\u{202e}\u{7f}\u{e0041}\\n\"}";
        let shown = json(document);
        assert!(shown.is_ascii(), "{shown}");
        let [before, after] = [document, &shown].map(serde_json::from_str::<serde_json::Value>);
        assert_eq!(before.unwrap(), after.unwrap());
    }
}
