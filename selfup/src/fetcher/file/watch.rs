//! Notices at once what happens to a file, by inotify.
//!
//! A directory is watched, and not the file: what is renamed over a name, or made under it, is an
//! event of the directory, and the file that was there hears nothing of it. Where a part of the path
//! is a symlink, the directory that it is in is watched, too, and so on to the file at its end; where
//! a part is missing, the directory that it is missing from. A plain directory on the way is not:
//! that one of them above the last was renamed away is found at the next poll.
//!
//! **Nothing is missed between a look and the wait for its end**: a directory is watched before what is
//! in it is read, and the events stay in the kernel's queue until somebody asks. Every look watches
//! anew, which for a directory that is watched already changes nothing; what is no longer on the way is
//! let go of. So a directory that was missing, replaced or mounted over is watched from the next look
//! on, and descriptors never add up.
//!
//! What is noticed: a file that was closed by somebody who could write to it, a name that came to lead
//! to something else, and another mode or time. Not what is written: a slow copy would be a thousand
//! events, and its end is one. Not what is removed: there is nothing to take, and the poll that looked
//! for it would hold up the next one by `min_fetch_interval`. A sibling alone is waited with for a
//! moment, for the binary comes after it.
//!
//! The work is bounded: events of other names cost a comparison, and what turns out to be none costs a
//! look; of either there are a hundred a second at the most. The queue has an end in the kernel, and what does not fit is an event of its own, after which
//! there is a look.
//!
//! Where it cannot be had (limits, rights, a path that leads through too many symlinks), or where it
//! would not hear of everything, as on file systems that others write to as well, polls go on as
//! without it: see [`Watch::is_whole`]. What is not known to be local is taken not to be.
//!
//! Rejected: the crates `notify` and `inotify`. nix is there already, and what remains is this file.
//! A lease (`F_SETLEASE`) would tell whether anybody has the file open for writing, but only its owner
//! may take one, NFS refuses it for reasons of its own, and its break is a signal.

use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use nix::sys::statfs::{self, FsType, statfs};
use tokio::time::{Instant, sleep, timeout};

use super::beside::Beside;
use super::place::Versions;
use crate::sys;

/// What is watched for a file.
#[derive(Debug, Default)]
pub(super) struct Watch {
    inotify: Option<Inotify>,
    spots: Vec<Spot>,
    /// Those of the look that is under way.
    fresh: Vec<Spot>,
    is_whole: bool,
    /// The names on the way that was followed last.
    way: Vec<OsString>,
    /// Names under which something was finished since it was last asked.
    finished: Vec<OsString>,
    is_news: bool,
    is_beside: bool,
    /// Since when the binary is waited for that belongs to what is beside it.
    beside: Option<Instant>,
}

/// What something happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The file, or what leads to it.
    File,
    /// What is beside it, and nothing else for a moment.
    Beside,
}

/// One reason to watch a directory.
#[derive(Debug, PartialEq, Eq)]
struct Spot {
    directory: WatchDescriptor,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Name(OsString),
    Beside(OsString),
    Versions(Versions),
}

impl Watch {
    /// Begins a look. What was noticed so far is what it looks for.
    pub(super) fn begin(&mut self) {
        if self.inotify.is_none() {
            self.inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        }
        self.read();
        self.is_news = false;
        self.fresh.clear();
        self.is_whole = self.inotify.is_some();
    }

    /// Watches what leads to the file at `path`, and what is beside it.
    pub(super) fn follow(&mut self, path: &Path, beside: &[&Beside]) {
        self.way.clear();
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else { return };
        let Some(directory) = self.walk(PathBuf::from("."), parent, false) else { return };
        for name in beside.iter().filter_map(|beside| beside.name(path)) {
            self.add(&directory, What::Beside(name));
        }
        self.walk(directory, Path::new(name), true);
    }

    /// Watches what leads to the directory of `versions`, and each version in it.
    pub(super) fn follow_versions(&mut self, versions: &Versions) {
        if let Some(directory) = self.walk(PathBuf::from("."), versions.directory(), false) {
            self.add(&directory, What::Versions(versions.clone()));
        }
    }

