//! The app that runs, and what is heard of it: the lines that it prints, and the answers that the
//! load gets.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::group::Group;
use crate::publisher::Publisher;
use crate::release::Release;
use crate::{DEADLINE, Result, say, within};

/// Something that the story waits for, or that ends it.
#[derive(Debug)]
pub(crate) enum Event {
    /// A line of the app, or the first answer of a version.
    Line(String),
    /// A request failed.
    Failed(String),
    /// No process of the app is left that could print.
    Silence,
}

/// A running app: its master, and all generations.
#[derive(Debug)]
pub(crate) struct Service {
    group: Group,
    /// Answers as long as there is somebody to ask.
    publisher: Publisher,
    tell: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    /// Lines that came before the story waited for them.
    early: Vec<String>,
    is_silent: bool,
    /// Dropped after the group, which writes there.
    _directory: Arc<TempDir>,
}

impl Service {
    pub(crate) fn start(release: &Release, publisher: Publisher) -> Result<Self> {
        let mut command = Command::new(release.install()?);
        command.env("APP_ADDRESS", "127.0.0.1:0").env("APP_URL", publisher.url());
        // `SELFUP=off`, meant for the user's own programs, would leave nothing to show.
        command.env_remove("SELFUP");
        let mut group = Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let stdout = group.stdout().ok_or("the app has no stdout")?;
        let (tell, events) = unbounded_channel();
        tokio::spawn(listen(stdout, tell.clone()));
        let (early, is_silent, directory) = (Vec::new(), false, release.directory());
        Ok(Self { group, publisher, tell, events, early, is_silent, _directory: directory })
    }

    pub(crate) fn publish(&self, release: &Release) -> Result<()> {
        self.publisher.publish(release)
    }

    /// Where the load tells what it was answered.
    pub(crate) fn events(&self) -> UnboundedSender<Event> {
        self.tell.clone()
    }

    /// Waits until `release` listens, and gives where.
    pub(crate) async fn listening(&mut self, release: &Release) -> Result<SocketAddr> {
        let line = self.tells(&format!("{} listening...", release.name())).await?;
        let (_, address) = line.rsplit_once('/').ok_or("no address in the app's line")?;
        Ok(address.parse()?)
    }

    pub(crate) async fn says_hello(&mut self, release: &Release) -> Result<()> {
        self.tells(&release.hello()).await.map(drop)
    }

    pub(crate) async fn draining(&mut self, release: &Release) -> Result<()> {
        self.tells(&format!("{} draining...", release.name())).await.map(drop)
    }

    pub(crate) async fn exiting(&mut self, release: &Release) -> Result<()> {
        self.tells(&format!("{} exiting...", release.name())).await.map(drop)
    }

    /// Signals the master.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(self.group.signal(signal)?)
    }

    /// Waits until every process of the app has ended, the master with success.
    pub(crate) async fn succeeded(&mut self) -> Result<()> {
        let status = self.ended().await?;
        if status.success() { Ok(()) } else { Err(format!("the app ended with {status}").into()) }
    }

    /// Ends the app wherever it is: by SIGTERM if it hears that, else by SIGKILL.
    pub(crate) async fn stop(mut self) {
        // It may have ended: then there is nothing to signal, and the wait is over at once.
        let _ = self.signal(Signal::SIGTERM);
        let _ = self.ended().await;
    }

    async fn ended(&mut self) -> Result<ExitStatus> {
        within(DEADLINE, "the end of the app", async {
            let status = self.group.ended().await?;
            // A generation that has lost its master ends by itself. What fails now fails for that.
            while !self.is_silent {
                let _ = self.hear().await;
            }
            Ok(status)
        })
        .await
    }

    /// Waits for a line that begins like this, and prints it.
    async fn tells(&mut self, beginning: &str) -> Result<String> {
        let line = within(DEADLINE, beginning, self.wait_for(beginning)).await;
        let line = line.map_err(|error| format!("{error}; heard meanwhile: {:?}", self.early))?;
        say(&line)?;
        Ok(line)
    }

    /// Cancel-safe: what it took and did not wait for is kept.
    async fn wait_for(&mut self, beginning: &str) -> Result<String> {
        loop {
            let found = self.early.iter().position(|line| line.starts_with(beginning));
            if let Some(index) = found {
                return Ok(self.early.remove(index));
            }
            match self.hear().await? {
                Some(line) => self.early.push(line),
                None => return Err("the app ended before".into()),
            }
        }
    }

    /// The next line, or `None` when there is none to come.
    async fn hear(&mut self) -> Result<Option<String>> {
        match self.events.recv().await {
            Some(Event::Line(line)) => Ok(Some(line)),
            Some(Event::Failed(error)) => Err(format!("a request failed: {error}").into()),
            Some(Event::Silence) | None => {
                self.is_silent = true;
                Ok(None)
            }
        }
    }
}

/// Tells the lines of every generation: they share one pipe, which ends with the last of them.
async fn listen(stdout: ChildStdout, tell: UnboundedSender<Event>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // Nobody listens any more when the demo is at its end.
        let _ = tell.send(Event::Line(line));
    }
    let _ = tell.send(Event::Silence);
}
