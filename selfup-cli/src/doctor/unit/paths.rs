//! What of the file system a unit lets its processes see, write and execute: systemd.exec(5),
//! "Sandboxing". Of several settings about one place the longest path counts.

use std::path::{Path, PathBuf};

use super::Unit;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    Hidden,
    ReadOnly,
    /// What is seen there lies at another place.
    Elsewhere,
    ReadWrite,
}

/// What a unit says of one place.
#[derive(Debug)]
pub(super) struct Rule {
    place: PathBuf,
    pub(super) right: Right,
    /// The setting, for whoever has to change it.
    pub(super) setting: String,
}

/// What counts for `directory`, if the unit says anything of it.
pub(super) fn rule_of(unit: &Unit, directory: &Path) -> Option<Rule> {
    let rules = rules(unit).into_iter().filter(|rule| directory.starts_with(&rule.place));
    rules.max_by_key(|rule| (rule.place.components().count(), rule.right))
}

/// The setting by which nothing in `directory` may be executed.
pub(super) fn no_exec(unit: &Unit, directory: &Path) -> Option<String> {
    let longest = |key: &str| {
        let places = unit.words(key).filter_map(place).filter(|place| directory.starts_with(place));
        places.map(|place| place.components().count()).max()
    };
    let denied = longest("NoExecPaths")?;
    (longest("ExecPaths") < Some(denied)).then(|| "NoExecPaths".to_owned())
}

/// Whether a path could only be told by systemd itself.
pub(super) fn has_specifiers(unit: &Unit) -> bool {
    let mut words = ["ReadWritePaths", "BindPaths", "StateDirectory"]
        .into_iter()
        .flat_map(|key| unit.words(key));
    words.any(|word| word.contains('%'))
}

fn rules(unit: &Unit) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut add =
        |place: PathBuf, right, setting: String| rules.push(Rule { place, right, setting });
    let is_dynamic = unit.is_on("DynamicUser");
    let system = match unit.get("ProtectSystem") {
        Some("strict") => Some("strict"),
        _ if is_dynamic => Some("strict, by DynamicUser"),
        Some("full") => Some("full"),
        _ if unit.is_on("ProtectSystem") => Some("yes"),
        _ => None,
    };
    let protected: &[&str] = match system {
        Some("full") => &["/usr", "/boot", "/efi", "/etc"],
        Some("yes") => &["/usr", "/boot", "/efi"],
        Some(_) => &["/"],
        None => &[],
    };
    for place in protected {
        add(place.into(), Right::ReadOnly, format!("ProtectSystem={}", system.unwrap_or_default()));
    }
    let home = match unit.get("ProtectHome") {
        Some("read-only") => Some(Right::ReadOnly),
        Some("tmpfs") => Some(Right::Hidden),
        _ if unit.is_on("ProtectHome") => Some(Right::Hidden),
        _ if is_dynamic => Some(Right::ReadOnly),
        _ => None,
    };
    for place in home.iter().flat_map(|_| ["/home", "/root", "/run/user"]) {
        add(place.into(), home.unwrap_or(Right::Hidden), "ProtectHome".to_owned());
    }
    let is_private = unit.is_on("PrivateTmp") || unit.get("PrivateTmp") == Some("disconnected");
    for place in ["/tmp", "/var/tmp"].into_iter().filter(|_| is_private || is_dynamic) {
        add(place.into(), Right::Hidden, "PrivateTmp".to_owned());
    }
    for (key, right) in [
        ("ReadOnlyPaths", Right::ReadOnly),
        ("ReadWritePaths", Right::ReadWrite),
        ("InaccessiblePaths", Right::Hidden),
        ("TemporaryFileSystem", Right::Hidden),
    ] {
        unit.words(key).filter_map(place).for_each(|place| add(place, right, key.to_owned()));
    }
    for word in unit.words("BindPaths") {
        let Some((from, to)) = bound(word) else { continue };
        let right = if from == to { Right::ReadWrite } else { Right::Elsewhere };
        add(to, right, format!("BindPaths={word}"));
    }
    for (_, to) in unit.words("BindReadOnlyPaths").filter_map(bound) {
        add(to, Right::ReadOnly, "BindReadOnlyPaths".to_owned());
    }
    for (key, root) in DIRECTORIES {
        for name in unit.words(key) {
            // "name:link" has a link besides.
            let name = name.split(':').next().unwrap_or(name);
            add(Path::new(root).join(name), Right::ReadWrite, key.to_owned());
            add(Path::new(root).join("private").join(name), Right::ReadWrite, key.to_owned());
        }
    }
    rules
}

