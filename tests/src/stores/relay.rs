//! What stands between a service and a server: it counts, and it spoils answers.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::sys::socket::{setsockopt, sockopt};

use crate::PATIENCE;

/// A port through which a server is asked, for as long as this lives.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request, and what came back.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request line and all headers.
    pub request: String,
    /// The status that was passed on, or 0.
    pub status: u16,
    /// The head that was passed on.
    pub head: String,
    /// The bytes of the body that were passed on.
    pub body: u64,
}

/// What happens to each answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Flaw {
    /// The connection is reset before the answer.
    ResetAtOnce,
    /// It is reset in the middle of the head.
    ResetInHead,
    /// It is closed after this many bytes of the body, and who asks for the rest gets none.
    Truncated(usize),
    /// Nothing comes after this many bytes of the body, and who asks for the rest gets none.
    Stalled(usize),
    /// It is closed after this many bytes of the body, and who asks for the rest gets it.
    Cut(usize),
    /// Another head, without a body: the status and the headers.
    Head(&'static str),
    /// Another body: this text, with its length.
    Body(&'static str),
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    flaw: Option<Flaw>,
    exchanges: Vec<Exchange>,
}

impl Relay {
    /// One in front of the server at `to`.
    ///
    /// # Panics
    ///
    /// If no port can be had.
    #[must_use]
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { to, state: Mutex::default(), more: Condvar::new() });
        let relaying = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let relaying = Arc::clone(&relaying);
                std::thread::spawn(move || {
                    let mut exchange =
                        Exchange { request: String::new(), status: 0, head: String::new(), body: 0 };
                    // Who goes away in the middle is what some tests are about.
                    let _ = relaying.relay(stream, &mut exchange);
                    relaying.lock().exchanges.push(exchange);
                    relaying.more.notify_all();
                });
            }
        });
        Self { address, shared }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Spoils every answer from now on, or none any more.
    pub fn spoil(&self, flaw: Option<Flaw>) {
        self.shared.lock().flaw = flaw;
    }

    /// What went through so far and has come to its end.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.lock().exchanges.clone()
    }

    /// Waits until `count` more exchanges have come to their end, and gives those.
    ///
    /// # Panics
    ///
    /// If they do not.
    #[expect(clippy::must_use_candidate, reason = "often it is only waited for")]
    pub fn wait_for(&self, count: usize) -> Vec<Exchange> {
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        let before = state.exchanges.len();
        while state.exchanges.len() < before + count {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nothing was asked for again: {:?}", state.exchanges);
            let waited = self.shared.more.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.exchanges[before..].to_vec()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn relay(&self, mut client: TcpStream, exchange: &mut Exchange) -> io::Result<()> {
        let flaw = self.lock().flaw.clone();
        exchange.request = head(&mut BufReader::new(client.try_clone()?))?;
        let is_part = exchange.request.to_ascii_lowercase().contains("\r\nrange: ");
        let flaw = match flaw {
            Some(Flaw::Truncated(_) | Flaw::Stalled(_)) if is_part => Some(Flaw::Head("416 X")),
            Some(Flaw::Cut(_)) if is_part => None,
            flaw => flaw,
        };
        match flaw {
            Some(Flaw::ResetAtOnce) => return reset(&client),
            Some(Flaw::Head(text)) => {
                exchange.status = status(&format!("HTTP/1.1 {text}"));
                let head = format!("HTTP/1.1 {text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                return client.write_all(head.as_bytes());
            }
            _ => {}
        }
        let mut server = TcpStream::connect(self.to)?;
        // No signature covers this header.
        let (line, rest) = exchange.request.split_once("\r\n").unwrap_or_default();
        write!(server, "{line}\r\nConnection: close\r\n{rest}")?;
        let mut answer = BufReader::new(server);
        exchange.head = head(&mut answer)?;
        exchange.status = status(&exchange.head);
        match flaw {
            Some(Flaw::ResetInHead) => {
                client.write_all(&exchange.head.as_bytes()[..20])?;
                return reset(&client);
            }
            Some(Flaw::Body(text)) => {
                let length = text.len();
                let head = "HTTP/1.1 200 X\r\nETag: \"spoilt\"\r\n";
                return write!(
                    client,
                    "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{text}"
                );
            }
            _ => {}
        }
        client.write_all(exchange.head.as_bytes())?;
        let most = match flaw {
            Some(Flaw::Truncated(most) | Flaw::Stalled(most) | Flaw::Cut(most)) => Some(most),
            _ => None,
        };
        let mut piece = [0; 64 * 1024];
        let mut answer = answer.take(most.map_or(u64::MAX, |most| most as u64));
        loop {
            match answer.read(&mut piece)? {
                0 => break,
                read => client.write_all(&piece[..read])?,
            }
            exchange.body = most.map_or(u64::MAX, |most| most as u64) - answer.limit();
        }
        if matches!(flaw, Some(Flaw::Stalled(_))) {
            // Until the client gives up.
            let _ = io::copy(&mut client, &mut io::sink());
        }
        client.shutdown(Shutdown::Both)
    }
}

/// All up to the empty line, and that one too.
fn head(reader: &mut impl io::BufRead) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// No lingering: what is not delivered is thrown away, and the client told so.
fn reset(stream: &TcpStream) -> io::Result<()> {
    let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    Ok(setsockopt(stream, sockopt::Linger, &now)?)
}
