//! The starts of a binary that is on trial: how they end, and what counts.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use selfup_tests::{
    Answer, Mounted, Published, Publisher, Release, Service, ServiceBuilder, eventually,
};

/// A service that ended with `release` on its disk, not tried yet; and what ran.
fn waiting(directory: Option<&Path>, release: &Release) -> (Published, Release) {
    let first = Release::good();
    let builder = match directory {
        Some(directory) => {
            first.install(&directory.join("app"));
            ServiceBuilder::of(directory)
        }
        None => ServiceBuilder::new(&first),
    };
    let source = Publisher::start(Answer::Whole(first.clone()));
    let mut published = Published::of(builder, source, &[("NO_RESTART_AFTER_FETCH", "1")]);
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for("event upgraded: ");
    published.service.assert_on_disk(release);
    assert!(published.service.stop().success());
    (published, first)
}

/// The next start of what lies in the directory of `published`.
fn next(published: &Published) -> ServiceBuilder {
    let builder = ServiceBuilder::of(published.service.directory());
    builder.set("FETCHER", published.publisher.url())
}

/// How often the binary on disk was started in vain.
fn starts(service: &Service) -> String {
    let note = fs::read_to_string(service.directory().join(".app.selfup-trial"));
    let note = note.expect("it is on trial");
    let mut lines = note.lines().filter_map(|line| line.trim().strip_prefix("\"starts\": "));
    lines.next().expect("starts are counted").trim_end_matches(',').to_owned()
}

fn assert_put_back(service: &Service, first: &Release, bad: &Release) {
    let reason = service.wait_for("event candidate_refused: ");
    assert!(reason.contains("took longer than 60 seconds"), "{reason}");
    service.wait_for("event rolled_back: ");
    service.assert_runs(first);
    service.assert_files(&[]);
    let history = service.history().expect("it is remembered");
    assert!(history.contains(&bad.id().to_string()), "{history}");
}

/// Nobody need be there to start it again.
#[test]
fn a_start_that_hangs_in_init_ends_after_a_minute_with_the_previous_binary() {
    let bad = Release::flawed("master-hangs-in-init");
    let (published, first) = waiting(None, &bad);
    let mut again = next(&published).spawn();
    let process = again.pid();
    assert_put_back(&again, &first, &bad);
    assert_eq!(again.pid(), process);
    assert!(again.stop().success());
}

/// Binds a listener as 3, and executes its arguments with it.
const ACTIVATOR: &str = r"
    use Socket;
    $^F = 9;
    socket(my $web, PF_INET, SOCK_STREAM, 0) or die;
    bind($web, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die;
    listen($web, 128) or die;
    die unless fileno($web) == 3;
    $ENV{LISTEN_PID} = $$;
    $ENV{LISTEN_FDS} = 1;
    exec @ARGV or die;
";

/// The alarm is rung by hand here, which is the same to who hears it.
#[test]
fn a_start_that_hangs_in_its_config_is_put_back_with_all_that_it_was_given() {
    let bad = Release::flawed("master-hangs");
    let (published, first) = waiting(None, &bad);
    let notes = tempfile::tempdir().expect("a temporary directory");
    let starts = notes.path().join("starts");
    let activator = ["env", "--default-signal", "perl", "-e", ACTIVATOR];
    let builder = next(&published).under(&activator).set("ADDRESS", "fd:3");
    let mut again = builder.set("STARTS", &starts).set("MARK", "still here").spawn();
    eventually("its `init` has begun", || {
        fs::read_to_string(&starts).ok().filter(|starts| starts.contains("Master"))
    });
    // What waits for the service is no reason to die of it.
    for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGTSTP] {
        again.signal(signal);
    }
    again.signal(Signal::SIGALRM);
    assert_put_back(&again, &first, &bad);
    let environment = again.get("/environment");
    assert!(environment.contains("MARK=still here"), "{environment}");
    assert!(!environment.contains("SELFUP_ROLE") && !environment.contains("LISTEN_FDS"));
    let master = fs::read(format!("/proc/{}/environ", again.pid())).expect("the master is there");
    assert!(!String::from_utf8_lossy(&master).contains("overdue"));
    assert!(again.stop().success());
}

