//! The places in the work of an upgrade thread at which something may happen to it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use selfup_tests::traced::{Call, Verdict, Watch};

/// Before a call, or after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    /// What the call is about: as [`Call::in_words`] has it.
    pub(crate) call: String,
    pub(crate) is_after: bool,
}

/// Which of the calls are points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Before every call, and after each that may change what the disk holds: what is before the
    /// next call is after any other. Of those that go through a file in a loop, the first two.
    Every,
    /// Before each call that may change what the disk holds.
    Changing,
}

/// Counts points until the one that was asked for.
#[derive(Debug)]
pub(crate) struct Search {
    kind: Kind,
    left: usize,
    /// What happens there.
    verdict: Verdict,
    /// Points are counted once this call was made.
    behind: Option<&'static str>,
    last: Option<Call>,
    repeated: usize,
    found: Option<Point>,
}

impl Search {
    /// Until the point `index`, from 0.
    pub(crate) fn new(kind: Kind, index: usize, verdict: Verdict) -> Self {
        Self { kind, left: index, verdict, behind: None, last: None, repeated: 0, found: None }
    }

    /// From the first call on that follows on this one.
    pub(crate) fn behind(self, call: Option<&'static str>) -> Self {
        Self { behind: call, ..self }
    }

    fn at(&mut self, call: &Call) -> Verdict {
        let is_after = call.result.is_some();
        if !is_after {
            let is_again = self.last.as_ref().is_some_and(|last| call.is_again(last));
            self.repeated = if is_again { self.repeated + 1 } else { 0 };
            self.last = Some(call.clone());
        }
        if let Some(behind) = self.behind {
            if is_after && call.in_words() == behind {
                self.behind = None;
            }
            return Verdict::Go;
        }
        let is_kind = match self.kind {
            Kind::Every => !is_after || call.may_change(),
            Kind::Changing => !is_after && call.may_change(),
        };
        if self.found.is_some() || !is_kind || self.repeated > 1 {
            return Verdict::Go;
        }
        if self.left > 0 {
            self.left -= 1;
            return Verdict::Go;
        }
        self.found = Some(Point { call: call.in_words(), is_after });
        self.verdict
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.is_after { "after" } else { "before" }, self.call)
    }
}

/// A search that a tracer does, and that a test looks at and begins anew.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Search>>);

impl Shared {
    pub(crate) fn new(search: Search) -> Self {
        Self(Arc::new(Mutex::new(search)))
    }

    /// For a tracer.
    pub(crate) fn watch(&self) -> Watch {
        let shared = self.clone();
        Box::new(move |call| shared.lock().at(call))
    }

    /// The point, once it was come to.
    pub(crate) fn found(&self) -> Option<Point> {
        self.lock().found.clone()
    }

    /// Searches for another one.
    pub(crate) fn search(&self, search: Search) {
        *self.lock() = search;
    }

    fn lock(&self) -> MutexGuard<'_, Search> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a call fail.
pub(crate) fn failing(error: Errno) -> Verdict {
    Verdict::Fail(error)
}

/// Does `work` for each point, from several threads, each of which goes on until it is told that
/// there are no more: it is given its first point and the distance to its next.
pub(crate) fn in_parallel(work: impl Fn(usize, usize) -> Vec<Point> + Sync) -> Vec<Point> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    std::thread::scope(|scope| {
        let work = &work;
        let start = |first| scope.spawn(move || work(first, threads));
        let workers: Vec<_> = (0..threads).map(start).collect();
        let points = workers.into_iter().flat_map(|worker| worker.join().expect("it holds"));
        points.collect()
    })
}

/// That each of these calls, in the words of a point, was among `points`: before and after.
pub(crate) fn assert_covered(points: &[Point], calls: &[&str]) {
    let found: BTreeSet<_> = points.iter().cloned().collect();
    for call in calls {
        for is_after in [false, true] {
            let point = Point { call: (*call).to_owned(), is_after };
            assert!(found.contains(&point), "not {point}, only: {found:#?}");
        }
    }
}
