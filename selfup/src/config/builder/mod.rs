use std::fmt;
use std::time::Duration;

use super::{
    Acceptance, Address, Config, IntoAddresses, IntoDuration, RestartSignal, Restarts, Upgrades,
};
use crate::error::{BoxError, Error, ErrorKind, Result};
use crate::event::{Event, Verbosity};
use crate::fetcher::{self, Fetcher};
use crate::upgrade::Candidate;

mod acceptance;
mod control;

/// Builds a [`Config`], one consuming setter for each key of [`#[selfup::main]`](macro@crate::main).
///
/// ```
/// use selfup::Config;
///
/// let config = Config::builder()
///     .address(":3000")
///     .terminate_timeout("10s")
///     .build()?;
/// # Ok::<(), selfup::Error>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    config: Config,
    debug: bool,
    no_warn: bool,
    no_restart: bool,
    restart_signal: RestartSignal,
    wrong: Vec<Error>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: Config {
                addresses: Vec::new(),
                backlog: 1024,
                upgrades: Upgrades {
                    fetcher: None,
                    min_fetch_interval: Duration::from_secs(1),
                    pre_upgrade: None,
                    acceptance: Acceptance::default(),
                    restart_after_fetch: true,
                    master_follows: true,
                },
                restarts: Restarts {
                    signal: None,
                    ready_manually: false,
                    ready_timeout: Duration::from_secs(30),
                    probation: Duration::from_secs(10),
                    terminate_timeout: Duration::from_secs(30),
                    max_draining: 8,
                    overlap: true,
                },
                verbosity: Verbosity::Warnings,
                on_event: None,
                required: false,
                control: None,
            },
            debug: false,
            no_warn: false,
            no_restart: false,
            restart_signal: RestartSignal::DEFAULT,
            wrong: Vec::new(),
        }
    }
}

impl Builder {
    /// Where to listen: `":3000"`, `"127.0.0.1:3000"`, `"unix:/run/app.sock"`, `"udp::5353"`,
    /// `"fd:web"`, or a list of such; [`Address`] has the whole grammar, and the options.
    ///
    /// Default: nowhere. Called again, it adds. The sockets are bound once, by the master, and every
    /// generation gets the same ones, in this order.
    pub fn address(mut self, address: impl IntoAddresses) -> Self {
        let addresses = self.check("address", address.into_addresses());
        self.config.addresses.extend(addresses.unwrap_or_default());
        self
    }

    /// [`address`](Self::address), under the name that a list reads better with.
    pub fn addresses(self, addresses: impl IntoAddresses) -> Self {
        self.address(addresses)
    }

    /// How many connections may wait to be accepted on each listener whose address has no option
    /// `backlog`. Default: 1024. The kernel's `net.core.somaxconn` caps it.
    pub fn backlog(mut self, connections: u32) -> Self {
        match i32::try_from(connections) {
            Ok(backlog) if backlog > 0 => self.config.backlog = backlog,
            _ => self.refuse(format!(
                "`backlog`: {connections} is not a queue length; use 1 to {}",
                i32::MAX
            )),
        }
        self
    }

    /// Where new binaries come from. Default: nowhere, restarts only.
    pub fn fetcher(mut self, fetcher: impl Fetcher) -> Self {
        if let Err(source) = fetcher.check() {
            let message = format!("`fetcher`: {}", crate::error::chain(&*source));
            self.wrong.push(Error::new(ErrorKind::Config, message).caused_by(source));
        }
        self.config.upgrades.fetcher = Some(fetcher::boxed(fetcher));
        self
    }

    /// The shortest time between two polls, whatever the fetcher's own interval, and whoever asks for
    /// one. Default: 1 s. The other end of the [jitter](crate::fetcher#when-it-is-asked) is as far above
    /// the interval as this is below it.
    pub fn min_fetch_interval(mut self, interval: impl IntoDuration) -> Self {
        if let Some(interval) = self.positive("min_fetch_interval", interval.into_duration()) {
            self.config.upgrades.min_fetch_interval = interval;
        }
        self
    }

    /// A last word on each candidate, before it is run at all: an error refuses it.
    ///
    /// Default: none. It runs in the master, on the upgrade thread, which blocks the signals that the
    /// master handles, SIGTERM among them. Every process that it starts inherits that, unless it is
    /// started by [`Candidate::command`]: what is to be ended by a signal has to unblock it.
    pub fn pre_upgrade<E: Into<BoxError>>(
        mut self,
        mut hook: impl FnMut(&Candidate) -> Result<(), E> + Send + 'static,
    ) -> Self {
        let hook = move |candidate: &Candidate| hook(candidate).map_err(Into::into);
        self.config.upgrades.pre_upgrade = Some(Box::new(hook));
        self
    }

