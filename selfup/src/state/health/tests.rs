use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::channel::message::{FromMaster, PROTOCOL, Welcome};
use crate::channel::{Channel, Received};

/// The other end: what a master hears and says.
struct Master(Channel);

impl Master {
    /// A child of this generation that is ready when it says so, and its master.
    fn of(generation: u64) -> (Self, State) {
        let (ours, theirs) = Channel::pair().unwrap();
        let welcome = Welcome {
            protocol: PROTOCOL,
            generation,
            master_pid: 1,
            addresses: Vec::new(),
            // An orphan that is not done by then is killed, and it is this test.
            terminate_timeout_ms: u64::MAX,
            ready_manually: true,
            on_trial: generation > 1,
        };
        ours.send(&FromMaster::Welcome(welcome)).unwrap();
        let state = State::of_child(theirs).unwrap().unwrap();
        let master = Self(ours);
        assert!(matches!(master.hear(), FromChild::Hello { .. }));
        (master, state)
    }

    fn hear(&self) -> FromChild {
        let mut descriptors = [PollFd::new(std::os::fd::AsFd::as_fd(&self.0), PollFlags::POLLIN)];
        assert_eq!(poll(&mut descriptors, PollTimeout::try_from(60_000).unwrap()), Ok(1));
        match self.0.try_receive().unwrap() {
            Received::Message(message, _) => message,
            Received::End => panic!("the child is gone"),
        }
    }

