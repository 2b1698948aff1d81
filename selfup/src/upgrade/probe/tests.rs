//! Candidates here are real programs; those that answer are this test binary, started again.

use std::path::PathBuf;

use super::*;
use crate::role::Part;
use crate::upgrade::testing::test_path;

const QUICK: Limits = Limits { time: Duration::from_millis(500), output: 1 << 20 };

/// Starts the test binary again as [`the_candidate`], which behaves as `part` says.
fn play(part: &str, limits: Limits) -> Result<Vec<String>> {
    let exe = std::env::current_exe().unwrap();
    probe(&exe, &origin_for(part), limits, None)
}

fn origin_for(part: &str) -> Origin {
    origin_at(PathBuf::from("/app"), part)
}

/// The origin whose candidates, copies of the test binary, play `part`.
pub(in crate::upgrade) fn origin_at(path: PathBuf, part: &str) -> Origin {
    let test = test_path(module_path!(), "the_candidate");
    let args = ["app", "--exact", &test, "--nocapture"];
    let env = [("TEST_CANDIDATE", part), ("LISTEN_PID", "1"), ("LISTEN_ADDRESS", ":1")];
    Origin::of_test(path, &args, &env)
}

/// Not a test of its own: what the others start.
#[test]
fn the_candidate() {
    let Ok(part) = std::env::var("TEST_CANDIDATE") else { return };
    let Part::Probe { channel, token } = Part::take() else { panic!("started as no probe") };
    let addresses = Ok(vec![":3000".to_owned(), "[::1]:4000".to_owned()]);
    match part.as_str() {
        "good" => answer_probe(&channel, token, &addresses),
        "environment" => {
            let listed = std::env::vars().map(|(name, _)| name).collect();
            answer_probe(&channel, token, &Ok(listed));
        }
        "forged" => answer_probe(&channel, "0".repeat(32), &addresses),
        "config" => {
            let cause = "`address` \"x\" has no port";
            let error = Error::new(ErrorKind::Config, "no config").caused_by(cause);
            answer_probe(&channel, token, &Err(error));
        }
        "stays" => {
            answer_probe(&channel, token, &addresses);
            stay();
        }
        "garbles" => channel.send(&"hello").unwrap(),
        "hangs" => stay(),
        "closes" => {
            drop(channel);
            stay();
        }
        "panics" => panic!("no database at example.com"),
        part => panic!("{part:?} is no part"),
    }
}

fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

fn refusal(part: &str, limits: Limits) -> String {
    let begun = Instant::now();
    let error = play(part, limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Probe, "{}", error.chain());
    assert!(begun.elapsed() < limits.time + Duration::from_secs(2), "{:?}", begun.elapsed());
    error.chain()
}

#[test]
fn a_candidate_that_answers_and_ends_is_taken() {
    assert_eq!(play("good", Limits::default()).unwrap(), [":3000", "[::1]:4000"]);
}

#[test]
fn it_gets_the_environment_of_a_child_without_the_process_managers() {
    let listed = play("environment", Limits::default()).unwrap();
    assert!(listed.contains(&"LISTEN_ADDRESS".to_owned()), "{listed:?}");
    assert!(!listed.contains(&"LISTEN_PID".to_owned()), "{listed:?}");
}

#[test]
fn an_answer_alone_is_not_enough() {
    assert!(refusal("forged", Limits::default()).contains("another token"));
    assert!(refusal("garbles", Limits::default()).contains("could not be understood"));
    assert!(refusal("stays", QUICK).contains("answered, but had not ended after 500ms"));
    let config = refusal("config", Limits::default());
    assert!(config.contains("no config: `address` \"x\" has no port"), "{config}");
}

#[test]
fn silence_ends_at_the_deadline() {
    for part in ["hangs", "closes"] {
        assert!(refusal(part, QUICK).contains("did not answer within 500ms"));
    }
}

