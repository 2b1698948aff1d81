//! The server that fetchers ask, with one fault at a time.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use nix::sys::socket::{Shutdown, setsockopt, shutdown, sockopt};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard};

use super::{Asked, Fault, RETRY_AFTER, Reply, Request, ca_of, http_2};
use crate::{Certificate, PATIENCE, Port};

/// How the front is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// By http, at an address.
    Plain,
    /// By https, under a certificate that the fetcher is given.
    Tls,
    /// The same, over HTTP/2 and nothing else.
    Http2,
    /// By http, under a name that has to be resolved: [`Names`](crate::Names) can.
    Named,
    /// By http through a proxy, which alone knows where the host is.
    Proxy,
    /// By https through a proxy, which alone knows where the host is.
    TlsByProxy,
}

/// A server on a port of its own, before what gives its good answers.
#[derive(Debug)]
pub struct Front {
    way: Way,
    port: Port,
    shared: Arc<Shared>,
    accepting: Mutex<Option<(Arc<TcpListener>, JoinHandle<()>)>>,
    directory: TempDir,
}

pub(super) struct Shared {
    way: Way,
    answer: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
    trusted: Arc<ServerConfig>,
    unknown: Arc<ServerConfig>,
    /// Held by each client from when it is let in until it has its answer: a fault begins and ends between
    /// answers, and what is published behind it is for nobody who was let in before.
    pub(super) fault: Arc<RwLock<Option<Fault>>>,
    has_tags: AtomicBool,
    asked: Mutex<Vec<Asked>>,
    more: Condvar,
}

impl Front {
    /// A front for what gives these answers.
    ///
    /// # Panics
    ///
    /// If no port can be had.
    #[must_use]
    pub fn start(way: Way, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let other = tempfile::tempdir().expect("a temporary directory");
        let protocol = if way == Way::Http2 { "h2" } else { "http/1.1" };
        let trusted = Certificate::made_in(directory.path()).server(&[protocol]);
        let unknown = Certificate::made_in(other.path()).server(&[protocol]);
        let shared = Arc::new(Shared {
            way,
            answer: Box::new(answer),
            trusted,
            unknown,
            fault: Arc::default(),
            has_tags: AtomicBool::new(true),
            asked: Mutex::default(),
            more: Condvar::new(),
        });
        let (port, accepting) = (Port::of_the_kernels_choice(), Mutex::default());
        let front = Self { way, port, shared, accepting, directory };
        front.open();
        front
    }

    /// Scheme, host and port, as the fetcher is to ask for them.
    #[must_use]
    pub fn base(&self) -> String {
        match self.way {
            Way::Plain => format!("http://127.0.0.1:{}", self.port.number()),
            Way::Named => format!("http://{NAME}:{}", self.port.number()),
            Way::Tls | Way::Http2 => format!("https://localhost:{}", self.port.number()),
            Way::Proxy => format!("http://{HOST}"),
            Way::TlsByProxy => format!("https://{HOST}"),
        }
    }

    /// How it is asked.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// The certificate that the fetcher has to trust, if there is one.
    #[must_use]
    pub fn ca(&self) -> Option<PathBuf> {
        matches!(self.way, Way::Tls | Way::Http2 | Way::TlsByProxy)
            .then(|| ca_of(self.directory.path()))
    }

    /// The proxy that the fetcher has to ask, if there is one.
    #[must_use]
    pub fn proxy(&self) -> Option<String> {
        let is_proxy = matches!(self.way, Way::Proxy | Way::TlsByProxy);
        is_proxy.then(|| format!("http://127.0.0.1:{}", self.port.number()))
    }

    /// Whether it is asked in the clear, and is not on the loopback interface as far as a fetcher knows.
    fn is_in_the_clear(&self) -> bool {
        matches!(self.way, Way::Named | Way::Proxy)
    }

