//! A control socket that answers as a test wants it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

/// It is gone when this is dropped; its threads end with the test.
pub(crate) struct Fake {
    directory: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A connection that has asked for something.
pub(crate) struct Asked {
    /// Such as "GET /status".
    pub(crate) what: String,
    pub(crate) last_event_id: Option<String>,
    pub(crate) stream: UnixStream,
}

impl Fake {
    pub(crate) fn new(answer: impl Fn(Asked) + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("control")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                let stream = stream.unwrap();
                std::thread::spawn(move || {
                    let Some(asked) = Asked::read(stream) else { return };
                    seen.lock().unwrap().push(asked.what.clone());
                    answer(asked);
                });
            }
        });
        Self { directory, asked }
    }

    /// One that answers everything by this.
    pub(crate) fn answering(status: u16, body: &str) -> Self {
        let body = body.to_owned();
        Self::new(move |asked| asked.answer(status, &body))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("control")
    }

    pub(crate) fn socket(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Asked {
    fn read(stream: UnixStream) -> Option<Self> {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let first = lines.next()?.ok()?;
        let mut last_event_id = None;
        for line in lines {
            let line = line.ok()?;
            if line.is_empty() {
                break;
            }
            if let Some(("last-event-id", id)) = line.split_once(": ") {
                last_event_id = Some(id.to_owned());
            }
        }
        let what = first.strip_suffix(" HTTP/1.1")?.to_owned();
        Some(Self { what, last_event_id, stream })
    }

    pub(crate) fn answer(mut self, status: u16, body: &str) {
        let length = body.len();
        // Whoever asked may be gone.
        let _ = write!(
            self.stream,
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
    }

    /// The head of a stream of events, which goes on until the stream is dropped.
    pub(crate) fn stream(mut self) -> UnixStream {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let _ = self.stream.write_all(head.as_bytes());
        self.stream
    }
}

/// One event, on the wire.
pub(crate) fn event(id: u32, name: &str, message: &str) -> String {
    let data = serde_json::json!({ "event": name, "message": message });
    format!("id: {id}\nevent: {name}\ndata: {data}\n\n")
}

/// The status of a service whose master is this process.
pub(crate) fn status(master: u32, path: &str) -> String {
    serde_json::json!({
        "selfup": "0.1.0",
        "master_pid": master,
        "path": path,
        "phase": "serving",
        "generations": [{
            "generation": 3, "pid": 77, "state": "serving", "version": "1.2.3",
            "digest": "ab".repeat(32), "age_seconds": 61, "open_connections": 5,
        }],
        "addresses": ["0.0.0.0:3000"],
        "upgrades": { "state": "paused", "reason": "by an operator", "next_poll_seconds": null },
        "last_upgrade": {
            "from": { "digest": "cd".repeat(32), "version": "1.2.2" },
            "to": { "digest": "ab".repeat(32), "version": "1.2.3" },
            "at": 1_700_000_000,
        },
        "last_refusal": { "digest": "ef".repeat(32), "reason": "it is older", "at": 1_700_000_000 },
        "good": [],
        "refused": [],
        "of_a_later_version": { "x": 1 },
    })
    .to_string()
}
