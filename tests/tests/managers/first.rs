//! The first process of a namespace, which has no manager, and the duties of one. How it ends, and that it reaps, is told
//! in `ends`.

use std::time::Instant;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Connection, Load, Release, Service, ServiceBuilder, eventually, status_of};
use selfup_tests::{children_of, send};

fn builder(release: &Release) -> Option<ServiceBuilder> {
    ServiceBuilder::new(release).as_first_process()
}

/// The first process of the namespace, as seen from here.
pub(crate) fn first_process(service: &Service) -> Pid {
    eventually("the namespace has a process", || children_of(service.pid()).first().copied())
}

/// The processes that run as generations, as seen from here: those of the namespace have other numbers within.
fn children(master: Pid) -> Vec<Pid> {
    let children = children_of(master).into_iter();
    children.filter(|child| !status_of(*child, "State").starts_with('Z')).collect()
}

#[test]
fn a_first_process_is_upgraded_and_stays_the_first() {
    let Some(builder) = builder(&Release::good()) else { return };
    let published = builder.directory().join("published");
    let mut service = builder.set("FETCHER", &published).start();
    let master = first_process(&service);
    let load = Load::start(service.address(), "/", 4);
    for generation in 2..=3 {
        let release = Release::good();
        release.install(&published);
        service.wait_for(&format!("event committed: generation {generation} "));
        service.wait_for_nth("event master_replaced: ", generation - 1);
        let answers = || service.get("/").contains(&release.id().to_string()).then_some(());
        eventually("it answers", answers);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(first_process(&service), master);
    assert!(service.get("/state").contains("master Some(1)"), "{}", service.get("/state"));
    send(master, libc::SIGTERM);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn a_new_generation_that_is_killed_costs_a_first_process_nothing() {
    let Some(builder) = builder(&Release::good()) else { return };
    let service = builder.set("PROBATION", "1h").start();
    let master = first_process(&service);
    let before = children(master);
    send(master, libc::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    let new = children(master).into_iter().find(|child| !before.contains(child)).unwrap();
    kill(new, Signal::SIGKILL).unwrap();
    service.wait_for("event resumed: generation 1 ");
    assert!(service.get("/").contains(" 1 "));
    assert_eq!(first_process(&service), master);
}

/// As the runtime of a container tells it from outside, without a word to the program itself.
#[test]
fn a_first_process_whose_program_is_killed_ends_with_137() {
    let Some(builder) = builder(&Release::good()) else { return };
    let mut service = builder.start();
    let program = children(first_process(&service));
    assert_eq!(program.len(), 1);
    kill(program[0], Signal::SIGKILL).unwrap();
    assert_eq!(service.wait().code(), Some(137));
}

#[test]
fn a_first_process_drains_at_either_signal_that_means_a_stop() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let Some(builder) = builder(&Release::good()) else { return };
        let mut service = builder.start();
        let (mut held, before) = service.hold();
        send(first_process(&service), signal);
        service.wait_for("draining 1 ");
        held.ask("/");
        assert_eq!(held.answer().unwrap(), before);
        assert_eq!(service.wait().code(), Some(0), "signal {signal}");
    }
}

/// The kernel ends no first process by a signal that it does not handle.
#[test]
fn a_first_process_is_ended_by_a_stop_though_its_program_handles_none() {
    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGINT, 130)] {
        let Some(builder) = builder(&Release::flawed("never-ready")) else { return };
        let mut service = builder.spawn();
        service.wait_for("event child_started: generation 1 ");
        send(first_process(&service), signal);
        assert_eq!(service.wait().code(), Some(code));
    }
}

#[test]
fn a_storm_of_orphans_is_reaped_while_a_first_process_is_restarted() {
    let Some(builder) = builder(&Release::good()) else { return };
    let mut service = builder.start();
    let (address, master) = (service.address(), first_process(&service));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..ORPHANS / 4 {
                    drop(selfup_tests::get(address, "/orphan"));
                }
            });
        }
        for generation in 2..=4 {
            send(master, libc::SIGUSR2);
            service.wait_for(&format!("event committed: generation {generation} "));
        }
    });
    let storm = begun.elapsed();
    eventually("only the program is left", || (children_of(master).len() == 1).then_some(()));
    eprintln!("{ORPHANS} orphans in {storm:?}, reaped {:?} after the first", begun.elapsed());
    assert_eq!(service.lines("[selfup]"), [""; 0]);
    // By then nobody else accepts.
    service.wait_for("drained 3 ");
    Connection::open(address).ask("/exit?7");
    assert_eq!(service.wait().code(), Some(7), "the status of the program was nobody else's");
}

const ORPHANS: usize = 400;