    /// The variables of the fixture for the way: `CA`, `PROXY` and `ALLOW_HTTP`.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let ca = self.ca().map(|ca| ("CA", ca.display().to_string()));
        let proxy = self.proxy().map(|proxy| ("PROXY", proxy));
        let clear = self.is_in_the_clear().then(|| ("ALLOW_HTTP", "1".to_owned()));
        let all = [ca, proxy, clear].into_iter().flatten();
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// `fetcher`, told the way by its setters.
    pub fn reached_by<F>(
        &self,
        mut fetcher: F,
        ca: impl FnOnce(F, PathBuf) -> F,
        proxy: impl FnOnce(F, String) -> F,
        allow_http: impl FnOnce(F, bool) -> F,
    ) -> F {
        if let Some(path) = self.ca() {
            fetcher = ca(fetcher, path);
        }
        if let Some(url) = self.proxy() {
            fetcher = proxy(fetcher, url);
        }
        if self.is_in_the_clear() { allow_http(fetcher, true) } else { fetcher }
    }

    /// Whether this fault can be met this way.
    #[must_use]
    pub fn knows(&self, fault: Fault) -> bool {
        match fault {
            Fault::UnknownAuthority => self.ca().is_some(),
            // A proxy resolves names itself, and TLS has a rule of its own for those that are none.
            Fault::NoSuchHost => self.way == Way::Plain,
            _ => true,
        }
    }

    /// Goes wrong from now on, once those are answered who were let in before.
    pub fn fail(&self, fault: Fault) {
        *self.shared.fault.blocking_write() = Some(fault);
        if fault == Fault::Refused {
            self.close();
        }
    }

    /// Goes well from now on.
    pub fn heal(&self) {
        let healed = self.shared.fault.blocking_write().take();
        if healed == Some(Fault::Refused) {
            self.open();
        }
    }

    /// Answers without an `ETag` from now on.
    pub fn forget_tags(&self) {
        self.shared.has_tags.store(false, Ordering::Relaxed);
    }

