//! Whether a generation on trial lives: it is asked for a beat each second, and is not committed while
//! it owes an answer.
//!
//! A program may accept, and block its runtime at the first request. It does not end, it needs no
//! health hook to be no service, and whoever waits for its answers would wait for ever. So nobody is
//! committed, or kept after a start on trial, who has left all of [`MOST`] questions unanswered. Questions
//! are counted, and not seconds: what was stopped together with its master is not at fault. A program that
//! blocks its runtime for a few seconds by design answers late, and its trial lasts as much longer.
//!
//! Limits: a child of a version that knows no beats is not asked, and a program without an async runtime
//! answers as long as its process runs. Who has only some of its threads blocked lives.

use std::time::{Duration, Instant};

use super::Master;
use super::plan::Input;
use super::upgrades::Order;
use crate::error::{Error, ErrorKind};
use crate::identity::Generation;

/// The questions to one generation, as long as it is on trial.
#[derive(Debug, Default)]
pub(super) struct Beats(Option<Asked>);

#[derive(Debug)]
struct Asked {
    generation: Generation,
    /// When to ask next.
    next: Instant,
    is_begun: bool,
    /// So many questions in a row have no answer.
    unanswered: u32,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Ask(Generation),
    GiveUp(Generation),
}

/// The time between two questions.
const EVERY: Duration = Duration::from_secs(1);

/// So many questions without an answer, one each second, are the end of a trial: as much time again as
/// a health hook has, for here nobody has agreed to answer.
const MOST: u32 = 10;

impl Beats {
    /// This generation is on trial, or nobody is.
    fn follow(&mut self, on_trial: Option<Generation>, now: Instant) {
        let begin = |generation| Asked { generation, next: now, is_begun: false, unanswered: 0 };
        if self.0.as_ref().map(|asked| asked.generation) != on_trial {
            self.0 = on_trial.map(begin);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|asked| asked.next)
    }

    /// Whether somebody is on trial, who cannot be expected to feed a watchdog yet.
    #[cfg(feature = "systemd")]
    pub(super) fn is_trial(&self) -> bool {
        self.0.is_some()
    }

    fn due(&self, now: Instant) -> Due {
        match &self.0 {
            Some(asked) if asked.next > now => Due::Nothing,
            Some(asked) if asked.unanswered >= MOST => Due::GiveUp(asked.generation),
            Some(asked) => Due::Ask(asked.generation),
            None => Due::Nothing,
        }
    }

    /// It was asked, and `answers` if it lives.
    fn asked(&mut self, answers: bool, now: Instant) {
        if let Some(asked) = &mut self.0 {
            (asked.is_begun, asked.next) = (true, now + EVERY);
            asked.unanswered += u32::from(answers);
        }
    }

    pub(super) fn answered(&mut self, generation: Generation) {
        if let Some(asked) = self.0.as_mut().filter(|asked| asked.generation == generation) {
            asked.unanswered = 0;
        }
    }

    /// Who owes an answer.
    fn owes(&self) -> Option<Generation> {
        let owes = |asked: &&Asked| !asked.is_begun || asked.unanswered > 0;
        self.0.as_ref().filter(owes).map(|asked| asked.generation)
    }
}

impl Master {
    /// Looks who is on trial now: a generation that follows another, or the first one if its binary is.
    pub(super) fn follow_trial(&mut self) {
        let first = || self.proof.as_ref().filter(|proof| proof.is_ready()).map(|_| self.serving());
        let on_trial = self.plan.on_trial().or_else(first);
        self.beats.follow(on_trial, Instant::now());
    }

    /// A deadline has passed: asks who is on trial, and prolongs the trial or ends it.
    pub(super) fn ask_for_life(&mut self) {
        let now = Instant::now();
        let owes = self.beats.owes();
        match self.beats.due(now) {
            Due::Nothing => {}
            Due::Ask(generation) => {
                let answers = self.children.ask_for_beat(generation);
                self.beats.asked(answers, now);
            }
            Due::GiveUp(generation) => return self.give_up_on(generation),
        }
        if let Some(generation) = owes {
            if let Some(proof) = &mut self.proof {
                proof.last_until(now + EVERY);
            }
            self.step(Input::Owes(generation, now + EVERY));
        }
    }

    fn give_up_on(&mut self, generation: Generation) {
        let reason = format!(
            "it has answered none of {MOST} questions whether it lives, one each second; see what \
             blocks its runtime"
        );
        if self.plan.on_trial() == Some(generation) {
            self.step(Input::Unfit(generation, reason));
        } else if self.proof.take().is_some() {
            self.upgrader.order(Order::Restore(Error::new(ErrorKind::NotReady, reason)));
            self.follow_trial();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Generation = Generation::FIRST;

    fn begun(now: Instant) -> Beats {
        let mut beats = Beats::default();
        beats.follow(Some(FIRST), now);
        beats
    }

    #[test]
    fn who_answers_nothing_is_given_up_after_so_many_questions_and_not_before() {
        let mut now = Instant::now();
        let mut beats = begun(now);
        for _ in 0..MOST {
            assert_eq!(beats.due(now), Due::Ask(FIRST));
            beats.asked(true, now);
            assert_eq!(beats.due(now), Due::Nothing, "not twice at once");
            now += EVERY;
        }
        assert_eq!(beats.due(now), Due::GiveUp(FIRST));
        beats.answered(FIRST);
        assert_eq!(beats.due(now), Due::Ask(FIRST), "the last moment is one");
    }

    #[test]
    fn who_was_stopped_together_with_its_master_is_asked_again() {
        let now = Instant::now();
        let mut beats = begun(now);
        beats.asked(true, now);
        assert_eq!(beats.due(now + 3600 * EVERY), Due::Ask(FIRST));
    }

    #[test]
    fn who_was_not_asked_or_has_not_answered_owes_an_answer() {
        let now = Instant::now();
        let mut beats = begun(now);
        assert_eq!(beats.owes(), Some(FIRST), "it has said nothing yet");
        beats.asked(true, now);
        assert_eq!(beats.owes(), Some(FIRST));
        beats.answered(FIRST.next());
        assert_eq!(beats.owes(), Some(FIRST), "another one has answered");
        beats.answered(FIRST);
        assert_eq!(beats.owes(), None);
        beats.follow(None, now);
        assert_eq!((beats.owes(), beats.deadline()), (None, None));
    }

    #[test]
    fn who_knows_no_beats_owes_nothing() {
        let mut now = Instant::now();
        let mut beats = begun(now);
        for _ in 0..2 * MOST {
            assert_eq!(beats.due(now), Due::Ask(FIRST));
            beats.asked(false, now);
            assert_eq!(beats.owes(), None);
            now += EVERY;
        }
    }
}
