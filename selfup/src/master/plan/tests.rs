//! The stories of the plan, one sentence each.

use super::*;

mod back;
mod follow;
mod signals;
#[cfg(any(feature = "control", feature = "systemd"))]
mod view;

/// A plan with its clock, and every action as one short line.
struct Story {
    plan: Plan,
    now: Instant,
}

const LIMITS: Limits = Limits {
    restart_signal: Some(libc::SIGUSR2),
    restart_after_swap: true,
    ready: Duration::from_secs(30),
    probation: Duration::from_secs(10),
    terminate: Duration::from_secs(20),
    max_draining: 2,
    overlap: true,
    follows: false,
};

fn generation(number: u64) -> Generation {
    Generation::new(number)
}

/// What is done, without what is only told.
fn lines(actions: &[Action]) -> Vec<String> {
    let lines = actions.iter().filter_map(|action| match action {
        Action::Tell(_) | Action::Examine | Action::Commit(_) => None,
        Action::Start(generation, Cause::Restart | Cause::Upgrade) => {
            Some(format!("Start({generation})"))
        }
        Action::Start(generation, cause) => Some(format!("Start({generation}, {cause:?})")),
        Action::Restore(_) => Some("Restore".to_owned()),
        Action::Forward { to, signal } => Some(format!("Forward({to}, {signal})")),
        Action::End(status) => Some(format!("End({status})")),
        other => Some(format!("{other:?}").replace("Generation(", "").replace("))", ")")),
    });
    lines.collect()
}

impl Story {
    fn with(limits: Limits) -> Self {
        assert_eq!(lines(&Plan::beginning()), ["Start(1, Return)", "Admit(1)"]);
        let mut story = Self { plan: Plan::new(limits), now: Instant::now() };
        story.on(Input::Ready(generation(1)), &[]);
        story
    }

    fn new() -> Self {
        Self::with(LIMITS)
    }

    /// One step, in a world where the file on disk is the one that serves, and what is to be kept
    /// is kept at once.
    #[track_caller]
    fn on(&mut self, input: Input, expected: &[&str]) {
        let mut actions = self.plan.on(self.now, input);
        let mut at = 0;
        while at < actions.len() {
            let answer = match actions[at] {
                Action::Examine => Some(Input::Examined(Finding::Same)),
                Action::Keep | Action::Leave => Some(Input::Kept),
                _ => None,
            };
            actions.extend(answer.into_iter().flat_map(|answer| self.plan.on(self.now, answer)));
            at += 1;
        }
        assert_eq!(lines(&actions), expected);
    }

    /// One step, and nothing that follows from it.
    #[track_caller]
    fn once(&mut self, input: Input, expected: &[&str]) {
        assert_eq!(lines(&self.plan.on(self.now, input)), expected);
    }

    /// Lets the time pass to the next deadline.
    #[track_caller]
    fn wait(&mut self, expected: &[&str]) {
        self.now = self.plan.deadline().expect("a state that waits has a deadline");
        self.on(Input::Tick, expected);
    }

    #[track_caller]
    fn signal(&mut self, number: i32, expected: &[&str]) {
        self.on(Input::Signal { number, by_kernel: false }, expected);
    }

    #[track_caller]
    fn exit(&mut self, number: u64, code: i32, expected: &[&str]) {
        self.on(Input::Exited(generation(number), Status::Exited(code)), expected);
    }

    /// A restart up to the probation of generation `next`.
    #[track_caller]
    fn put_on_probation(&mut self, next: u64) {
        self.on(Input::Restart, &[&format!("Start({next})")]);
        let admit = [format!("Admit({next})"), format!("Pause({})", next - 1)];
        self.on(Input::Ready(generation(next)), &[&admit[0], &admit[1]]);
        self.on(Input::Paused(generation(next - 1)), &[]);
    }
}

