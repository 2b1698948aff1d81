//! What is remembered from one start to the next: trials that nobody ended, binaries that failed,
//! and the way back that is asked for.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;

use nix::sys::signal::Signal;
use selfup_tests::{
    Answer, Load, Mounted, Published, Publisher, Release, Service, ServiceBuilder, eventually,
};

/// A service on whose disk `release` waits for a restart, and what runs.
fn waiting(release: &Release) -> (Published, Release) {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let variables = [("NO_RESTART_AFTER_FETCH", "1")];
    let published = Published::of(ServiceBuilder::new(&first), source, &variables);
    published.publisher.wait_for("GET 304", 1);
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for("event upgraded: ");
    published.publisher.wait_for("GET 304", 1);
    published.service.assert_on_disk(release);
    (published, first)
}

/// The next start of what lies in the directory of `published`.
fn next(published: &Published, variables: &[(&str, &str)]) -> ServiceBuilder {
    let builder = ServiceBuilder::of(published.service.directory());
    let builder = builder.set("FETCHER", published.publisher.url());
    let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
    variables.iter().fold(builder, set)
}

fn kill(service: &mut Service) {
    service.signal(Signal::SIGKILL);
    service.wait();
    service.processes().wait_until_gone();
}

/// That `release` was put back over `bad`, which is remembered and not taken again.
fn assert_rolled_back(service: &Service, publisher: &Publisher, release: &Release, bad: &Release) {
    service.wait_for("event rolled_back: ");
    service.assert_runs(release);
    service.assert_files(&[]);
    let history = service.history().expect("it is remembered");
    assert!(history.contains(&bad.id().to_string()), "{history}");
    publisher.wait_for("GET 304", 3);
    service.assert_runs(release);
    assert_eq!(service.lines("event upgraded: "), [""; 0]);
}

#[test]
fn what_waits_on_disk_and_fails_in_the_restart_that_tries_it_is_put_back() {
    let bad = Release::flawed("exits");
    let (mut published, first) = waiting(&bad);
    published.service.signal(Signal::SIGUSR2);
    published.service.wait_for("event restart_abandoned: ");
    published.service.wait_for("event rolled_back: ");
    published.service.assert_runs(&first);
    published.service.assert_files(&[]);
    let history = published.service.history().expect("it is remembered");
    assert!(history.contains(&bad.id().to_string()), "{history}");
    published.publisher.wait_for("GET 304", 3);
    published.service.assert_on_disk(&first);
    published.service.restart(3);
    published.service.assert_runs(&first);
    assert!(published.service.stop().success());
}

#[test]
fn what_waits_on_disk_and_passes_in_the_restart_that_tries_it_stays() {
    let second = Release::good();
    let (mut published, first) = waiting(&second);
    published.service.restart(2);
    published.service.assert_runs(&second);
    published.service.assert_previous(&first);
    assert!(published.service.stop().success());
}

/// The one that was never tried is no way back.
#[test]
fn what_waits_on_disk_makes_way_for_a_newer_release_and_what_ran_stays_the_previous_binary() {
    let (mut published, first) = waiting(&Release::good());
    let third = Release::flawed("exits");
    published.publisher.publish(Answer::Whole(third.clone()));
    published.service.wait_for_nth("event upgraded: ", 2);
    published.service.signal(Signal::SIGUSR2);
    published.service.wait_for("event rolled_back: ");
    published.service.assert_runs(&first);
    assert!(published.service.stop().success());
}

/// A candidate passes its probe and is a bad master, or a bad program.
#[test]
fn a_release_that_never_starts_is_rolled_back_by_the_third_start() {
    for (flaw, code) in [("master-panics", 101), ("exits", 9)] {
        let bad = Release::flawed(flaw);
        let (mut published, first) = waiting(&bad);
        assert!(published.service.stop().success());
        for _ in 0..2 {
            let mut again = next(&published, &[]).spawn();
            assert_eq!(again.wait().code(), Some(code), "{flaw}");
            again.processes().wait_until_gone();
            again.assert_on_disk(&bad);
        }
        let mut third = next(&published, &[]).start();
        assert_rolled_back(&third, &published.publisher, &first, &bad);
        assert!(third.stop().success());
    }
}

#[test]
fn a_first_generation_that_is_never_ready_is_rolled_back_while_the_master_lives() {
    let bad = Release::flawed("never-ready");
    let (mut published, first) = waiting(&bad);
    assert!(published.service.stop().success());
    let mut again = next(&published, &[("READY_TIMEOUT", "15s")]).spawn();
    again.wait_for("event committed: generation 2 ");
    assert_rolled_back(&again, &published.publisher, &first, &bad);
    assert!(again.stop().success());
}

#[test]
fn a_clean_stop_is_no_failed_trial_however_often() {
    let mut published = Published::start(&[("PROBATION", "10m")]);
    let release = Release::good();
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for("event paused: generation 1 ");
    assert!(published.service.stop().success());
    for _ in 0..4 {
        let mut again = next(&published, &[("PROBATION", "10m")]).start();
        assert!(again.stop().success());
        again.assert_on_disk(&release);
    }
    let mut last = next(&published, &[]).start();
    last.assert_files(&[".app.selfup-previous"]);
    last.assert_runs(&release);
    assert!(last.stop().success());
}

