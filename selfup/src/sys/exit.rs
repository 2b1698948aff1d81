//! The end of this process by exit(3), and with which status.

use std::ffi::{c_int, c_void};
use std::sync::{Mutex, Once, PoisonError};

type Action = Box<dyn FnOnce() + Send>;

/// What is done when this process calls exit(3) with status 0, for as long as this lives. One at a
/// time.
///
/// Where the C library has no `on_exit(3)`, as musl has none, it is never done: a handler of atexit(3)
/// is not told the status.
#[derive(Debug)]
pub(crate) struct AtSuccess(());

static ACTION: Mutex<Option<(u32, Action)>> = Mutex::new(None);

impl AtSuccess {
    pub(crate) fn new(action: impl FnOnce() + Send + 'static) -> Self {
        static REGISTERED: Once = Once::new();
        set(Some((std::process::id(), Box::new(action))));
        REGISTERED.call_once(register);
        Self(())
    }
}

impl Drop for AtSuccess {
    fn drop(&mut self) {
        set(None);
    }
}

fn set(action: Option<(u32, Action)>) {
    *ACTION.lock().unwrap_or_else(PoisonError::into_inner) = action;
}

#[cfg(target_env = "gnu")]
fn register() {
    unsafe extern "C" {
        fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }
    // SAFETY: the function lives as long as the process, and does not look at its argument. Without
    // memory for it, it is not called.
    let _ = unsafe { on_exit(at_exit, std::ptr::null_mut()) };
}

#[cfg(not(target_env = "gnu"))]
fn register() {
    let _ = at_exit;
}

extern "C" fn at_exit(status: c_int, _argument: *mut c_void) {
    // Somebody who exits while another thread has it need not wait for that.
    let taken = ACTION.try_lock().ok().and_then(|mut action| action.take());
    // A fork of this process ends on its own account.
    if let Some((process, action)) = taken
        && status == 0
        && process == std::process::id()
    {
        action();
    }
}