    /// What is looked at next is not watched.
    pub(super) fn miss(&mut self) {
        self.is_whole = false;
        self.way.clear();
    }

    /// Ends a look: what it did not watch is watched no longer.
    pub(super) fn end(&mut self) {
        let before = std::mem::replace(&mut self.spots, std::mem::take(&mut self.fresh));
        self.is_whole &= !self.spots.is_empty();
        let Some(inotify) = &self.inotify else { return };
        for Spot { directory, .. } in before {
            if !self.spots.iter().any(|spot| spot.directory == directory) {
                // It may be gone with its directory.
                let _ = inotify.rm_watch(directory);
            }
        }
    }

    /// Whether everything that could change is noticed.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether anything is watched.
    pub(super) fn is_set(&self) -> bool {
        !self.spots.is_empty()
    }

    /// Whether the file that was followed last was renamed into place, or closed by its writer, since
    /// that was [forgotten](Self::forget).
    pub(super) fn has_finished(&self) -> bool {
        self.way.iter().any(|name| self.finished.contains(name))
    }

    /// What was finished so far says nothing any more.
    pub(super) fn forget(&mut self) {
        self.finished.clear();
    }

    /// How many directories the kernel says it watches.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        use std::os::fd::AsRawFd as _;
        let Some(inotify) = &self.inotify else { return 0 };
        let path = format!("/proc/self/fdinfo/{}", inotify.as_fd().as_raw_fd());
        let info = std::fs::read_to_string(path).unwrap_or_default();
        info.lines().filter(|line| line.starts_with("inotify ")).count()
    }

    /// What is beside the binary by now is what will be read.
    pub(super) fn forget_beside(&mut self) {
        self.read();
        (self.is_beside, self.beside) = (false, None);
    }

    /// Waits until there is reason to look. Cancel-safe.
    pub(super) async fn changed(&mut self) -> News {
        loop {
            let Some(at) = self.beside else {
                match self.next().await {
                    News::File => return News::File,
                    News::Beside => self.beside = Some(Instant::now()),
                }
                continue;
            };
            let left = AFTER_BESIDE.saturating_sub(at.elapsed());
            let next = timeout(left, self.next()).await.ok();
            if next == Some(News::File) || left.is_zero() {
                self.beside = None;
                return next.unwrap_or(News::Beside);
            }
            if next.is_some() {
                sleep(BREATH).await;
            }
        }
    }

    /// Waits for `longest`, or until something happens to the file.
    pub(super) async fn wait(&mut self, longest: Duration) {
        let file = async { while self.next().await != News::File {} };
        let _ = timeout(longest, file).await;
    }

    async fn next(&mut self) -> News {
        loop {
            let has_read = self.read();
            if std::mem::take(&mut self.is_news) {
                return News::File;
            }
            if std::mem::take(&mut self.is_beside) {
                return News::Beside;
            }
            if has_read {
                // Of other names, and more of that may come.
                sleep(BREATH).await;
                continue;
            }
            let Some(inotify) = &self.inotify else { return pending().await };
            if readable(inotify).await.is_err() {
                (self.inotify, self.is_whole) = (None, false);
            }
        }
    }

    /// Says whether there was anything.
    fn read(&mut self) -> bool {
        for batch in 0..BATCHES {
            let Some(inotify) = &self.inotify else { return batch > 0 };
            match inotify.read_events() {
                Ok(events) => events.into_iter().for_each(|event| self.note(event)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return batch > 0,
                Err(_) => (self.inotify, self.is_whole) = (None, false),
            }
        }
        true
    }

    fn note(&mut self, event: InotifyEvent) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            self.finished.clear();
            self.is_news = true;
            return;
        }
        let here = || self.spots.iter().filter(|spot| spot.directory == event.wd);
        let Some(name) = event.name else {
            // About the directory itself: it was moved, removed, or may be read now.
            self.is_news |= here().next().is_some();
            return;
        };
        let is_beside = here().any(|spot| matches!(&spot.what, What::Beside(it) if *it == name));
        if here().any(|spot| spot.what.is(&name)) {
            self.is_news = true;
            if event.mask.contains(AddWatchFlags::IN_CREATE) {
                self.finished.retain(|finished| *finished != name);
            } else if event.mask.intersects(finishes()) && self.finished.len() < MOST_NAMES {
                self.finished.push(name);
            }
        } else if is_beside {
            self.is_beside = true;
        }
    }

    /// Goes from `start` along `path`, and watches where it could come to lead elsewhere. Gives where
    /// it ends, if that is there.
    fn walk(&mut self, start: PathBuf, path: &Path, is_file: bool) -> Option<PathBuf> {
        let (mut at, mut links) = (start, 0);
        let mut ahead = steps(path);
        while let Some(step) = ahead.pop() {
            let next = at.join(&step);
            if step == "/" || step == "." || step == ".." {
                at = next;
                continue;
            }
            self.way.push(step.clone());
            let is_last = is_file && ahead.is_empty();
            if !is_last && next.symlink_metadata().is_ok_and(|found| !found.is_symlink()) {
                at = next;
                continue;
            }
            // Before it is looked at, so that nothing can happen in between.
            self.add(&at, What::Name(step));
            match next.symlink_metadata() {
                Ok(found) if found.is_symlink() && links < MOST_LINKS => {
                    links += 1;
                    ahead.extend(steps(&std::fs::read_link(&next).ok()?));
                }
                Ok(found) if !found.is_symlink() => at = next,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
                _ => {
                    self.is_whole = false;
                    return None;
                }
            }
        }
        Some(at)
    }

    fn add(&mut self, directory: &Path, what: What) {
        let Some(inotify) = &self.inotify else { return };
        let Ok(watched) = inotify.add_watch(directory, wanted()) else {
            self.is_whole = false;
            return;
        };
        self.is_whole &= is_local(directory);
        let spot = Spot { directory: watched, what };
        if !self.fresh.contains(&spot) {
            self.fresh.push(spot);
        }
    }
}

