//! The service of `demo`: it says which version of it runs, and follows what is published.
//!
//! `GET /` says hello at once, `GET /slow` half a second later, and `POST /slow` once its whole body
//! has come, however long the client takes. Its version is the variable `APP_VERSION` of the build.
//! When it runs, `APP_ADDRESS` says where to listen, and `APP_URL` where newer versions come from.

use std::io::{self, Write as _};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use selfup::State;

/// What this binary was built as.
const VERSION: &str = match option_env!("APP_VERSION") {
    Some(version) => version,
    None => "0",
};

#[selfup::main(
    address = variable("APP_ADDRESS", "127.0.0.1:3000"),
    fetcher = http(variable("APP_URL", "http://127.0.0.1:4000/app"), interval = "1s"),
    probation = "1s"
)]
async fn prog(state: State) -> Result<(), Box<dyn std::error::Error>> {
    let name = format!("app#{VERSION} ({})", state.id().short());
    let listener = state.listener()?;
    say(&format!("{name} listening... http://{}", listener.local_addr()?))?;
    let draining = {
        let (shutdown, line) = (state.graceful_shutdown(), format!("{name} draining..."));
        async move {
            shutdown.await;
            // A terminal that is gone is no reason to drop a request.
            let _ = say(&line);
        }
    };
    let hello = format!("{name} says hello\n");
    axum::serve(listener, routes(hello)).with_graceful_shutdown(draining).await?;
    say(&format!("{name} exiting..."))?;
    Ok(())
}

fn routes(hello: String) -> Router {
    let (at_once, later, at_the_end) = (hello.clone(), hello.clone(), hello);
    let slow = get(async || {
        // The work of this request.
        tokio::time::sleep(Duration::from_millis(500)).await;
        later
    });
    // `axum` calls the handler when the body is complete.
    let slow = slow.post(async |_body: String| at_the_end);
    Router::new().route("/", get(async || at_once)).route("/slow", slow)
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
