//! The file, its directory, its file system, and who has them.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use selfup_tests::{Clock, Mounted};

use super::{Seen, doctor, of};
use crate::ran::{Ran, selfup};
use crate::site::{Site, install, is_root, sample, tool};

/// A mount that goes with the test.
struct Over(PathBuf);

impl Over {
    fn bind(from: &Path, to: &Path) -> Self {
        mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        Self(to.to_owned())
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_file_system_that_is_read_only_or_noexec_is_a_failure() {
    let Some(mounted) = Mounted::try_new(256) else { return };
    let path = mounted.path().join("app");
    install(&path, &sample());
    let look = || doctor::<&str>(&path, &[]);
    look().is("read_only", "ok", "can be written");
    mounted.forbid_executing(256);
    look().is("noexec", "failure", "mounted noexec");
    mounted.forbid_writing(256);
    look().is("read_only", "failure", "read-only file system");
    look().is("directory", "failure", "no file can be created");
}

#[test]
fn a_disk_without_room_for_two_more_is_a_failure() {
    let bytes = sample();
    let Some(mounted) = Mounted::try_new(2 * bytes.len() / (1 << 20) + 1) else { return };
    let path = mounted.path().join("app");
    install(&path, &bytes);
    doctor::<&str>(&path, &[]).is("space", "failure", "bytes are free");
}

#[test]
fn a_binary_that_is_a_mount_itself_is_a_failure() {
    let (site, other) = (Site::new(), Site::new());
    if !is_root() {
        return;
    }
    let _over = Over::bind(&other.path(), &site.path());
    of(&site).is("mount_point", "failure", "is a mount itself");
}

#[test]
fn the_layer_of_a_container_is_a_warning() {
    let Some(layers) = Mounted::try_new(256) else { return };
    let path = |name: &str| layers.path().join(name);
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(path(name)).unwrap();
    }
    install(&path("lower/app"), &sample());
    let [lower, upper, work] =
        ["lower", "upper", "work"].map(|name| path(name).display().to_string());
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let (kind, merged) = (Some("overlay"), path("merged"));
    mount(kind, &merged, kind, MsFlags::empty(), Some(options.as_str())).unwrap();
    let over = Over(merged.clone());
    let seen = doctor::<&str>(&merged.join("app"), &[]);
    seen.is("container", "warning", "the layer of a container (overlay");
    assert_eq!(seen.code, 0, "{}", seen.document);
    drop(over);
    doctor::<&str>(&path("lower/app"), &[]).is("container", "ok", "tmpfs");
}

#[test]
fn what_another_user_may_not_do_is_told_by_mode_bits() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    let nobody = || doctor(&site.path(), &["--user", "nobody"]);
    nobody().is("user", "ok", "access control lists left aside");
    nobody().is("directory", "failure", "user nobody may create no file");
    fs::set_permissions(site.directory(), Permissions::from_mode(0o1777)).unwrap();
    nobody().is("directory", "failure", "is sticky");
    fs::set_permissions(site.directory(), Permissions::from_mode(0o700)).unwrap();
    nobody().is("directory", "failure", "may not enter");
    chown(site.directory(), Some(65534), None).unwrap();
    nobody().is("directory", "ok", "user nobody may create files");
    nobody().is("attributes", "warning", "after an upgrade the binary belongs to user nobody");
    fs::set_permissions(site.path(), Permissions::from_mode(0o700)).unwrap();
    nobody().is("directory", "failure", "may not read the binary");
    chown(site.path(), Some(65534), None).unwrap();
    nobody().is("attributes", "ok", "can be kept");
    fs::set_permissions(site.path(), Permissions::from_mode(0o4755)).unwrap();
    nobody().is("attributes", "ok", "can be kept");
    chown(site.path(), Some(1), None).unwrap();
    fs::set_permissions(site.path(), Permissions::from_mode(0o4755)).unwrap();
    nobody().is("attributes", "failure", "set-user-id");
}

/// The doctor run by nobody, on a copy of its own that nobody may read.
fn by_nobody(path: &Path) -> Seen {
    let command = Site::new();
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(command.path());
    nobody.args(["doctor", "--json"]).arg(path);
    Seen::of(&Ran::of(nobody.output().unwrap()))
}

#[test]
fn what_this_user_may_not_do_is_found_by_trying() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    by_nobody(&site.path()).is("directory", "failure", "no file can be created");
    fs::set_permissions(site.directory(), Permissions::from_mode(0o1777)).unwrap();
    by_nobody(&site.path()).is("directory", "failure", "is sticky");
    fs::set_permissions(site.directory(), Permissions::from_mode(0o777)).unwrap();
    by_nobody(&site.path()).is("directory", "ok", "it was tried");
    by_nobody(&site.path()).is("attributes", "warning", "would lose of the binary its owner");
    fs::set_permissions(site.path(), Permissions::from_mode(0o700)).unwrap();
    by_nobody(&site.path()).is("file", "failure", "cannot be opened");
}

