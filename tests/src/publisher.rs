//! A server that publishes releases over HTTP, well or badly.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::sys::socket::{setsockopt, sockopt};

use crate::{PATIENCE, Port, Release};

/// What is published, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Answer {
    /// The release under its `ETag`; 304 to who has it.
    Whole(Release),
    /// The release under its `Last-Modified`, with a `Date`; 304 to who has it.
    Dated(Release),
    /// The whole length is announced, and the connection closed after this many bytes.
    Truncated(Release, usize),
    /// The whole length is announced, and nothing comes after this many bytes.
    Stalled(Release, usize),
    /// The whole length is announced, and the connection reset after this many bytes.
    Reset(Release, usize),
    /// The whole length is announced, and the connection closed after this many bytes; but who asks
    /// for a part gets it, whole.
    Cut(Release, usize),
    /// This length is announced, and the whole release sent.
    Announced(Release, usize),
    /// No length is announced, and the bytes of the release come again and again.
    Endless(Release),
    /// The release, with nothing but its length to know it by.
    Untagged(Release),
    /// Only a status.
    Status(u16),
    /// The way to another URL.
    Redirect(String),
}

/// What is published beside the release.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Beside {
    /// This text.
    Text(String),
    /// The way to another URL.
    Redirect(String),
    /// Only a status.
    Status(u16),
    /// A text without an end.
    Endless,
}

/// A server on a port of its own, for as long as this lives.
#[derive(Debug)]
pub struct Publisher {
    port: Port,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    answer: Mutex<(Answer, Vec<String>)>,
    asked: Condvar,
    /// By their paths.
    beside: Mutex<BTreeMap<String, Beside>>,
    /// Each as it came, headers and all.
    requests: Mutex<Vec<String>>,
}

impl Publisher {
    /// Publishes `answer`.
    ///
    /// # Panics
    ///
    /// If no port can be had.
    #[must_use]
    pub fn start(answer: Answer) -> Self {
        let publisher = Self::closed();
        publisher.open(answer);
        publisher
    }

