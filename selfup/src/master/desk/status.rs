//! How things are, in one answer.

use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};
use tokio::sync::oneshot;

use super::identities::Known;
use super::memory::binary;
use crate::control::{Answer, GenerationStatus, Refusal, Status, Upgrades, UpgradesState};
use crate::identity::Generation;
use crate::master::Master;
use crate::master::plan::{Phase, View};
use crate::master::upgrades::{Notice, Stand};

/// Somebody wants to know it, and the children are asked.
#[derive(Debug)]
pub(super) struct Question {
    since: Instant,
    /// Who is expected to answer.
    awaited: Vec<Generation>,
    answers: Vec<oneshot::Sender<Answer>>,
}

/// So long children have to answer, and so long a file may be read.
const PATIENCE: Duration = Duration::from_secs(1);

impl Question {
    pub(super) fn until(&self) -> Instant {
        self.since + PATIENCE
    }
}

impl Master {
    /// Asks everybody who has something to say, if nobody has asked them a moment ago.
    pub(super) fn ask_for_status(&mut self, answer: oneshot::Sender<Answer>) {
        if let Some(question) = &mut self.desk.question {
            question.answers.retain(|answer| !answer.is_closed());
            question.answers.push(answer);
            return;
        }
        let since = Instant::now();
        let living: Vec<_> = self.children.living().map(|(generation, ..)| generation).collect();
        let asks = |generation: &Generation| self.children.ask_for_beat(*generation);
        let awaited = living.into_iter().filter(asks).collect();
        self.desk.question = Some(Question { since, awaited, answers: vec![answer] });
    }

    /// Tells it to who has asked, once everything is known that is to be known in time.
    pub(super) fn tell_status(&mut self) {
        let Some(question) = &self.desk.question else { return };
        let (since, is_over) = (question.since, question.until() <= Instant::now());
        let is_answered = |generation: &Generation| {
            let beat = self.children.last_beat(*generation);
            self.children.pid(*generation).is_none() || beat.is_some_and(|beat| beat.at >= since)
        };
        if !is_over && !question.awaited.iter().all(is_answered) {
            return;
        }
        let view = self.plan.view();
        let (generations, is_known) = self.generations(&view, since);
        if !is_over && !is_known {
            return;
        }
        let status = self.status(&view, generations);
        let answers = self.desk.question.take().map(|question| question.answers);
        for answer in answers.into_iter().flatten() {
            // Who asked may have hung up.
            let _ = answer.send(Answer::Status(Box::new(status.clone())));
        }
    }

    /// Everybody who lives, and whether it is known what they run.
    fn generations(&mut self, view: &View, since: Instant) -> (Vec<GenerationStatus>, bool) {
        let living: Vec<_> = self.children.living().collect();
        self.desk.identities.keep(&living);
        let mut is_known = true;
        let generations = living.into_iter().map(|(generation, pid, is_ready)| {
            let known = self.desk.identities.of(generation, pid, is_ready);
            is_known &= known != Known::Soon;
            let (digest, version) = match known {
                Known::As(binary) => (Some(binary.digest), binary.version),
                Known::Soon | Known::Not => (None, None),
            };
            let beat = self.children.last_beat(generation).filter(|beat| beat.at >= since);
            GenerationStatus {
                generation: generation.get(),
                pid: pid.as_raw().cast_unsigned(),
                state: state(view, generation, is_ready),
                version,
                digest,
                age_seconds: age(pid).unwrap_or_default().as_secs(),
                open_connections: beat
                    .and_then(|beat| beat.open)
                    .and_then(|open| u64::try_from(open).ok()),
            }
        });
        (generations.collect(), is_known)
    }

