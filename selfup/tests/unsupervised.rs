//! A system where there can be no master: the program runs in the first process all the same.
//!
//! `SELFUP_BUILD_UNSUPERVISED=1 cargo test -p selfup --target-dir target/unsupervised` builds it on
//! Linux; elsewhere there is no other build. Where there can be a master, nothing is tested here.
//! The programs are started by the `env` of the GNU coreutils.
#![cfg(all(unix, not(selfup_supervised)))]
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use selfup::{Config, Event, Program, Role, Runtime, State};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

/// So long every wait may take, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which program a process of this binary is to run, rather than the tests.
const PROGRAM: &str = "UNSUPERVISED_TEST_PROGRAM";

const NO_MASTER: &str = "the program runs without a master: no restarts, no upgrades: ";
const REASON: &str = "this system has no pidfds, which a master needs; run the program on Linux";

/// Not a test: what the tests start.
#[test]
#[expect(clippy::exit, reason = "the status is the program's, and not that of a test")]
fn program() {
    let Ok(name) = std::env::var(PROGRAM) else { return };
    let on_threads = || Program::on(Runtime::multi_thread(), serve).init(say_role);
    let code = match name.as_str() {
        "served" => selfup::run(|| config(false), on_threads()),
        "required" => selfup::run(|| config(true), on_threads()),
        "blocking" => selfup::run(|| config(false), Program::blocking(serve_on_this_thread)),
        "tried" => selfup::try_run(|| config(false), on_threads()).unwrap_or_else(|error| {
            eprintln!("tried {:?}: {}", error.kind(), error.chain());
            ExitCode::SUCCESS
        }),
        "annotated" => annotated::start(),
        other => panic!("there is no program {other:?}"),
    };
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

mod annotated {
    #[cfg(feature = "macros")]
    #[selfup::main(address = "127.0.0.1:0", fetcher = file("/nowhere"))]
    async fn prog(state: selfup::State) {
        super::serve(state).await;
    }

    #[cfg(feature = "macros")]
    pub(crate) fn start() -> std::process::ExitCode {
        main()
    }

    #[cfg(not(feature = "macros"))]
    pub(crate) use std::process::abort as start;
}

fn config(required: bool) -> selfup::Result<Config> {
    let say = |event: &Event| eprintln!("event {}: {event}", event.name());
    let config = Config::builder().address("127.0.0.1:0").on_event(say).required(required);
    // What only a master uses can be said all the same.
    config.pre_upgrade(|candidate| candidate.command().status().map(drop)).build()
}

fn say_role(role: Role) {
    eprintln!("role {role:?}");
}

async fn serve(state: State) {
    say(&state);
    let listener = state.listener().unwrap();
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut stream, _) = accepted.unwrap();
                let shutdown = state.graceful_shutdown();
                conversations.spawn(async move {
                    stream.write_all(b"hello\n").await.unwrap();
                    if stream.read_u8().await.is_ok() {
                        shutdown.await;
                        eprintln!("draining");
                        stream.read_u8().await.unwrap();
                        stream.write_all(b"goodbye\n").await.unwrap();
                    }
                });
            }
            () = state.graceful_shutdown() => break,
        }
    }
    conversations.join_all().await;
}

#[expect(clippy::needless_pass_by_value, reason = "a program is given its state")]
fn serve_on_this_thread(state: State) {
    say(&state);
    for accepted in state.listener().unwrap().incoming() {
        accepted.unwrap().0.write_all(b"hello\n").unwrap();
    }
    eprintln!("incoming ended");
}

fn say(state: &State) {
    eprintln!("supervised {} master {:?}", state.is_supervised(), state.master_pid());
    eprintln!("restart {:?}", selfup::restart().map_err(|error| error.to_string()));
    eprintln!("check {:?}", state.check_now().map_err(|error| error.kind()));
    eprintln!("at {}", state.listener().unwrap().local_addr().unwrap());
}

