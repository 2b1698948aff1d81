//! The plan against a world that does anything at any moment.
//!
//! The world holds what processes and files would: it obeys the actions, and after every step the
//! invariants of the design are checked on it, never on the plan's own fields.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What is true of one living child.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, as a process has them")]
#[derive(Debug, Clone, Copy, Default)]
struct Child {
    is_admitted: bool,
    was_paused: bool,
    is_paused: bool,
    is_draining: bool,
    is_killed: bool,
    said_ready: bool,
    is_committed: bool,
    /// Nothing came before it that it could give the service back to.
    is_return: bool,
}

impl Child {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "to be called by its name on references")]
    fn accepts(&self) -> bool {
        self.is_admitted && !self.is_paused && !self.is_draining && !self.is_killed
    }
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts, as a world has them")]
#[derive(Debug, Default)]
struct World {
    children: BTreeMap<u64, Child>,
    /// Two generations may not run at once.
    is_exclusive: bool,
    offered: usize,
    swapping: bool,
    /// Binaries in place that nobody has kept or put back yet.
    on_trial: usize,
    keeping: bool,
    restoring: bool,
    /// The file on disk is being looked at.
    examining: bool,
    /// The old generation was told to make room.
    yielding: bool,
    /// Whether the next succession is refused by the kernel.
    fails_to_succeed: bool,
    successions: usize,
    /// The last signal that each generation was sent.
    told: Option<(u64, i32)>,
    /// The file system did not answer in time, and the service went on without it.
    gave_up_on_files: bool,
    told_to_stop: bool,
    asked_to_restart: bool,
    /// A committed generation ended by itself.
    program_ended: bool,
    ended: bool,
}

/// One thing the world may do. Those that make no sense at the moment are skipped.
#[derive(Debug, Clone, Copy)]
enum Move {
    Restart,
    Offer,
    FilesDone(bool),
    Examined(u8),
    Unfit(usize),
    EndAsTold,
    RefuseSuccession,
    Ready(usize),
    AcknowledgePause(usize),
    NotStarted(usize),
    Exit(usize),
    Signal(i32, bool),
    Deadline,
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => Just(Move::Restart),
        2 => Just(Move::Offer),
        4 => any::<bool>().prop_map(Move::FilesDone),
        6 => (0..4_u8).prop_map(Move::Examined),
        2 => (0..4_usize).prop_map(Move::Unfit),
        1 => Just(Move::EndAsTold),
        1 => Just(Move::RefuseSuccession),
        6 => (0..4_usize).prop_map(Move::Ready),
        5 => (0..4_usize).prop_map(Move::AcknowledgePause),
        1 => (0..4_usize).prop_map(Move::NotStarted),
        3 => (0..4_usize).prop_map(Move::Exit),
        1 => (prop::sample::select(vec![1, 12, 15, 20]), any::<bool>())
            .prop_map(|(signal, by_kernel)| Move::Signal(signal, by_kernel)),
        4 => Just(Move::Deadline),
        2 => (0..40_000_u64).prop_map(Move::Wait),
    ];
    prop::collection::vec(one, 1..120)
}

impl World {
    fn nth(&self, index: usize) -> Option<u64> {
        self.children.keys().copied().nth(index % self.children.len().max(1))
    }

    /// What the plan is told of a move, and the world after it.
    fn play(&mut self, plan: &Plan, now: &mut Instant, step: Move) -> Option<Input> {
        Some(match step {
            Move::Restart => {
                self.asked_to_restart = true;
                Input::Restart
            }
            Move::Offer => {
                // The upgrade thread offers one candidate, and waits.
                let is_busy = self.swapping || self.keeping || self.restoring;
                (self.offered == 0 && !is_busy && self.on_trial == 0).then_some(())?;
                self.offered += 1;
                Input::Offered
            }
            Move::FilesDone(done) => self.finish_files(done)?,
            Move::Examined(found) => self.finish_look(found)?,
            Move::RefuseSuccession => {
                self.fails_to_succeed = true;
                return None;
            }
            Move::Ready(_)
            | Move::AcknowledgePause(_)
            | Move::NotStarted(_)
            | Move::Exit(_)
            | Move::Unfit(_)
            | Move::EndAsTold => self.play_child(step)?,
            Move::Signal(number, by_kernel) => {
                self.told_to_stop |= number == libc::SIGTERM;
                Input::Signal { number, by_kernel }
            }
            Move::Deadline => {
                *now = plan.deadline()?.max(*now);
                Input::Tick
            }
            Move::Wait(millis) => {
                *now += Duration::from_millis(millis);
                Input::Tick
            }
        })
    }

