//! Two services of one binary: one upgrades it, and the other follows.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Load, Published, Publisher, Release, Service, ServiceBuilder};

/// Another service of the binary of `first`, which follows it.
fn follower(first: &Published, variables: &[(&str, &str)]) -> Service {
    let builder = ServiceBuilder::of(first.service.directory());
    let builder = builder.set("FETCHER", first.publisher.url());
    let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
    let second = variables.iter().fold(builder, set).start();
    let line = second.wait_for("event following: ");
    let words = format!("another process upgrades {} already", first.service.binary().display());
    assert!(line.contains(&words), "{line}");
    second
}

/// Sends SIGTERM: others of the same binary live on.
fn stop(service: &mut Service) {
    service.signal(Signal::SIGTERM);
    assert!(service.wait().success());
}

#[test]
fn an_upgrade_ends_with_both_on_the_new_binary_and_drops_nothing() {
    let mut first = Published::start(&[]);
    let mut second = follower(&first, &[]);
    let loads = [&first.service, &second].map(|service| Load::start(service.address(), "/", 2));
    for generation in [2, 3] {
        let release = Release::good();
        first.upgrade(&release);
        second.wait_for(&format!("event committed: generation {generation} "));
        second.assert_runs(&release);
    }
    for load in loads {
        load.wait_for(50);
        assert_eq!(load.stop(), [""; 0]);
    }
    // The two may have changed places when one executed its upgrade.
    let upgraded = |service: &Service| service.lines("event upgraded: ").len();
    assert_eq!(upgraded(&first.service) + upgraded(&second), 2, "each was put in place once");
    stop(&mut second);
    assert!(first.service.stop().success());
}

#[test]
fn an_upgrade_that_fails_its_trial_leaves_both_on_the_old_binary() {
    let mut first = Published::start(&[]);
    let mut second = follower(&first, &[]);
    let before = second.get("/");
    first.publisher.publish(Answer::Whole(Release::flawed("exits")));
    first.service.wait_for("event rolled_back: ");
    // A good one after it, so that it is known that the other has looked.
    let release = Release::good();
    assert_eq!(second.get("/"), before);
    first.publisher.publish(Answer::Whole(release.clone()));
    second.wait_for("event committed: ");
    second.assert_runs(&release);
    assert_eq!(second.lines("event restart_abandoned: "), [""; 0]);
    assert_eq!(second.lines("event child_started: ").len(), 2, "the bad one was not started");
    stop(&mut second);
    assert!(first.service.stop().success());
}

#[test]
fn what_is_on_trial_is_not_followed_before_it_has_passed() {
    let mut first = Published::start(&[("PROBATION", "3s")]);
    let mut second = follower(&first, &[]);
    let release = Release::good();
    first.publisher.publish(Answer::Whole(release.clone()));
    second.wait_for("event child_started: generation 2 ");
    first.service.wait_for("event committed: generation 2 ");
    second.wait_for("event committed: generation 2 ");
    second.assert_runs(&release);
    stop(&mut second);
    assert!(first.service.stop().success());
}

/// The release is the first that was ever tried, so no history knows what was there before.
#[test]
fn who_was_started_during_a_trial_goes_back_with_who_has_the_lock() {
    let old = Release::good();
    let source = Publisher::start(Answer::Whole(old.clone()));
    let variables = [("NO_RESTART_AFTER_FETCH", "1")];
    let mut before = Published::of(ServiceBuilder::new(&old), source, &variables);
    let bad = Release::good();
    before.publisher.publish(Answer::Whole(bad.clone()));
    before.service.wait_for("event upgraded: ");
    let mut first = before.start_again(&[("PROBATION", "10m")]);
    let builder = ServiceBuilder::of(first.directory()).set("FETCHER", before.publisher.url());
    let mut second = builder.start();
    second.wait_for("event following: ");
    for service in [&first, &second] {
        service.assert_runs(&bad);
    }
    assert_eq!(first.get("/rollback"), "Ok(())\n");
    second.wait_for("event committed: generation 2 ");
    for service in [&mut first, &mut second] {
        service.assert_runs(&old);
        stop(service);
    }
}

#[test]
fn who_is_left_takes_the_upgrades_over() {
    let mut first = Published::start(&[]);
    let mut second = follower(&first, &[]);
    stop(&mut first.service);
    second.wait_for("event upgrades_enabled: ");
    let release = Release::good();
    first.publisher.publish(Answer::Whole(release.clone()));
    second.wait_for("event committed: generation 2 ");
    second.assert_runs(&release);
    assert!(second.stop().success());
}

#[test]
fn a_trial_whose_master_was_killed_is_passed_with_who_is_left() {
    let mut first = Published::start(&[("PROBATION", "10m")]);
    let mut second = follower(&first, &[]);
    let release = Release::good();
    first.publisher.publish(Answer::Whole(release.clone()));
    first.service.wait_for("event paused: generation 1 ");
    first.service.signal(Signal::SIGKILL);
    first.service.wait();
    second.wait_for("event committed: generation 2 ");
    second.assert_runs(&release);
    second.assert_files(&[".app.selfup-previous"]);
    assert!(second.stop().success());
}

#[test]
fn a_trial_whose_master_was_killed_is_failed_with_who_is_left() {
    let mut first = Published::start(&[("READY_TIMEOUT", "10m")]);
    let mut second = follower(&first, &[("READY_TIMEOUT", "15s")]);
    let before = second.get("/");
    first.publisher.publish(Answer::Whole(Release::flawed("never-ready")));
    first.service.wait_for("event child_started: generation 2 ");
    first.service.signal(Signal::SIGKILL);
    first.service.wait();
    second.wait_for("event rolled_back: ");
    assert_eq!(second.get("/"), before);
    second.assert_files(&[]);
    second.restart(3);
    assert!(second.stop().success());
}

#[test]
fn a_deploy_by_hand_waits_for_the_operator_in_both() {
    let mut first = Published::start(&[]);
    let mut second = follower(&first, &[]);
    let by_hand = Release::good();
    by_hand.install(&first.service.binary());
    // Nobody had its lock, so one of them has it by now.
    first.publisher.wait_for("GET 304", 3);
    for service in [&first.service, &second] {
        assert_eq!(service.lines("event child_started: ").len(), 1);
        service.restart(2);
        service.assert_runs(&by_hand);
    }
    // Whichever has the lock by now, who followed says so.
    second.wait_for("taken for a deploy by hand");
    stop(&mut second);
    assert!(first.service.stop().success());
}

/// Nobody who follows can read the history then.
#[test]
fn an_upgrade_is_followed_by_who_has_another_state_dir_and_by_another_user() {
    let mut first = Published::start(&[]);
    let state = tempfile::tempdir().expect("a temporary directory");
    let path = state.path().to_str().expect("it is text");
    let mut followers = vec![follower(&first, &[("STATE_DIR", path)])];
    if nix::unistd::geteuid().is_root() {
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(first.service.directory(), everybody).expect("it is our own");
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let builder = ServiceBuilder::of(first.service.directory()).under(&nobody);
        followers.push(builder.set("FETCHER", first.publisher.url()).start());
        followers[1].wait_for("event following: ");
    } else {
        assert!(std::env::var_os("CI").is_none(), "CI has to be somebody else as well");
        eprintln!("skipped: only root can be another user");
    }
    let release = Release::good();
    first.upgrade(&release);
    for follower in &mut followers {
        follower.wait_for("event committed: generation 2 ");
        follower.assert_runs(&release);
        stop(follower);
    }
    assert!(first.service.stop().success());
}
