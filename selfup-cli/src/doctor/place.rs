//! The binary as a file, the directory it lies in, and the file system below both.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use selfup::__cli::Survey;

use super::access;
use super::finding::{Findings, Verdict};
use super::mounts::{self, Mount};
use super::subject::Subject;

/// Whether there is a file to be replaced. Nothing else can be said of what is none.
pub(super) fn file(subject: &Subject, findings: &mut Findings) -> Option<Survey> {
    let shown = subject.path.display();
    let metadata = match subject.seen.metadata() {
        Ok(metadata) => metadata,
        Err(error) => {
            findings.fail(
                "file",
                format!("{shown}: {error}"),
                "name the binary that the service starts",
            );
            return None;
        }
    };
    if !metadata.is_file() {
        findings.fail("file", format!("{shown} is no regular file"), "put the binary there itself");
        return None;
    }
    links(subject, findings);
    let state_dir =
        subject.state_dir.as_deref().map(|directory| (directory, subject.path.as_path()));
    match Survey::of(&subject.seen, state_dir) {
        Ok(survey) => {
            findings.ok("file", format!("a regular file of {} bytes", metadata.len()));
            Some(survey)
        }
        Err(error) => {
            findings.checked("file", Verdict::Failure, Err(error), "");
            None
        }
    }
}

/// A swap replaces what the links lead to, and leaves them.
fn links(subject: &Subject, findings: &mut Findings) {
    if subject.given == subject.path {
        return;
    }
    let (given, path) = (subject.given.display(), subject.path.display());
    findings.ok(
        "links",
        format!(
            "{given} leads to {path}: an upgrade replaces that file, and leaves the links as they are"
        ),
    );
}

pub(super) fn examine(subject: &Subject, survey: &Survey, findings: &mut Findings) {
    file_system(subject, survey, findings);
    if subject.who.is_us {
        findings.checked(
            "directory",
            Verdict::Failure,
            survey.check_writable(),
            "a file can be created beside the binary: it was tried",
        );
        attributes(survey, findings);
    } else {
        access::examine(subject, findings);
    }
    immutable(subject, findings);
    let room = survey.check_room();
    findings.checked("space", Verdict::Failure, room, "there is room for two more binaries");
    hard_links(subject, findings);
}

fn attributes(survey: &Survey, findings: &mut Findings) {
    match survey.losses() {
        Ok(None) => findings.ok("attributes", "owner, mode and attributes can be kept"),
        Ok(Some(lost)) => findings.checked("attributes", Verdict::Warning, Err(lost), ""),
        Err(error) => findings.checked("attributes", Verdict::Failure, Err(error), ""),
    }
}

fn file_system(subject: &Subject, survey: &Survey, findings: &mut Findings) {
    let read_write = survey.check_read_write();
    findings.checked("read_only", Verdict::Failure, read_write, "the file system can be written");
    let exec = survey.check_exec();
    findings.checked("noexec", Verdict::Failure, exec, "what lies there can be executed");
    let Some(mount) = mounts::of(&subject.path, subject.master) else { return };
    if mount.point == subject.path {
        findings.fail(
            "mount_point",
            format!(
                "{} is a mount itself, which no file can be renamed over",
                subject.path.display()
            ),
            "mount its directory instead",
        );
    }
    if NETWORK.contains(&mount.kind.as_str()) {
        findings.fail(
            "network",
            format!(
                "the binary lies on {}, where it cannot be locked without being written",
                mount.kind
            ),
            "move it to a local file system",
        );
    }
    container(&mount, findings);
}

/// What is written to the layer of a container is gone with it.
fn container(mount: &Mount, findings: &mut Findings) {
    let is_layer = mount.kind == "overlay" || mount.kind == "aufs";
    let is_root = mount.point == Path::new("/");
    let signs = ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists());
    if is_layer || (is_root && signs) {
        findings.warn(
            "container",
            format!(
                "the binary lies in the layer of a container ({} at {}): an upgrade is lost when the \
                 container is made anew",
                mount.kind,
                mount.point.display()
            ),
            "have it on a volume, with the one of the image copied there at the first start",
        );
    } else {
        findings.ok("container", format!("on {}, at {}", mount.kind, mount.point.display()));
    }
}

/// Not even root may rename over what has this attribute, or in what has it.
fn immutable(subject: &Subject, findings: &mut Findings) {
    let mut is_ok = true;
    for (path, shown) in [
        (subject.seen.as_path(), subject.path.as_path()),
        (subject.directory(), subject.path.parent().unwrap_or(Path::new("/"))),
    ] {
        let Ok(stat) = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) else {
            continue;
        };
        for (attribute, flag) in [(StatxAttributes::IMMUTABLE, 'i'), (StatxAttributes::APPEND, 'a')]
        {
            if stat.stx_attributes.contains(attribute) {
                is_ok = false;
                let shown = shown.display();
                findings.fail(
                    "immutable",
                    format!("{shown} has the attribute {flag}, with which it cannot be replaced"),
                    format!("take it away: chattr -{flag} {shown}"),
                );
            }
        }
    }
    if is_ok {
        findings.ok("immutable", "neither the binary nor its directory is");
    }
}

/// The previous binary is kept by a hard link; where that is refused, by a copy.
fn hard_links(subject: &Subject, findings: &mut Findings) {
    use std::os::unix::fs::MetadataExt as _;
    let limit = std::fs::read_to_string("/proc/sys/fs/protected_hardlinks").unwrap_or_default();
    let owner = subject.seen.metadata().map(|metadata| metadata.uid()).ok();
    let is_refused =
        limit.trim() == "1" && !subject.who.is_root() && owner != Some(subject.who.uid);
    findings.ok("hard_links", if is_refused {
        "fs.protected_hardlinks lets nobody link to a binary of somebody else: the previous one is \
         kept as a copy, which takes its room"
    } else {
        "the previous binary can be kept by a link"
    });
}

const NETWORK: [&str; 4] = ["nfs", "nfs4", "cifs", "smb3"];