    fn status(&self, view: &View, generations: Vec<GenerationStatus>) -> Status {
        let notice = self.upgrader.notice();
        let remembered =
            notice.as_ref().map(|notice| notice.remembered.clone()).unwrap_or_default();
        let good = remembered.good.iter().map(|(id, version)| binary(*id, version.as_ref()));
        let refused = remembered.refused.into_iter().map(|refused| Refusal {
            digest: Some(refused.id.to_string()),
            reason: refused.reason,
            at: refused.at.unwrap_or(SystemTime::UNIX_EPOCH),
        });
        Status {
            selfup: env!("CARGO_PKG_VERSION"),
            master_pid: std::process::id(),
            path: self.children.origin().path().display().to_string(),
            phase: view.phase.word(),
            generations,
            addresses: self.children.addresses(),
            upgrades: upgrades(notice.as_ref(), self.upgrader.is_paused()),
            last_upgrade: self.desk.memory.last_upgrade.clone(),
            last_refusal: self.desk.memory.last_refusal.clone(),
            good: good.collect(),
            refused: refused.collect(),
        }
    }
}

fn upgrades(notice: Option<&Notice>, is_paused: bool) -> Upgrades {
    let Some(notice) = notice else {
        return Upgrades { state: UpgradesState::None, reason: None, next_poll_seconds: None };
    };
    let (state, reason) = match &notice.stand {
        Stand::None => (UpgradesState::None, None),
        Stand::Following => (UpgradesState::Following, None),
        Stand::Closed(reason) => (UpgradesState::Disabled, Some(reason.clone())),
        Stand::Open => (UpgradesState::On, None),
    };
    let is_polled = state != UpgradesState::None && !is_paused;
    let due = notice.due.filter(|_| is_polled);
    let is_paused = is_paused && state != UpgradesState::None;
    let left = due.map(|due| due.saturating_duration_since(Instant::now()).as_secs());
    let state = if is_paused { UpgradesState::Paused } else { state };
    Upgrades { state, reason, next_poll_seconds: left }
}

fn state(view: &View, generation: Generation, is_ready: bool) -> &'static str {
    let is_handed_over = matches!(view.phase, Phase::Handover | Phase::Probation);
    match () {
        () if view.draining.iter().any(|it| it.generation == generation) => "draining",
        () if view.candidate == Some(generation) && is_handed_over => "probation",
        () if view.candidate == Some(generation) || !is_ready => "starting",
        () if is_handed_over => "paused",
        () => "serving",
    }
}

/// How long a process has lived, by the kernel's word: whoever started it may have been other code.
fn age(pid: Pid) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses, and may contain some. `starttime` is field 22, and the state 3.
    let started: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let ticks = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok().filter(|&it| it > 0)?;
    let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    Some(now.saturating_sub(Duration::from_secs(started) / u32::try_from(ticks).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_the_age_that_the_kernel_says() {
        let own = age(Pid::this()).unwrap();
        assert!(own < Duration::from_secs(24 * 60 * 60), "{own:?}");
        assert!(age(Pid::from_raw(1)).unwrap() >= own);
        assert!(age(Pid::from_raw(i32::MAX)).is_none());
    }

    #[test]
    fn nobody_is_polled_while_polls_pause_and_it_is_said_why_there_are_none() {
        let due = Some(Instant::now() + Duration::from_secs(100));
        let notice = |stand| Notice { stand, due, ..Notice::default() };
        let on = upgrades(Some(&notice(Stand::Open)), false);
        assert_eq!(on.state, UpgradesState::On);
        assert!(on.next_poll_seconds.is_some_and(|left| (90..=100).contains(&left)));
        let paused = upgrades(Some(&notice(Stand::Open)), true);
        assert_eq!((paused.state, paused.next_poll_seconds), (UpgradesState::Paused, None));
        let closed = upgrades(Some(&notice(Stand::Closed("noexec".into()))), false);
        assert_eq!(
            (closed.state, closed.reason.as_deref()),
            (UpgradesState::Disabled, Some("noexec"))
        );
        assert_eq!(upgrades(Some(&notice(Stand::None)), true).state, UpgradesState::None);
        assert_eq!(upgrades(None, true).state, UpgradesState::None);
    }
}