/// The path in a word such as `-/srv`, which may be missing, or `/tmp:ro`.
fn place(word: &str) -> Option<PathBuf> {
    let path = word.trim_start_matches(['-', '+']).split(':').next()?;
    (path.starts_with('/') && !path.contains('%')).then(|| path.into())
}

/// What is shown where, by a word such as `-/srv/app:/opt/app:norbind`.
fn bound(word: &str) -> Option<(PathBuf, PathBuf)> {
    let from = place(word)?;
    let to = match word.split(':').nth(1).filter(|to| !to.is_empty()) {
        Some(to) => place(to)?,
        None => from.clone(),
    };
    Some((from, to))
}

const DIRECTORIES: [(&str, &str); 5] = [
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
    ("RuntimeDirectory", "/run"),
    ("ConfigurationDirectory", "/etc"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn right(settings: &[(&str, &str)], directory: &str) -> Option<Right> {
        let mut unit = Unit::default();
        for (key, value) in settings {
            unit.add(key, value);
        }
        rule_of(&unit, Path::new(directory)).map(|rule| rule.right)
    }

    #[test]
    fn the_longest_path_counts() {
        let strict = ("ProtectSystem", "strict");
        assert_eq!(right(&[strict], "/srv/app"), Some(Right::ReadOnly));
        assert_eq!(
            right(&[strict, ("ReadWritePaths", "-/srv")], "/srv/app"),
            Some(Right::ReadWrite)
        );
        assert_eq!(
            right(&[strict, ("ReadWritePaths", "/srv/ap")], "/srv/app"),
            Some(Right::ReadOnly)
        );
        assert_eq!(
            right(&[strict, ("StateDirectory", "app")], "/var/lib/app"),
            Some(Right::ReadWrite)
        );
        let inner = [("ReadWritePaths", "/srv"), ("ReadOnlyPaths", "/srv/app")];
        assert_eq!(right(&inner, "/srv/app"), Some(Right::ReadOnly));
        assert_eq!(right(&[("ProtectSystem", "full")], "/usr/local/bin"), Some(Right::ReadOnly));
        assert_eq!(right(&[("ProtectSystem", "full")], "/opt/app"), None);
    }

    #[test]
    fn homes_and_temporary_directories_may_be_hidden() {
        assert_eq!(right(&[("ProtectHome", "yes")], "/home/a/bin"), Some(Right::Hidden));
        assert_eq!(right(&[("ProtectHome", "read-only")], "/root"), Some(Right::ReadOnly));
        assert_eq!(right(&[("PrivateTmp", "yes")], "/tmp/app"), Some(Right::Hidden));
        assert_eq!(right(&[("InaccessiblePaths", "/opt")], "/opt/app"), Some(Right::Hidden));
    }

    #[test]
    fn what_is_bound_is_as_it_is_bound() {
        let strict = ("ProtectSystem", "strict");
        for (key, value, expected) in [
            ("BindPaths", "-/srv/app", Right::ReadWrite),
            ("BindPaths", "/x /srv:/srv:norbind", Right::ReadWrite),
            ("BindPaths", "/data:/srv/app", Right::Elsewhere),
            ("BindPaths", "/srv/app:/data", Right::ReadOnly),
            ("BindReadOnlyPaths", "/data:/srv/app:rbind", Right::ReadOnly),
        ] {
            assert_eq!(right(&[strict, (key, value)], "/srv/app"), Some(expected), "{value}");
        }
        assert_eq!(right(&[("BindReadOnlyPaths", "/srv")], "/srv/app"), Some(Right::ReadOnly));
    }

    #[test]
    fn a_dynamic_user_has_a_strict_system() {
        let dynamic = ("DynamicUser", "yes");
        assert_eq!(right(&[dynamic], "/srv/app"), Some(Right::ReadOnly));
        let state = [dynamic, ("StateDirectory", "app")];
        assert_eq!(right(&state, "/var/lib/private/app"), Some(Right::ReadWrite));
    }

    #[test]
    fn what_may_be_executed_again_may() {
        let mut unit = Unit::default();
        unit.add("NoExecPaths", "/");
        assert!(no_exec(&unit, Path::new("/srv/app")).is_some());
        unit.add("ExecPaths", "/srv/app /usr");
        assert_eq!(no_exec(&unit, Path::new("/srv/app")), None);
    }
}