#[test]
fn the_old_generation_pauses_only_when_the_new_one_accepts_and_drains_only_after_probation() {
    let mut story = Story::new();
    story.signal(libc::SIGUSR2, &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.on(Input::Paused(generation(1)), &[]);
    story.wait(&["Drain(1)"]);
    story.exit(1, 0, &[]);
    assert_eq!(story.plan.deadline(), None);
}

#[test]
fn a_candidate_that_never_gets_ready_is_killed_and_the_old_one_never_noticed() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    story.wait(&["Kill(2)"]);
    story.on(Input::Exited(generation(2), Status::Signaled(9)), &[]);
    story.on(Input::Restart, &["Start(3)"]);
}

#[test]
fn a_candidate_that_ends_or_cannot_be_started_is_abandoned() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    story.exit(2, 1, &[]);
    story.on(Input::Restart, &["Start(3)"]);
    story.on(Input::NotStarted(generation(3), "no memory".into()), &[]);
    assert_eq!(story.plan.deadline(), None);
}

#[test]
fn a_generation_that_dies_on_probation_gives_the_service_back() {
    let mut story = Story::new();
    story.put_on_probation(2);
    story.exit(2, 1, &["Resume(1)"]);
    story.exit(1, 3, &["End(exit status 3)"]);
}

#[test]
fn an_upgrade_that_dies_on_probation_is_rolled_back_before_anything_else_starts() {
    let mut story = Story::new();
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.exit(2, 1, &["Resume(1)", "Restore"]);
    story.on(Input::Restart, &[]);
    story.on(Input::Restored, &["Start(3)"]);
}

#[test]
fn an_upgrade_that_passes_is_kept() {
    let mut story = Story::new();
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Restart, &[]);
    story.on(Input::Swapped(true), &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.on(Input::Paused(generation(1)), &[]);
    story.wait(&["Keep", "Drain(1)"]);
}

#[test]
fn a_swap_that_failed_starts_nothing() {
    let mut story = Story::new();
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(false), &[]);
    assert_eq!(story.plan.deadline(), None);
}

#[test]
fn a_swap_that_comes_after_its_time_is_undone() {
    let mut story = Story::new();
    story.on(Input::Offered, &["Swap"]);
    story.wait(&[]);
    story.on(Input::Swapped(true), &["Restore"]);
    story.on(Input::Restart, &[]);
    story.on(Input::Restored, &["Start(2)"]);
}

#[test]
fn without_a_restart_after_fetch_the_new_binary_waits_on_disk() {
    let mut story = Story::with(Limits { restart_after_swap: false, ..LIMITS });
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Leave"]);
    story.on(Input::Restart, &["Start(2)"]);
}

/// The restart that tries it may fail, and then the previous binary is put back.
#[test]
fn what_waited_on_disk_is_on_trial_once_it_is_started() {
    let mut story = Story::with(Limits { restart_after_swap: false, ..LIMITS });
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Leave"]);
    story.once(Input::Restart, &[]);
    story.on(Input::Examined(Finding::Waiting), &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.exit(2, 1, &["Resume(1)", "Restore"]);
    story.on(Input::Restored, &[]);

    let mut story = Story::with(Limits { restart_after_swap: false, ..LIMITS });
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Leave"]);
    story.once(Input::Restart, &[]);
    story.on(Input::Examined(Finding::Waiting), &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.on(Input::Paused(generation(1)), &[]);
    story.wait(&["Keep", "Drain(1)"]);
}

#[test]
fn a_storm_of_requests_is_remembered_once() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    for _ in 0..100 {
        story.signal(libc::SIGUSR2, &[]);
    }
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.on(Input::Paused(generation(1)), &[]);
    story.wait(&["Drain(1)", "Start(3)"]);
    story.exit(3, 0, &[]);
    story.exit(1, 0, &[]);
    assert_eq!(story.plan.deadline(), None, "one was remembered, not a hundred");
}

#[test]
fn a_pause_that_is_never_acknowledged_does_not_hold_the_restart_up() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.wait(&[]);
    story.wait(&["Drain(1)"]);
}

#[test]
fn a_paused_generation_that_ends_commits_the_new_one_early() {
    let mut story = Story::new();
    story.put_on_probation(2);
    story.exit(1, 0, &[]);
    story.exit(2, 5, &["End(exit status 5)"]);
}