    /// Has a port, where every connection is refused until this is [open](Self::open).
    ///
    /// # Panics
    ///
    /// If no port can be had.
    #[must_use]
    pub fn closed() -> Self {
        let port = Port::of_the_kernels_choice();
        let answer = Mutex::new((Answer::Status(500), vec![]));
        let (beside, requests) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { answer, asked: Condvar::new(), beside, requests });
        Self { port, shared }
    }

    /// Publishes `answer` from now on, at the port that was closed.
    ///
    /// # Panics
    ///
    /// If it is open already.
    pub fn open(&self, answer: Answer) {
        self.publish(answer);
        let listener = self.port.listen();
        let serving = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.serve(stream));
            }
        });
    }

    /// Where the release is published.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/app", self.port.number())
    }

    /// Publishes something else from now on.
    pub fn publish(&self, answer: Answer) {
        self.shared.lock().0 = answer;
    }

    /// Publishes this beside the release from now on, at such a path: `/app.minisig`. Until then
    /// nothing is there.
    pub fn put(&self, path: &str, beside: Beside) {
        self.shared.beside().insert(path.to_owned(), beside);
    }

    /// Publishes a release with its signature behind its URL, the signature first.
    pub fn publish_signed(&self, release: &Release, signature: impl Into<String>) {
        self.put("/app.minisig", Beside::Text(signature.into()));
        self.publish(Answer::Whole(release.clone()));
    }

    /// The requests so far, with their headers.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was answered so far: the method, and the status or the flaw; for what is beside the
    /// release, its path between them.
    #[must_use]
    pub fn answered(&self) -> Vec<String> {
        self.shared.lock().1.clone()
    }

    /// Waits until `count` more requests were answered like this.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub fn wait_for(&self, line: &str, count: usize) {
        let until = Instant::now() + PATIENCE;
        let mut answer = self.shared.lock();
        let goal = count_of(&answer.1, line) + count;
        while count_of(&answer.1, line) < goal {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{line:?} was not asked for again: {:?}", answer.1);
            let waited = self.shared.asked.wait_timeout(answer, left);
            answer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn count_of(lines: &[String], line: &str) -> usize {
    lines.iter().filter(|answered| *answered == line).count()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (Answer, Vec<String>)> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beside(&self) -> MutexGuard<'_, BTreeMap<String, Beside>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) {
        // A client that goes away in the middle is what some tests are about.
        let _ = self.try_serve(stream);
    }

    fn try_serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut request, mut known, mut from) = (String::new(), None, None);
        reader.read_line(&mut request)?;
        let mut whole = request.clone();
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 {
                return Ok(());
            }
            if header.trim().is_empty() {
                break;
            }
            whole.push_str(&header);
            if let Some((name, value)) = header.split_once(':')
                && ["if-none-match", "if-modified-since"].contains(&&*name.to_ascii_lowercase())
            {
                known = Some(value.trim().to_owned());
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("range")
            {
                let value = value.trim().strip_prefix("bytes=");
                from = value.and_then(|range| range.strip_suffix('-')?.parse().ok());
            }
        }
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(whole);
        let mut words = request.split(' ');
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        if path != "/app" {
            let beside = self.beside().get(path).cloned().unwrap_or(Beside::Status(404));
            return self.answer_beside(&mut stream, path, beside);
        }
        let answer = self.lock().0.clone();
        if let (Answer::Cut(release, _), Some(from)) = (&answer, from) {
            return self.answer_part(&mut stream, release, from);
        }
        if let Answer::Endless(release) = &answer {
            return self.answer_without_end(&mut stream, release);
        }
        self.answer(&mut stream, method, known.as_deref(), &answer)
    }

    fn answer_beside(&self, stream: &mut TcpStream, path: &str, beside: Beside) -> io::Result<()> {
        match beside {
            Beside::Text(text) => {
                self.note(format!("GET {path} 200"));
                let length = text.len();
                let head = format!("HTTP/1.1 200 X\r\nContent-Length: {length}\r\n");
                write!(stream, "{head}Connection: close\r\n\r\n{text}")
            }
            Beside::Redirect(url) => {
                self.note(format!("GET {path} redirect"));
                redirect(stream, &url)
            }
            Beside::Status(code) => {
                self.note(format!("GET {path} {code}"));
                only_status(stream, code)
            }
            Beside::Endless => {
                self.note(format!("GET {path} endless"));
                write!(stream, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 1024])?;
                }
            }
        }
    }

    fn answer(
        &self,
        stream: &mut TcpStream,
        method: &str,
        known: Option<&str>,
        answer: &Answer,
    ) -> io::Result<()> {
        let (release, sent) = match answer {
            Answer::Status(code) => {
                self.note(format!("{method} {code}"));
                return only_status(stream, *code);
            }
            Answer::Redirect(url) => {
                self.note(format!("{method} redirect"));
                return redirect(stream, url);
            }
            Answer::Whole(release)
            | Answer::Dated(release)
            | Answer::Untagged(release)
            | Answer::Announced(release, _)
            | Answer::Endless(release) => (release, release.bytes().len()),
            Answer::Truncated(release, sent)
            | Answer::Cut(release, sent)
            | Answer::Stalled(release, sent)
            | Answer::Reset(release, sent) => (release, *sent),
        };
        let (header, tag) = match answer {
            Answer::Dated(_) => (DATED, release.date()),
            _ => ("ETag", format!("\"{}\"", release.id())),
        };
        let is_tagged = !matches!(answer, Answer::Untagged(_));
        if is_tagged && known == Some(&tag) {
            self.note(format!("{method} 304"));
            let head = format!("HTTP/1.1 304 X\r\n{header}: {tag}\r\n");
            return write!(stream, "{head}Connection: close\r\n\r\n");
        }
        let length = match answer {
            Answer::Announced(_, length) => *length,
            _ => release.bytes().len(),
        };
        let tag = if is_tagged { format!("{header}: {tag}\r\n") } else { String::new() };
        write!(
            stream,
            "HTTP/1.1 200 X\r\n{tag}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )?;
        if method == "GET" {
            stream.write_all(&release.bytes()[..sent])?;
        }
        self.note(format!("{method} {}", kind_of(answer)));
        if matches!(answer, Answer::Stalled(..)) {
            // Until the client gives up.
            let _ = io::copy(stream, &mut io::sink());
        }
        if matches!(answer, Answer::Reset(..)) {
            // No lingering: what is not delivered is thrown away, and the client told so.
            let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            return Ok(setsockopt(stream, sockopt::Linger, &now)?);
        }
        stream.shutdown(Shutdown::Both)
    }

    /// What is behind the first `from` bytes.
    fn answer_part(
        &self,
        stream: &mut TcpStream,
        release: &Release,
        from: usize,
    ) -> io::Result<()> {
        let (bytes, tag) = (release.bytes(), release.id());
        let (length, last) = (bytes.len(), bytes.len() - 1);
        // Who has it may look at once at what was answered.
        self.note("GET 206".to_owned());
        write!(
            stream,
            "HTTP/1.1 206 X\r\nETag: \"{tag}\"\r\nContent-Range: bytes {from}-{last}/{length}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            length - from
        )?;
        stream.write_all(&bytes[from..])?;
        stream.shutdown(Shutdown::Both)
    }

    /// The release again and again, until the client has had enough.
    fn answer_without_end(&self, stream: &mut TcpStream, release: &Release) -> io::Result<()> {
        self.note("GET endless".to_owned());
        write!(stream, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(release.bytes())?;
        }
    }

    fn note(&self, line: String) {
        self.lock().1.push(line);
        self.asked.notify_all();
    }
}

fn only_status(stream: &mut TcpStream, code: u16) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {code} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn redirect(stream: &mut TcpStream, url: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 302 X\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

fn kind_of(answer: &Answer) -> &'static str {
    match answer {
        Answer::Whole(_) | Answer::Dated(_) | Answer::Untagged(_) | Answer::Announced(..) => "200",
        Answer::Cut(..) => "cut",
        Answer::Endless(_) => "endless",
        Answer::Truncated(..) => "truncated",
        Answer::Stalled(..) => "stalled",
        Answer::Reset(..) => "reset",
        Answer::Status(_) => "status",
        Answer::Redirect(_) => "redirect",
    }
}

const DATED: &str = "Date: Sun, 15 Nov 2026 12:00:00 GMT\r\nLast-Modified";
