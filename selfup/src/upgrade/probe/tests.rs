//! Candidates here are real programs; those that answer are this test binary, started again.

use std::path::PathBuf;

use super::*;
use crate::role::Part;
use crate::upgrade::testing::test_path;

/// For whoever is to miss it.
const QUICK: Limits = Limits { time: Duration::from_millis(500), output: 1 << 20 };

/// For whoever is not, however busy the machine is.
const AMPLE: Limits = Limits { time: Duration::from_secs(60), ..QUICK };

/// Starts the test binary again as [`the_candidate`], which behaves as `part` says.
fn play(part: &str, limits: Limits) -> Result<Option<Vec<String>>> {
    let exe = std::env::current_exe().unwrap();
    probe(&exe, &origin_for(part), None, limits, None)
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
    let listed = vec![":3000".to_owned(), "[::1]:4000".to_owned()];
    let addresses = Ok(Some(listed.clone()));
    match part.as_str() {
        "good" => answer_probe(&channel, token, &addresses, rehearse),
        "environment" => {
            let listed = std::env::vars().map(|(name, _)| name).collect();
            answer_probe(&channel, token, &Ok(Some(listed)), rehearse);
        }
        "forged" => answer_probe(&channel, "0".repeat(32), &addresses, rehearse),
        "config" => {
            let cause = "`address` \"x\" has no port";
            let error = Error::new(ErrorKind::Config, "no config").caused_by(cause);
            answer_probe(&channel, token, &Err(error), rehearse);
        }
        "older" => {
            let (protocol, addresses) = (PROTOCOL, Some(listed));
            let answer = ProbeAnswer { protocol, token, addresses, error: None, notifies: false };
            channel.send(&answer).unwrap();
        }
        "leaves" => {
            let listed = vec![daemon()];
            answer_probe(&channel, token, &Ok(Some(listed)), rehearse);
        }
        "repeats" => loop {
            answer_probe(&channel, token.clone(), &addresses, rehearse);
        },
        "stays" => {
            answer_probe(&channel, token, &addresses, rehearse);
            stay();
        }
        "garbles" => channel.send(&"hello").unwrap(),
        "hangs" => stay(),
        "closes" => {
            drop(channel);
            stay();
        }
        "panics" => panic!("no database at example.com"),
        // As a deploy would, at the worst moment.
        "replaces" => {
            let exe = std::env::current_exe().unwrap();
            let new = exe.with_extension("new");
            std::fs::copy(&exe, &new).unwrap();
            std::fs::rename(new, exe).unwrap();
            answer_probe(&channel, token, &addresses, rehearse);
        }
        part => panic!("{part:?} is no part"),
    }
}

/// Reads every snapshot but that of a later version.
fn rehearse(snapshot: &str) -> Result<()> {
    if snapshot.contains("later version") {
        return Err(Error::new(ErrorKind::Handoff, "the snapshot is of a later version"));
    }
    assert!(!snapshot.is_empty(), "an empty snapshot is none");
    Ok(())
}

