//! Where there is no inotify, polls alone find what is new.

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use super::beside::Beside;
use super::place::Versions;

/// Watches nothing.
#[derive(Debug, Default)]
pub(super) struct Watch(());

#[derive(Debug)]
pub(super) enum News {
    File,
}

#[expect(clippy::unused_self, reason = "with inotify there is something to watch")]
impl Watch {
    pub(super) fn begin(&mut self) {}

    pub(super) fn follow(&mut self, _: &Path, _: &[&Beside]) {}

    pub(super) fn follow_versions(&mut self, _: &Versions) {}

    pub(super) fn miss(&mut self) {}

    pub(super) fn end(&mut self) {}

    pub(super) fn is_whole(&self) -> bool {
        false
    }

    pub(super) fn is_set(&self) -> bool {
        true
    }

    pub(super) fn has_finished(&self) -> bool {
        false
    }

    pub(super) fn forget(&mut self) {}

    pub(super) fn forget_beside(&mut self) {}

    pub(super) async fn changed(&mut self) -> News {
        pending().await
    }

    pub(super) async fn wait(&mut self, longest: Duration) {
        tokio::time::sleep(longest).await;
    }
}
