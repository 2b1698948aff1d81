use std::fmt;
use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;

use crate::error::{BoxError, Context as _, ErrorKind, Result};
use crate::role::Role;
use crate::state::{Health, State};

/// What runs in the child: the user's function, and the runtime that it needs.
///
/// ```no_run
/// use selfup::{Config, Program, Runtime, State};
///
/// async fn prog(state: State) {
///     println!("generation {}", state.generation());
/// }
///
/// fn main() -> std::process::ExitCode {
///     let config = || Config::builder().address(":3000").build();
///     selfup::run(config, Program::on(Runtime::multi_thread(), prog))
/// }
/// ```
#[must_use = "a program does nothing until it is run"]
pub struct Program {
    init: Option<Box<dyn FnOnce(Role)>>,
    health: Option<Health>,
    body: Box<dyn FnOnce(State, Option<Health>) -> Result<ExitCode>>,
}

impl Program {
    /// A program without a runtime.
    pub fn blocking<O: ProgramOutput>(program: impl FnOnce(State) -> O + 'static) -> Self {
        Self::of(|state: State, health| {
            state.starting(health, None);
            Ok(program(state).into_exit_code())
        })
    }

    /// An async program, on a tokio runtime that is made for it in the child.
    pub fn on<F>(runtime: Runtime, program: impl FnOnce(State) -> F + 'static) -> Self
    where
        F: Future<Output: ProgramOutput>,
    {
        Self::of(move |state, health| {
            let runtime = runtime.build()?;
            state.starting(health, Some(runtime.handle().clone()));
            let output = runtime.block_on(program(state));
            // What the program left behind is not waited for: it has ended.
            runtime.shutdown_background();
            Ok(output.into_exit_code())
        })
    }

    fn of(body: impl FnOnce(State, Option<Health>) -> Result<ExitCode> + 'static) -> Self {
        Self { init: None, health: None, body: Box::new(body) }
    }

    /// Runs first in every process of the service, before any thread: the place to install a
    /// `tracing` subscriber or a panic hook. Default: nothing.
    pub fn init(mut self, init: impl FnOnce(Role) + 'static) -> Self {
        self.init = Some(Box::new(init));
        self
    }

    /// Asks the program whether it is well, while its generation is on trial. Default: nobody does.
    ///
    /// The hook runs in the child: once when the program is ready, before it is admitted, and again
    /// each second of its probation. An error, a panic, or no answer within 5 s ends the trial: the
    /// generation before goes on at once, and after an upgrade the previous binary is put back. In
    /// an async program the hook is a task on the program's runtime, so a runtime that is blocked
    /// fails it, too; a sync program's runs on a thread of its own, in a runtime of its own.
    ///
    /// The first generation has nothing to go back to: its hook runs once, and an error is reported
    /// and no more. After the probation, and without a master, it does not run.
    ///
    /// ```no_run
    /// use selfup::{BoxError, Program, Runtime, State};
    ///
    /// async fn prog(state: State) {}
    ///
    /// async fn well(_: State) -> Result<(), BoxError> {
    ///     tokio::net::TcpStream::connect("db.internal:5432").await?;
    ///     Ok(())
    /// }
    ///
    /// let program = Program::on(Runtime::multi_thread(), prog).health(well);
    /// ```
    pub fn health<F, E>(mut self, hook: impl Fn(State) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.health = Some(Health::new(hook));
        self
    }

    pub(super) fn initialise(&mut self, role: Role) {
        if let Some(init) = self.init.take() {
            init(role);
        }
    }

    pub(super) fn run(self, state: State) -> Result<ExitCode> {
        (self.body)(state, self.health)
    }
}

impl<F: FnOnce(State) -> O + 'static, O: ProgramOutput> From<F> for Program {
    fn from(program: F) -> Self {
        Self::blocking(program)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("has_init", &self.init.is_some())
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

/// The tokio runtime of an async program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a runtime does nothing until a program runs on it"]
pub struct Runtime {
    flavor: Flavor,
    worker_threads: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavor {
    MultiThread,
    CurrentThread,
}

impl Runtime {
    /// A worker thread for each processor, as `#[tokio::main]` has it.
    pub fn multi_thread() -> Self {
        Self { flavor: Flavor::MultiThread, worker_threads: None }
    }

    /// Everything on the thread of `main`.
    pub fn current_thread() -> Self {
        Self { flavor: Flavor::CurrentThread, worker_threads: None }
    }

    /// The number of worker threads of a multi-threaded runtime. Default: the number of
    /// processors. Zero counts as one.
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = Some(threads.max(1));
        self
    }

    fn build(self) -> Result<tokio::runtime::Runtime> {
        let mut builder = match self.flavor {
            Flavor::MultiThread => tokio::runtime::Builder::new_multi_thread(),
            Flavor::CurrentThread => tokio::runtime::Builder::new_current_thread(),
        };
        if let (Flavor::MultiThread, Some(threads)) = (self.flavor, self.worker_threads) {
            builder.worker_threads(threads);
        }
        let runtime = builder.enable_all().build();
        runtime.context(ErrorKind::Program, || "no runtime for the program; raise its limits")
    }
}

/// What a program may take: the [`State`].
#[diagnostic::on_unimplemented(
    message = "a `#[selfup::main]` program takes `selfup::State`, not `{Self}`",
    label = "expected `selfup::State`",
    note = "take `state: selfup::State`, or no argument at all"
)]
pub trait ProgramArgument {
    #[doc(hidden)]
    fn from_state(state: State) -> Self;
}

impl ProgramArgument for State {
    fn from_state(state: State) -> Self {
        state
    }
}

/// What a program may return: `()`, [`ExitCode`], `!`, or a `Result` of one of them with any `Debug`
/// error, which is printed to stderr and becomes the code 1.
#[diagnostic::on_unimplemented(
    message = "a `#[selfup::main]` program cannot return `{Self}`",
    label = "expected `()`, `ExitCode`, `!`, or a `Result` of one of them",
    note = "return `()`, `std::process::ExitCode`, `!`, or a `Result` of one of them with an error \
            that is `Debug`"
)]
pub trait ProgramOutput {
    #[doc(hidden)]
    fn into_exit_code(self) -> ExitCode;
}

impl ProgramOutput for () {
    fn into_exit_code(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl ProgramOutput for ExitCode {
    fn into_exit_code(self) -> ExitCode {
        self
    }
}

impl ProgramOutput for std::convert::Infallible {
    fn into_exit_code(self) -> ExitCode {
        match self {}
    }
}

impl<T: ProgramOutput, E: fmt::Debug> ProgramOutput for Result<T, E> {
    fn into_exit_code(self) -> ExitCode {
        self.map_or_else(
            |error| {
                let _ = writeln!(std::io::stderr(), "Error: {error:?}");
                ExitCode::FAILURE
            },
            T::into_exit_code,
        )
    }
}
