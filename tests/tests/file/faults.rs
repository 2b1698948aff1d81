//! What is no release at the path holds up none after it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::unistd::{Gid, Uid, chown};
use selfup_tests::{Load, Release, ServiceBuilder};

use crate::shell;

/// Somebody whom nothing belongs to.
const NOBODY: u32 = 65534;

#[test]
fn whatever_lies_at_the_path_the_next_good_release_is_taken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("app");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), mode).expect("the directory is ours");
    let mut builder = ServiceBuilder::new(&Release::good()).set("FETCHER", path.clone());
    if Uid::effective().is_root() {
        // Root may read everything.
        for ours in [builder.directory(), &builder.binary()] {
            let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            chown(ours, Some(user), Some(group)).expect("root may give it away");
        }
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        builder = builder.under(&nobody);
    }
    let mut service = builder.start();
    let load = Load::start(service.address(), "/", 1);
    let faults = [
        ("mkdir app", "is a directory; name the binary in it"),
        ("mkfifo app", "is not a regular file; name the binary itself"),
        ("ln -s app app", "cannot be looked at"),
        ("umask 777; echo x > app", "cannot be opened; the user of this service must be able"),
        ("umask 777; mkdir d; ln -s d/app app", "must be able to enter its directory"),
    ];
    for (generation, (fault, words)) in (2..).zip(faults) {
        shell(directory.path(), &format!("rm -rf app; {fault}"));
        service.wait_for(words);
        shell(directory.path(), "rm -rf app d");
        let release = Release::good();
        release.install(&path);
        service.wait_for(&format!("event committed: generation {generation} "));
        service.assert_runs(&release);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}
