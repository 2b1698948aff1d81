//! The commands and their options, as `--help` tells them.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command, value_parser};

use crate::end::STATUS;

pub(crate) fn command() -> Command {
    Command::new("selfup")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Looks after services that upgrade themselves")
        .after_help(STATUS)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .args([json()])
        .subcommands([status(), restart(), check(), rollback(), pause(), resume(), watch()])
        .subcommands([inspect(), doctor()])
}

fn status() -> Command {
    of_service("status", "Shows the generations, the last upgrade, and what was refused", "10s")
}

fn restart() -> Command {
    let about = "Starts a new generation of the binary on disk, and waits until it is committed";
    of_service("restart", about, LONG)
}

fn check() -> Command {
    let about = "Asks the fetcher for a new binary now, and waits for the upgrade that begins";
    of_service("check", about, LONG)
}

fn rollback() -> Command {
    of_service("rollback", "Returns to the previous binary, and waits until it serves", LONG)
}

fn pause() -> Command {
    of_service("pause", "Has the service look for no upgrades, until `resume`", LONG)
}

fn resume() -> Command {
    of_service("resume", "Has the service look for upgrades again", LONG)
}

fn watch() -> Command {
    of_service("watch", "Prints each event as it happens; --json: one document a line", "1m")
        .long_about(
            "Prints each event as it happens; --json: one document a line.\n\nA service that upgrades \
             or is started again closes the connection: it is then tried again for as long as \
             --timeout says, and stderr says what became of the master. Ends when nobody reads \
             stdout any more.",
        )
}

fn of_service(name: &'static str, about: &'static str, timeout: &'static str) -> Command {
    Command::new(name).about(about).after_help(STATUS).args([
        socket(),
        Arg::new("timeout")
            .long("timeout")
            .value_name("TIME")
            .help("How long to wait, such as 30s or 5m")
            .default_value(timeout)
            .value_parser(ValueParser::from(parse_time)),
    ])
}

fn inspect() -> Command {
    Command::new("inspect")
        .about("Shows what a file is: its note, digest, target and signature, and whether it would run")
        .after_help(STATUS)
        .args([
            path("FILE").required(true).help("A binary"),
            Arg::new("key").long("key").value_name("KEY").action(ArgAction::Append).help(
                "A minisign public key, or the path of a .pub file: FILE.minisig has to be by one",
            ),
        ])
}

fn doctor() -> Command {
    Command::new("doctor")
        .about("Finds every reason why an upgrade of a binary would fail here")
        .long_about(
            "Finds every reason why an upgrade of a binary would fail here.\n\nNames the binary, or \
             the control socket of a service: then its path, user, unit and view of the file systems \
             count. Run it as root, or as the user of the service. Status 1: an upgrade would \
             fail; warnings are status 0.",
        )
        .after_help(STATUS)
        .args([
            path("BINARY").help("The binary; or --socket for that of a service"),
            socket(),
            Arg::new("user").long("user").value_name("NAME").help(
                "Whether this user may replace it: by mode bits, access control lists left aside",
            ),
            Arg::new("unit")
                .long("unit")
                .value_name("UNIT")
                .help("The systemd unit that runs it: a name, or the path of a unit file"),
            path("state-dir").long("state-dir").value_name("DIR").help("As the key `state_dir`"),
            path("candidate")
                .long("candidate")
                .value_name("FILE")
                .help("Whether this file would be taken in its place"),
        ])
}

fn json() -> Arg {
    let help = "Prints one JSON document";
    Arg::new("json").long("json").action(ArgAction::SetTrue).global(true).help(help)
}

fn socket() -> Arg {
    path("socket")
        .long("socket")
        .value_name("PATH")
        .env("SELFUP_CONTROL")
        .help("The control socket of the service: what its key `control` says")
}

fn path(name: &'static str) -> Arg {
    Arg::new(name).value_parser(value_parser!(PathBuf))
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| format!("{error}, such as 30s"))?;
    if time.is_zero() || time > LONGEST {
        return Err("more than nothing and at most a week is possible".to_owned());
    }
    Ok(time)
}

/// A generation has minutes to get ready, another for its probation, and a download comes before. What
/// is asked meanwhile is answered behind it.
const LONG: &str = "30m";

const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn what_is_answered_behind_an_upgrade_has_the_time_of_one() {
        for name in ["restart", "check", "rollback", "pause", "resume"] {
            let matches = command().get_matches_from(["selfup", name, "--socket", "x"]);
            let (_, matches) = matches.subcommand().unwrap();
            let patience = matches.get_one::<Duration>("timeout");
            assert_eq!(patience, Some(&Duration::from_secs(30 * 60)), "{name}");
        }
    }

    #[test]
    fn no_time_and_endless_time_are_refused() {
        assert_eq!(parse_time("90s"), Ok(Duration::from_secs(90)));
        for text in ["0s", "1y", "soon", "-1s", "10"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