    /// The signal that asks the master for a restart: "SIGUSR2" (the default), "SIGUSR1",
    /// "SIGHUP" or "SIGWINCH".
    pub fn restart_signal(mut self, name: impl AsRef<str>) -> Self {
        let signal = self.check("restart_signal", RestartSignal::parse(name.as_ref()));
        self.restart_signal = signal.unwrap_or(self.restart_signal);
        self
    }

    /// How long a generation may take to finish its work, before it is killed. Default: 30 s.
    pub fn terminate_timeout(mut self, timeout: impl IntoDuration) -> Self {
        if let Some(timeout) = self.positive("terminate_timeout", timeout.into_duration()) {
            self.config.restarts.terminate_timeout = timeout;
        }
        self
    }

    /// How long a new generation may take to become ready, before it is killed and the restart
    /// abandoned. Default: 30 s.
    pub fn ready_timeout(mut self, timeout: impl IntoDuration) -> Self {
        if let Some(timeout) = self.positive("ready_timeout", timeout.into_duration()) {
            self.config.restarts.ready_timeout = timeout;
        }
        self
    }

    /// How long a new generation is on trial, while the old one waits, paused, to take over again
    /// at once if it dies. Default: 10 s; zero turns it off.
    ///
    /// Meanwhile it is asked each second whether it lives, and a blocked runtime does not answer: after
    /// ten questions without an answer it is given up, and while it owes one, it is not committed.
    pub fn probation(mut self, probation: impl IntoDuration) -> Self {
        if let Some(probation) = self.check("probation", probation.into_duration()) {
            self.config.restarts.probation = probation;
        }
        self
    }

    /// How many old generations may be finishing their work at once; at the limit the next restart
    /// waits. Default: 8.
    pub fn max_draining(mut self, generations: usize) -> Self {
        if generations == 0 {
            self.refuse("`max_draining` must be at least 1, or no restart could ever end".into());
        }
        self.config.restarts.max_draining = generations;
        self
    }

    /// Whether two generations may run at once. Default: true.
    ///
    /// `false` is for a program that cannot run twice, because it holds an exclusive lock: the old
    /// generation drains first, while new connections wait in the listeners' queues, and the new
    /// one starts when it is gone. If the new one fails, the previous binary is started again.
    pub fn overlap(mut self, overlap: bool) -> Self {
        self.config.restarts.overlap = overlap;
        self
    }

    /// Whether the master follows an upgrade once it is committed, by executing the new binary in
    /// place: same PID, same children, new addresses, fetcher and hooks. Default: true.
    pub fn upgrade_master(mut self, upgrade_master: bool) -> Self {
        self.config.upgrades.master_follows = upgrade_master;
        self
    }

    /// When a generation is ready: "auto" (the default) is when its program first waits for a
    /// connection, or at once without a listener; "manual" is when it calls
    /// [`State::ready`](crate::State::ready).
    pub fn ready(mut self, when: impl AsRef<str>) -> Self {
        match when.as_ref() {
            "auto" => self.config.restarts.ready_manually = false,
            "manual" => self.config.restarts.ready_manually = true,
            other => self.refuse(format!("`ready`: {other:?} is neither \"auto\" nor \"manual\"")),
        }
        self
    }

    /// Whether running without a master, or without upgrades where there is a fetcher, is an error,
    /// rather than a warning. A service that follows another one of the same binary has its upgrades
    /// from that one, and starts. Default: false.
    pub fn required(mut self, required: bool) -> Self {
        self.config.required = required;
        self
    }

    /// Whether there are no restarts: the restart signal then reaches the program like any other,
    /// and an upgrade waits on disk for the next start. Default: false.
    pub fn no_restart(mut self, no_restart: bool) -> Self {
        self.no_restart = no_restart;
        self
    }

    /// Whether an upgrade waits on disk for the next restart. Default: false.
    pub fn no_restart_after_fetch(mut self, no_restart: bool) -> Self {
        self.config.upgrades.restart_after_fetch = !no_restart;
        self
    }

