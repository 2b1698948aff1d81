//! How often a run came by each thing that can happen: a property that never gets anywhere holds.

use super::world::World;
use super::{Action, Cause, Files, Input, Motion, Plan};

macro_rules! sights {
    ($($sight:ident)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Sight { $($sight),* }

        const SIGHTS: &[Sight] = &[$(Sight::$sight),*];
    };
}

sights! {
    Examine StartRestart StartDeploy StartUpgrade StartReturn Admit Pause Resume Yield Commit Drain
    Kill Forward Swap Discard Keep Leave Restore LetGo Suspend Tell End
    InStill InExamining InYielding InStarting InHandover InProbation InStopping
    RestartRemembered RestartTurnedDown FindingRefused FindingWaiting LookGivenUp FileOverdue SwapUndoneLate
    UnfitServing UnfitInStarting UnfitInHandover UnfitInProbation NotReadyInTime PauseUnanswered
    ExitInExamining ExitInStarting ExitInHandover ExitInProbation CandidateToldToEnd NotStarted
    ServiceSaved NothingToSave StopInExamining StopInYielding StopInStarting StopInHandover
    StopInProbation StopWhileFileChanges StopTwice MaxDrainingReached NotEvenKilled
    RollBackInYielding RollBackInStarting RollBackInHandover RollBackInProbation RollBackInSwap
    RollBackOfOffer FindingWithdrawn NotHeld ReturnBeforeFile
    Succession SuccessionWithDraining SuccessionWithRestart SuccessionRefused
}

/// What a run has come by.
#[derive(Debug, Clone)]
pub(super) struct Coverage {
    counts: Vec<u64>,
    pub(super) sequences: u64,
    pub(super) steps: u64,
}