/// A process that runs one of the programs.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(program: &str, variables: &[(&str, &str)]) -> Self {
        // What a script's `cmd &` has everything below it ignore would stay ignored.
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(std::env::current_exe().unwrap());
        command.args(["program", "--exact", "--nocapture"]).env(PROGRAM, program);
        command.env_remove("SELFUP").envs(variables.iter().copied());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The rest of the next line that begins with `start`.
    fn wait_for(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("no line \"{start}..\": {error}"));
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    fn address(&self) -> SocketAddr {
        self.wait_for("at ").parse().unwrap()
    }

    /// The program's code, and all that it said until its end.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let mut rest = Vec::new();
        // The end of what is said is the end of the process.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            rest.push(line);
        }
        let code = self.child.try_wait().unwrap();
        let code = code.or_else(|| self.child.wait().ok()).unwrap().code();
        (code, rest)
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line
}

#[test]
fn this_system_says_that_it_has_no_master() {
    assert!(!selfup::is_supported());
}

#[test]
fn the_program_serves_and_a_warning_says_why_there_is_no_master() {
    let program = Running::start("served", &[]);
    assert_eq!(program.wait_for("role "), "Fallback");
    assert_eq!(program.wait_for("event warning: "), format!("{NO_MASTER}{REASON}"));
    let program = Running::start("served", &[]);
    assert_eq!(program.wait_for(&format!("[selfup] {NO_MASTER}")), REASON);
    let program = Running::start("served", &[]);
    assert_eq!(program.wait_for("supervised "), "false master None");
    assert_eq!(line(&mut connect(program.address())), "hello\n");
}

#[test]
fn asking_for_a_restart_is_an_error() {
    let program = Running::start("served", &[]);
    let said = "no master to ask for a restart: the program runs unsupervised";
    assert_eq!(program.wait_for("restart "), format!("Err({said:?})"));
    assert_eq!(program.wait_for("check "), "Err(Unsupported)");
}

#[test]
fn a_stop_closes_the_listener_and_waits_for_what_is_open() {
    for signal in ["TERM", "INT"] {
        let program = Running::start("served", &[]);
        let address = program.address();
        let mut held = connect(address);
        assert_eq!(line(&mut held), "hello\n");
        held.get_mut().write_all(b"x").unwrap();
        program.signal(signal);
        program.wait_for("draining");
        // Whoever waited for a connection lets go of the listener in a moment, without an event.
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_ok() {
            assert!(Instant::now() < until, "{address} is still listened on");
        }
        held.get_mut().write_all(b"x").unwrap();
        assert_eq!(line(&mut held), "goodbye\n");
        assert_eq!(program.end().0, Some(0));
    }
}

#[test]
fn a_program_without_a_runtime_comes_to_the_end_of_its_connections() {
    let program = Running::start("blocking", &[]);
    let mut stream = connect(program.address());
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all, "hello\n");
    program.signal("TERM");
    let (code, said) = program.end();
    assert_eq!((code, said.contains(&"incoming ended".into())), (Some(0), true), "{said:?}");
}

#[test]
fn a_master_that_is_required_is_an_error() {
    let (code, said) = Running::start("required", &[]).end();
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("[selfup] error: {REASON}")), "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("at ")), "{said:?}");
}

#[test]
fn try_run_gives_the_error_unless_the_operator_wants_no_master() {
    let program = Running::start("tried", &[]);
    assert_eq!(program.wait_for("tried "), format!("Unsupported: {REASON}"));
    let program = Running::start("tried", &[("SELFUP", "off")]);
    assert_eq!(program.wait_for("event warning: "), format!("{NO_MASTER}`SELFUP=off` is set"));
    let required = Running::start("required", &[("SELFUP", "off")]);
    assert_eq!(line(&mut connect(required.address())), "hello\n");
}

#[test]
#[cfg(feature = "macros")]
fn the_attribute_writes_its_note_and_starts_the_program() {
    let program = Running::start("annotated", &[]);
    assert_eq!(line(&mut connect(program.address())), "hello\n");
    if cfg!(target_os = "linux") {
        let note = selfup::note::read(std::env::current_exe().unwrap()).unwrap().unwrap();
        assert_eq!(note.version(), env!("CARGO_PKG_VERSION"));
    }
}