#[test]
fn a_master_that_is_killed_on_probation_again_and_again_goes_back() {
    let variables = [("PROBATION", "10m")];
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let mut published = Published::of(ServiceBuilder::new(&first), source, &variables);
    published.publisher.wait_for("GET 304", 1);
    let bad = Release::good();
    published.publisher.publish(Answer::Whole(bad.clone()));
    published.service.wait_for("event paused: generation 1 ");
    kill(&mut published.service);
    for _ in 0..2 {
        let mut again = next(&published, &variables).start();
        again.assert_on_disk(&bad);
        kill(&mut again);
    }
    let mut third = next(&published, &variables).start();
    assert_rolled_back(&third, &published.publisher, &first, &bad);
    assert!(third.stop().success());
}

/// What the process manager passed is there after the way back, and so is its process.
#[test]
fn the_restored_binary_is_executed_as_the_first_was() {
    let bad = Release::flawed("master-panics");
    let (mut published, first) = waiting(&bad);
    assert!(published.service.stop().success());
    for _ in 0..2 {
        next(&published, &[]).spawn().wait();
    }
    let mut third = next(&published, &[("MARK", "still here")]).start();
    let master = format!("/proc/{}/environ", third.pid());
    let environment = fs::read(master).expect("the master is there");
    assert!(String::from_utf8_lossy(&environment).contains("MARK=still here"));
    assert!(third.get("/environment").contains("MARK=still here"));
    third.assert_runs(&first);
    assert!(third.stop().success());
}

#[test]
fn a_rollback_by_request_brings_the_previous_binary_back_and_refuses_the_other() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let mut published = Published::of(ServiceBuilder::new(&first), source, &[]);
    published.publisher.wait_for("GET 304", 1);
    assert_eq!(published.service.get("/rollback"), "Err(Rollback)\n", "there is none yet");
    let second = Release::good();
    published.upgrade(&second);
    assert_eq!(published.service.get("/rollback"), "Ok(())\n");
    published.service.wait_for("event rolled_back: ");
    published.service.wait_for("event committed: generation 3 ");
    published.service.assert_runs(&first);
    published.service.assert_previous(&second);
    published.publisher.wait_for("GET 304", 3);
    published.service.assert_runs(&first);

    // Back and forth is no rollback.
    assert_eq!(published.service.get("/rollback"), "Ok(())\n");
    published.service.wait_for("was turned down itself");

    assert_eq!(published.service.get("/clear"), "Ok(())\n");
    published.service.wait_for("event committed: generation 4 ");
    published.service.assert_runs(&second);
    assert!(published.service.stop().success());
}

#[test]
fn a_program_on_trial_that_asks_to_be_rolled_back_is_at_once() {
    let first = Release::good();
    let mut published = Published::with(&first, &[("PROBATION", "1h")]);
    let load = Load::start(published.service.address(), "/", 4);
    let second = Release::good();
    published.publisher.publish(Answer::Whole(second.clone()));
    published.service.wait_for("event paused: generation 1 ");
    published.service.assert_runs(&second);
    // On each error, as it may be.
    for _ in 0..3 {
        assert_eq!(published.service.get("/rollback"), "Ok(())\n");
    }
    published.service.wait_for("event resumed: generation 1 ");
    published.service.wait_for("event rolled_back: ");
    published.service.assert_runs(&first);
    published.publisher.wait_for("GET 304", 3);
    published.service.assert_runs(&first);
    let history = published.service.history().expect("it is remembered");
    assert!(history.contains(&second.id().to_string()), "{history}");
    load.wait_for(20);
    let failures = load.stop();
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(published.service.lines("event rolled_back: ").len(), 1);
    assert_eq!(published.service.lines("event committed: "), [""; 0]);
    assert!(published.service.stop().success());
}

#[test]
fn a_rollback_does_not_wait_for_a_restart_that_upgrades_wait_for() {
    let second = Release::good();
    let (mut published, first) = waiting(&second);
    published.service.restart(2);
    published.service.assert_previous(&first);
    assert_eq!(published.service.get("/rollback"), "Ok(())\n");
    published.service.wait_for("event committed: generation 3 ");
    published.service.assert_runs(&first);
    assert!(published.service.stop().success());
}

#[test]
fn a_rollback_is_answered_in_the_middle_of_a_slow_download() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let mut published = Published::of(ServiceBuilder::new(&first), source, &[]);
    published.publisher.wait_for("GET 304", 1);
    published.upgrade(&Release::good());
    let third = Release::good();
    // Longer than its first bytes take, nothing is left of it but a time-out of half a minute.
    published.publisher.publish(Answer::Stalled(third, 1 << 20));
    published.service.wait_for_staged(1 << 20);
    assert_eq!(published.service.get("/rollback"), "Ok(())\n");
    published.service.wait_for("event rolled_back: ");
    assert_eq!(published.service.lines("event fetch_failed: "), [""; 0], "it did not wait for it");
    published.service.wait_for("event committed: generation 3 ");
    published.service.assert_runs(&first);
    assert!(published.service.stop().success());
}

