//! Successions between two builds of selfup that write their state down differently.
//!
//! The first test to need the other build makes it: that takes a minute or two, once.

use std::path::Path;

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Load, Published, Publisher, Release, Scratch, Service, ServiceBuilder};

use crate::Held;

/// A later selfup: it says more in its snapshots, says less that is optional, and with
/// `SNAPSHOT_NEEDS` it says that no earlier one understands them.
fn later() -> Release {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("later");
    let snapshot = "selfup/src/master/succession/snapshot.rs";
    let writer = "selfup/src/master/succession/mod.rs";
    Scratch::new(&directory)
        .change(snapshot, "VERSION: u32 = 1;", "VERSION: u32 = 2;")
        .change(
            snapshot,
            "    #[serde(default)]\n    pub(super) restart_waits: bool,\n",
            "    #[serde(default, skip_serializing)]\n    pub(super) restart_waits: bool,\n    \
             #[serde(default)]\n    pub(super) weather: Vec<String>,\n",
        )
        .change(
            snapshot,
            "    #[serde(default)]\n    pub(super) refusal",
            "    #[serde(default, skip_serializing_if = \"Option::is_none\")]\n    pub(super) refusal",
        )
        .change(
            writer,
            "needs: VERSION,",
            "needs: if std::env::var_os(\"SNAPSHOT_NEEDS\").is_some() { VERSION } else { 1 },\n\
             weather: vec![\"rain\".into()],",
        )
        .build()
}

/// Replaces the binary by hand, and waits until the master is replaced, too.
fn follow(service: &Service, release: &Release) {
    let before = service.successions();
    release.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for_nth("event master_replaced: ", before + 1);
    service.assert_master_runs(release);
    service.assert_runs(release);
}

#[test]
fn a_succession_to_a_later_build_and_back_drops_nothing_and_leaves_nothing_behind() {
    let (now, later) = (Release::good(), later());
    let mut service = ServiceBuilder::new(&now).start();
    let load = Load::start(service.address(), "/", 2);
    let (mut held, before) = service.hold();
    follow(&service, &later);
    follow(&service, &Release::good());
    held.ask("/");
    assert_eq!(held.answer().expect("it is answered"), before);
    let _ = service.wait_for_one_child();
    let at_first = Held::by(&service);
    for _ in 0..2 {
        follow(&service, &later.again());
        follow(&service, &Release::good());
    }
    let _ = service.wait_for_one_child();
    at_first.assert_no_more(&service);
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    service.restart(8);
    assert!(service.stop().success());
}

#[test]
fn a_build_that_cannot_read_what_a_later_one_needs_is_refused_in_its_probe() {
    let later = later();
    let path = tempfile::tempdir().expect("a temporary directory");
    let published = path.path().join("published");
    let builder = ServiceBuilder::new(&later).set("SNAPSHOT_NEEDS", "1");
    let mut service = builder.set("FETCHER", published.clone()).start();
    let load = Load::start(service.address(), "/", 2);
    let words = "it cannot take over the master's state: the state of the master is of version 2 \
                 and this binary reads up to 1";
    Release::good().install(&published);
    let line = service.wait_for("event candidate_refused: ");
    assert!(line.contains(words), "{line}");
    service.assert_runs(&later);

    let by_hand = Release::good();
    by_hand.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    let line = service.wait_for("event restart_abandoned: ");
    assert!(line.contains(words), "{line}");
    assert_eq!(service.lines("event child_started: ").len(), 1);

    follow(&service, &later.again());
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn an_upgrade_to_a_later_build_is_taken_from_a_publisher() {
    let (first, later) = (Release::good(), later());
    let source = Publisher::start(Answer::Whole(first.clone()));
    let mut published = Published::of(ServiceBuilder::new(&first), source, &[]);
    published.succeed(&later);
    published.service.restart(3);
    assert!(published.service.stop().success());
}
