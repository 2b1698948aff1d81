//! Renaming that looks at what is at the other name: renameat2(2).

use std::io;
use std::path::Path;

/// Renames `from` to `to`, where nothing may be: `AlreadyExists` otherwise.
///
/// Where the system has no such call, something that was put there meanwhile is replaced.
pub(crate) fn without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match rename(from, to, Flag::NoReplace) {
        Err(error) if is_unknown(&error) => std::fs::rename(from, to),
        renamed => renamed,
    }
}

/// Has `one` and `other` change places. Where the system has no such call, `one` replaces `other`,
/// and `one` is a link to it, so that both are there.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    match rename(one, other, Flag::Exchange) {
        Err(error) if is_unknown(&error) => replace(one, other),
        renamed => renamed,
    }
}

/// As exchanging looks from `one`, unless somebody else is faster.
fn replace(one: &Path, other: &Path) -> io::Result<()> {
    let mut spare = one.as_os_str().to_owned();
    spare.push("-");
    let spare = Path::new(&spare);
    std::fs::hard_link(other, spare)?;
    std::fs::rename(one, other)?;
    std::fs::rename(spare, one)
}

#[derive(Clone, Copy)]
enum Flag {
    NoReplace,
    Exchange,
}

#[cfg(target_os = "linux")]
fn rename(from: &Path, to: &Path, flag: Flag) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    let flag = match flag {
        Flag::NoReplace => libc::RENAME_NOREPLACE,
        Flag::Exchange => libc::RENAME_EXCHANGE,
    };
    let (here, from, to) = (libc::AT_FDCWD, from.as_ptr(), to.as_ptr());
    // SAFETY: both strings are null-terminated and live until it returns. By its number, for not
    // every libc has the function.
    let done = unsafe { libc::syscall(libc::SYS_renameat2, here, from, here, to, flag) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn rename(_: &Path, _: &Path, _: Flag) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The file system, or the system, does not know it.
fn is_unknown(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_replaced_and_may_be_exchanged() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        std::fs::write(&one, "1").unwrap();
        std::fs::write(&other, "2").unwrap();
        let error = without_replacing(&one, &other).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        for exchange in [exchange, replace] {
            let before = std::fs::read_to_string(&one).unwrap();
            exchange(&one, &other).unwrap();
            assert_eq!(std::fs::read_to_string(&other).unwrap(), before);
            assert_ne!(std::fs::read_to_string(&one).unwrap(), before);
        }
        let third = directory.path().join("third");
        without_replacing(&one, &third).unwrap();
        assert!(!one.exists() && third.exists());
    }
}
