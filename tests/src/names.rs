//! Names of hosts that one service alone knows.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::ServiceBuilder;

/// The `/etc/hosts` of a service in a mount namespace of its own, where nobody is asked beside it.
#[derive(Debug)]
pub struct Names(TempDir);

impl Names {
    /// No names yet; `None` where this user may make no namespaces. That is said aloud, and is no excuse in
    /// CI.
    ///
    /// # Panics
    ///
    /// If there is no room for two files, or there can be no namespaces and the variable `CI` is set.
    #[must_use]
    pub fn try_new() -> Option<Self> {
        let names = Self(tempfile::tempdir().expect("a temporary directory"));
        names.know(None);
        // Nobody listens there, or whoever does is on this machine.
        let resolvers = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
        fs::write(names.0.path().join("resolv.conf"), resolvers).expect("the directory is ours");
        let wrapper = names.wrapper();
        let mut command = Command::new(&wrapper[0]);
        let tried = command.args(&wrapper[1..]).arg("true").stdin(Stdio::null()).status();
        if tried.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Some(names);
        }
        assert!(std::env::var_os("CI").is_none(), "CI has to mount, and may not: {tried:?}");
        eprintln!("SKIPPED: this user may not mount in a namespace: {tried:?}");
        None
    }

    /// Has `name` known as that of this machine from now on, or nothing.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn know(&self, name: Option<&str>) {
        let line = name.map(|name| format!("127.0.0.1 {name}\n")).unwrap_or_default();
        // In place: what is mounted is this inode.
        fs::write(self.0.path().join("hosts"), line).expect("the directory is ours");
    }

    /// The service, which knows these names and no others.
    #[must_use]
    pub fn known_to(&self, service: ServiceBuilder) -> ServiceBuilder {
        let wrapper = self.wrapper();
        // A proxy of this machine's would be asked in their place.
        let service = service.set("no_proxy", "*").set("NO_PROXY", "*");
        service.under(&wrapper.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn wrapper(&self) -> Vec<String> {
        let path = |name| self.0.path().join(name).display().to_string();
        let mount = "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/resolv.conf && shift 2 \
                     && exec \"$@\"";
        // Whoever may not mount may where they are root.
        let is_root = nix::unistd::geteuid().is_root();
        let user = (!is_root).then_some("--map-root-user");
        let words = ["unshare", "--mount"].into_iter().chain(user);
        let words = words.chain(["sh", "-c", mount, "sh"]).map(str::to_owned);
        words.chain([path("hosts"), path("resolv.conf")]).collect()
    }
}
