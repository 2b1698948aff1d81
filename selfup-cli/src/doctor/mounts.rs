//! On which mount a file lies, by `/proc/PID/mountinfo`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    /// Such as `ext4`.
    pub(super) kind: String,
}

/// The mount of `path`, as process `pid` sees it, or this one.
pub(super) fn of(path: &Path, pid: Option<u32>) -> Option<Mount> {
    let pid = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let text = std::fs::read(format!("/proc/{pid}/mountinfo")).ok()?;
    find(&text, path)
}

/// Of several mounts at one point the last one is seen.
fn find(text: &[u8], path: &Path) -> Option<Mount> {
    let mounts = text.split(|byte| *byte == b'\n').filter_map(parse);
    let above = mounts.filter(|mount| path.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count())
}

fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let point = fields.nth(4)?;
    let mut behind = fields.skip_while(|field| *field != b"-");
    let kind = behind.nth(1)?;
    Some(Mount { point: unescaped(point), kind: String::from_utf8_lossy(kind).into_owned() })
}

/// A space is `\040`.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<3>().filter(|_| *first == b'\\');
        let code = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &behind[3..] } else { behind };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_that_is_nearest_and_last_counts() {
        let text = b"1 0 8:1 / / rw - ext4 /dev/a rw\n\
            2 1 0:5 / /srv rw shared:1 master:2 - tmpfs none rw\n\
            3 1 0:6 / /srv rw - overlay overlay rw\n\
            4 3 8:1 /x /srv/a\\040b rw - xfs /dev/b rw\n\
            garbled\n";
        let kind = |path: &str| find(text, Path::new(path)).map(|mount| mount.kind);
        assert_eq!(kind("/srv/app").as_deref(), Some("overlay"));
        assert_eq!(kind("/srv/a b/app").as_deref(), Some("xfs"));
        assert_eq!(kind("/srvapp").as_deref(), Some("ext4"));
    }
}