/// The hook that hangs holds the succession up for a second.
#[test]
fn what_is_cleared_between_a_commit_and_the_succession_is_cleared_by_the_next_master() {
    let (first, second, refused) = (Release::good(), Release::good(), Release::good());
    let builder = ServiceBuilder::new(&first);
    let history =
        format!(r#"{{"version":1,"refused":[{{"sha256":"{}","kind":"rejected"}}]}}"#, refused.id());
    fs::write(builder.directory().join(".app.selfup-history"), history).expect("it can be made");
    let source = Publisher::start(Answer::Whole(first));
    let mut published = Published::of(builder, source, &[("HANGS_AT", "committed")]);
    published.publisher.publish(Answer::Whole(refused.clone()));
    published.publisher.wait_for("GET 304", 2);
    published.publisher.publish(Answer::Whole(second));
    published.service.wait_for("event committed: generation 2 ");
    // The last that the upgrade thread does before the succession.
    published.service.assert_files(&[".app.selfup-previous"]);
    assert_eq!(published.service.get("/clear"), "Ok(())\n");
    published.service.wait_for("event master_replaced: ");
    published.publisher.publish(Answer::Whole(refused.clone()));
    published.service.wait_for("event committed: generation 3 ");
    published.service.assert_runs(&refused);
    assert!(published.service.stop().success());
}

#[test]
fn a_rollback_that_fails_leaves_the_service_as_it_was() {
    let mut published = Published::start(&[]);
    let second = Release::good();
    published.upgrade(&second);
    let previous = published.service.directory().join(".app.selfup-previous");
    Release::flawed("exits").install(&previous);
    assert_eq!(published.service.get("/rollback"), "Ok(())\n");
    published.service.wait_for("is not the binary that was replaced");
    published.service.assert_runs(&second);
    assert!(published.service.stop().success());
}

#[test]
fn a_history_that_is_removed_while_the_service_runs_has_everything_tried_again() {
    let mut published = Published::start(&[("PRE_UPGRADE", "refuses")]);
    published.publisher.publish(Answer::Whole(Release::good()));
    published.service.wait_for("event candidate_refused: ");
    published.publisher.wait_for("GET 304", 3);
    assert_eq!(published.service.lines("event candidate_refused: ").len(), 1);
    let history = published.service.directory().join(".app.selfup-history");
    fs::remove_file(history).expect("it is remembered");
    published.service.wait_for_nth("event candidate_refused: ", 2);
    assert!(published.service.stop().success());
}

#[test]
fn the_history_lies_in_the_state_dir_and_that_of_another_binary_beside_it() {
    let state = tempfile::tempdir().expect("a temporary directory");
    let path = state.path().join("of/all");
    let variables = [("STATE_DIR", path.to_str().expect("it is text")), ("PRE_UPGRADE", "refuses")];
    let mut services = [Published::start(&variables), Published::start(&variables)];
    let mut ids = Vec::new();
    for published in &services {
        let bad = Release::good();
        published.publisher.publish(Answer::Whole(bad.clone()));
        published.service.wait_for("event candidate_refused: ");
        ids.push(bad.id().to_string());
    }
    let texts = eventually("both are written", || {
        let files = fs::read_dir(&path).ok()?.flatten();
        let texts: Vec<_> = files.flat_map(|file| fs::read_to_string(file.path())).collect();
        let has = |id: &String| texts.iter().any(|text| text.contains(id));
        (texts.len() == 2 && ids.iter().all(has)).then_some(texts)
    });
    assert!(texts.iter().all(|text| ids.iter().filter(|id| text.contains(*id)).count() == 1));
    for published in &mut services {
        assert_eq!(published.service.history(), None);
        published.service.assert_files(&[]);
        assert!(published.service.stop().success());
    }
}

#[test]
fn a_directory_that_becomes_writable_again_is_upgraded_again() {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let first = Release::good();
    first.install(&mounted.path().join("app"));
    mounted.forbid_writing(ROOM);
    let source = Publisher::start(Answer::Whole(first));
    let mut published = Published::of(ServiceBuilder::of(mounted.path()), source, &[]);
    let line = published.service.wait_for("event upgrades_disabled: ");
    assert!(line.contains(&mounted.path().display().to_string()), "{line}");
    assert_eq!(published.publisher.answered(), [""; 0], "nobody asks for what cannot be used");
    mounted.resize(ROOM);
    published.service.wait_for("event upgrades_enabled: ");
    published.upgrade(&Release::good());

    // And the other way round, in the middle of its life.
    mounted.forbid_writing(ROOM);
    published.publisher.publish(Answer::Whole(Release::good()));
    published.service.wait_for_nth("event upgrades_disabled: ", 2);
    mounted.resize(ROOM);
    published.service.wait_for("event committed: generation 3 ");
    assert!(published.service.stop().success());
}

/// In MiB: some copies of the fixture.
const ROOM: usize = 400;
