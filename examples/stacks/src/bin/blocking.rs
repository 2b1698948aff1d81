//! A program without a runtime: one thread a connection.
//!
//! `Listener::incoming` pauses and resumes as `accept` does, and ends at the drain; the scope then
//! waits for the threads. A thread that waits for its client hears of nothing, so each read has a
//! deadline, after which a program that is to end closes the connection: an idle client has `LINGER`
//! at least, and one that talks is answered until it stops, or `terminate_timeout` (30 s) is over.
//!
//! Each line is answered by `GENERATION: ` and the line. It listens at `ADDR`, with a probation of
//! `PROBATION`; `kill -USR2` restarts it.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::time::Duration;
use std::{env, thread};

use selfup::{BlockingStream, State};

#[selfup::main(
    address = env::var("ADDR").unwrap_or(":3000".into()),
    probation = env::var("PROBATION").unwrap_or("10s".into()),
    debug
)]
fn prog(state: State) -> selfup::Result<()> {
    let listener = state.listener()?;
    let converse = &move |stream| converse(stream, &state);
    thread::scope(|conversations| {
        for connection in listener.incoming() {
            match connection {
                Ok((stream, _)) => {
                    conversations.spawn(move || converse(stream));
                }
                // Out of descriptors, which others will give back.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    });
    Ok(())
}

fn converse(mut stream: BlockingStream, state: &State) -> io::Result<()> {
    stream.set_read_timeout(Some(LINGER))?;
    let (generation, shutdown) = (state.generation(), state.graceful_shutdown());
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = Vec::new();
    loop {
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {
                stream.write_all(&[format!("{generation}: ").as_bytes(), &line].concat())?;
                line.clear();
            }
            // What came of the line so far is in `line`.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if shutdown.is_requested() {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// So long a client of a program that is to end may be silent.
const LINGER: Duration = Duration::from_secs(5);