    /// Whether the master prints every event, rather than warnings only. Default: false. Of no
    /// effect once a `tracing` subscriber is installed: it gets them all.
    pub fn debug(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// Whether the master prints no warnings. Default: false.
    pub fn no_warn(mut self, no_warn: bool) -> Self {
        self.no_warn = no_warn;
        self
    }

    /// Is told every [`Event`], in the master, on a thread of its own. Default: nobody.
    pub fn on_event(mut self, hook: impl FnMut(&Event) + Send + 'static) -> Self {
        self.config.on_event = Some(Box::new(hook));
        self
    }

    /// `configure(self)`: a last word on everything else, for settings that depend on one another.
    pub fn configure(self, configure: impl FnOnce(Self) -> Self) -> Self {
        configure(self)
    }

    /// The config.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], with each setting that cannot work and its fix.
    pub fn build(mut self) -> Result<Config> {
        self.check_addresses();
        self.check_control();
        if !self.wrong.is_empty() {
            let messages: Vec<_> = self.wrong.iter().map(ToString::to_string).collect();
            let error = Error::new(ErrorKind::Config, messages.join("; "));
            return Err(error.caused_by(self.wrong.swap_remove(0)));
        }
        let mut config = self.config;
        config.restarts.signal = (!self.no_restart).then_some(self.restart_signal);
        config.upgrades.restart_after_fetch &= !self.no_restart;
        config.verbosity = match (self.debug, self.no_warn) {
            (true, _) => Verbosity::All,
            (false, true) => Verbosity::Silent,
            (false, false) => Verbosity::Warnings,
        };
        Ok(config)
    }

    fn check_addresses(&mut self) {
        let addresses = std::mem::take(&mut self.config.addresses);
        for (index, address) in addresses.iter().enumerate() {
            // One that was no text may say more than an address of ours can.
            if let Err(error) = Address::parse(address.as_str()) {
                self.refuse(format!("`address`: {error}"));
            }
            let conflict = addresses[..index].iter().find_map(|it| address.conflict(it));
            if let Some(conflict) = conflict {
                self.refuse(format!("`address`: {conflict}"));
            }
        }
        if addresses.len() > MOST_ADDRESSES {
            let count = addresses.len();
            self.refuse(format!("`address`: {count} addresses; at most {MOST_ADDRESSES} fit"));
        }
        self.config.addresses = addresses;
    }

    fn positive(&mut self, setting: &str, duration: Result<Duration>) -> Option<Duration> {
        let duration = self.check(setting, duration)?;
        if duration.is_zero() {
            self.refuse(format!("`{setting}` must not be zero; use at least \"1ms\""));
            return None;
        }
        Some(duration)
    }

    fn check<T>(&mut self, setting: &str, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.refuse(format!("`{setting}`: {error}"))).ok()
    }

    fn refuse(&mut self, message: String) {
        self.wrong.push(Error::new(ErrorKind::Config, message));
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// As many listeners can be handed to a child in one message.
const MOST_ADDRESSES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(builder: Builder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn every_setting_that_cannot_work_is_named_with_its_fix() {
        let builder = Config::builder()
            .address(["3000", ":1"])
            .terminate_timeout("0s")
            .probation("30")
            .restart_signal("SIGKILL")
            .max_draining(0)
            .ready("soon");
        let message = message(builder);
        for part in [
            "`address`: \"3000\" is not an address; did you mean \":3000\"?",
            "`terminate_timeout` must not be zero",
            "`probation`: \"30\" has no unit",
            "`restart_signal`: `SIGKILL` cannot ask for a restart",
            "`max_draining` must be at least 1",
            "`ready`: \"soon\" is neither",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn an_address_listed_twice_is_refused_and_port_0_is_not() {
        let twice =
            Config::builder().address(":3000").addresses(vec![Address::parse(":3000").unwrap()]);
        assert_eq!(message(twice), "`address`: \":3000\" is listed twice");
        let free = Config::builder().address(["127.0.0.1:0", "127.0.0.1:0"]).build().unwrap();
        assert_eq!(free.addresses.len(), 2);
    }

    #[test]
    fn a_probation_of_zero_is_a_choice() {
        let config = Config::builder().probation(Duration::ZERO).build().unwrap();
        assert!(config.restarts.probation.is_zero());
        assert_eq!(config.restarts.signal, Some(RestartSignal::DEFAULT));
    }

    #[test]
    fn without_restarts_an_upgrade_waits_for_the_next_start() {
        let config = Config::builder().no_restart(true).build().unwrap();
        assert_eq!(config.restarts.signal, None);
        assert!(!config.upgrades.restart_after_fetch);
    }
}
