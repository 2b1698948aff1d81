//! The places in the work of an upgrade thread at which something may happen to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use selfup_tests::traced::{Call, Verdict, Watch};

/// Before a call, or after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    /// What the call is about: as [`Call::in_words`] has it.
    pub(crate) call: String,
    /// The how many-th of these it is.
    pub(crate) number: usize,
    pub(crate) is_after: bool,
}

/// Which of the calls are points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Before every call, and after each that may change what the disk holds: what is before the
    /// next call is after any other. Of those that go through a file in a loop, the first two.
    Every,
    /// The same, where no file can have two names.
    Linkless,
    /// The same, from the moment on at which a master writes down what its successor needs.
    Succession,
    /// Before each call that may change what the disk holds.
    Changing,
}

/// How far a search has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// Nothing was changed yet: polls come and go.
    Idle,
    Begun,
    Found,
}

/// Looks for a point, and lists those on the way to it.
#[derive(Debug)]
pub(crate) struct Search {
    kind: Kind,
    wanted: Option<Point>,
    /// What happens there.
    verdict: Verdict,
    /// Whether it goes on happening to each call of this kind.
    lasts: bool,
    seen: Vec<Point>,
    counts: BTreeMap<String, usize>,
    /// How often each call was made of those that go through files in a loop, since another one.
    loops: BTreeMap<String, usize>,
    is_repeated: bool,
    progress: Progress,
}

impl Search {
    /// Lists all points.
    pub(crate) fn list(kind: Kind) -> Self {
        let (seen, counts, loops) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let (wanted, verdict) = (None, Verdict::Go);
        let (is_repeated, lasts, progress) = (false, false, Progress::Idle);
        Self { kind, wanted, verdict, lasts, seen, counts, loops, is_repeated, progress }
    }

    /// Looks for one of those that were listed.
    pub(crate) fn for_point(kind: Kind, wanted: Point, verdict: Verdict) -> Self {
        Self { wanted: Some(wanted), verdict, ..Self::list(kind) }
    }

    /// From there on, the same happens to every other call of this kind.
    pub(crate) fn lasting(self) -> Self {
        Self { lasts: true, ..self }
    }

    fn at(&mut self, call: &Call) -> Verdict {
        let is_after = call.result.is_some();
        let begins = match self.kind {
            Kind::Succession => call.makes_memory(),
            _ => call.may_change() || call.is_of_first_thread,
        };
        if self.progress == Progress::Idle && !begins {
            return Verdict::Go;
        }
        self.progress = self.progress.max(Progress::Begun);
        let refuses = self.kind == Kind::Linkless && call.name == "link" && !is_after;
        let otherwise = if refuses { Verdict::Fail(Errno::EPERM) } else { Verdict::Go };
        let words = call.in_words();
        if !is_after {
            self.is_repeated = false;
            if call.may_loop() {
                let round = self.loops.entry(words.clone()).or_default();
                *round += 1;
                self.is_repeated = *round > 2;
            } else {
                self.loops.clear();
            }
            if !self.is_repeated {
                *self.counts.entry(words.clone()).or_default() += 1;
            }
        }
        let is_kind = match self.kind {
            Kind::Every | Kind::Linkless | Kind::Succession => !is_after || call.may_change(),
            Kind::Changing => !is_after && call.may_change(),
        };
        let is_found = self.progress == Progress::Found;
        if is_found && self.lasts && is_kind {
            return self.verdict;
        }
        if is_found || !is_kind || self.is_repeated {
            return otherwise;
        }
        let point = Point { number: self.counts[&words], call: words, is_after };
        let is_it = self.wanted.as_ref() == Some(&point);
        self.seen.push(point);
        if is_it {
            self.progress = Progress::Found;
            return self.verdict;
        }
        otherwise
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, number, is_after } = self;
        write!(f, "{} {call}, no. {number}", if *is_after { "after" } else { "before" })
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

    /// Whether the point was come to.
    pub(crate) fn is_found(&self) -> bool {
        self.lock().progress == Progress::Found
    }

    /// Whether what happens there goes on happening.
    pub(crate) fn lasts(&self) -> bool {
        self.lock().lasts
    }

    /// The points so far, to the last at which something was changed: behind it are polls.
    pub(crate) fn seen(&self) -> Vec<Point> {
        let seen = &self.lock().seen;
        let last = seen.iter().rposition(|point| point.is_after);
        seen[..last.map_or(0, |last| last + 1)].to_vec()
    }

    /// All points so far.
    pub(crate) fn all(&self) -> Vec<Point> {
        self.lock().seen.clone()
    }

    /// Searches for another one.
    pub(crate) fn search(&self, search: Search) {
        *self.lock() = search;
    }

    fn lock(&self) -> MutexGuard<'_, Search> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does `work` for each point, in several threads: each has what `start` gives it to work with.
pub(crate) fn in_parallel<T>(
    points: &[Point],
    start: impl Fn() -> T + Sync,
    work: impl Fn(&mut T, &Point) + Sync,
) {
    let next = AtomicUsize::new(0);
    let one = || {
        let mut with = start();
        while let Some(point) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
            work(&mut with, point);
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(one))));
}

/// That each of these calls is among `points`, before and after it.
pub(crate) fn assert_covered(points: &[Point], calls: &[&str]) {
    for call in calls {
        for is_after in [false, true] {
            let is_it = |point: &Point| point.call == *call && point.is_after == is_after;
            assert!(points.iter().any(is_it), "{call}, {is_after}, is not one of {points:#?}");
        }
    }
}
