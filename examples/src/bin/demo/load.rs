//! Clients that ask without a pause, and one slow one.
//!
//! Each request has a connection of its own and says `Connection: close`: a client that keeps an
//! idle connection has to expect that a server closes it, and to ask again.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::service::Event;
use crate::{DEADLINE, Result, within};

/// Clients in the background.
#[derive(Debug)]
pub(crate) struct Load {
    clients: JoinSet<Result<usize>>,
    stop: watch::Sender<bool>,
}

/// What every client needs.
#[derive(Debug, Clone)]
struct Client {
    address: SocketAddr,
    stop: watch::Receiver<bool>,
    tell: UnboundedSender<Event>,
    /// The answers that were told, each once.
    told: Arc<Mutex<HashSet<String>>>,
}

impl Load {
    /// Starts the clients. They tell each answer when it comes for the first time, and the first
    /// failure of each.
    pub(crate) fn start(address: SocketAddr, tell: UnboundedSender<Event>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let client = Client { address, stop: stopped, tell, told: Arc::default() };
        let mut clients = JoinSet::new();
        for path in PATHS {
            clients.spawn(client.clone().run(path));
        }
        Self { clients, stop }
    }

    /// Lets every request that is open be answered, and gives how many there were in all.
    pub(crate) async fn stop(mut self) -> Result<usize> {
        self.stop.send_replace(true);
        let mut answered = 0;
        while let Some(client) = self.clients.join_next().await {
            answered += client??;
        }
        Ok(answered)
    }
}

impl Client {
    /// Asks until it is stopped, or a request fails. Gives how many were answered.
    async fn run(self, path: &str) -> Result<usize> {
        let mut pace = tokio::time::interval(PACE);
        let mut answered = 0;
        while !*self.stop.borrow() {
            pace.tick().await;
            let answer =
                within(DEADLINE, path, get(self.address, path)).await.inspect_err(|error| {
                    let _ = self.tell.send(Event::Failed(format!("GET {path}: {error}")));
                })?;
            answered += 1;
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.insert(answer.clone()) {
                // Nobody listens any more when the demo is at its end.
                let _ = self.tell.send(Event::Line(answer));
            }
        }
        Ok(answered)
    }
}

/// A request that a server has begun to read, and that goes on until its client has said all.
#[derive(Debug)]
pub(crate) struct Upload(TcpStream);

impl Upload {
    pub(crate) async fn begin(address: SocketAddr) -> Result<Self> {
        within(DEADLINE, "the slow request", async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(UPLOAD.as_bytes()).await?;
            // Said when the server waits for the body: this request is that generation's now.
            let mut heard = vec![0; CONTINUE.len()];
            stream.read_exact(&mut heard).await?;
            if heard != CONTINUE.as_bytes() {
                let heard = String::from_utf8_lossy(&heard).into_owned();
                return Err(format!("the slow request was answered with {heard:?}").into());
            }
            Ok(Self(stream))
        })
        .await
    }

    pub(crate) async fn finish(mut self) -> Result<String> {
        within(DEADLINE, "the answer to the slow request", async {
            self.0.write_all(BODY.as_bytes()).await?;
            answer(&mut self.0).await
        })
        .await
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    answer(&mut stream).await
}

/// Reads a whole answer, and gives the line that it consists of.
async fn answer(stream: &mut TcpStream) -> Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let parts =
        text.strip_prefix("HTTP/1.1 200 OK\r\n").and_then(|rest| rest.split_once("\r\n\r\n"));
    match parts {
        // A line that is cut has no end.
        Some((_, body)) if body.ends_with('\n') => Ok(body.trim_end().to_owned()),
        _ => Err(format!("no answer but {text:?}").into()),
    }
}

/// One client each.
const PATHS: [&str; 6] = ["/", "/", "/slow", "/slow", "/slow", "/slow"];

/// Between two requests of a client: each leaves a port behind that is not free for a minute.
const PACE: Duration = Duration::from_millis(10);

const UPLOAD: &str = "POST /slow HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\
    Expect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const BODY: &str = "hello";