#[test]
fn when_the_old_one_ends_during_a_start_the_new_one_may_save_the_service() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    story.exit(1, 4, &[]);
    story.on(Input::Ready(generation(2)), &["Admit(2)"]);
    story.exit(2, 0, &["End(exit status 0)"]);
}

#[test]
fn when_the_old_one_ends_and_the_new_one_fails_the_old_status_counts() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    story.exit(1, 4, &[]);
    story.exit(2, 9, &["End(exit status 4)"]);
}

#[test]
fn old_generations_that_still_drain_are_waited_for_at_the_end() {
    let mut story = Story::new();
    story.put_on_probation(2);
    story.wait(&["Drain(1)"]);
    story.exit(2, 6, &["LetGo"]);
    story.wait(&["Kill(1)"]);
    story.on(Input::Exited(generation(1), Status::Signaled(9)), &["End(exit status 6)"]);
}

#[test]
fn a_process_that_not_even_a_kill_ends_cannot_keep_the_master() {
    let mut story = Story::new();
    story.signal(libc::SIGTERM, &["LetGo", "Forward(1, 15)"]);
    story.wait(&["Kill(1)"]);
    story.wait(&["End(signal SIGKILL)"]);
}

#[test]
fn at_the_limit_of_draining_generations_the_next_restart_waits() {
    let mut story = Story::with(Limits { probation: Duration::ZERO, ..LIMITS });
    for old in 1..=2 {
        story.on(Input::Restart, &[&format!("Start({})", old + 1)]);
        let admit = [format!("Admit({})", old + 1), format!("Pause({old})")];
        story.on(Input::Ready(generation(old + 1)), &[&admit[0], &admit[1]]);
        story.on(Input::Paused(generation(old)), &[&format!("Drain({old})")]);
    }
    story.on(Input::Restart, &[]);
    story.exit(1, 0, &["Start(4)"]);
}

#[test]
fn a_rollback_in_progress_is_finished_before_the_master_ends() {
    let mut story = Story::new();
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Start(2)"]);
    story.exit(2, 1, &["Restore"]);
    story.exit(1, 0, &[]);
    story.on(Input::Restored, &["End(exit status 0)"]);
}

#[test]
fn a_restart_outlives_an_upgrade_that_comes_to_nothing() {
    let mut story = Story::new();
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Restart, &[]);
    story.on(Input::Swapped(false), &["Start(2)"]);
}

#[test]
fn a_restart_outlives_an_upgrade_that_waits_for_the_next_start() {
    let mut story = Story::with(Limits { restart_after_swap: false, ..LIMITS });
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Restart, &[]);
    story.on(Input::Swapped(true), &["Leave", "Start(2)"]);
}

#[test]
fn what_happened_counts_before_a_deadline_that_has_passed() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    story.now += Duration::from_secs(3600);
    story.signal(libc::SIGCONT, &["Forward(1, 18)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
}

#[test]
fn never_is_a_timeout() {
    let never = Duration::MAX;
    let limits = Limits { ready: never, probation: never, terminate: never, ..LIMITS };
    let mut story = Story::with(limits);
    story.put_on_probation(2);
    story.signal(libc::SIGTERM, &["LetGo", "Forward(1, 15)", "Forward(2, 15)"]);
}

#[test]
fn who_owes_an_answer_is_not_committed_before_it_is_there_and_the_old_one_waits() {
    let mut story = Story::new();
    story.put_on_probation(2);
    let (until, more) = (story.plan.deadline().unwrap(), Duration::from_secs(1));
    let sooner = until.checked_sub(more).unwrap();
    story.on(Input::Owes(generation(2), sooner), &[]);
    assert_eq!(story.plan.deadline(), Some(until), "no probation gets shorter");
    story.on(Input::Owes(generation(1), until + more), &[]);
    assert_eq!(story.plan.deadline(), Some(until), "it is the candidate that owes");
    story.on(Input::Owes(generation(2), until + more), &[]);
    story.now = until;
    story.on(Input::Tick, &[]);
    story.on(Input::Unfit(generation(2), "silent".into()), &["Resume(1)", "Drain(2)"]);
}
