//! What the kernel and the starter of this process left it: the path that was executed, and an
//! environment that is changed only while nobody else can read it.

use std::ffi::OsStr;

/// Removes `name` from the environment if this process has one thread, and says whether it did.
///
/// With more threads nothing is done: another one may be reading the environment at this instant.
pub(crate) fn remove_if_alone(name: &OsStr) -> bool {
    if !is_alone() {
        return false;
    }
    // SAFETY: this thread is the only one, so nobody reads or writes the environment meanwhile.
    unsafe { std::env::remove_var(name) };
    true
}

#[cfg(target_os = "linux")]
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

#[cfg(not(target_os = "linux"))]
fn is_alone() -> bool {
    false
}

/// The path that was given to `execve`, which may be relative and may lead through links.
#[cfg(selfup_supervised)]
pub(crate) fn executed_path() -> Option<std::path::PathBuf> {
    // SAFETY: getauxval reads what the kernel put above this process's stack.
    let address = unsafe { libc::getauxval(libc::AT_EXECFN) };
    if address == 0 {
        return None;
    }
    let pointer = std::ptr::with_exposed_provenance(usize::try_from(address).ok()?);
    // SAFETY: AT_EXECFN is the address of a null-terminated string that lives as long as the
    // process.
    let path = unsafe { std::ffi::CStr::from_ptr(pointer) };
    let path: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path.to_bytes());
    Some(path.into())
}
