//! What `sha256sum` writes, and what others make of it.
//!
//! A line is a digest and a name, with two spaces or a space and an asterisk between them, or
//! `SHA256 (NAME) = DIGEST`, as `sha256sum --tag` and the BSDs have it. Lines that are neither are
//! passed over: such files have headings, and signatures around them.

use crate::identity::BinaryId;

/// The digest of the file `name` that `text` tells, or why it tells none: [`find_any`], where there has
/// to be one.
pub(in crate::fetcher) fn find(
    text: &str,
    name: &str,
    is_its_own: bool,
) -> Result<BinaryId, String> {
    find_any(text, name, is_its_own)?.ok_or_else(|| {
        format!("it has no SHA-256 of {name:?}; expected what `sha256sum {name}` prints")
    })
}

/// The digest of the file `name`, if `text` tells one. Two that differ are an error.
///
/// A digest without a name is that of any. A file that is about one binary alone, `is_its_own`, may
/// call it as it likes.
pub(in crate::fetcher) fn find_any(
    text: &str,
    name: &str,
    is_its_own: bool,
) -> Result<Option<BinaryId>, String> {
    let mut digests: Vec<_> = text.lines().filter_map(entry).collect();
    if !(is_its_own && digests.len() == 1) {
        digests.retain(|(_, found)| found.is_empty() || file_name(found) == name);
    }
    let Some(((digest, _), others)) = digests.split_first() else {
        return Ok(None);
    };
    match others.iter().find(|(other, _)| other != digest) {
        Some((other, _)) => Err(format!(
            "it has two SHA-256 of {name:?}, {digest} and {other}; expected the one of the binary"
        )),
        None => Ok(Some(*digest)),
    }
}

/// The digest and the name in a line.
fn entry(line: &str) -> Option<(BinaryId, &str)> {
    let line = line.trim().trim_start_matches('\u{feff}');
    if let Some(tagged) = line.strip_prefix("SHA256 (") {
        let (name, digest) = tagged.rsplit_once(") = ")?;
        return Some((digest.parse().ok()?, name));
    }
    let (digest, name) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let name = name.trim_start();
    Some((digest.parse().ok()?, name.strip_prefix('*').unwrap_or(name)))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// As much of such a file is read, in bytes: some six hundred lines.
pub(super) const LONGEST_CHECKSUMS: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    #[test]
    fn the_line_counts_that_names_the_binary() {
        let digest: BinaryId = ONE.parse().unwrap();
        for text in [
            format!("{ONE}  app\n"),
            format!("{ONE} *app\r\n{TWO} *app.exe\r\n"),
            format!("{TWO}  app-arm\n{ONE}  ./dist/app\n\n"),
            format!("# sums\n{TWO}  my app\n{ONE}\tapp"),
            format!("SHA256 (app-arm) = {TWO}\nSHA256 (app) = {ONE}\n"),
            format!("{ONE}  app\n{ONE}  other/app\n"),
        ] {
            assert_eq!(find(&text, "app", false), Ok(digest), "{text}");
        }
        assert_eq!(find(&format!("{ONE}  my app"), "my app", false), Ok(digest));
    }

    #[test]
    fn a_file_for_one_binary_alone_may_name_it_as_it_likes() {
        let digest: BinaryId = ONE.parse().unwrap();
        let bom = '\u{feff}';
        for text in [ONE.to_uppercase(), format!("{bom}{ONE}\n")] {
            assert_eq!(find(&text, "app", true), Ok(digest), "{text}");
            assert_eq!(find(&text, "app", false), Ok(digest), "{text}");
        }
        let other_name = format!("{ONE}  app-1.2.3\n");
        assert_eq!(find(&other_name, "app", true), Ok(digest));
        assert!(find(&other_name, "app", false).is_err());
        assert_eq!(find(&format!("{TWO}  a\n{ONE}  app\n"), "app", true), Ok(digest));
        assert!(find(&format!("{TWO}  a\n{ONE}  b\n"), "app", true).is_err());
    }

    #[test]
    fn what_is_not_there_is_told_and_what_is_there_twice() {
        for text in ["", "<html>not found</html>", &ONE[1..], &format!("{ONE}  app.exe")] {
            let words = find(text, "app", false).unwrap_err();
            assert_eq!(words, "it has no SHA-256 of \"app\"; expected what `sha256sum app` prints");
        }
        let words = find(&format!("{ONE}  app\n{TWO}  x/app"), "app", true).unwrap_err();
        assert!(find(&format!("{ONE}\n{TWO}"), "app", true).is_err());
        assert!(words.starts_with("it has two SHA-256 of \"app\", 1111"), "{words}");
    }
}
