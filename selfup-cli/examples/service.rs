//! A service with a control socket, which the tests of the command ask: `CONTROL` is its path,
//! `RELEASE` the file that its fetcher looks at, and while there is a file `FLAW` a generation that starts
//! ends at once.
#![allow(clippy::needless_pass_by_value, reason = "a program owns its state")]

use std::env::var_os;
use std::path::Path;
use std::process::ExitCode;

selfup::note!();

fn main() -> ExitCode {
    selfup::run(config, selfup::Program::blocking(serve))
}

fn config() -> selfup::Result<selfup::Config> {
    let mut builder = selfup::Config::builder().address("127.0.0.1:0").probation("500ms");
    if let Some(path) = var_os("CONTROL") {
        builder = builder.control(path.to_string_lossy().into_owned());
    }
    if let Some(path) = var_os("RELEASE") {
        builder = builder.fetcher(selfup::fetcher::file(path));
    }
    builder.build()
}

fn serve(state: selfup::State) -> ExitCode {
    if var_os("FLAW").is_some_and(|path| Path::new(&path).exists()) {
        return ExitCode::from(9);
    }
    // It answers nobody: what is asked is the master.
    match state.listener() {
        Ok(listener) => listener.incoming().for_each(drop),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}