#[test]
fn capabilities_that_would_be_lost_are_a_failure() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    for path in [site.directory(), &site.path()] {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
    tool(&["setcap", "cap_net_bind_service=ep"], &site.path());
    by_nobody(&site.path()).is("attributes", "failure", "cap_net_bind_service");
    doctor(&site.path(), &["--user", "nobody"]).is(
        "attributes",
        "failure",
        "keep the capabilities",
    );
    of(&site).is("attributes", "ok", "can be kept");
}

/// Takes the attribute away again, for nobody could remove the directory with it.
struct Attribute<'a>(&'a str, PathBuf);

impl Drop for Attribute<'_> {
    fn drop(&mut self) {
        tool(&["chattr", &format!("-{}", self.0)], &self.1);
    }
}

/// Where not, that is said aloud, and is no excuse in CI.
fn can_have_attributes(site: &Site) -> bool {
    let path = site.write("tried", "");
    let tried = Command::new("chattr").arg("+i").arg(&path).output().unwrap();
    if tried.status.success() {
        drop(Attribute("i", path));
        return true;
    }
    let why = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(std::env::var_os("CI").is_none(), "skipped in CI: {why}");
    eprintln!("SKIPPED: no file here can be immutable: {why}");
    false
}

#[test]
fn what_is_immutable_is_a_failure() {
    if !is_root() {
        return;
    }
    let site = Site::on_disk();
    if !can_have_attributes(&site) {
        return;
    }
    for (attribute, path) in
        [("i", site.path()), ("a", site.path()), ("i", site.directory().into())]
    {
        tool(&["chattr", &format!("+{attribute}")], &path);
        let set = Attribute(attribute, path.clone());
        let words =
            format!("{} has the attribute {attribute}", path.canonicalize().unwrap().display());
        of(&site).is("immutable", "failure", &words);
        drop(set);
        of(&site).is("immutable", "ok", "neither");
    }
}

#[test]
fn the_limit_on_hard_links_costs_room_only() {
    if !is_root() {
        return;
    }
    let limit = fs::read_to_string("/proc/sys/fs/protected_hardlinks").unwrap();
    let words = if limit.trim() == "1" { "kept as a copy" } else { "by a link" };
    let site = Site::new();
    doctor(&site.path(), &["--user", "nobody"]).is("hard_links", "ok", words);
    of(&site).is("hard_links", "ok", "by a link");
}

#[test]
fn what_a_package_has_is_a_warning() {
    let site = Site::new();
    let admin = tempfile::tempdir().unwrap();
    let doctor_of = |path: &Path, name: &str, value: &OsStr| {
        let mut command = selfup(&[OsStr::new("doctor"), OsStr::new("--json"), path.as_os_str()]);
        Seen::of(&Ran::of(command.env(name, value).output().unwrap()))
    };
    fs::create_dir(admin.path().join("info")).unwrap();
    let list = admin.path().join("info/shop:amd64.list");
    let path = site.path().canonicalize().unwrap();
    fs::write(&list, format!("/.\n{}x\n", path.display())).unwrap();
    doctor_of(&path, "DPKG_ADMINDIR", admin.path().as_os_str()).is("package", "ok", "no package");
    fs::write(&list, format!("/.\n{}\n/x\n", path.display())).unwrap();
    let seen = doctor_of(&path, "DPKG_ADMINDIR", admin.path().as_os_str());
    seen.is("package", "warning", "the package shop of dpkg");
    let file = Path::new("/usr/bin/env");
    fs::write(&list, "/bin/env\n").unwrap();
    let seen = doctor_of(file, "DPKG_ADMINDIR", admin.path().as_os_str());
    seen.is("package", "warning", "the package shop of dpkg");
    fs::remove_file(&list).unwrap();
    let seen = doctor_of(file, "DPKG_ADMINDIR", admin.path().as_os_str());
    seen.is("package", "warning", "the distribution has its own files");

    let rpm = admin.path().join("rpm");
    install(&rpm, b"#!/bin/sh\n[ \"$1 $2 $3\" = '-qf --qf %{NAME}\\n' ] && echo \"till of $4\"\n");
    let search = format!("{}:{}", admin.path().display(), std::env::var("PATH").unwrap());
    let seen = doctor_of(&path, "PATH", OsStr::new(&search));
    seen.is("package", "warning", &format!("till of {} of rpm", path.display()));
}

