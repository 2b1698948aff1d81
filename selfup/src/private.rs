//! All that expansions of `#[selfup::main]` may name. Not part of the public API.

pub use std::process::ExitCode;

// One name for two things: the macro `note!`, and the module of what it expands to.
pub use crate::__note as note;
pub use crate::entry::{Program, ProgramArgument, ProgramOutput, Runtime, run};
pub use crate::note::write as note;
use crate::state::State;

/// The state as the type that the user's function names.
#[must_use]
pub fn argument<T: ProgramArgument>(state: State) -> T {
    T::from_state(state)
}