    fn hear_a_reason(&self) -> String {
        match self.hear() {
            FromChild::Unhealthy { reason } => reason,
            other => panic!("{other:?}"),
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A hook that fails at its first `failures` runs, and tells its number at each.
fn failing(failures: usize) -> (Health, mpsc::Receiver<usize>) {
    let (tell, told) = mpsc::channel();
    let count = AtomicUsize::new(0);
    let health = Health::new(move |_| {
        let run = count.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = tell.send(run);
        std::future::ready(if run > failures { Ok(()) } else { Err(format!("run {run}")) })
    });
    (health, told)
}

/// Waits until no thread holds the state of a program any more: its trial is over.
fn wait_until_it_is_over(state: &State) {
    // The test's own, and the one of the trial that is to begin.
    let until = Instant::now() + Duration::from_mins(1);
    while Arc::strong_count(&state.0) > 2 {
        assert!(Instant::now() < until, "the trial goes on");
        std::thread::yield_now();
    }
}

#[test]
fn a_program_that_is_well_is_asked_before_it_is_ready_and_then_until_the_commit() {
    let (master, state) = Master::of(2);
    let runtime = runtime();
    let (health, told) = failing(0);
    state.starting(Some(health), Some(runtime.handle().clone()));
    assert!(told.try_recv().is_err(), "nobody asks before it is ready");
    state.ready().unwrap();
    assert_eq!(master.hear(), FromChild::Ready);
    assert_eq!(told.recv().unwrap(), 1);
    master.0.send(&FromMaster::Admit).unwrap();
    assert_eq!((told.recv().unwrap(), told.recv().unwrap()), (2, 3));
    master.0.send(&FromMaster::Commit).unwrap();
    wait_until_it_is_over(&state);
}

#[test]
fn a_program_that_is_not_well_is_not_ready_and_asked_again() {
    let (master, state) = Master::of(2);
    let runtime = runtime();
    let (health, told) = failing(2);
    state.starting(Some(health), Some(runtime.handle().clone()));
    let began = Instant::now();
    state.ready().unwrap();
    state.ready().unwrap();
    assert_eq!(master.hear_a_reason(), "run 1");
    assert_eq!(master.hear_a_reason(), "run 2");
    assert_eq!(master.hear(), FromChild::Ready);
    assert!(began.elapsed() >= 2 * PAUSE);
    assert_eq!(told.iter().take(3).last(), Some(3));
}

#[test]
fn what_goes_wrong_on_probation_is_told_and_a_drain_ends_it() {
    let (master, state) = Master::of(2);
    let runtime = runtime();
    let health = Health::new(|state| async move {
        if !state.active().is_active() {
            return Ok(());
        }
        Err(io::Error::other("the queue is gone"))
    });
    state.starting(Some(health), Some(runtime.handle().clone()));
    state.ready().unwrap();
    assert_eq!(master.hear(), FromChild::Ready);
    master.0.send(&FromMaster::Admit).unwrap();
    assert_eq!(master.hear_a_reason(), "the queue is gone");
    master.0.send(&FromMaster::Drain).unwrap();
    wait_until_it_is_over(&state);
}

#[test]
fn the_first_generation_is_asked_once_and_ready_whatever_the_answer() {
    let (master, state) = Master::of(1);
    let runtime = runtime();
    let (health, told) = failing(9);
    state.starting(Some(health), Some(runtime.handle().clone()));
    state.ready().unwrap();
    assert_eq!(master.hear_a_reason(), "run 1");
    assert_eq!(master.hear(), FromChild::Ready);
    wait_until_it_is_over(&state);
    assert_eq!(told.try_iter().count(), 1);
}

#[test]
fn a_hook_that_does_not_answer_is_told_in_time_and_asked_again() {
    let (master, state) = Master::of(2);
    let runtime = runtime();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let health = Health::new(move |_| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if run == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, BoxError>(())
        }
    });
    state.starting(Some(health), Some(runtime.handle().clone()));
    state.ready().unwrap();
    assert_eq!(master.hear_a_reason(), "the health hook did not answer within 5s");
    assert_eq!(master.hear(), FromChild::Ready);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_runtime_that_is_blocked_is_noticed_and_nothing_is_heaped_upon_it() {
    let (master, state) = Master::of(2);
    let runtime = runtime();
    let (health, told) = failing(0);
    let (_unblock, blocked) = mpsc::channel::<()>();
    // Until a second run would have been begun.
    runtime.spawn(async move { blocked.recv_timeout(PATIENCE + 2 * PAUSE) });
    state.starting(Some(health), Some(runtime.handle().clone()));
    state.ready().unwrap();
    assert_eq!(master.hear_a_reason(), "the health hook did not answer within 5s");
    assert_eq!(master.hear(), FromChild::Ready);
    assert_eq!(told.try_iter().count(), 1, "the run that was given up never began");
}

#[test]
fn a_hook_that_panics_tells_why_and_a_long_reason_is_cut() {
    let (master, state) = Master::of(2);
    let runtime = runtime();
    let runs = AtomicUsize::new(0);
    let health = Health::new(move |_| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        assert!(run != 0, "it panics before it has a future");
        async move {
            assert!(run != 1, "and run {run} in it");
            Err("é".repeat(2 * LONGEST))
        }
    });
    state.starting(Some(health), Some(runtime.handle().clone()));
    state.ready().unwrap();
    let panicked = "the health hook panicked: ";
    assert_eq!(master.hear_a_reason(), format!("{panicked}it panics before it has a future"));
    assert_eq!(master.hear_a_reason(), format!("{panicked}and run 1 in it"));
    assert_eq!(master.hear_a_reason(), "é".repeat(LONGEST));
}

#[test]
fn a_program_without_a_runtime_has_its_hook_on_one_of_its_own() {
    let (master, state) = Master::of(2);
    let health = Health::new(|_| async {
        sleep(Duration::from_millis(1)).await;
        match std::thread::current().name() {
            Some("selfup-health") => Ok(()),
            other => Err(format!("it runs on {other:?}")),
        }
    });
    state.starting(Some(health), None);
    state.ready().unwrap();
    assert_eq!(master.hear(), FromChild::Ready);
}

#[test]
fn a_trial_ends_with_its_program() {
    let (master, state) = Master::of(2);
    let runtime = runtime();
    let (health, _told) = failing(9);
    state.starting(Some(health), Some(runtime.handle().clone()));
    state.ready().unwrap();
    assert_eq!(master.hear_a_reason(), "run 1");
    runtime.shutdown_background();
    wait_until_it_is_over(&state);
}

#[test]
fn without_a_master_nobody_asks() {
    let state = State::alone(Vec::new()).unwrap();
    let (health, told) = failing(0);
    state.starting(Some(health), None);
    state.ready().unwrap();
    assert_eq!(told.recv(), Err(mpsc::RecvError), "the hook is gone, and never ran");
}
