//! Signals and ends at the moment of a succession, and after it.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use selfup_tests::{
    Answer, Connection, Load, Published, Release, ServiceBuilder, children_of, eventually,
    status_of,
};

#[test]
fn no_signal_to_the_program_is_lost_in_a_succession() {
    // On probation for longer than a signal takes to be told: none goes to who drains.
    let mut published = Published::start(&[("TELLS", "1"), ("PROBATION", "3s")]);
    let is_done = AtomicBool::new(false);
    let (service, done) = (&published.service, &is_done);
    std::thread::scope(|scope| {
        let signals = scope.spawn(|| {
            let mut sent = 0;
            while !done.load(Ordering::SeqCst) {
                service.signal(Signal::SIGUSR1);
                sent += 1;
                service.wait_for_nth("told ", sent);
            }
            sent
        });
        for _ in 0..4 {
            published.succeed(&Release::good());
        }
        done.store(true, Ordering::SeqCst);
        assert!(signals.join().expect("every signal was told") > 4);
    });
    assert!(published.service.stop().success());
}

#[test]
fn a_storm_of_restarts_during_successions_ends_serving() {
    let mut published = Published::start(&[]);
    let load = Load::start(published.service.address(), "/", 2);
    for _ in 0..3 {
        let before = published.service.successions();
        let release = Release::good();
        published.publisher.publish(Answer::Whole(release.clone()));
        while published.service.successions() == before {
            published.service.signal(Signal::SIGUSR2);
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        published.service.assert_master_runs(&release);
    }
    load.wait_for(20);
    // What is asked for last comes to pass: a restart of the newest binary.
    let release = Release::good();
    published.succeed(&release);
    published.service.assert_runs(&release);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}

#[test]
fn a_stop_at_the_moment_of_a_succession_ends_the_service_well() {
    for moment in ["event committed: ", "draining 1 ", "event master_replaced: "] {
        let mut published = Published::start(&[]);
        published.publisher.publish(Answer::Whole(Release::good()));
        published.service.wait_for(moment);
        assert!(published.service.stop().success(), "at {moment:?}");
    }
}

#[test]
fn the_end_of_the_program_at_the_moment_of_a_succession_is_the_end_of_the_service() {
    for moment in ["event committed: ", "event master_replaced: "] {
        let mut published = Published::start(&[]);
        published.publisher.publish(Answer::Whole(Release::good()));
        published.service.wait_for(moment);
        kill(published.service.pid_of(2), Signal::SIGKILL).expect("it is there");
        assert_eq!(published.service.wait().signal(), Some(9), "at {moment:?}");

        let mut published = Published::start(&[]);
        published.publisher.publish(Answer::Whole(Release::good()));
        published.service.wait_for(moment);
        // By then nobody else accepts.
        published.service.wait_for("draining 1 ");
        Connection::open(published.service.address()).ask("/exit?3");
        assert_eq!(published.service.wait().code(), Some(3), "at {moment:?}");
        published.service.processes().wait_until_gone();
    }
}

#[test]
fn the_death_of_a_master_that_was_replaced_frees_the_port_and_ends_the_program() {
    let mut published = Published::start(&[]);
    published.succeed(&Release::good());
    let address = published.service.address();
    let (mut slow, before) = published.service.hold();
    slow.ask("/sleep?1000");
    published.service.signal(Signal::SIGKILL);
    assert_eq!(published.service.wait().signal(), Some(9));
    eventually("the port is free", || std::net::TcpListener::bind(address).ok());
    assert_eq!(slow.answer().expect("it is answered"), before);
    published.service.processes().wait_until_gone();
}

#[test]
fn a_restart_after_a_succession_starts_what_the_first_master_would_have_started() {
    let first = Release::good();
    let source = selfup_tests::Publisher::start(Answer::Whole(first.clone()));
    // Some signals are blocked, and one is ignored.
    let wrapped = "sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1, SIGTTIN)); \
                   $SIG{HUP} = 'IGNORE'; exec @ARGV, 'with', 'two words'";
    let builder = ServiceBuilder::new(&first);
    let perl = ["perl", "-MPOSIX=:signal_h", "-e", wrapped];
    let builder = builder.under(&perl);
    let mut published = Published::of(builder, source, &[("ODD", "a=b=c")]);
    let before = surroundings(&published, 1);
    published.succeed(&Release::good());
    published.service.restart(3);
    assert_eq!(surroundings(&published, 3), before);
    published.succeed(&Release::good());
    published.service.restart(5);
    assert_eq!(surroundings(&published, 5), before);
    assert!(published.service.stop().success());
}

/// What a generation was given: arguments, environment, signals, descriptors.
fn surroundings(
    published: &Published,
    generation: u64,
) -> (String, BTreeSet<String>, String, usize) {
    let pid = published.service.pid_of(generation);
    let args = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it is there");
    let environment = published.service.get("/environment");
    let environment = environment.lines().filter(|line| !line.starts_with("_="));
    let signals = format!("{} {}", status_of(pid, "SigBlk"), status_of(pid, "SigIgn"));
    let descriptors = published.service.get("/descriptors").lines().count();
    (args, environment.map(ToOwned::to_owned).collect(), signals, descriptors)
}

#[test]
fn clients_notice_nothing_of_restarts_and_successions_in_turn() {
    let mut published = Published::start(&[]);
    let load = Load::start(published.service.address(), "/", 4);
    for round in 0..3 {
        published.succeed(&Release::good());
        published.service.restart(3 + 2 * round);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}

#[test]
fn a_first_process_is_replaced_like_any_other_and_still_ends_with_128_and_the_signal() {
    let builder = ServiceBuilder::new(&Release::good());
    let Some(builder) = builder.as_first_process() else { return };
    let mut service = builder.start();
    let master = eventually("it has a process", || children_of(service.pid()).first().copied());
    for count in 1..=2 {
        let release = Release::good();
        release.install(&service.binary());
        kill(master, Signal::SIGUSR2).expect("it is there");
        service.wait_for_nth("event master_replaced: ", count);
        service.assert_runs(&release);
        let found = selfup::BinaryId::of_file(format!("/proc/{master}/exe"));
        assert_eq!(found.expect("it is there"), release.id());
    }
    Connection::open(service.address()).ask("/kill?9");
    assert_eq!(service.wait().code(), Some(137));
}

/// What the program asks for is nothing that the plan has to know: a wish for a poll, where there is no
/// fetcher, comes to nothing at all. The master is stopped meanwhile, so that it hears both at once.
#[test]
fn what_comes_to_nothing_right_before_a_succession_does_not_put_it_off() {
    let release = Release::good();
    let mut service = ServiceBuilder::new(&Release::good()).set("PROBATION", "1h").start();
    release.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    let (master, old) = (service.pid(), service.pid_of(1));
    let is = |pid, state| {
        eventually("it is in that state", || {
            status_of(pid, "State").starts_with(state).then_some(())
        });
    };
    kill(master, Signal::SIGSTOP).expect("it runs");
    is(master, 'T');
    // The end of the probation, and so of what a succession waits for.
    kill(old, Signal::SIGKILL).expect("it runs");
    is(old, 'Z');
    for _ in 0..3 {
        assert_eq!(service.get("/check"), "Ok(())\n");
    }
    kill(master, Signal::SIGCONT).expect("it is stopped");
    service.wait_for("event master_replaced: ");
    service.assert_master_runs(&release);
    assert!(service.stop().success());
}
