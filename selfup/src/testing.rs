//! What the tests of several rooms share.

use std::time::{Duration, Instant};

/// Looks until there is something.
///
/// For the end of what a test has closed: a process that another test starts at this moment has a copy
/// of it until it executes its program.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "this has not come true: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