/// The alarms are rung by hand here, too.
#[test]
fn who_hangs_without_the_lock_becomes_what_who_has_it_puts_back() {
    let bad = Release::flawed("master-hangs-in-init");
    let (published, first) = waiting(None, &bad);
    let notes = tempfile::tempdir().expect("a temporary directory");
    let hanging = |name: &str, nth: usize| {
        let starts = notes.path().join(name);
        eventually("its `init` has begun", || {
            let starts = fs::read_to_string(&starts).unwrap_or_default();
            (starts.matches("Master").count() == nth).then_some(())
        });
    };
    let [mut leader, mut other] = ["leader", "other"].map(|name| {
        let service = next(&published).set("STARTS", notes.path().join(name)).spawn();
        hanging(name, 1);
        service
    });
    // Nothing is put back yet, so it tries again.
    other.signal(Signal::SIGALRM);
    hanging("other", 2);
    other.assert_on_disk(&bad);
    leader.signal(Signal::SIGALRM);
    leader.wait_for("event rolled_back: ");
    other.signal(Signal::SIGALRM);
    for service in [&mut leader, &mut other] {
        service.wait_for("serving 1 ");
        service.assert_runs(&first);
        service.signal(Signal::SIGTERM);
        assert!(service.wait().success());
    }
}

/// The limit is over once it supervises.
#[test]
fn a_master_on_trial_that_supervises_has_no_alarm_any_more() {
    let good = Release::good();
    let (published, _) = waiting(None, &good);
    let mut again = next(&published).set("PROBATION", "10m").start();
    again.signal(Signal::SIGALRM);
    assert_eq!(again.wait().code(), None, "the signal ends it, as any program");
    again.processes().wait_until_gone();
    again.assert_on_disk(&good);
}

/// As with systemd's `KillSignal=`.
#[test]
fn a_stop_by_any_signal_that_ends_the_service_is_no_failed_start() {
    let good = Release::good();
    let (published, _) = waiting(None, &good);
    for signal in [Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGTERM] {
        let builder = next(&published).with_default_signals().set("PROBATION", "10m");
        let mut again = builder.start();
        assert_eq!(starts(&again), "1");
        again.signal(signal);
        again.wait();
        again.processes().wait_until_gone();
        again.assert_on_disk(&good);
        assert_eq!(starts(&again), "0", "{signal}");
    }
}

#[cfg(target_env = "gnu")]
#[test]
fn a_start_that_answers_and_exits_well_is_not_counted_and_one_that_fails_is() {
    let good = Release::good();
    let (published, first) = waiting(None, &good);
    for _ in 0..4 {
        let mut answer = next(&published).set("ANSWERS", "0").spawn();
        assert_eq!(answer.wait().code(), Some(0));
        assert_eq!(starts(&answer), "0");
    }
    for count in ["1", "2"] {
        let mut answer = next(&published).set("ANSWERS", "2").spawn();
        assert_eq!(answer.wait().code(), Some(2));
        assert_eq!(starts(&answer), count);
    }
    let mut third = next(&published).start();
    third.assert_runs(&first);
    assert!(third.stop().success());
}

#[test]
fn a_full_disk_does_not_keep_the_previous_binary_from_coming_back() {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let bad = Release::flawed("exits");
    let (published, first) = waiting(Some(mounted.path()), &bad);
    for _ in 0..2 {
        let mut again = next(&published).spawn();
        assert_eq!(again.wait().code(), Some(9));
        again.processes().wait_until_gone();
    }
    let filler = mounted.path().join("filler");
    let mut file = fs::File::create(&filler).expect("there is room yet");
    let full = std::io::copy(&mut std::io::repeat(0), &mut file).expect_err("it gets full");
    assert_eq!(full.raw_os_error(), Some(nix::libc::ENOSPC), "{full}");
    let mut third = next(&published).start();
    third.assert_runs(&first);
    fs::remove_file(filler).expect("it was made");
    assert!(third.stop().success());
}

/// In MiB: some copies of the fixture.
const ROOM: usize = 400;
