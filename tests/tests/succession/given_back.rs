//! Binaries that are good programs and bad masters: the previous one goes on as the master, and the
//! new generation as the service.

use selfup_tests::{Answer, Load, Published, Publisher, Release, ServiceBuilder, get, status_of};

const STAYS: &str = "127.0.0.1:0";
const COMES: &str = "127.0.0.3:0";

/// Publishes a release that serves well and whose master does this, which is to be told so.
fn goes_back(flaw: &str, words: &str) {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let mut published = Published::of(ServiceBuilder::new(&first), source, &[]);
    let service = &published.service;
    let load = Load::start(service.address(), "/", 2);
    let settings = format!("ADDRESS={STAYS},{COMES}");
    let flawed = Release::configured(&format!("{flaw} {settings}"));
    published.upgrade(&flawed);
    // Whatever the master does, the service is there.
    load.wait_for(20);
    let line = service.wait_for("event warning: the new binary's master did not take over");
    assert!(line.contains(words), "{words:?} is not in {line}");

    service.assert_master_runs(&first);
    assert_eq!(status_of(service.pid(), "Name"), "app", "what it is called in `ps`");
    assert_eq!(service.wait_for_one_child(), service.pid_of(2), "it is untouched");
    service.assert_runs(&flawed);
    let comes = service.bound_at(COMES);
    assert!(get(comes, "/").contains(" 2 "));
    // Of the same binary, and so with its addresses.
    service.restart(3);
    assert!(get(comes, "/").contains(" 3 "));
    assert_eq!(service.successions(), 0);

    published.succeed(&Release::configured(&settings));
    assert!(get(comes, "/").contains(" 4 "));
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(service.lines("event warning: the new binary's").len(), 1);
    assert!(published.service.stop().success());
}

const CRASHED: &str = "it crashed or hung; see stderr";

#[test]
fn a_hang_of_the_new_master_is_ended_by_the_previous_one() {
    goes_back("master-hangs", CRASHED);
}

#[test]
fn a_config_that_cannot_work_is_told_by_the_previous_master() {
    goes_back("master-bad-config", "nowhere");
}

#[test]
fn a_panic_in_the_new_masters_init_leads_back_to_the_previous_one() {
    goes_back("master-panics-in-init", CRASHED);
}

#[test]
fn a_panic_in_the_new_masters_config_leads_back_to_the_previous_one() {
    goes_back("master-panics", CRASHED);
}

#[test]
fn an_abort_of_the_new_master_leads_back_to_the_previous_one() {
    goes_back("master-aborts", CRASHED);
}

#[test]
fn an_exit_of_the_new_master_leads_back_to_the_previous_one() {
    goes_back("master-exits", CRASHED);
}

#[test]
fn a_stack_overflow_of_the_new_master_leads_back_to_the_previous_one() {
    goes_back("master-faults", CRASHED);
}
