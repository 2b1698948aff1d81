use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use selfup_tests::{Operator, Release, ServiceBuilder, descriptors_of, eventually};

use super::{publish, published};

fn inode(operator: &Operator) -> u64 {
    operator.path().symlink_metadata().unwrap().ino()
}

#[test]
fn clients_are_answered_through_five_successions_and_nothing_is_left_open() {
    let (mut published, operator) = published(&[]);
    let (before, is_over) = (inode(&operator), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (operator, is_over) = (operator.clone(), is_over.clone());
            std::thread::spawn(move || {
                let mut count = 0;
                while !is_over.load(Ordering::Acquire) {
                    // Who was being answered may be told to come back; nobody is refused or cut.
                    let begun = Instant::now();
                    let said = match operator.try_ask("GET /status") {
                        // Who is so slow to ask is not waited for.
                        Err(_) if begun.elapsed() > Duration::from_millis(500) => continue,
                        said => said.unwrap(),
                    };
                    assert!(matches!(said.code, 200 | 503), "{said:?}");
                    count += usize::from(said.code == 200);
                }
                count
            })
        })
        .collect();
    let mut open = 0;
    for count in 1..=5 {
        publish(&published, Release::good());
        operator.post("/check").assert_good("committed");
        published.service.wait_for_nth("event master_replaced: ", count);
        let _ = published.service.wait_for_one_child();
        if count == 1 {
            // Both threads of the new master are there.
            operator.post("/check").assert_good("unchanged");
            open = descriptors_of(published.service.pid());
        }
    }
    is_over.store(true, Ordering::Release);
    let counts: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    assert_eq!(inode(&operator), before);
    // Three clients had three connections, with all that belongs to them.
    eventually("nothing was left open", || {
        (descriptors_of(published.service.pid()) <= open + 2).then_some(())
    });
    assert!(published.service.stop().success());
    assert!(!operator.path().exists());
}

#[test]
fn a_later_version_has_it_elsewhere_or_nowhere() {
    let (mut published, operator) = published(&[]);
    let other = Operator::at(&published.service.directory().join("other"));
    let elsewhere = format!("CONTROL_SOCKET={}?mode=0640", other.path().display());
    publish(&published, Release::configured(&elsewhere));
    operator.post("/check").assert_good("committed");
    published.service.wait_for("event master_replaced: ");
    // It is bound behind that event.
    let status = eventually("it is there", || other.try_ask("GET /status").ok()).body;
    assert_eq!(status["phase"], "serving");
    eventually("nobody needs it any more", || (!operator.path().exists()).then_some(()));
    publish(&published, Release::configured("CONTROL_SOCKET="));
    other.post("/check").assert_good("committed");
    published.service.wait_for_nth("event master_replaced: ", 2);
    eventually("it is gone", || (!other.path().exists()).then_some(()));
    assert!(published.service.get("/").contains(" 3 "));
    assert!(published.service.stop().success());
}

#[test]
fn a_restart_that_waits_behind_a_succession_is_postponed_and_done_by_what_follows() {
    let (mut published, operator) = published(&[("PROBATION", "10s")]);
    publish(&published, Release::good());
    let check = operator.begin("POST /check");
    published.service.wait_for("event paused: generation 1 ");
    let restart = operator.begin("POST /restart");
    check.answer().assert_good("committed");
    let postponed = restart.answer();
    assert_eq!((postponed.code, postponed.outcome()), (202, "postponed"), "{postponed:?}");
    assert_eq!(postponed.body["generation"], 2, "what comes of it is of a later one");
    published.service.wait_for("event master_replaced: ");
    // The next master does it, as the answer says.
    published.service.wait_for("event committed: generation 3 ");
    operator.post("/restart").assert_good("committed");
    assert!(published.service.stop().success());
}

#[test]
fn a_rollback_that_waits_behind_a_succession_is_postponed_and_done_by_what_follows() {
    let (mut published, operator) = published(&[("PROBATION", "2s")]);
    let first = Release::of(std::fs::read(published.service.binary()).unwrap());
    publish(&published, Release::good());
    operator.post("/check").assert_good("committed");
    published.service.wait_for("event master_replaced: ");
    // What an operator has put there by hand is not put back before its trial is over.
    Release::good().install(&published.service.binary());
    let restart = operator.begin("POST /restart");
    published.service.wait_for("event paused: generation 2 ");
    let rollback = operator.begin("POST /rollback");
    restart.answer().assert_good("committed");
    let postponed = rollback.answer();
    assert_eq!((postponed.code, postponed.outcome()), (202, "postponed"), "{postponed:?}");
    assert_eq!(postponed.body["generation"], 3);
    published.service.wait_for("event rolled_back: ");
    published.service.wait_for("event committed: generation 4 ");
    published.service.wait_for_nth("event master_replaced: ", 3);
    published.service.assert_master_runs(&first);
    assert!(published.service.stop().success());
}

#[test]
fn a_poll_that_is_asked_for_during_an_upgrade_is_answered_by_it() {
    let (mut published, operator) = published(&[("PROBATION", "10s")]);
    publish(&published, Release::good());
    let first = operator.begin("POST /check");
    published.service.wait_for("event paused: generation 1 ");
    let second = operator.begin("POST /check");
    for check in [first, second] {
        check.answer().assert_good("committed");
    }
    published.service.wait_for("event master_replaced: ");
    assert!(published.service.stop().success());
}

#[test]
fn a_way_back_keeps_the_socket() {
    let (mut published, operator) = published(&[]);
    let before = inode(&operator);
    publish(&published, Release::flawed("master-panics"));
    operator.post("/check").assert_good("committed");
    published.service.wait_for("event warning: the new binary's master did not take over");
    assert_eq!(operator.status()["phase"], "serving");
    assert_eq!(inode(&operator), before);
    assert!(published.service.stop().success());
    assert!(!operator.path().exists());
}

#[test]
fn a_first_version_without_it_gets_it_by_an_upgrade() {
    let first = Release::configured("CONTROL_SOCKET=");
    let source = selfup_tests::Publisher::start(selfup_tests::Answer::Whole(first.clone()));
    let (builder, operator) = Operator::of(ServiceBuilder::new(&first), "");
    let mut published = selfup_tests::Published::of(builder, source, &[]);
    assert!(!operator.path().exists());
    published.succeed(&Release::good());
    let status = eventually("it is there", || operator.try_ask("GET /status").ok()).body;
    assert_eq!(status["phase"], "serving");
    assert!(published.service.stop().success());
    assert!(!operator.path().exists());
}
