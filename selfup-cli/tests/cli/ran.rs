//! The command, and how it ended.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The command, in an environment that says nothing to it; ended where a machine would have to be
/// stuck.
pub(crate) fn selfup<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new("timeout");
    command.arg("--foreground").arg(selfup_tests::PATIENCE.as_secs().to_string());
    command.arg(env!("CARGO_BIN_EXE_selfup")).args(arguments).stdin(Stdio::null());
    for name in ["SELFUP_CONTROL", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ran {
    Ran::of(selfup(arguments).output().unwrap())
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("{:?}", output.status));
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Its one document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
