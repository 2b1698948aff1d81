//! Whether somebody else manages the file: a package manager would undo an upgrade, or a check of
//! its own complain of it.
//!
//! dpkg's database is a text file a package, and is read; rpm's is no text, so `rpm` is asked.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::asked;
use super::finding::Findings;
use super::subject::Subject;
use crate::text;

pub(super) fn examine(subject: &Subject, findings: &mut Findings) {
    let path = &subject.path;
    let mut owner = by_dpkg(path).map(|name| ("dpkg", name));
    if owner.is_none() {
        match by_rpm(path) {
            Ok(name) => owner = name.map(|name| ("rpm", name)),
            Err(error) => findings.warn(
                "package",
                format!("whether a package of rpm has it is not known: rpm: {error}"),
                "see what keeps `rpm -qf` of it from answering",
            ),
        }
    }
    if let Some((manager, name)) = owner {
        return findings.warn(
            "package",
            format!(
                "{} belongs to the package {name} of {manager}, whose next upgrade replaces it",
                path.display()
            ),
            "copy it to where it is the service's own, such as /opt or /var/lib",
        );
    }
    if let Some((place, whose)) = store_of(path) {
        return findings.fail(
            "package",
            format!("{place} is {whose}: what lies there is never to change"),
            "copy it to where it is the service's own, such as /var/lib, and start it there",
        );
    }
    if is_of_the_system(path) {
        return findings.warn(
            "package",
            format!("{} lies where the distribution has its own files", path.display()),
            "have it in /usr/local, /opt or /var/lib",
        );
    }
    findings.ok("package", "no package manager has it");
}

fn store_of(path: &Path) -> Option<(&'static str, &'static str)> {
    STORES.iter().find(|(place, _)| path.starts_with(place)).copied()
}

fn is_of_the_system(path: &Path) -> bool {
    SYSTEM.iter().any(|place| path.starts_with(place)) && !path.starts_with("/usr/local")
}

/// The package whose list of files has `path`.
fn by_dpkg(path: &Path) -> Option<String> {
    let admin = std::env::var_os("DPKG_ADMINDIR").map_or("/var/lib/dpkg".into(), PathBuf::from);
    // Where /bin is a link to /usr/bin, packages may still name the former.
    let shorter = path.strip_prefix("/usr").ok().map(|path| Path::new("/").join(path));
    let names: Vec<_> = shorter.iter().map(PathBuf::as_path).chain([path]).collect();
    let lists = std::fs::read_dir(admin.join("info")).ok()?.flatten().take(MOST_PACKAGES);
    let mut lists =
        lists.map(|entry| entry.path()).filter(|it| it.extension().is_some_and(|it| it == "list"));
    let list = lists.find(|list| has_line(list, &names))?;
    let name = list.file_stem()?.to_string_lossy().into_owned();
    Some(name.split(':').next().unwrap_or_default().to_owned())
}

fn has_line(list: &Path, names: &[&Path]) -> bool {
    let Ok(file) = File::open(list) else { return false };
    let lines = BufReader::with_capacity(1 << 16, file).split(b'\n').map_while(Result::ok);
    lines.take(MOST_FILES).any(|line| names.iter().any(|name| name.as_os_str().as_bytes() == line))
}

fn by_rpm(path: &Path) -> io::Result<Option<String>> {
    let mut rpm = Command::new("rpm");
    rpm.args(["-qf", "--qf", "%{NAME}\\n"]).arg(path).env("LC_ALL", "C");
    let asked = match asked::output(&mut rpm) {
        Err(error) if error.kind() != io::ErrorKind::TimedOut => return Ok(None),
        asked => asked?,
    };
    let words = String::from_utf8_lossy(&asked.stdout);
    let name = words.lines().next().filter(|_| asked.status.success());
    Ok(name.map(|name| text::shown(name, 100)))
}

/// Where every file is what a build has made, for ever.
const STORES: [(&str, &str); 4] = [
    ("/nix/store", "the store of Nix"),
    ("/gnu/store", "the store of Guix"),
    ("/snap", "where snaps are mounted"),
    ("/ostree", "the repository of OSTree"),
];

const SYSTEM: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];

const MOST_PACKAGES: usize = 1 << 17;
const MOST_FILES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_and_the_system_are_known_by_their_place() {
        assert!(store_of(Path::new("/nix/store/abc-app/bin/app")).is_some());
        assert!(store_of(Path::new("/nix/storeroom/app")).is_none());
        assert!(is_of_the_system(Path::new("/usr/bin/app")));
        assert!(!is_of_the_system(Path::new("/usr/local/bin/app")));
        assert!(!is_of_the_system(Path::new("/opt/usr/bin/app")));
    }
}
