//! What upgrades left beside the binary.

use std::fs::{self, File, Permissions};
use std::io::BufRead as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use nix::fcntl::{Flock, FlockArg};

use super::{Seen, doctor, of};
use crate::fake::{Fake, status};
use crate::ran::run;
use crate::site::{Site, is_root};

#[test]
fn a_lock_of_a_stranger_is_a_failure() {
    let site = Site::new();
    of(&site).is("lock", "ok", "nobody has it");
    let file = File::open(site.path()).unwrap();
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
    let words = format!("process {} ", std::process::id());
    of(&site).is("lock", "failure", &words);
    drop(lock);
    let again = File::open(site.path()).unwrap();
    let _lock = Flock::lock(again, FlockArg::LockExclusiveNonblock).unwrap();
    let _ = of(&site);
    of(&site).is("lock", "failure", &words);
}

/// A process that runs a binary, and has its lock.
struct Locker {
    process: Child,
    _held: UnixStream,
}

impl Locker {
    fn start(site: &Site) -> Self {
        // Locked by the process that becomes the service.
        let script = "$^F = 100; open F, '<', $ARGV[0] or die; flock F, 2 or die; \
                      print \"locked\\n\"; exec @ARGV or die";
        let socket = site.directory().join("none");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut process = Command::new("perl")
            .args(["-e", &format!("$| = 1; {script}")])
            .arg(site.path())
            .args(["status", "--timeout", "1h", "--socket"])
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        // It runs the binary once it connects.
        let (held, _) = listener.accept().unwrap();
        Self { process, _held: held }
    }
}

impl Drop for Locker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_lock_of_the_service_itself_is_as_it_should_be() {
    let site = Site::new();
    let locker = Locker::start(&site);
    let words = format!("process {} has it: the service of this binary", locker.process.id());
    of(&site).is("lock", "ok", &words);
    site.write(".app.selfup-stage-xyz", "");
    of(&site).is("leftovers", "ok", "is being written");
}

#[test]
fn the_lock_of_another_service_of_the_binary_is_a_warning() {
    let site = Site::new();
    let path = site.path().canonicalize().unwrap();
    let locker = Locker::start(&site);
    // The service that is asked is this process.
    let fake = Fake::answering(200, &status(std::process::id(), path.to_str().unwrap()));
    let seen = Seen::of(&run(&["doctor", "--json", "--socket", &fake.socket()]));
    let holder = locker.process.id();
    let words = format!("another service of this binary, process {holder}, upgrades it, and this");
    seen.is("lock", "warning", &words);
    assert!(seen.find("lock")["advice"].as_str().unwrap().contains("a copy of the binary"));
}

#[test]
fn leftovers_are_named() {
    let site = Site::new();
    site.write(".app.selfup-stage-xyz", "");
    site.write(".app2.selfup-stage-xyz", "");
    let seen = of(&site);
    seen.is("leftovers", "warning", ".app.selfup-stage-xyz");
    assert!(!seen.find("leftovers").to_string().contains("app2"), "{}", seen.document);
}

#[test]
fn an_unfinished_trial_is_told() {
    let site = Site::new();
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let trial = |more: &str| {
        let text =
            format!(r#"{{"version":1,"candidate":"{one}","previous":"{two}","starts":2{more}}}"#);
        site.write(".app.selfup-trial", text);
        of(&site)
    };
    trial("").is("trial", "warning", "11111111 is on trial: starts that came to nothing: 2");
    let failed = r#","failed":{"kind":"program","reason":"it \u001b[2J ended"}"#;
    trial(failed).is("trial", "warning", "11111111 failed its trial (it \u{1b}[2J ended)");
    site.write(".app.selfup-trial", "{");
    of(&site).is("trial", "warning", "cannot be read");
}

#[test]
fn what_was_turned_down_is_told_with_its_reason() {
    let site = Site::new();
    let entry = |digit: u8, retry_at: &str| {
        let id = char::from(digit).to_string().repeat(64);
        format!(
            r#"{{"sha256":"{id}","kind":"probe","reason":"it hung","failures":1,"retry_at":{retry_at}}}"#
        )
    };
    let history =
        |entries: &[String]| format!(r#"{{"version":1,"refused":[{}]}}"#, entries.join(","));
    site.write(".app.selfup-history", history(&[entry(b'a', "null"), entry(b'b', "1700000000")]));
    let seen = of(&site);
    seen.is("refused", "warning", &format!("{} was turned down: it hung", "b".repeat(64)));
    let named = |words: &str| seen.document.to_string().contains(words);
    assert!(named("it is not tried again") && named("it is tried again at the next poll"));
    let entries: Vec<_> = (0..10).map(|digit| entry(b'0' + digit, "null")).collect();
    site.write(".app.selfup-history", history(&entries));
    assert!(of(&site).document.to_string().contains("2 more were turned down"));
    site.write(".app.selfup-history", history(&[entry(b'a', "99999999999")]));
    of(&site).is("history_clock", "warning", "the clock was set back");
    for garbled in ["{".to_owned(), " ".repeat(600 << 10)] {
        site.write(".app.selfup-history", garbled);
        of(&site).is("history", "warning", "cannot be read");
    }
    fs::remove_file(site.directory().join(".app.selfup-history")).unwrap();
    of(&site).is("refused", "ok", "nothing is");
}

#[test]
fn what_belongs_to_the_user_of_the_service_is_good_for_it() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    chown(site.directory(), Some(0), Some(65534)).unwrap();
    fs::set_permissions(site.directory(), Permissions::from_mode(0o770)).unwrap();
    let refused = |digit: &str| {
        let id = digit.repeat(64);
        format!(r#"{{"version":1,"refused":[{{"sha256":"{id}","kind":"note","reason":"older"}}]}}"#)
    };
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let trial = format!(r#"{{"version":1,"candidate":"{one}","previous":"{two}","starts":2}}"#);
    let history = site.write(".app.selfup-history", refused("a"));
    for path in [&history, &site.write(".app.selfup-trial", trial)] {
        chown(path, Some(65534), Some(65534)).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    let nobody = || doctor(&site.path(), &["--user", "nobody"]);
    nobody().is("refused", "warning", "older");
    nobody().is("trial", "warning", "11111111 is on trial");
    let of_root = of(&site);
    of_root.is("history", "warning", "cannot be read");
    of_root.is("trial", "warning", "cannot be read");
    chown(&history, Some(1), None).unwrap();
    let seen = nobody();
    let strange = seen.find("history");
    assert!(strange["advice"].as_str().unwrap().contains("it belongs to user 1"), "{strange}");
}

#[test]
fn a_history_elsewhere_is_looked_for_there() {
    let site = Site::new();
    let state = tempfile::tempdir().unwrap();
    let arguments = ["--state-dir", state.path().to_str().unwrap()];
    doctor(&site.path(), &arguments).is("refused", "ok", "nothing is");
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0, "nothing is made there");
    // Its name has the digest of the path that the service has.
    let path = site.path().canonicalize().unwrap();
    let name = site.write("name", path.to_str().unwrap());
    let digits = selfup::BinaryId::of_file(name).unwrap().to_string()[..16].to_owned();
    let text = format!(
        r#"{{"version":1,"refused":[{{"sha256":"{}","kind":"note","reason":"older"}}]}}"#,
        "a".repeat(64)
    );
    fs::write(state.path().join(format!(".app-{digits}.selfup-history")), text).unwrap();
    doctor(&site.path(), &arguments).is("refused", "warning", "older");
}
