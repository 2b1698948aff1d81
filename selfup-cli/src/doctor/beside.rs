//! What upgrades left beside the binary: a lock, leftovers, a trial, and what was turned down.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::unistd::{Uid, seteuid};
use rustix::thread::{capabilities, set_capabilities};
use selfup::__cli::{Remembered, Survey};

use super::finding::{Findings, Verdict};
use super::subject::{Subject, Who};

pub(super) fn examine(subject: &Subject, survey: &Survey, findings: &mut Findings) {
    let holder = lock(subject, findings);
    leftovers(survey, holder.is_some(), findings);
    trial(read(&subject.who, || survey.trial()), findings);
    match read(&subject.who, || survey.history()) {
        Ok(history) => turned_down(&history, findings),
        Err(error) => findings.checked("history", Verdict::Warning, Err(error), ""),
    }
}

/// What belongs to the user of the service is good for that user alone, and not for root, who looks.
fn read<T>(who: &Who, read: impl Fn() -> Result<T, selfup::Error>) -> Result<T, selfup::Error> {
    let by_us = read();
    if by_us.is_ok() || who.is_us || !Uid::effective().is_root() {
        return by_us;
    }
    match Named::as_other(Uid::from_raw(who.uid)) {
        Ok(_until_here) => read().or(by_us),
        Err(_) => by_us,
    }
}

/// Root, by the name of another user. It keeps its capabilities: without them, the kernel lets nobody
/// into the view of a service that has one of its own and a capability besides.
struct Named;

impl Named {
    fn as_other(user: Uid) -> std::io::Result<Self> {
        let capabilities = capabilities(None)?;
        seteuid(user)?;
        // Dropped, it is root again.
        let named = Self;
        set_capabilities(None, capabilities)?;
        Ok(named)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // With which its capabilities are back, too. Whatever stays can only do less.
        let _ = seteuid(Uid::from_raw(0));
    }
}

/// Who upgrades the binary: as the kernel tells it, for a lock that is taken for an instant could
/// make a service that starts in that instant a follower.
fn lock(subject: &Subject, findings: &mut Findings) -> Option<u32> {
    let metadata = subject.seen.metadata().ok()?;
    let text = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let Some(holder) = text.lines().find_map(|line| holder(line, metadata.dev(), metadata.ino()))
    else {
        findings.ok("lock", "nobody has it");
        return None;
    };
    let executed = std::fs::read_link(format!("/proc/{holder}/exe")).ok();
    let executed = executed.map(|path| path.to_string_lossy().into_owned());
    let executed = executed.as_deref().map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
    let runs_it = executed.is_some_and(|path| Path::new(path) == subject.path);
    let is_ours = subject.master.map_or(runs_it, |master| master == holder);
    let name = executed.unwrap_or("a program that this user may not look at");
    if is_ours {
        findings.ok("lock", format!("process {holder} has it: the service of this binary"));
    } else if runs_it {
        findings.warn(
            "lock",
            format!("another service of this binary, process {holder}, upgrades it, and this one follows"),
            "give it a copy of the binary of its own to have it upgrade itself",
        );
    } else {
        findings.fail(
            "lock",
            format!("process {holder} ({name}) has it, and is no service of this binary"),
            "end it, or let nobody else read the binary",
        );
    }
    Some(holder)
}

/// Who has a flock(2) on this file, by a line of `/proc/locks`, such as
/// "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF".
fn holder(line: &str, dev: u64, ino: u64) -> Option<u32> {
    let mut fields = line.split_whitespace().skip(1);
    if fields.next()? != "FLOCK" {
        return None;
    }
    let holder = fields.nth(2)?;
    let mut place = fields.next()?.split(':');
    let hexadecimal = |text: Option<&str>| u32::from_str_radix(text?, 16).ok();
    let (major, minor) = (hexadecimal(place.next())?, hexadecimal(place.next())?);
    let is_it = place.next()?.parse() == Ok(ino)
        && (major, minor) == (rustix::fs::major(dev), rustix::fs::minor(dev));
    is_it.then(|| holder.parse().ok())?
}

fn leftovers(survey: &Survey, is_locked: bool, findings: &mut Findings) {
    match survey.half_written() {
        Ok(paths) if paths.is_empty() => findings.ok("leftovers", "there are none"),
        Ok(paths) if is_locked => {
            findings.ok("leftovers", format!("an upgrade is being written: {} files", paths.len()));
        }
        Ok(paths) => {
            let names = paths.iter().take(SHOWN).map(|path| path.display().to_string());
            findings.warn(
                "leftovers",
                format!("an upgrade was killed and left {}", names.collect::<Vec<_>>().join(", ")),
                "start the service, which removes them, or remove them",
            );
        }
        Err(error) => findings.warn(
            "leftovers",
            format!("the directory cannot be read: {error}"),
            "let the user of the service read it, or nothing half-written is ever removed",
        ),
    }
}

fn trial(trial: Result<Option<OnTrial>, selfup::Error>, findings: &mut Findings) {
    match trial {
        Ok(None) => findings.ok("trial", "none is unfinished"),
        Ok(Some((candidate, _, Some(reason)))) => findings.warn(
            "trial",
            format!("{} failed its trial ({reason}), and that is not in the history yet", candidate.short()),
            "start the service, and see that its history can be written",
        ),
        Ok(Some((candidate, starts, None))) => findings.warn(
            "trial",
            format!("{} is on trial: starts that came to nothing: {starts}", candidate.short()),
            "start the service: the third start that comes to nothing puts the previous binary back",
        ),
        Err(error) => findings.checked("trial", Verdict::Warning, Err(error), ""),
    }
}

fn turned_down(history: &Remembered, findings: &mut Findings) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for turned_down in history.turned_down.iter().rev().take(SHOWN) {
        let again = match turned_down.retry_at {
            Some(at) if at <= now => "it is tried again at the next poll",
            Some(_) => "it is tried again within the hour",
            None => "it is not tried again",
        };
        findings.warn(
            "refused",
            format!("{} was turned down: {}", turned_down.id, turned_down.reason),
            format!("publish another; {again}, unless `selfup::clear_refused()` is called"),
        );
    }
    let more = history.turned_down.len().saturating_sub(SHOWN);
    if more > 0 {
        findings.warn("refused", format!("{more} more were turned down"), "see the history's file");
    }
    if history.turned_down.is_empty() {
        findings.ok("refused", "nothing is");
    }
    let latest = history.turned_down.iter().filter_map(|it| it.retry_at).max();
    if latest.is_some_and(|at| at > now + LONGEST_STEP) {
        findings.warn(
            "history_clock",
            "what was turned down is to be tried again later than is possible: the clock was set back",
            "see that the clock of this machine is set",
        );
    }
}

/// The candidate, how often it was started, and why it failed.
type OnTrial = (selfup::BinaryId, u32, Option<String>);

/// So many of several are named.
const SHOWN: usize = 8;

/// What fails waits for an hour at most, and a second is rounded up.
const LONGEST_STEP: Duration = Duration::from_secs(3602);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_known_by_device_and_inode() {
        let dev = rustix::fs::makedev(0xfe, 1);
        let line = "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF";
        assert_eq!(holder(line, dev, 5678), Some(1234));
        assert_eq!(holder(line, dev, 567), None);
        assert_eq!(holder(&line.replace("FLOCK", "POSIX"), dev, 5678), None);
        assert_eq!(
            holder("1: -> FLOCK  ADVISORY  WRITE 1 fe:01:5678 0 EOF", dev, 5678),
            None,
            "it waits"
        );
        assert_eq!(holder("", dev, 5678), None);
    }
}