    /// A move of one child.
    fn play_child(&mut self, step: Move) -> Option<Input> {
        Some(match step {
            Move::Ready(index) => {
                let number = self.nth(index)?;
                let child = self.children.get_mut(&number)?;
                if std::mem::replace(&mut child.said_ready, true) || child.is_killed {
                    return None;
                }
                Input::Ready(Generation::new(number))
            }
            Move::AcknowledgePause(index) => {
                let number = self.nth(index)?;
                self.children[&number].is_paused.then_some(())?;
                Input::Paused(Generation::new(number))
            }
            Move::NotStarted(index) => {
                let number = self.nth(index)?;
                let child = self.children[&number];
                (!child.said_ready && number != 1).then_some(())?;
                self.end_child(number);
                Input::NotStarted(Generation::new(number), "no memory".into())
            }
            Move::Unfit(index) => {
                let number = self.nth(index)?;
                Input::Unfit(Generation::new(number), "no database".into())
            }
            Move::EndAsTold => {
                let (number, signal) = self.told?;
                let child = *self.children.get(&number)?;
                self.children.remove(&number);
                let is_candidate = !child.is_committed && !child.is_return;
                self.program_ended |= child.accepts() && (is_candidate || !self.can_go_back());
                Input::Exited(Generation::new(number), Status::Signaled(signal))
            }
            Move::Exit(index) => {
                let number = self.nth(index)?;
                self.end_child(number);
                Input::Exited(Generation::new(number), Status::Exited(3))
            }
            _ => return None,
        })
    }

    /// Whether somebody is paused, and would go on.
    fn can_go_back(&self) -> bool {
        self.children.values().any(|child| child.is_paused && !child.is_draining)
    }

    fn end_child(&mut self, number: u64) {
        let Some(child) = self.children.remove(&number) else { return };
        // Between two generations, the one that comes next may fail and is answered by a return.
        let is_on_trial = !child.is_committed && !child.is_return;
        let is_answered = self.can_go_back() || (self.is_exclusive && is_on_trial);
        self.program_ended |= child.accepts() && !is_answered;
    }

    fn finish_files(&mut self, done: bool) -> Option<Input> {
        self.gave_up_on_files = false;
        if std::mem::take(&mut self.swapping) {
            self.on_trial += usize::from(done);
            Some(Input::Swapped(done))
        } else if std::mem::take(&mut self.keeping) {
            Some(Input::Kept)
        } else if std::mem::take(&mut self.restoring) {
            Some(Input::Restored)
        } else {
            None
        }
    }

    fn finish_look(&mut self, found: u8) -> Option<Input> {
        std::mem::take(&mut self.examining).then_some(Input::Examined(match found {
            0 => Finding::Refused("a text file".into()),
            1 => Finding::Changed,
            _ => Finding::Same,
        }))
    }

    /// What the loop does when nothing is in motion: another master goes on with what is left.
    fn succeed(&mut self, plan: &mut Plan, now: Instant) {
        while let Some(standing) = plan.succession() {
            assert!(!self.told_to_stop && !self.ended, "a stop is followed by no succession");
            assert!(!self.swapping && !self.restoring && !self.keeping, "the file is settled");
            let serving = self.children.get(&standing.serving.get());
            assert!(serving.is_some_and(Child::accepts), "a master without a service");
            self.successions += 1;
            if std::mem::take(&mut self.fails_to_succeed) {
                self.obey_all(&plan.on(now, Input::NotSucceeded("no memory".into())));
                continue;
            }
            // The candidate that waited is gone with the thread that held it.
            self.offered = 0;
            self.examining = false;
            *plan = Plan::resume(plan.limits, &standing);
            self.obey_all(&plan.on(now, Input::Tick));
        }
    }

    fn obey_all(&mut self, actions: &[Action]) {
        for action in actions {
            self.obey(action);
        }
    }

    fn obey(&mut self, action: &Action) {
        assert!(!self.ended, "nothing is done after the end: {action:?}");
        match *action {
            Action::Examine => {
                // An earlier look that has not come back is forgotten.
                self.examining = true;
                self.asked_to_restart = false;
            }
            Action::Start(generation, cause) => self.start(generation, cause),
            Action::Yield(_) => {
                assert!(self.is_exclusive, "only who must not run twice makes room");
                self.yielding = true;
            }
            Action::Commit(generation) => self.child(generation).is_committed = true,
            Action::Admit(generation) => self.child(generation).is_admitted = true,
            Action::Pause(generation) => {
                let child = self.child(generation);
                assert!(child.is_admitted, "only who accepts is paused");
                (child.was_paused, child.is_paused) = (true, true);
            }
            Action::Resume(generation) => {
                let child = self.child(generation);
                assert!(child.was_paused, "only who was paused is resumed");
                assert!(!child.is_draining, "nobody comes back from a drain");
                child.is_paused = false;
            }
            Action::Drain(generation) => self.child(generation).is_draining = true,
            Action::Kill(generation) => self.child(generation).is_killed = true,
            Action::Swap => {
                self.offered = self.offered.checked_sub(1).expect("only what is offered");
                self.swapping = true;
            }
            Action::Discard => self.offered = self.offered.checked_sub(1).expect("offered"),
            Action::Keep => {
                self.on_trial = self.on_trial.checked_sub(1).expect("on trial");
                self.keeping = true;
            }
            Action::Restore(_) => {
                self.on_trial = self.on_trial.checked_sub(1).expect("on trial");
                self.restoring = true;
            }
            Action::Forward { to, signal } => {
                assert!(self.children.contains_key(&to.get()));
                self.told = Some((to.get(), signal));
            }
            Action::End(_) => self.end(),
            Action::Tell(Event::Warning { .. }) => {
                self.gave_up_on_files |= self.swapping || self.keeping || self.restoring;
            }
            Action::Suspend | Action::LetGo | Action::Tell(_) => {}
        }
    }