impl What {
    fn is(&self, name: &OsStr) -> bool {
        match self {
            Self::Name(it) => it == name,
            Self::Versions(versions) => versions.of(name).is_some(),
            Self::Beside(_) => false,
        }
    }
}

/// The parts of `path`, the first one last.
fn steps(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

/// Registered for this wait alone, so that it does not matter whose runtime the last one was on.
async fn readable(inotify: &Inotify) -> std::io::Result<()> {
    sys::fd::watch(inotify.as_fd())?.readable().await?.retain_ready();
    Ok(())
}

fn wanted() -> AddWatchFlags {
    finishes()
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
}

fn finishes() -> AddWatchFlags {
    AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO
}

/// Whether nobody but this kernel writes to the file system of `path`.
fn is_local(path: &Path) -> bool {
    const ZFS: FsType = FsType(0x2fc1_2fc1);
    let local = [
        statfs::EXT4_SUPER_MAGIC,
        statfs::XFS_SUPER_MAGIC,
        statfs::BTRFS_SUPER_MAGIC,
        statfs::F2FS_SUPER_MAGIC,
        statfs::TMPFS_MAGIC,
        statfs::OVERLAYFS_SUPER_MAGIC,
        ZFS,
    ];
    statfs(path).is_ok_and(|found| local.contains(&found.filesystem_type()))
}

/// So long after what is beside it, the binary may come.
const AFTER_BESIDE: Duration = Duration::from_millis(200);

/// Between two reads of events that are nobody's.
const BREATH: Duration = Duration::from_millis(10);

/// As many reads of 4 KiB are made at once.
const BATCHES: usize = 64;

/// As many symlinks as the kernel follows.
const MOST_LINKS: usize = 40;

/// More names at once are no longer a release.
const MOST_NAMES: usize = 64;