#[test]
fn what_it_printed_is_in_the_error() {
    let words = refusal("panics", Limits::default());
    assert!(words.contains("ended without an answer, with exit status 101"), "{words}");
    assert!(words.contains("no database at example.com"), "{words}");
}

/// Whoever is no selfup program is refused for what it did.
#[test]
fn programs_that_know_nothing_of_selfup_are_refused() {
    let silent = Origin::of_test(PathBuf::from("/app"), &["app"], &[]);
    let refusal = |path: &str, origin: &Origin, limits| {
        probe(Path::new(path), origin, limits, None).unwrap_err().chain()
    };
    let exits = refusal("/bin/true", &silent, Limits::default());
    assert!(exits.contains("ended without an answer, with exit status 0"), "{exits}");
    // Its stdin is null, so it ends by itself.
    let copies = refusal("/bin/cat", &silent, Limits::default());
    assert!(copies.contains("ended without an answer"), "{copies}");
    let begun = Instant::now();
    let floods = refusal("/usr/bin/yes", &silent, Limits::default());
    assert!(floods.contains("it printed more than 1048576 bytes and was killed"), "{floods}");
    assert!(floods.len() < 3 * 4096 && begun.elapsed() < Limits::default().time, "{begun:?}");
    let sleeper = Origin::of_test(PathBuf::from("/app"), &["sleep", "600"], &[]);
    assert!(refusal("/bin/sleep", &sleeper, QUICK).contains("did not answer within"));
}

#[test]
fn its_process_group_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", pids.display());
    let origin =
        Origin::of_test(PathBuf::from("/app"), &["sh", "-c", &script], &[("PATH", "/bin")]);
    let limits = Limits { time: Duration::from_secs(2), ..QUICK };
    probe(Path::new("/bin/sh"), &origin, limits, None).unwrap_err();
    let pid: i32 = std::fs::read_to_string(&pids).unwrap().trim().parse().unwrap();
    // Its new parent may not have reaped it yet, but it runs no more.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_gone = |state: &str| state.is_empty() || state.contains(") Z") || state.contains(") X");
    assert!(is_gone(&state) || died_within_a_second(pid), "{state}");
}

fn died_within_a_second(pid: i32) -> bool {
    let pid = nix::unistd::Pid::from_raw(pid);
    let Ok(process) = crate::sys::pidfd::Process::open(pid) else { return true };
    let pollfd = nix::poll::PollFd::new(process.as_fd(), nix::poll::PollFlags::POLLIN);
    nix::poll::poll(&mut [pollfd], 1000u16) == Ok(1)
}

#[test]
fn a_text_file_is_not_run_and_a_busy_file_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("candidate");
    std::fs::write(&path, "touch ran\n").unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, permissions).unwrap();
    let origin = origin_for("good");
    let error = probe(&path, &origin, Limits::default(), None).unwrap_err();
    assert!(error.to_string().contains("could not be executed"), "{}", error.chain());

    std::fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
    let writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let busy = probe(&path, &origin, Limits::default(), None).unwrap_err();
    assert!(busy.chain().contains("Text file busy"), "{}", busy.chain());
    assert_eq!(busy.kind(), ErrorKind::Spawn, "that is not the candidate's doing");
    let closer = std::thread::spawn(move || drop(writer));
    assert_eq!(probe(&path, &origin, Limits::default(), None).unwrap().len(), 2);
    closer.join().unwrap();
}

#[test]
fn a_probe_that_nobody_waits_for_any_more_is_given_up_and_no_fault_of_the_candidate() {
    let (wanted, alive) = io::pipe().unwrap();
    drop(alive);
    let exe = std::env::current_exe().unwrap();
    let limits = Limits { time: Duration::from_secs(600), output: 1 << 20 };
    let error = probe(&exe, &origin_for("hangs"), limits, Some(wanted.as_fd())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Spawn);
    assert!(error.to_string().contains("for the service ends"), "{error}");
}