    fn start(&mut self, generation: Generation, cause: Cause) {
        let files_change =
            (self.swapping || self.keeping || self.restoring) && !self.gave_up_on_files;
        assert!(!files_change, "nothing starts while the file changes");
        assert!(!self.told_to_stop, "nothing starts once the service stops");
        let is_return = cause == Cause::Return;
        if self.is_exclusive {
            let others = self.children.values().filter(|child| !child.is_killed);
            assert_eq!(others.count(), 0, "two must not run at once");
            self.yielding = false;
        }
        self.asked_to_restart &= is_return;
        self.children.insert(generation.get(), Child { is_return, ..Child::default() });
        let candidates =
            self.children.values().filter(|child| !child.is_admitted && !child.is_killed);
        assert!(candidates.count() <= 1, "at most one candidate exists");
    }

    fn end(&mut self) {
        assert!(self.children.values().all(|child| child.is_killed), "nobody is left behind");
        assert!(self.told_to_stop || self.program_ended, "the master ends only with its program");
        self.ended = true;
    }

    fn child(&mut self, generation: Generation) -> &mut Child {
        self.children.get_mut(&generation.get()).expect("only living children are told things")
    }

    fn check(&self, plan: &Plan) {
        if self.ended || self.told_to_stop || self.program_ended {
            return;
        }
        let accepts = self.children.values().any(Child::accepts);
        // Where two must not run at once, there is a time between them.
        assert!(accepts || self.is_exclusive, "at every moment one generation accepts");
        let files_change = self.swapping || self.keeping || self.restoring;
        let waits_for_files = files_change && !self.gave_up_on_files;
        let is_in_motion = plan.motion != Motion::Still;
        if waits_for_files || is_in_motion || !plan.draining.is_empty() {
            assert!(plan.deadline().is_some(), "every state that waits has a deadline");
        }
    }
}

fn run(moves: &[Move], limits: Limits) {
    let mut plan = Plan::new(limits);
    let mut world = World { is_exclusive: !limits.overlap, ..World::default() };
    let mut now = Instant::now();
    world.obey_all(&Plan::beginning());
    for &step in moves {
        let Some(input) = world.play(&plan, &mut now, step) else { continue };
        world.obey_all(&plan.on(now, input));
        world.succeed(&mut plan, now);
        world.check(&plan);
        if world.ended {
            return;
        }
    }
    settle(plan, world, now);
}

/// Left alone, every plan comes to rest: with one generation, or at its end.
fn settle(mut plan: Plan, mut world: World, mut now: Instant) {
    for _ in 0..200 {
        let input = world
            .finish_files(false)
            .or_else(|| world.finish_look(2))
            .or_else(|| {
                let gone = world.children.iter().find(|(_, child)| child.is_killed)?;
                let number = *gone.0;
                world.children.remove(&number);
                Some(Input::Exited(Generation::new(number), Status::Signaled(9)))
            })
            .or_else(|| {
                plan.deadline().map(|deadline| {
                    now = deadline.max(now);
                    Input::Tick
                })
            });
        let Some(input) = input else { break };
        world.obey_all(&plan.on(now, input));
        world.succeed(&mut plan, now);
        world.check(&plan);
        if world.ended {
            return;
        }
    }
    assert_eq!(plan.deadline(), None, "it comes to rest");
    assert_eq!(plan.waiting, Waiting::default(), "nothing is forgotten");
    assert!(!world.asked_to_restart, "every restart that was asked for is begun");
    assert_eq!(world.offered, 0, "every offer is answered");
    assert_eq!(world.on_trial, 0, "every swap is kept or undone");
    assert_eq!(world.children.len(), 1, "one generation serves");
    assert!(world.children.values().all(Child::accepts), "and accepts");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_one_generation_accepts_and_the_plan_comes_to_rest(
        moves in moves(),
        probation in prop::sample::select(vec![0, 10]),
        overlap in prop::bool::weighted(0.7),
        follows in any::<bool>(),
    ) {
        run(&moves, Limits {
            restart_signal: Some(libc::SIGUSR2),
            restart_after_swap: true,
            ready: Duration::from_secs(30),
            probation: Duration::from_secs(probation),
            terminate: Duration::from_secs(20),
            max_draining: 2,
            overlap,
            follows,
        });
    }
}
