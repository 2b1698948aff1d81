//! Whether another user than the one who runs this may replace a file: by mode bits, as the kernel
//! compares them for who has no capability. Access control lists are left aside.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::Findings;
use super::subject::{Subject, Who};

const READ: u32 = 4;
const WRITE: u32 = 2;
const ENTER: u32 = 1;

/// Whether `who` has `right` on what has this `metadata`.
fn may(who: &Who, metadata: &Metadata, right: u32) -> bool {
    let shift = if metadata.uid() == who.uid {
        6
    } else if who.gids.contains(&metadata.gid()) {
        3
    } else {
        0
    };
    who.is_root() || (metadata.mode() >> shift) & right == right
}

pub(super) fn examine(subject: &Subject, findings: &mut Findings) {
    match replaceable(&subject.who, &subject.seen) {
        Ok(()) => {
            findings.ok("directory", format!("user {} may create files in it", subject.who.name));
        }
        Err((found, advice)) => findings.fail("directory", found, advice),
    }
    attributes(subject, findings);
}

fn replaceable(who: &Who, path: &Path) -> Result<(), (String, String)> {
    let name = &who.name;
    let look = |path: &Path| {
        path.metadata().map_err(|error| {
            (format!("{} cannot be looked at: {error}", path.display()), "run this as root".into())
        })
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    for above in directory.ancestors() {
        if !may(who, &look(above)?, ENTER) {
            return Err((
                format!("user {name} may not enter directory {}", above.display()),
                format!("let user {name} enter it, or move the binary"),
            ));
        }
    }
    let (binary, metadata) = (look(path)?, look(directory)?);
    if !may(who, &binary, READ) {
        return Err((
            format!("user {name} may not read the binary"),
            "make it readable, for it is digested and locked".into(),
        ));
    }
    if !may(who, &metadata, WRITE) {
        return Err((
            format!("user {name} may create no file in directory {}", directory.display()),
            format!("make it writable for user {name}, or move the binary to a directory that is"),
        ));
    }
    let owns = [metadata.uid(), binary.uid()].contains(&who.uid);
    if metadata.mode() & STICKY != 0 && !who.is_root() && !owns {
        return Err((
            format!(
                "directory {} is sticky and the binary belongs to somebody else",
                directory.display()
            ),
            format!("give the binary to user {name}, or move it"),
        ));
    }
    Ok(())
}

/// What an upgrade by another user would lose of the binary.
fn attributes(subject: &Subject, findings: &mut Findings) {
    let who = &subject.who;
    let Ok(metadata) = subject.seen.metadata() else { return };
    let has_capabilities =
        xattr::get(&subject.seen, "security.capability").is_ok_and(|it| it.is_some());
    let advice = "run the service as root, or give it the right by the process manager (such as \
                  AmbientCapabilities of systemd) and take it from the file";
    let is_owner = metadata.uid() == who.uid;
    let name = &who.name;
    if who.is_root() {
        findings.ok("attributes", "owner, mode and attributes can be kept");
    } else if has_capabilities {
        findings.fail(
            "attributes",
            format!("user {name} cannot keep the capabilities of the binary"),
            advice,
        );
    } else if metadata.mode() & SET_USER != 0 && !is_owner {
        findings.fail("attributes", format!("user {name} cannot keep the set-user-id bit"), advice);
    } else if metadata.mode() & SET_GROUP != 0 && !who.gids.contains(&metadata.gid()) {
        findings.fail(
            "attributes",
            format!("user {name} cannot keep the set-group-id bit"),
            advice,
        );
    } else if !is_owner {
        findings.warn(
            "attributes",
            format!(
                "after an upgrade the binary belongs to user {name}, and no more to user {}",
                metadata.uid()
            ),
            "give it to that user now, or run the service as root",
        );
    } else {
        findings.ok("attributes", "owner and mode can be kept");
    }
}

const STICKY: u32 = 0o1000;
const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;
