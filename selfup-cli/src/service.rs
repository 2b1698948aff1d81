//! What is asked of a running service, over its control socket.
//!
//! Documents are passed on as they came, with `--json`, so that a tool of another version leaves
//! nothing out; for people the fields that are known are shown, and a field that is missing is not.

mod act;
mod follow;
pub(crate) mod status;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;

use crate::client::Client;
use crate::end::{End, Failure};
use crate::output::Output;

pub(crate) fn run(name: &str, matches: &ArgMatches, output: Output) -> Result<End, Failure> {
    let client = Client::new(&socket(matches)?);
    let default = Duration::from_secs(10);
    let patience = matches.get_one::<Duration>("timeout").copied().unwrap_or(default);
    block_on(async {
        match name {
            "status" => status::run(&client, patience, output).await,
            "watch" => watch::run(&client, patience, output).await,
            name => act::run(&client, name, patience, output).await,
        }
    })
}

/// The path that was named, by option or environment.
fn socket(matches: &ArgMatches) -> Result<PathBuf, Failure> {
    let named = matches.get_one::<PathBuf>("socket").filter(|path| !path.as_os_str().is_empty());
    named.cloned().ok_or_else(|| {
        Failure::usage(
            "no control socket is named; do it by --socket PATH or SELFUP_CONTROL=PATH, with the \
             path that the key `control` of the service says",
        )
    })
}

/// Runs `work` on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::nothing(format!("no descriptors to wait with ({error}); raise `ulimit -n`"))
    })?;
    runtime.block_on(work)
}
