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
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts, as a world has them")]
#[derive(Debug, Default)]
struct World {
    children: BTreeMap<u64, Child>,
    offered: usize,
    swapping: bool,
    /// Binaries in place that nobody has kept or put back yet.
    on_trial: usize,
    restoring: bool,
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
                if self.offered > 0 || self.swapping || self.restoring || self.on_trial > 0 {
                    return None;
                }
                self.offered += 1;
                Input::Offered
            }
            Move::FilesDone(done) => self.finish_files(done)?,
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
                let child = self.children.remove(&number)?;
                if child.said_ready || number == 1 {
                    self.children.insert(number, child);
                    return None;
                }
                Input::NotStarted(Generation::new(number), "no memory".into())
            }
            Move::Exit(index) => {
                let number = self.nth(index)?;
                let child = self.children.remove(&number)?;
                let is_service = child.is_admitted && !child.is_draining && !child.is_killed;
                let others = self.children.values();
                self.program_ended |= is_service
                    && !others.clone().any(|other| other.is_paused && !other.is_draining);
                Input::Exited(Generation::new(number), Status::Exited(3))
            }
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

    fn finish_files(&mut self, done: bool) -> Option<Input> {
        self.gave_up_on_files = false;
        if std::mem::take(&mut self.swapping) {
            self.on_trial += usize::from(done);
            Some(Input::Swapped(done))
        } else if std::mem::take(&mut self.restoring) {
            Some(Input::Restored)
        } else {
            None
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
            Action::Start(generation) => self.start(generation),
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
            Action::Keep => self.on_trial = self.on_trial.checked_sub(1).expect("on trial"),
            Action::Restore(_) => {
                self.on_trial = self.on_trial.checked_sub(1).expect("on trial");
                self.restoring = true;
            }
            Action::Forward { to, .. } => assert!(self.children.contains_key(&to.get())),
            Action::End(_) => self.end(),
            Action::Tell(Event::Warning { .. }) => {
                self.gave_up_on_files |= self.swapping || self.restoring;
            }
            Action::Suspend | Action::LetGo | Action::Tell(_) => {}
        }
    }

    fn start(&mut self, generation: Generation) {
        let files_change = (self.swapping || self.restoring) && !self.gave_up_on_files;
        assert!(!files_change, "nothing starts while the file changes");
        assert!(!self.told_to_stop, "nothing starts once the service stops");
        self.asked_to_restart = false;
        self.children.insert(generation.get(), Child::default());
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
        let mut children = self.children.values();
        let accepts = |child: &Child| {
            child.is_admitted && !child.is_paused && !child.is_draining && !child.is_killed
        };
        assert!(children.any(accepts), "at every moment one generation accepts");
        let others = self.children.len() > 1;
        let waits = others || self.swapping || self.restoring;
        if waits && plan.motion != Motion::Still || !plan.draining.is_empty() {
            assert!(plan.deadline().is_some(), "every state that waits has a deadline");
        }
    }
}

fn run(moves: &[Move], probation: Duration) {
    let limits = Limits {
        restart_signal: Some(libc::SIGUSR2),
        restart_after_swap: true,
        ready: Duration::from_secs(30),
        probation,
        terminate: Duration::from_secs(20),
        max_draining: 2,
    };
    let mut plan = Plan::new(limits);
    let (mut world, mut now) = (World::default(), Instant::now());
    world.obey_all(&Plan::beginning());
    for &step in moves {
        let Some(input) = world.play(&plan, &mut now, step) else { continue };
        world.obey_all(&plan.on(now, input));
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
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_one_generation_accepts_and_the_plan_comes_to_rest(
        moves in moves(),
        probation in prop::sample::select(vec![0, 10]),
    ) {
        run(&moves, Duration::from_secs(probation));
    }
}
