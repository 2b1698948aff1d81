//! The plan against a world that does anything at any moment.
//!
//! The world holds what processes and files would: it plays moves, obeys the actions, and holds the
//! plan to the rules of the design at each action and after each step. It looks at what the plan
//! answers and at [`Plan::deadline`], never at the plan's own fields; only the coverage does.
//!
//! All that happens in a sequence follows from its seed. `SELFUP_INTERLEAVINGS=1000000` drives that
//! many, which `.ci/run` does in an optimised build; `SELFUP_INTERLEAVINGS_SEED` says where to
//! begin, and so repeats a failure. `mutants.txt` lists faults that the property has to notice.

mod check;
mod coverage;
mod driver;
mod moves;
mod mutants;
mod play;
mod rules;
mod world;

use std::env;
use std::time::Instant;

use self::coverage::Coverage;
use self::moves::Sequence;
use self::rules::{Held, hold};
use self::world::World;
use super::{Action, Cause, Files, Finding, Generation, Input, Limits, Motion, Plan, Status};

/// So many sequences are driven unless the environment asks for others.
const FEW: u64 = 4096;

/// A service whose moves are over comes to rest within so many steps.
const SETTLE: usize = 200;

#[test]
fn whatever_happens_one_generation_accepts_and_the_plan_comes_to_rest() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let count = number("SELFUP_INTERLEAVINGS").unwrap_or(FEW);
    let seed = number("SELFUP_INTERLEAVINGS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let begin = Instant::now();
    let coverage = driver::drive(seed, count).unwrap_or_else(|story| panic!("{story}"));
    let Coverage { sequences, steps, .. } = coverage;
    let taken = begin.elapsed().as_secs_f64();
    eprintln!("\ncoverage:\n{}", coverage.table());
    eprintln!("interleavings: {sequences} sequences, {steps} steps, {taken:.1} s, seed {seed}");
    let never_seen = coverage.never_seen();
    assert!(count < FEW || never_seen.is_empty(), "no sequence came by {never_seen:?}");
}

/// Plays a whole sequence, and leaves it alone then.
fn run(sequence: &Sequence, coverage: &mut Coverage, tell: &mut impl FnMut(String)) -> Held {
    let limits = sequence.limits;
    let mut service = Service {
        plan: Plan::new(limits),
        world: World::new(limits, Instant::now()),
        later: sequence.later,
        coverage,
        tell,
    };
    service.coverage.sequences += 1;
    service.world.obey_all(None, &Plan::beginning())?;
    service.world.check(&service.plan)?;
    for &step in &sequence.moves {
        if let Some(input) = service.world.play(&service.plan, step) {
            service.step(&input)?;
        }
        if service.world.has_ended {
            return Ok(());
        }
    }
    service.settle(sequence.is_answered)
}

/// A plan and its world.
struct Service<'a, T> {
    plan: Plan,
    world: World,
    later: Limits,
    coverage: &'a mut Coverage,
    tell: &'a mut T,
}

impl<T: FnMut(String)> Service<'_, T> {
    fn step(&mut self, input: &Input) -> Held {
        self.coverage.before(&self.plan, &self.world, input);
        self.answer(input)?;
        if self.world.has_lost_binary() {
            self.answer(&Input::NotHeld)?;
        }
        self.succeed()
    }

    fn answer(&mut self, input: &Input) -> Held {
        let actions = self.plan.on(self.world.now, input.clone());
        self.coverage.after(&self.plan, &self.world, &actions);
        (self.tell)(format!("{input:?}\n    -> {actions:?}"));
        self.world.obey_all(Some(input), &actions)?;
        self.world.check(&self.plan)
    }

    /// What the loop does when nothing is in motion: another master goes on with what is left.
    fn succeed(&mut self) -> Held {
        while let Some(standing) = self.plan.succession() {
            let world = &mut self.world;
            hold(!world.has_ended, "nothing is done after the end")?;
            world.check_succession(standing.serving.get())?;
            self.coverage.succeeds(world);
            world.must_succeed = false;
            if std::mem::take(&mut world.fails_to_succeed) {
                self.answer(&Input::NotSucceeded("no memory".into()))?;
                continue;
            }
            world.change_masters(self.later);
            self.plan = Plan::resume(self.later, &standing);
            (self.tell)("another master goes on".to_owned());
            let input = world.tick();
            self.answer(&input)?;
        }
        hold(!self.world.is_to_be_followed(), "new code is followed at once")
    }

    /// Left alone, it comes to rest: with whoever answers, or by its deadlines alone.
    fn settle(mut self, is_answered: bool) -> Held {
        for _ in 0..SETTLE {
            let Some(input) = self.next_of_itself(is_answered) else { break };
            self.step(&input)?;
            if self.world.has_ended {
                return Ok(());
            }
        }
        self.world.check_settled(&self.plan)
    }

    fn next_of_itself(&mut self, is_answered: bool) -> Option<Input> {
        let world = &mut self.world;
        if is_answered {
            if let Some(input) = world.finish_file(true).or_else(|| world.finish_look(3)) {
                return Some(input);
            }
            let dying = world.children.iter().position(|child| child.killed.is_some());
            if let Some(index) = dying {
                return Some(world.exit(index, Status::Signaled(libc::SIGKILL)));
            }
        }
        world.now = self.plan.deadline()?.max(world.now);
        Some(world.tick())
    }
}