impl Coverage {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; SIGHTS.len()], sequences: 0, steps: 0 }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.sequences += other.sequences;
        self.steps += other.steps;
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    pub(super) fn see(&mut self, sight: Sight) {
        self.counts[sight as usize] += 1;
    }

    pub(super) fn never_seen(&self) -> Vec<Sight> {
        SIGHTS.iter().copied().filter(|&sight| self.counts[sight as usize] == 0).collect()
    }

    /// Each sight and its count, some to a line.
    pub(super) fn table(&self) -> String {
        let cells =
            SIGHTS.iter().map(|&sight| format!("{sight:?} {}", self.counts[sight as usize]));
        let cells: Vec<_> = cells.map(|cell| format!("{cell:<34}")).collect();
        let lines = cells.chunks(3).map(|line| line.concat().trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What can be told before the plan hears of it: `world` has moved, `plan` has not.
    pub(super) fn before(&mut self, plan: &Plan, world: &World, input: &Input) {
        self.steps += 1;
        match *input {
            Input::Unfit(who, _) => self.unfit(plan, who.get()),
            Input::Exited(who, _) => self.exited(plan, world, who.get()),
            Input::NotStarted(..) => self.see(Sight::NotStarted),
            Input::Signal { number: libc::SIGTERM | libc::SIGINT, .. } => self.stopped(plan, world),
            Input::Restart if world.limits.restart_signal.is_none() => {
                self.see(Sight::RestartTurnedDown);
            }
            Input::Restart if plan.trial().is_some() => self.see(Sight::RestartRemembered),
            Input::Examined(super::Finding::Refused(_)) => self.see(Sight::FindingRefused),
            Input::Examined(super::Finding::Withdrawn) => self.see(Sight::FindingWithdrawn),
            Input::Examined(super::Finding::Waiting) => self.see(Sight::FindingWaiting),
            Input::Tick => self.ticked(plan, world),
            Input::RollBack => self.rolled_back(plan),
            _ => {}
        }
    }

    fn rolled_back(&mut self, plan: &Plan) {
        let trial = plan.trial().filter(|trial| trial.cause == Cause::Upgrade);
        match plan.motion {
            // Too late: nobody is there to go back to. That is too seldom to be counted on.
            _ if trial.is_some() && plan.ended.is_some() => {}
            Motion::Yielding(Cause::Upgrade) => self.see(Sight::RollBackInYielding),
            Motion::Starting(_) if trial.is_some() => self.see(Sight::RollBackInStarting),
            Motion::Handover(_) if trial.is_some() => self.see(Sight::RollBackInHandover),
            Motion::Probation(_) if trial.is_some() => self.see(Sight::RollBackInProbation),
            Motion::Stopping => {}
            _ if matches!(plan.files, Files::Swapping(_)) => self.see(Sight::RollBackInSwap),
            _ if plan.waiting.upgrade => self.see(Sight::RollBackOfOffer),
            _ => {}
        }
    }

    fn unfit(&mut self, plan: &Plan, who: u64) {
        let is_candidate = plan.trial().is_some_and(|trial| trial.candidate.get() == who);
        match plan.motion {
            Motion::Starting(_) if is_candidate => self.see(Sight::UnfitInStarting),
            Motion::Handover(_) if is_candidate => self.see(Sight::UnfitInHandover),
            Motion::Probation(_) if is_candidate => self.see(Sight::UnfitInProbation),
            _ if plan.serving.is_some_and(|serving| serving.get() == who) => {
                self.see(Sight::UnfitServing);
            }
            _ => {}
        }
    }

    fn exited(&mut self, plan: &Plan, world: &World, who: u64) {
        let is_candidate = plan.trial().is_some_and(|trial| trial.candidate.get() == who);
        let is_serving = plan.serving.is_some_and(|serving| serving.get() == who);
        match plan.motion {
            _ if is_candidate && world.program_ended && world.serves() => {
                self.see(Sight::CandidateToldToEnd);
            }
            Motion::Starting(_) if is_candidate && world.program_ended => {
                self.see(Sight::NothingToSave);
            }
            Motion::Examining(_) if is_serving => self.see(Sight::ExitInExamining),
            Motion::Starting(_) if is_serving => self.see(Sight::ExitInStarting),
            Motion::Handover(_) if is_serving => self.see(Sight::ExitInHandover),
            Motion::Probation(_) if is_serving => self.see(Sight::ExitInProbation),
            _ => {}
        }
    }

    fn stopped(&mut self, plan: &Plan, world: &World) {
        if world.waits_for_file() {
            self.see(Sight::StopWhileFileChanges);
        }
        match plan.motion {
            Motion::Examining(_) => self.see(Sight::StopInExamining),
            Motion::Yielding(_) => self.see(Sight::StopInYielding),
            Motion::Starting(_) => self.see(Sight::StopInStarting),
            Motion::Handover(_) => self.see(Sight::StopInHandover),
            Motion::Probation(_) => self.see(Sight::StopInProbation),
            Motion::Stopping => self.see(Sight::StopTwice),
            Motion::Still => {}
        }
    }

    fn ticked(&mut self, plan: &Plan, world: &World) {
        match plan.motion {
            Motion::Starting(trial) if trial.until <= world.now => self.see(Sight::NotReadyInTime),
            Motion::Handover(trial) if trial.until <= world.now => self.see(Sight::PauseUnanswered),
            Motion::Examining(until) if until <= world.now => self.see(Sight::LookGivenUp),
            _ => {}
        }
        if plan.files.until().is_some_and(|until| until <= world.now) {
            self.see(Sight::FileOverdue);
        }
        if plan.draining.values().any(|it| it.is_killed && it.until <= world.now) {
            self.see(Sight::NotEvenKilled);
        }
    }

    /// What the plan has answered, and where it is now.
    pub(super) fn after(&mut self, plan: &Plan, world: &World, actions: &[Action]) {
        for action in actions {
            self.answered(world, action);
        }
        self.see(match plan.motion {
            Motion::Still => Sight::InStill,
            Motion::Examining(_) => Sight::InExamining,
            Motion::Yielding(_) => Sight::InYielding,
            Motion::Starting(_) => Sight::InStarting,
            Motion::Handover(_) => Sight::InHandover,
            Motion::Probation(_) => Sight::InProbation,
            Motion::Stopping => Sight::InStopping,
        });
        let is_full = world.leaving() >= world.limits.max_draining;
        if is_full && world.asked_to_restart && world.is_at_rest() {
            self.see(Sight::MaxDrainingReached);
        }
    }

    fn answered(&mut self, world: &World, action: &Action) {
        let sight = match *action {
            Action::Examine => Sight::Examine,
            Action::Start(_, Cause::Restart) => Sight::StartRestart,
            Action::Start(_, Cause::Deploy) => Sight::StartDeploy,
            Action::Start(_, Cause::Upgrade) => Sight::StartUpgrade,
            Action::Start(_, Cause::Return) => {
                if world.waits_for_file() {
                    self.see(Sight::ReturnBeforeFile);
                }
                Sight::StartReturn
            }
            Action::Admit(_) => Sight::Admit,
            Action::Pause(_) => Sight::Pause,
            Action::Resume(_) => Sight::Resume,
            Action::Yield(_) => {
                if world.loses_binary {
                    self.see(Sight::NotHeld);
                }
                Sight::Yield
            }
            Action::Commit(_) => {
                if world.program_ended {
                    self.see(Sight::ServiceSaved);
                }
                Sight::Commit
            }
            Action::Drain(_) => Sight::Drain,
            Action::Kill(_) => Sight::Kill,
            Action::Forward { .. } => Sight::Forward,
            Action::Swap => Sight::Swap,
            Action::Discard => Sight::Discard,
            Action::Keep => Sight::Keep,
            Action::Leave => Sight::Leave,
            Action::Restore(ref why) => {
                if why.kind() == crate::error::ErrorKind::Swap {
                    self.see(Sight::SwapUndoneLate);
                }
                Sight::Restore
            }
            Action::LetGo => Sight::LetGo,
            Action::Suspend => Sight::Suspend,
            Action::Tell(_) => Sight::Tell,
            Action::End(_) => Sight::End,
        };
        self.see(sight);
    }

    pub(super) fn succeeds(&mut self, world: &World) {
        self.see(if world.fails_to_succeed { Sight::SuccessionRefused } else { Sight::Succession });
        if world.leaving() > 0 {
            self.see(Sight::SuccessionWithDraining);
        }
        if world.asked_to_restart {
            self.see(Sight::SuccessionWithRestart);
        }
    }
}
