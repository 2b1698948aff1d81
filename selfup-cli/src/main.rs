//! `selfup`: the eyes and hands of whoever operates a service on [selfup](https://docs.rs/selfup).
//!
//! Two halves. [`service`] asks a running one over its control socket: what it does, and to do
//! something. [`inspect`] and [`doctor`] look at files, and at where they lie, with the checks of the
//! library itself, so that they say what a service would find.
//!
//! Whatever comes from a socket or a file may be anything: it is [bounded](client), and
//! [escaped](text) before a terminal sees it. How a command ends is in its [status](end), for scripts.
//!
//! Limits: services that have a control socket, on Linux; what a kernel without `/proc` would tell is
//! left out.

mod arguments;
mod client;
mod doctor;
mod end;
mod events;
mod inspect;
mod output;
mod service;
mod text;

use std::process::ExitCode;

use self::end::{End, Failure};
use self::output::Output;

selfup::note!();

fn main() -> ExitCode {
    let matches = arguments::command().get_matches();
    let output = if matches.get_flag("json") { Output::Json } else { Output::Words };
    let ended = run(&matches, output).unwrap_or_else(|failure| output.fail(&failure));
    ExitCode::from(ended.code())
}

fn run(matches: &clap::ArgMatches, output: Output) -> Result<End, Failure> {
    match matches.subcommand() {
        Some(("inspect", matches)) => inspect::run(matches, output),
        Some(("doctor", matches)) => doctor::run(matches, output),
        Some((name, matches)) => service::run(name, matches, output),
        None => Err(Failure::usage("there is no command; see `selfup --help`")),
    }
}