    /// What was asked so far and answered, but for what a fault of the connection ended.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// Waits until so many questions more were answered.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub fn wait_for(&self, count: usize) {
        let until = Instant::now() + PATIENCE;
        let mut asked = lock(&self.shared.asked);
        let goal = asked.len() + count;
        while asked.len() < goal {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it was not asked again");
            let waited = self.shared.more.wait_timeout(asked, left);
            asked = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn open(&self) {
        let listener = Arc::new(self.port.listen());
        let (shared, incoming) = (Arc::clone(&self.shared), Arc::clone(&listener));
        let accepting = std::thread::spawn(move || {
            // It ends when the socket is shut down.
            while let Ok((stream, _)) = incoming.accept() {
                let shared = Arc::clone(&shared);
                // A client that goes away in the middle is what some faults are about.
                std::thread::spawn(move || match shared.way {
                    Way::Http2 => drop(http_2::serve(&shared, stream)),
                    _ => drop(shared.serve(&stream)),
                });
            }
        });
        *lock(&self.accepting) = Some((listener, accepting));
    }

    fn close(&self) {
        if let Some((listener, accepting)) = lock(&self.accepting).take() {
            shutdown(listener.as_raw_fd(), Shutdown::Both).expect("it listens");
            accepting.join().expect("it only accepts");
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("way", &self.way).finish_non_exhaustive()
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let held = self.fault.blocking_read();
        let fault = *held;
        if fault == Some(Fault::Refused) {
            // It came just before the door was closed.
            return Ok(());
        }
        if self.way == Way::TlsByProxy {
            let Some(request) = Request::read(&mut stream)? else { return Ok(()) };
            if request.method != "CONNECT" || request.target != format!("{HOST}:443") {
                return stream.write_all(Reply::status(405).head().as_bytes());
            }
            stream.write_all(b"HTTP/1.1 200 X\r\n\r\n")?;
        }
        if !matches!(self.way, Way::Tls | Way::TlsByProxy) {
            return self.converse(stream, stream, held);
        }
        let connection =
            ServerConnection::new(self.certificate(fault)).map_err(io::Error::other)?;
        let mut secure = StreamOwned::new(connection, stream);
        let served = self.converse(&mut secure, stream, held);
        if served.is_ok() && fault.is_none() {
            secure.conn.send_close_notify();
            secure.flush()?;
        }
        served
    }

    fn converse(
        &self,
        mut stream: impl Read + Write,
        raw: &TcpStream,
        held: RwLockReadGuard<'_, Option<Fault>>,
    ) -> io::Result<()> {
        let fault = *held;
        let Some(mut request) = Request::read(&mut stream)? else { return Ok(()) };
        if self.way == Way::Proxy {
            let Some(target) = request.target.strip_prefix(&format!("http://{HOST}")) else {
                return stream.write_all(Reply::status(400).head().as_bytes());
            };
            let target = target.to_owned();
            request.target = target;
        }
        if fault == Some(Fault::ResetInHead) {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le")?;
            stream.flush()?;
            // No lingering: the client is told at once.
            let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            return Ok(setsockopt(&raw, sockopt::Linger, &now)?);
        }
        let (reply, sent) = self.reply(request, fault);
        drop(held);
        stream.write_all(reply.head().as_bytes())?;
        stream.write_all(&reply.body[..sent])?;
        stream.flush()?;
        if fault == Some(Fault::Stalled) && sent > 0 {
            // Until the client gives up.
            io::copy(&mut stream, &mut io::sink())?;
        }
        Ok(())
    }

    pub(super) fn certificate(&self, fault: Option<Fault>) -> Arc<ServerConfig> {
        let is_unknown = fault == Some(Fault::UnknownAuthority);
        Arc::clone(if is_unknown { &self.unknown } else { &self.trusted })
    }

    /// The answer to `request`, and how many bytes of its body are sent. It is noted as given, for who has
    /// it may look at once at what was asked.
    pub(super) fn reply(&self, request: Request, fault: Option<Fault>) -> (Reply, usize) {
        let mut reply = match fault.and_then(|fault| instead(fault, &request)) {
            Some(reply) => reply,
            None => (self.answer)(&request),
        };
        let breaks_off = matches!(fault, Some(Fault::Truncated | Fault::Stalled));
        if breaks_off {
            reply.weaken();
        }
        if !self.has_tags.load(Ordering::Relaxed) {
            reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("etag"));
        }
        let is_cut = fault == Some(Fault::Cut) && request.header("range").is_none();
        let whole = if request.method == "HEAD" { 0 } else { reply.body.len() };
        let sent = if breaks_off || is_cut { whole / 2 } else { whole };
        let (status, head) = (reply.status, reply.head().len());
        lock(&self.asked).push(Asked { request, status, head, body: sent });
        self.more.notify_all();
        (reply, sent)
    }
}

impl Reply {
    /// A strong tag would have the client go on where it broke off, for a minute and longer.
    fn weaken(&mut self) {
        for (name, value) in &mut self.headers {
            if name.eq_ignore_ascii_case("etag") && !value.starts_with("W/") {
                value.insert_str(0, "W/");
            }
        }
    }
}

/// What is answered in place of a good answer.
fn instead(fault: Fault, request: &Request) -> Option<Reply> {
    let seconds = RETRY_AFTER.to_string();
    match fault {
        Fault::ServerError => Some(Reply::status(500)),
        Fault::TooManyRequests => Some(Reply::status(429).with("Retry-After", &seconds)),
        Fault::RateLimited => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let end = now.expect("this is after 1970").as_secs() + RETRY_AFTER;
            let reply = Reply::status(403).with("X-RateLimit-Remaining", "0");
            Some(reply.with("X-RateLimit-Reset", &end.to_string()))
        }
        Fault::RedirectLoop => Some(Reply::redirect(&request.target)),
        Fault::WrongContent => {
            let page = "<html><body>Welcome to the hotel. Please log in.</body></html>";
            Some(Reply::ok(page).with("ETag", "\"portal\"").with("Content-Type", "text/html"))
        }
        // A label has 63 characters at most (RFC 1035, section 2.3.4), so nobody is asked for it.
        Fault::NoSuchHost => Some(Reply::redirect(&format!("http://{}.test/", "a".repeat(64)))),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What has to be resolved, by who has [`Names`](crate::Names).
pub(super) const NAME: &str = "releases.invalid";

/// Known to the proxy alone.
const HOST: &str = "releases.test";