/// The number of a process that has left this one's group and session, and has another parent.
fn daemon() -> String {
    let script = "use POSIX; $| = 1; if (fork) { wait; exit } setsid; my $pid = fork; \
                  if ($pid) { print $pid; exit } POSIX::close($_) for 0..2; sleep 600";
    let output = std::process::Command::new("perl").args(["-e", script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
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
    assert!(begun.elapsed() < limits.time + AMPLE.time, "{:?}", begun.elapsed());
    error.chain()
}

#[test]
fn a_candidate_that_answers_and_ends_is_taken() {
    assert_eq!(play("good", AMPLE).unwrap().unwrap(), [":3000", "[::1]:4000"]);
}

#[cfg(feature = "systemd")]
#[test]
fn a_candidate_that_feeds_no_watchdog_is_refused_where_there_is_one() {
    let exe = std::env::current_exe().unwrap();
    let probed = |part: &str, usec: &str| {
        let test = test_path(module_path!(), "the_candidate");
        let args = ["app", "--exact", &test, "--nocapture"];
        let env =
            [("TEST_CANDIDATE", part), ("NOTIFY_SOCKET", "/nowhere"), ("WATCHDOG_USEC", usec)];
        let origin = Origin::of_test(PathBuf::from("/app"), &args, &env);
        probe(&exe, &origin, None, AMPLE, None)
    };
    let error = probed("older", "30000000").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Probe);
    assert!(error.chain().contains("a build with selfup's feature `systemd`"), "{}", error.chain());
    assert!(probed("older", "0").is_ok(), "nobody waits to hear of it");
    assert!(probed("good", "30000000").is_ok());
}

/// As `part`, asked to take over `snapshot`.
fn take_over(part: &str, snapshot: &str) -> Result<Option<Vec<String>>> {
    let exe = std::env::current_exe().unwrap();
    probe(&exe, &origin_for(part), Some(snapshot), AMPLE, None)
}

#[test]
fn a_candidate_that_cannot_take_over_from_its_master_is_refused() {
    assert_eq!(take_over("good", "of this version").unwrap().unwrap().len(), 2);
    let error = take_over("good", "of a later version").unwrap_err();
    let words = "it cannot take over the master's state: the snapshot is of a later version";
    assert_eq!((error.kind(), error.chain().as_str()), (ErrorKind::Probe, words));
    let config = take_over("config", "of a later version").unwrap_err();
    assert!(config.chain().contains("its config cannot work"), "{}", config.chain());
}

/// Its end, with the question unread, must not hide its answer.
#[test]
fn a_candidate_that_knows_nothing_of_snapshots_is_taken() {
    for _ in 0..20 {
        assert_eq!(take_over("older", "of this version").unwrap().unwrap().len(), 2);
    }
}

#[test]
fn a_snapshot_that_is_longer_than_a_packet_is_not_sent() {
    let long = "of a later version ".repeat(4000);
    assert_eq!(take_over("good", &long).unwrap().unwrap().len(), 2);
    let just = "x".repeat(64 * 1024 - r#"{"snapshot":""}"#.len());
    assert_eq!(take_over("good", &just).unwrap().unwrap().len(), 2);
    let unread = format!("{} later version", &just[" later version".len()..]);
    take_over("good", &unread).unwrap_err();
}

#[test]
fn it_gets_the_environment_of_a_child_without_the_process_managers() {
    let listed = play("environment", AMPLE).unwrap().unwrap();
    assert!(listed.contains(&"LISTEN_ADDRESS".to_owned()), "{listed:?}");
    assert!(!listed.contains(&"LISTEN_PID".to_owned()), "{listed:?}");
}

#[test]
fn an_answer_alone_is_not_enough() {
    assert!(refusal("forged", AMPLE).contains("another token"));
    assert!(refusal("garbles", AMPLE).contains("could not be understood"));
    let limits = Limits { time: Duration::from_secs(10), ..QUICK };
    assert!(refusal("stays", limits).contains("answered, but had not ended after 10s"));
    let config = refusal("config", AMPLE);
    let words = "its config cannot work here: no config: `address` \"x\" has no port";
    assert!(config.contains(words), "{config}");
}

#[test]
fn silence_ends_at_the_deadline() {
    for part in ["hangs", "closes"] {
        assert!(refusal(part, QUICK).contains("did not answer within 500ms"));
    }
}

#[test]
fn what_it_printed_is_in_the_error() {
    let words = refusal("panics", AMPLE);
    assert!(words.contains("ended without an answer, with exit status 101"), "{words}");
    assert!(words.contains("no database at example.com"), "{words}");
}

/// Whoever is no selfup program is refused for what it did.
#[test]
fn programs_that_know_nothing_of_selfup_are_refused() {
    let silent = Origin::of_test(PathBuf::from("/app"), &["app"], &[]);
    let refusal = |path: &str, origin: &Origin, limits| {
        probe(Path::new(path), origin, None, limits, None).unwrap_err().chain()
    };
    let exits = refusal("/bin/true", &silent, AMPLE);
    assert!(exits.contains("ended without an answer, with exit status 0"), "{exits}");
    // Its stdin is null, so it ends by itself.
    let copies = refusal("/bin/cat", &silent, AMPLE);
    assert!(copies.contains("ended without an answer"), "{copies}");
    let floods = refusal("/usr/bin/yes", &silent, AMPLE);
    assert!(floods.contains("it printed more than 1048576 bytes and was killed"), "{floods}");
    assert!(floods.len() < 3 * 4096, "{}", floods.len());
    let sleeper = Origin::of_test(PathBuf::from("/app"), &["sleep", "600"], &[]);
    assert!(refusal("/bin/sleep", &sleeper, QUICK).contains("did not answer within"));
}

#[test]
fn what_it_started_ends_with_it_whatever_that_has_left() {
    for _ in 0..5 {
        let listed = play("leaves", AMPLE).unwrap().unwrap();
        let stray: i32 = listed[0].parse().unwrap();
        assert!(!Path::new(&format!("/proc/{stray}")).exists(), "{stray} is reaped, too");
    }
}

#[test]
fn who_answers_without_end_is_heard_twice() {
    let words = refusal("repeats", AMPLE);
    assert!(words.contains("it answered more than once and was killed"), "{words}");
}

#[test]
fn its_process_group_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", pids.display());
    let origin =
        Origin::of_test(PathBuf::from("/app"), &["sh", "-c", &script], &[("PATH", "/bin")]);
    let limits = Limits { time: Duration::from_secs(10), ..QUICK };
    probe(Path::new("/bin/sh"), &origin, None, limits, None).unwrap_err();
    let pid: i32 = std::fs::read_to_string(&pids).unwrap().trim().parse().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is reaped, too");
}

/// A process that has a file open for writing: this one's forks would have it open, too.
pub(in crate::upgrade) struct Writer(std::process::Child);

impl Writer {
    pub(in crate::upgrade) fn of(path: &Path) -> Self {
        let script = r#"exec 9>>"$0" && echo open && read -r end"#;
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).arg(path);
        let piped = std::process::Stdio::piped;
        let mut writer = command.stdin(piped()).stdout(piped()).spawn().unwrap();
        let mut said = [0; 5];
        io::Read::read_exact(writer.stdout.as_mut().unwrap(), &mut said).unwrap();
        Self(writer)
    }

    pub(in crate::upgrade) fn close(&mut self) {
        // In words: a fork that waits for the file has a copy of the pipe.
        io::Write::write_all(self.0.stdin.as_mut().unwrap(), b"end\n").unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_text_file_is_not_run_and_a_busy_file_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("candidate");
    std::fs::write(&path, "touch ran\n").unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, permissions).unwrap();
    let origin = origin_for("good");
    let error = probe(&path, &origin, None, AMPLE, None).unwrap_err();
    assert!(error.to_string().contains("could not be executed"), "{}", error.chain());

    std::fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
    let mut writer = Writer::of(&path);
    let busy = probe(&path, &origin, None, AMPLE, None).unwrap_err();
    assert!(busy.chain().contains("Text file busy"), "{}", busy.chain());
    assert_eq!(busy.kind(), ErrorKind::Spawn, "that is not the candidate's doing");
    let closer = std::thread::spawn(move || writer.close());
    assert_eq!(probe(&path, &origin, None, AMPLE, None).unwrap().unwrap().len(), 2);
    closer.join().unwrap();
}

#[test]
fn a_probe_that_nobody_waits_for_any_more_is_given_up_and_no_fault_of_the_candidate() {
    let (wanted, alive) = io::pipe().unwrap();
    drop(alive);
    let exe = std::env::current_exe().unwrap();
    let limits = Limits { time: Duration::from_secs(600), output: 1 << 20 };
    let error = probe(&exe, &origin_for("hangs"), None, limits, Some(wanted.as_fd())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Spawn);
    assert!(error.to_string().contains("for the service ends"), "{error}");
}
