//! The systemd unit that runs a binary: as its manager knows it, or as it is written in a file.

mod file;
pub(super) mod judge;
mod paths;

use std::collections::BTreeMap;
use std::path::Path;

use tokio::process::Command;

use super::asked;

/// The settings of a service.
#[derive(Debug, Default)]
pub(super) struct Unit {
    name: String,
    /// All values of each setting, in order; an empty one has removed those before it.
    settings: BTreeMap<String, Vec<String>>,
}

impl Unit {
    /// The unit of this name, or in this file.
    pub(super) fn load(name: &str, is_user: bool) -> Result<Self, String> {
        if name.contains('/') || Path::new(name).is_file() {
            file::read(Path::new(name))
        } else {
            show(name, is_user)
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn add(&mut self, key: &str, value: &str) {
        let values = self.settings.entry(key.to_owned()).or_default();
        if value.is_empty() {
            values.clear();
        } else {
            values.push(value.to_owned());
        }
    }

    /// What counts of a setting that has one value.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key)?.last().map(String::as_str)
    }

    pub(super) fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| ["yes", "true", "on", "1"].contains(&value))
    }

    /// Whether `RestrictAddressFamilies` has no `family`: a list of those that are left, or, behind
    /// a tilde, of those that are not. The first one decides which, and later ones add or take away.
    fn forbids_family(&self, family: &str) -> bool {
        let (mut is_denying, mut is_listed) = (None, false);
        for value in self.settings.get("RestrictAddressFamilies").into_iter().flatten() {
            let words = value.trim_start_matches('~');
            let is_inverted = words.len() != value.len();
            let is_added = *is_denying.get_or_insert(is_inverted) == is_inverted;
            if words.split_whitespace().any(|word| word == family) {
                is_listed = is_added;
            }
        }
        is_denying.is_some_and(|is_denying| is_denying == is_listed)
    }

    /// The words of a setting that is a list.
    pub(super) fn words(&self, key: &str) -> impl Iterator<Item = &str> {
        self.settings.get(key).into_iter().flatten().flat_map(|value| value.split_whitespace())
    }
}

/// The unit of a process, and whether a user's own manager has it: by its control group.
pub(super) fn of_process(pid: u32) -> Option<(String, bool)> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    groups.lines().find_map(in_group)
}

/// By a line such as `0::/system.slice/app.service`.
fn in_group(line: &str) -> Option<(String, bool)> {
    let path = line.splitn(3, ':').nth(2)?;
    let mut parts = path.split('/').rev();
    let unit = parts.find(|part| part.ends_with(".service") && !part.starts_with("user@"))?;
    Some((unit.to_owned(), parts.any(|part| part.starts_with("user@"))))
}

fn show(name: &str, is_user: bool) -> Result<Unit, String> {
    let mut systemctl = Command::new("systemctl");
    if is_user {
        systemctl.arg("--user");
    }
    systemctl.args(["show", "--no-pager", "--property", &KEYS.join(","), "--", name]);
    let shown = asked::output(systemctl.env("LC_ALL", "C"));
    let shown =
        shown.map_err(|error| format!("unit {name} cannot be asked for: systemctl: {error}"))?;
    if !shown.status.success() {
        let words = String::from_utf8_lossy(&shown.stderr).trim().to_owned();
        return Err(format!("unit {name} cannot be asked for: {words}"));
    }
    let mut unit = Unit { name: name.to_owned(), ..Unit::default() };
    let text = String::from_utf8_lossy(&shown.stdout);
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        unit.add(key, value);
    }
    match unit.get("LoadState") {
        Some("loaded") => Ok(unit),
        state => Err(format!("unit {name} is {}", state.unwrap_or("unknown"))),
    }
}

/// All that is judged.
const KEYS: [&str; 30] = [
    "LoadState",
    "Type",
    "ReloadSignal",
    "KillMode",
    "Restart",
    "ExecStart",
    "User",
    "Group",
    "SupplementaryGroups",
    "DynamicUser",
    "NoNewPrivileges",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "BindPaths",
    "BindReadOnlyPaths",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "InaccessiblePaths",
    "TemporaryFileSystem",
    "NoExecPaths",
    "ExecPaths",
    "StateDirectory",
    "CacheDirectory",
    "LogsDirectory",
    "RuntimeDirectory",
    "ConfigurationDirectory",
    "RootDirectory",
    "RootImage",
    "RestrictAddressFamilies",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_those_that_are_left_or_those_that_are_not() {
        let forbids = |values: &[&str]| {
            let mut unit = Unit::default();
            for value in values {
                unit.add("RestrictAddressFamilies", value);
            }
            unit.forbids_family("AF_UNIX")
        };
        for values in
            [&["AF_INET AF_INET6"][..], &["none"], &["~AF_UNIX"], &["AF_UNIX", "~AF_UNIX"]]
        {
            assert!(forbids(values), "{values:?}");
        }
        for values in [
            &[][..],
            &["~"],
            &["~AF_INET"],
            &["AF_INET", "AF_UNIX"],
            &["~AF_UNIX", "AF_UNIX"],
            &["AF_INET", ""],
        ] {
            assert!(!forbids(values), "{values:?}");
        }
    }

    #[test]
    fn the_unit_of_a_process_is_in_its_control_group() {
        let unit = |line| in_group(line);
        let of = |name: &str, is_user| Some((name.to_owned(), is_user));
        assert_eq!(unit("0::/system.slice/app.service"), of("app.service", false));
        assert_eq!(unit("1:name=systemd:/system.slice/app.service/sub"), of("app.service", false));
        let line = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app.service";
        assert_eq!(unit(line), of("app.service", true));
        assert_eq!(unit("0::/user.slice/user-0.slice/session-1.scope"), None);
        assert_eq!(unit("0::/user.slice/user@0.service/init.scope"), None);
    }
}