#[test]
fn a_package_manager_that_does_not_answer_is_not_waited_for() {
    let (site, tools) = (Site::new(), tempfile::tempdir().unwrap());
    install(&tools.path().join("rpm"), b"#!/bin/sh\nexec sleep 100000\n");
    let search = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let path = site.path();
    let mut command = selfup(&["doctor", "--json", path.to_str().unwrap()]);
    let seen = Seen::of(&Ran::of(command.env("PATH", &search).output().unwrap()));
    seen.is("package", "warning", "it has not answered within 10 s");
}

/// What `/proc` says of the process that looks.
#[test]
fn a_network_file_system_is_a_failure() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    for kind in ["nfs", "nfs4", "cifs", "smb3"] {
        let mounts = site.write("mounts", format!("1 0 8:1 / / rw - {kind} server:/x rw\n"));
        let script = "mount --bind \"$1\" /proc/$$/mountinfo && exec \"$2\" doctor --json \"$2\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(mounts).arg(site.path());
        let seen = Seen::of(&Ran::of(command.output().unwrap()));
        seen.is(
            "network",
            "failure",
            &format!("the binary lies on {kind}, where it cannot be locked"),
        );
    }
}

/// What the doctor says of a binary at `path` in a root of its own, in which there is an empty file `sign`, too.
fn rooted(path: &str, sign: &str) -> Seen {
    let script = "mount -t tmpfs none \"$1\" && cd \"$1\" && mkdir -p run \"$(dirname \"$3\")\" && cp \"$2\" \"$3\" \
                  && for place in bin lib lib64 usr proc; do [ ! -e \"/$place\" ] || \
                  { mkdir $place && mount --rbind \"/$place\" $place; } || exit; done; \
                  touch \"$4\" && exec chroot . \"/$3\" doctor --json \"/$3\"";
    let site = Site::new();
    let root = site.directory().join("root");
    fs::create_dir(&root).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(root).arg(env!("CARGO_BIN_EXE_selfup"));
    Seen::of(&Ran::of(command.args([path, sign]).output().unwrap()))
}

/// In a root of its own, for this machine's is to have no such file.
#[test]
fn the_root_of_a_container_is_known_by_its_signs() {
    if !is_root() {
        return;
    }
    rooted("app", "no-sign").is("container", "ok", "on tmpfs, at /");
    for sign in [".dockerenv", "run/.containerenv"] {
        rooted("app", sign).is("container", "warning", "the layer of a container (tmpfs at /)");
    }
}

#[test]
fn a_file_of_a_store_that_never_changes_is_a_failure() {
    if !is_root() {
        return;
    }
    for (path, whose) in [
        ("nix/store/abc-app-1.0/bin/app", "/nix/store is the store of Nix"),
        ("gnu/store/abc-app-1.0/bin/app", "/gnu/store is the store of Guix"),
        ("snap/app/12/bin/app", "/snap is where snaps are mounted"),
        ("ostree/deploy/app", "/ostree is the repository of OSTree"),
    ] {
        rooted(path, "no-sign").is("package", "failure", whose);
    }
}

#[test]
fn a_clock_that_was_never_set_is_a_failure() {
    let (site, clock) = (Site::new(), Clock::build());
    clock.set(24 * 3600);
    let [library, offset] = clock.variables();
    let mut command = selfup(&["doctor", "--json"]);
    command.arg(site.path()).env(library.0, library.1).env(offset.0, offset.1);
    let seen = Seen::of(&Ran::of(command.output().unwrap()));
    seen.is("clock", "failure", "the clock shows a year before this version of selfup was made");
}

#[test]
fn a_clock_that_is_behind_is_a_warning() {
    let site = Site::new();
    let file = fs::File::options().write(true).open(site.path()).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(48 * 3600)).unwrap();
    of(&site).is("clock", "warning", "the binary was changed in the future");
}

/// In a mount namespace: `/sys` is that of everybody.
#[test]
fn a_label_that_a_candidate_would_not_have_is_a_warning() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    let doctor = |kind: &str| {
        let script = "mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux \
                      && printf 1 > /sys/fs/selinux/enforce && exec \"$@\"";
        xattr::set(site.directory(), "security.selinux", b"u:r:opt_t:s0\0").unwrap();
        xattr::set(site.path(), "security.selinux", format!("u:r:{kind}:s0\0").as_bytes()).unwrap();
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_selfup")]);
        Seen::of(&Ran::of(command.args(["doctor", "--json"]).arg(site.path()).output().unwrap()))
    };
    of(&site).is("selinux", "ok", "does not enforce");
    doctor("bin_t").is("selinux", "warning", "enforcing; the binary is \"u:r:bin_t:s0\"");
    doctor("opt_t").is("selinux", "ok", "enforcing");
}
