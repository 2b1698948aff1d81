//! What lies at the path of the binary? Asked before each restart, on a thread beside the loop.
//!
//! A file that is not the one that serves was put there by hand. It is read and started once, as a
//! candidate is, and left where it is whatever comes out.

use std::io;
use std::path::PathBuf;

use nix::unistd::Pid;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::plan::Finding;
use crate::origin::Origin;
use crate::upgrade::{self, Demands, Inode, Vetted};

#[derive(Debug, Default)]
pub(super) struct Examiner {
    /// Whether a file need not say which program it is.
    pub(super) allow_unmarked: bool,
    /// The look that is being taken, if one is.
    looking: Option<oneshot::Receiver<Examined>>,
    /// Why no other one is.
    refused: Option<&'static str>,
}

/// What was found, and which file may be started.
pub(super) type Examined = (Finding, Option<Vetted>);

impl Examiner {
    /// Compares what lies at the path with what the process `serving` executes. As long as an earlier
    /// look has not come back there is no other: each is a thread, and may hang where that one does.
    pub(super) fn examine(
        &mut self,
        origin: &Origin,
        serving: Executing,
        rehearsal: Option<String>,
    ) {
        if self.is_looking() {
            self.refused = Some(STUCK);
            return;
        }
        let (report, receiver) = oneshot::channel();
        self.looking = Some(receiver);
        let (origin, allow_unmarked) = (origin.clone(), self.allow_unmarked);
        let thread = std::thread::Builder::new().name("selfup-examine".into());
        let spawned = thread.spawn(move || {
            let demands = Demands { allow_unmarked, rehearsal: rehearsal.as_deref() };
            let examined = examine(&origin, serving, demands);
            // Nobody waits any more if the service ends.
            let _ = report.send(examined);
        });
        if let Err(error) = spawned {
            let text = format!("no thread to look at the binary; raise `ulimit -u` ({error})");
            let (report, receiver) = oneshot::channel();
            let _ = report.send((Finding::Refused(text), None));
            self.looking = Some(receiver);
        }
    }

    fn is_looking(&mut self) -> bool {
        let looking = self.looking.as_mut();
        looking.is_some_and(|look| matches!(look.try_recv(), Err(TryRecvError::Empty)))
    }

    /// What was found. Cancel-safe.
    pub(super) async fn report(&mut self) -> Examined {
        if let Some(text) = self.refused.take() {
            return (Finding::Refused(text.into()), None);
        }
        let Some(receiver) = &mut self.looking else { return std::future::pending().await };
        let examined = receiver.await.unwrap_or_else(|_| {
            let text =
                "the look at the binary came to nothing; this is a fault of selfup, report it";
            (Finding::Refused(text.into()), None)
        });
        self.looking = None;
        examined
    }
}

const STUCK: &str = "an earlier look at the binary has not come back; see whether its file system \
     answers";

/// A process that executes a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Executing {
    pub(super) pid: Pid,
    /// What was at the path when it started, if this master started it.
    pub(super) started_from: Option<Inode>,
}

impl Executing {
    /// What it executes. One that does not want to be traced shows it to nobody but root: what it was
    /// started from has to do.
    pub(super) fn inode(self) -> Option<Inode> {
        match Inode::at(&executed_by(self.pid)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.started_from,
            shown => shown.ok(),
        }
    }
}

/// The file that a process executes, whatever has become of its path.
pub(super) fn executed_by(pid: Pid) -> PathBuf {
    format!("/proc/{pid}/exe").into()
}

fn examine(origin: &Origin, serving: Executing, demands: Demands<'_>) -> Examined {
    match Inode::at(origin.path()) {
        Ok(inode) if serving.inode() == Some(inode) => {
            return (Finding::Same, Some(Vetted { addresses: None, inode, known: None }));
        }
        Ok(_) => {}
        Err(error) => {
            let path = origin.path().display();
            let text = format!("{path} leads to no file; put a binary there ({error})");
            return (Finding::Refused(text), None);
        }
    }
    match upgrade::vet(origin, demands, None) {
        Ok(vetted) => (Finding::Changed, Some(vetted)),
        Err(error) => (Finding::Refused(error.chain()), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_that_does_not_come_back_is_the_only_one() {
        let origin = Origin::of_test("/nowhere/app".into(), &[], &[]);
        let (hung, looking) = oneshot::channel();
        let serving = Executing { pid: Pid::this(), started_from: None };
        let mut examiner = Examiner { looking: Some(looking), ..Examiner::default() };
        for _ in 0..2 {
            examiner.examine(&origin, serving, None);
            let (finding, _) = examiner.report().await;
            assert!(matches!(finding, Finding::Refused(why) if why == STUCK));
        }
        hung.send((Finding::Same, None)).unwrap();
        examiner.examine(&origin, serving, None);
        let (finding, _) = examiner.report().await;
        assert!(matches!(finding, Finding::Refused(why) if why.contains("leads to no file")));
    }
}
