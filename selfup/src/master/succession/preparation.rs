//! What has to be so before a master can become other code. Nothing of it holds the loop up.
//!
//! An execution in place waits, in the kernel, until every other thread of the process has ended,
//! and a thread that sleeps in a file system which does not answer does not end. So the upgrade
//! thread is parked where it waits for nothing, and no thread may sleep so. Events that were told
//! so far are waited for, too: who tells them ends with the threads.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::event::Observer;

/// A succession that is about to happen.
#[derive(Debug)]
pub(in crate::master) struct Preparation {
    /// It comes to nothing then.
    until: Instant,
    /// Ends when the events so far are told.
    told: Option<oneshot::Receiver<()>>,
    /// They are waited for no longer.
    told_until: Instant,
}

/// How far it has come.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::master) enum Progress {
    Ready,
    /// To be looked at again then.
    Waits(Instant),
    /// It takes too long, for this reason.
    Overdue(String),
}

/// So long a succession is waited for: a probe that has just begun takes less.
const PATIENCE: Duration = Duration::from_secs(30);

/// So long the last events of this code are waited for.
const LAST: Duration = Duration::from_secs(1);

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(10);

impl Preparation {
    pub(in crate::master) fn begin(observer: &Observer, now: Instant) -> Self {
        let told = Some(observer.flush());
        Self { until: now + PATIENCE, told, told_until: now + LAST }
    }

    /// Whether it is not to be waited for any longer.
    pub(in crate::master) fn is_overdue(&self, now: Instant) -> bool {
        self.until <= now
    }

    /// Whether all is so, if the upgrade thread `is_parked`.
    pub(in crate::master) fn progress(&mut self, is_parked: bool, now: Instant) -> Progress {
        let reason = if is_parked {
            asleep()
        } else {
            Some("the upgrade thread is busy with code that does not come back".to_owned())
        };
        if let Some(reason) = reason {
            return if self.is_overdue(now) {
                Progress::Overdue(reason)
            } else {
                Progress::Waits(now + LOOK)
            };
        }
        let is_told = self.told.as_mut().is_none_or(|told| {
            !matches!(told.try_recv(), Err(oneshot::error::TryRecvError::Empty))
        });
        if is_told || self.told_until <= now {
            return Progress::Ready;
        }
        Progress::Waits(now + LOOK)
    }
}

/// A thread that sleeps where no signal wakes it, if there is one.
fn asleep() -> Option<String> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut stats = threads.flat_map(|thread| std::fs::read_to_string(thread.path().join("stat")));
    stats.find_map(|stat| {
        // The name is in parentheses, and may contain some.
        let (name, rest) = stat.rsplit_once(')')?;
        let name = name.split_once('(')?.1;
        let text = || format!("thread {name:?} waits for a file system that does not answer");
        rest.trim_start().starts_with('D').then(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Verbosity;

    #[test]
    fn it_waits_for_the_upgrade_thread_and_not_for_ever() {
        let observer = Observer::start(Verbosity::Silent, None);
        let now = Instant::now();
        let mut preparation = Preparation::begin(&observer, now);
        assert_eq!(preparation.progress(false, now), Progress::Waits(now + LOOK));
        let late = preparation.progress(false, now + PATIENCE);
        assert!(matches!(late, Progress::Overdue(reason) if reason.contains("upgrade thread")));
        assert_eq!(preparation.progress(true, now + LAST), Progress::Ready);
    }

    #[test]
    fn a_hook_that_hangs_on_an_event_is_waited_for_a_second() {
        let hook = |_: &crate::Event| loop {
            std::thread::park();
        };
        let observer = Observer::start(Verbosity::Silent, Some(Box::new(hook)));
        observer.tell(&crate::Event::Paused { generation: crate::Generation::FIRST });
        let now = Instant::now();
        let mut preparation = Preparation::begin(&observer, now);
        assert_eq!(preparation.progress(true, now), Progress::Waits(now + LOOK));
        assert_eq!(preparation.progress(true, now + LAST), Progress::Ready);
    }
}
