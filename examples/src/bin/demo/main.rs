//! The whole of selfup in one run: a service goes through two upgrades under load, and drops
//! nothing.
//!
//! `cargo run -p examples --bin demo` builds `app` three times (versions 1, 2 and 3 of the same
//! source), publishes the first on an HTTP server of its own and runs it. While clients ask without
//! a pause it publishes the second and then the third, each time with a slow request open that only
//! the old version can answer, and in the end it stops the service with SIGTERM. Three paths as
//! arguments are taken for the three versions, and nothing is built.
//!
//! What it prints is the story in the order in which it happened: each line was waited for before
//! the next step was taken. It exits with 0 if that order was kept and no request failed, with 1
//! otherwise, and with 128 + n if a signal ended it. However it ends, its processes and files go
//! with it; only SIGKILL leaves them behind.
//!
//! - `release`: the three versions, built or given
//! - `publisher`: the server that they are fetched from
//! - `group`: a process and all that it starts
//! - `service`: the app that runs, and what it says
//! - `load`: the clients

mod group;
mod load;
mod publisher;
mod release;
mod service;

use std::future::Future;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use self::load::{Load, Upload};
use self::publisher::Publisher;
use self::release::{Release, Releases};
use self::service::Service;

/// Any error, for it ends the demo with its words.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let signal = match signals() {
        Ok(signal) => signal,
        Err(error) => return fail(&error.to_string()),
    };
    let mut service = None;
    let outcome = tokio::select! {
        told = tell(&mut service) => told.map(|()| ExitCode::SUCCESS),
        signal = signal => Ok(interrupted(signal)),
    };
    if let Some(service) = service {
        service.stop().await;
    }
    outcome.unwrap_or_else(|error| fail(&error.to_string()))
}

/// Tells the story. The service is the caller's, who stops it when this is cancelled half-way.
async fn tell(slot: &mut Option<Service>) -> Result<()> {
    let mut releases = Releases::from_arguments()?;
    let first = releases.next().await?;
    let publisher = Publisher::start(&first).await?;
    let service = slot.insert(Service::start(&first, publisher)?);
    say("RUNNING APP")?;
    let address = service.listening(&first).await?;
    let load = Load::start(address, service.events());
    service.says_hello(&first).await?;

    let (mut running, mut uploads) = (first, 0);
    for _ in 0..2 {
        let upload = Upload::begin(address).await?;
        let next = releases.next().await?;
        service.publish(&next)?;
        service.listening(&next).await?;
        service.says_hello(&next).await?;
        finish(service, &running, upload).await?;
        (running, uploads) = (next, uploads + 1);
    }

    let upload = Upload::begin(address).await?;
    let answered = load.stop().await?;
    service.signal(Signal::SIGTERM)?;
    finish(service, &running, upload).await?;
    service.succeeded().await?;
    let requests = answered + uploads + 1;
    say(&format!("DONE: {requests} requests, none dropped, one PID for all three versions"))
}

/// The last generation that runs `release` drains: it answers its slow request, and exits.
async fn finish(service: &mut Service, release: &Release, upload: Upload) -> Result<()> {
    service.draining(release).await?;
    let answer = upload.finish().await?;
    if answer != release.hello() {
        return Err(format!("the slow request was answered with {answer:?}").into());
    }
    say(&answer)?;
    service.exiting(release).await
}

/// The first of the signals that end the demo.
fn signals() -> io::Result<impl Future<Output = Signal>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Signal::SIGINT,
            _ = terminate.recv() => Signal::SIGTERM,
            _ = hangup.recv() => Signal::SIGHUP,
        }
    })
}

fn interrupted(signal: Signal) -> ExitCode {
    let _ = writeln!(io::stderr(), "demo: {signal}: stopping the app, removing its files");
    // Signal numbers are below 65.
    ExitCode::from(u8::try_from(128 + signal as i32).unwrap_or(1))
}

fn fail(error: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "demo: failed: {error}");
    ExitCode::FAILURE
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// Waits for `event`, but not longer than `limit`.
async fn within<T>(
    limit: Duration,
    what: &str,
    event: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limit, event).await {
        Ok(done) => done.map_err(|error| format!("{what}: {error}").into()),
        Err(_) => Err(format!("{what}: nothing for {limit:?}").into()),
    }
}

/// The limit of every wait but a build: generous on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(120);
