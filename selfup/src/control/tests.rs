//! The server over a real socket, with a loop that answers what each test has it answer.

mod bounds;
mod streams;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::mpsc;

use super::limits::Limits;
use super::{
    Answer, Ask, Asked, Binary, GenerationStatus, Outcome, Refusal, Server, Status, Upgrade,
    Upgrades, UpgradesState,
};
use crate::event::{Event, Observer, Verbosity};

/// A user who has nothing to do with the service.
const NOBODY: u32 = 65534;

/// Longer than anything takes that comes at all, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, what it tells, and what clients need.
struct Served {
    server: Option<Server>,
    observer: Observer,
    told: Receiver<Event>,
    listener: UnixListener,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Served {
    /// With a loop of its own, on a thread, that does `answer`.
    fn by(answer: impl FnMut(Asked) + Send + 'static) -> Self {
        Self::with(Limits::USUAL, answer)
    }

    fn with(limits: Limits, mut answer: impl FnMut(Asked) + Send + 'static) -> Self {
        let (ask, mut asked) = mpsc::channel(4);
        std::thread::spawn(move || {
            while let Some(asked) = asked.blocking_recv() {
                answer(asked);
            }
        });
        Self::asking(limits, ask)
    }

    fn asking(limits: Limits, ask: mpsc::Sender<Asked>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        let (tell, told) = channel();
        let hook = move |event: &Event| drop(tell.send(event.clone()));
        let observer = Observer::start(Verbosity::Silent, Some(Box::new(hook)));
        let mut served =
            Self { server: None, observer, told, listener, path, _directory: directory };
        served.start(limits, ask);
        served
    }

    fn start(&mut self, limits: Limits, ask: mpsc::Sender<Asked>) {
        let metadata = std::fs::metadata(&self.path).unwrap();
        let socket = (&*self.path, (metadata.dev(), metadata.ino()));
        let listener = self.listener.try_clone().unwrap();
        let server = Server::start_with(listener, socket, ask, &self.observer, limits);
        self.server = Some(server.unwrap());
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A client that has sent `bytes`.
    fn send(&self, bytes: impl AsRef<[u8]>) -> UnixStream {
        let mut stream = self.connect();
        stream.write_all(bytes.as_ref()).unwrap();
        stream
    }

    /// The whole answer to `request`, such as `GET /status`.
    fn ask(&self, request: &str) -> Answered {
        answered(self.send(format!("{request} HTTP/1.1\r\nHost: selfup\r\n\r\n")))
    }
}

struct Answered {
    status: u16,
    head: String,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json\r\n"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The words of an answer that is none.
    fn error(&self) -> String {
        let json = self.json();
        let object = json.as_object().unwrap();
        assert_eq!(object.len(), 1, "{json}");
        object["error"].as_str().unwrap().to_owned()
    }
}

/// What comes until the connection is closed.
fn answered(mut stream: UnixStream) -> Answered {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answered { status, head: format!("{head}\r\n"), body: body.to_owned() }
}

/// Waits for the end of what was told to stop.
fn ended(server: Server) {
    let begin = Instant::now();
    while !server.is_over() {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(server.finish());
}

/// Says that it is done.
fn commit(asked: Asked) {
    let outcome = match asked.what {
        Ask::Status => return drop(asked.answer.send(Answer::Status(status()))),
        Ask::Restart | Ask::Check | Ask::RollBack => outcome("committed", true),
        Ask::PauseUpgrades => outcome("paused", true),
        Ask::ResumeUpgrades => outcome("resumed", true),
    };
    drop(asked.answer.send(Answer::Done(outcome)));
}

fn outcome(word: &'static str, is_good: bool) -> Outcome {
    Outcome { word, is_good, generation: Some(2), reason: None }
}

/// One with everything that can be said.
pub(super) fn status() -> Box<Status> {
    let binary = |digest: &str, version: &str| Binary {
        digest: digest.to_owned(),
        version: Some(version.to_owned()),
    };
    let refusal = Refusal {
        digest: Some("33".to_owned()),
        reason: "it is another program".to_owned(),
        at: SystemTime::UNIX_EPOCH,
    };
    let (from, to) = (binary("11", "1.0.0"), binary("22", "1.1.0"));
    let generation = |generation, state, version: &Binary, open| GenerationStatus {
        generation,
        pid: 100,
        state,
        version: version.version.clone(),
        digest: Some(version.digest.clone()),
        age_seconds: 60,
        open_connections: open,
    };
    Box::new(Status {
        selfup: "0.1.0",
        master_pid: 99,
        path: "/srv/app".to_owned(),
        phase: "handover",
        generations: vec![
            generation(1, "draining", &from, None),
            generation(2, "serving", &to, Some(3)),
        ],
        addresses: vec![":3000".to_owned()],
        upgrades: Upgrades {
            state: UpgradesState::On,
            reason: Some("all is well".to_owned()),
            next_poll_seconds: Some(30),
        },
        last_upgrade: Some(Upgrade {
            from: from.clone(),
            to: to.clone(),
            at: SystemTime::UNIX_EPOCH,
        }),
        last_refusal: Some(refusal.clone()),
        good: vec![to, from],
        refused: vec![refusal],
    })
}

/// The names of all fields within `value`.
fn fields(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields_of) => {
            let own = fields_of.keys().cloned();
            own.chain(fields_of.values().flat_map(fields)).collect()
        }
        Value::Array(all) => all.iter().flat_map(fields).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_is_answered_is_documented() {
    let docs = include_str!("../control.md");
    let state = serde_json::to_value(status()).unwrap();
    let outcome = serde_json::to_value(outcome("committed", true)).unwrap();
    for field in fields(&state).iter().chain(&fields(&outcome)) {
        assert!(docs.contains(&format!("`{field}`")), "{field}");
    }
    let page = super::metrics::render(&status(), &crate::event::Counts::default());
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(docs.contains(&format!("`{name}")), "{name}");
    }
    for (method, path) in super::route::all() {
        assert!(docs.contains(&format!("| `{method} {path}` |")), "{path}");
        assert!(docs.contains(&format!("http://selfup{path}")), "{path}");
    }
}

#[test]
fn the_status_is_what_the_loop_says() {
    let served = Served::by(commit);
    let answered = served.ask("GET /status");
    assert_eq!(answered.status, 200);
    assert!(answered.head.contains("cache-control: no-store\r\n"), "{}", answered.head);
    assert!(answered.head.contains("connection: close\r\n"), "{}", answered.head);
    assert_eq!(answered.json(), serde_json::to_value(status()).unwrap());
}

#[test]
fn metrics_are_text() {
    let served = Served::by(commit);
    served.observer.tell(&Event::DrainTimedOut { generation: crate::Generation::FIRST });
    let answered = served.ask("GET /metrics");
    assert_eq!(answered.status, 200);
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";
    assert!(answered.head.contains(kind), "{}", answered.head);
    assert!(answered.body.contains("\nselfup_generation 2\n"), "{}", answered.body);
    assert!(answered.body.contains("\nselfup_drains_timed_out_total 1\n"), "{}", answered.body);
}

#[test]
fn each_action_is_asked_and_told_and_answered() {
    let (tell, asked) = channel();
    let served = Served::by(move |asked| {
        tell.send(asked.what).unwrap();
        commit(asked);
    });
    for (path, ask, word) in [
        ("restart", Ask::Restart, "committed"),
        ("check", Ask::Check, "committed"),
        ("rollback", Ask::RollBack, "committed"),
        ("pause-upgrades", Ask::PauseUpgrades, "paused"),
        ("resume-upgrades", Ask::ResumeUpgrades, "resumed"),
    ] {
        let answered = served.ask(&format!("POST /{path}"));
        assert_eq!(answered.status, 200, "{path}");
        assert_eq!(answered.json()["outcome"], word);
        assert_eq!(asked.recv_timeout(PATIENCE), Ok(ask));
        let told = served.told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(told.name(), "asked");
        assert!(!told.is_warning());
        assert_eq!(told.fields().what, Some(path));
        assert_eq!(told.fields().by_uid, Some(nix::unistd::geteuid().as_raw()));
        assert_eq!(told.fields().by_pid, Some(std::process::id()));
    }
}

#[test]
fn what_came_to_nothing_is_a_conflict_and_a_service_that_ends_is_unavailable() {
    let outcomes = [
        ("unchanged", true, 200),
        ("abandoned", false, 409),
        ("refused", false, 409),
        ("failed", false, 409),
        ("disabled", false, 409),
        ("waits", false, 409),
        ("postponed", false, 202),
        ("stopping", false, 503),
    ];
    let mut next = outcomes.into_iter();
    let served = Served::by(move |asked| {
        let (word, is_good, _) = next.next().unwrap();
        let reason = Some(format!("it is {word}"));
        let answer = Answer::Done(Outcome { reason, ..outcome(word, is_good) });
        asked.answer.send(answer).unwrap();
    });
    for (word, is_good, status) in outcomes {
        let answered = served.ask("POST /restart");
        assert_eq!(answered.status, status, "{word}");
        let json = answered.json();
        assert_eq!(json["outcome"], word);
        assert_eq!(json["is_good"], is_good);
        assert_eq!(json["reason"], format!("it is {word}"));
        assert_eq!(json["generation"], 2);
    }
}

#[test]
fn metrics_and_events_of_a_service_that_ends_are_unavailable() {
    let served = Served::by(|asked| {
        drop(asked.answer.send(Answer::Done(outcome("stopping", false))));
    });
    for request in ["GET /metrics", "GET /events"] {
        let answered = served.ask(request);
        assert_eq!((answered.status, &*answered.error()), (503, "stopping"));
    }
}

#[test]
fn a_loop_that_is_gone_or_forgets_is_told_of() {
    let forgets = Served::by(drop);
    let (ask, asked) = mpsc::channel(1);
    drop(asked);
    let gone = Served::asking(Limits::USUAL, ask);
    for served in [forgets, gone] {
        for request in ["GET /status", "GET /metrics", "GET /events", "POST /restart"] {
            let answered = served.ask(request);
            assert_eq!(answered.status, 503, "{request}");
            assert!(answered.head.contains("retry-after: 1\r\n"), "{}", answered.head);
            assert!(answered.error().contains("try again"), "{}", answered.body);
        }
    }
}

#[test]
fn a_client_that_waits_no_longer_is_told_that_it_goes_on() {
    let (keep, kept) = channel();
    let served = Served::by(move |asked| keep.send(asked).unwrap());
    let answered = served.ask("POST /restart?timeout=50ms");
    assert_eq!(answered.status, 504);
    assert!(answered.error().contains("goes on"), "{}", answered.body);
    let asked = kept.recv_timeout(PATIENCE).unwrap();
    assert_eq!(asked.what, Ask::Restart);
    assert!(asked.answer.is_closed());
}

#[test]
fn what_does_not_exist_is_answered_with_what_does() {
    let served = Served::by(commit);
    let absent = served.ask("GET /secrets");
    assert_eq!(absent.status, 404);
    assert!(absent.error().contains("GET /status, GET /metrics, GET /events, POST /restart"));
    let other = served.ask("GET /restart");
    assert_eq!(other.status, 405);
    assert!(other.head.contains("allow: POST\r\n"), "{}", other.head);
    assert!(other.error().starts_with("/restart is asked by POST"), "{}", other.body);
    let query = served.ask("POST /restart?soon");
    assert_eq!(query.status, 400);
    assert!(query.error().contains("?timeout="), "{}", query.body);
}

#[test]
fn who_may_connect_may_look_and_only_some_may_act() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "CI runs this as root");
        return eprintln!("SKIPPED: only root can ask as another user");
    }
    let served = Served::by(commit);
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(served.path.parent().unwrap(), 0o755);
    allow(&served.path, 0o666);
    let ask = |method: &str, path: &str| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "-w", "%{http_code}", "-X", method, "--unix-socket"]);
        curl.arg(&served.path).arg(format!("http://selfup/{path}")).uid(NOBODY).gid(NOBODY);
        let output = curl.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let looked = ask("GET", "status");
    assert!(looked.ends_with("200"), "{looked}");
    let refused = ask("POST", "restart");
    assert!(refused.contains("user 65534 may look") && refused.ends_with("403"), "{refused}");
    assert!(served.told.try_recv().is_err(), "nothing was asked for");
    std::os::unix::fs::chown(&served.path, Some(NOBODY), None).unwrap();
    let done = ask("POST", "restart");
    assert!(done.contains(r#""outcome":"committed""#) && done.ends_with("200"), "{done}");
}
