//! A shell that is given one block of commands after the other, as at a terminal: what one has exported or started is
//! there for the next.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::manual::Block;

/// One that runs, and ends with this.
#[derive(Debug)]
pub struct Shell {
    bash: Child,
    commands: ChildStdin,
    output: PathBuf,
    /// What was printed by the blocks before the next one.
    shown: usize,
}

impl Shell {
    /// One that is reached by `entrance`, the beginning of a command or nothing, and prints to the file `output`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(entrance: &[String], variables: &[(&str, &Path)], output: &Path) -> Self {
        let words: Vec<_> = entrance.iter().map(String::as_str).chain(["bash", "-e"]).collect();
        let printed = File::create(output).expect("the directory is ours");
        let mut bash = Command::new(words[0])
            .args(&words[1..])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stderr(printed.try_clone().expect("a descriptor"))
            .stdout(printed)
            .spawn()
            .expect("it starts");
        let commands = bash.stdin.take().expect("it was asked for");
        Self { bash, commands, output: output.to_owned(), shown: 0 }
    }

    /// Runs commands, and gives what they print.
    ///
    /// # Panics
    ///
    /// If one fails, or if they have no end within `patience`.
    pub fn run(&mut self, commands: &str, patience: Duration) -> String {
        // One that has ended takes no more, and is asked for its status below.
        let _ = write!(self.commands, "{commands}\necho '{END}'\n");
        let until = Instant::now() + patience;
        loop {
            let status = self.bash.try_wait().expect("it is our child");
            let printed = std::fs::read(&self.output).expect("it is there");
            let printed = String::from_utf8_lossy(&printed[self.shown..]).into_owned();
            if let Some((printed, _)) = printed.split_once(END) {
                self.shown += printed.len() + END.len();
                return printed.to_owned();
            }
            assert!(status.is_none(), "{}: {commands}\n{printed}", status.unwrap_or_default());
            assert!(Instant::now() < until, "no end: {commands}\n{printed}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Runs a block of the manual, which has to show what it says.
    ///
    /// # Panics
    ///
    /// If it does not, or as [`run`](Self::run) does.
    pub fn follow(&mut self, block: &Block, patience: Duration) {
        block.assert_shown(&self.run(&block.text, patience));
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.bash.kill();
        let _ = self.bash.wait();
    }
}

/// What is printed behind a block.
const END: &str = "--- the block is done ---";
