//! Units, as they are written, and as systemd shows them.

use std::fs;

use super::{Seen, doctor};
use crate::ran::{Ran, selfup};
use crate::site::{Site, install, is_root, tool};

const GOOD: &str = "Type=notify-reload\nKillMode=mixed\nRestart=on-failure\n";

/// What the doctor says of a service whose unit has these settings.
fn with(site: &Site, settings: &str) -> Seen {
    let start = format!("ExecStart={} --quiet\n", site.path().canonicalize().unwrap().display());
    let text = format!("[Unit]\nDescription=x\n[Service]\n{start}{GOOD}{settings}\n");
    let unit = site.write("app.service", text);
    doctor(&site.path(), &["--unit", unit.to_str().unwrap()])
}

#[test]
fn a_good_unit_is_good() {
    let site = Site::new();
    let directory = site.directory().canonicalize().unwrap();
    let directory = directory.display();
    let seen = with(
        &site,
        &format!("ProtectSystem=strict\nReadWritePaths=-/nowhere {directory}\nNoNewPrivileges=yes"),
    );
    assert_eq!(seen.code, 0, "{}", seen.document);
    for name in [
        "unit_type",
        "unit_kill_mode",
        "unit_restart",
        "unit_command",
        "unit_paths",
        "unit_privileges",
    ] {
        assert_eq!(seen.find(name)["verdict"], "ok", "{}", seen.document);
    }
}

#[test]
fn each_setting_that_is_in_the_way_is_named() {
    let site = Site::new();
    let directory = site.directory().canonicalize().unwrap();
    let root = format!("/{}", directory.components().nth(1).unwrap().as_os_str().display());
    for (settings, name, verdict, words) in [
        ("KillMode=process", "unit_kill_mode", "warning", "outlive"),
        ("KillMode=control-group", "unit_kill_mode", "warning", "signals the generations"),
        ("KillMode=", "unit_kill_mode", "warning", "KillMode=control-group"),
        ("Type=forking", "unit_type", "failure", "Type=forking"),
        ("Type=oneshot", "unit_type", "failure", "Type=oneshot"),
        ("Restart=no", "unit_restart", "warning", "never put back"),
        ("ExecStart=\nExecStart=-/bin/sh -c app", "unit_command", "warning", "starts /bin/sh"),
        ("ExecStart=\nExecStart=/bin/true", "unit_command", "warning", "starts /bin/true"),
        ("ExecStart=", "unit_command", "failure", "no ExecStart"),
        ("ProtectSystem=strict", "unit_paths", "failure", "by ProtectSystem=strict"),
        (&format!("ReadOnlyPaths={root}"), "unit_paths", "failure", "by ReadOnlyPaths"),
        (&format!("InaccessiblePaths={root}"), "unit_paths", "failure", "does not see"),
        (&format!("TemporaryFileSystem={root}:ro"), "unit_paths", "failure", "does not see"),
        ("ProtectSystem=strict\nReadWritePaths=%S/app", "unit_paths", "warning", "read-only"),
        ("NoExecPaths=/", "unit_exec", "failure", "by NoExecPaths"),
        ("RootDirectory=/srv/root", "unit_paths", "warning", "a root of its own"),
        ("DynamicUser=yes", "unit_user", "warning", "DynamicUser=yes"),
        ("DynamicUser=yes", "unit_paths", "failure", ""),
    ] {
        let seen = with(&site, settings);
        seen.is(name, verdict, words);
    }
}

#[test]
fn a_private_tmp_hides_the_binary_that_lies_in_it() {
    let site = Site::new();
    if site.directory().starts_with("/tmp") || site.directory().starts_with("/var/tmp") {
        with(&site, "PrivateTmp=yes").is("unit_paths", "failure", "by PrivateTmp");
    } else {
        eprintln!("skipped: TMPDIR is not /tmp");
        assert!(std::env::var_os("CI").is_none(), "CI has to have its TMPDIR there");
    }
}

#[test]
fn capabilities_without_effect_are_a_failure() {
    let site = Site::new();
    if !is_root() {
        return;
    }
    tool(&["setcap", "cap_net_bind_service=ep"], &site.path());
    with(&site, "NoNewPrivileges=true").is("unit_privileges", "failure", "have no effect");
    with(&site, "").is("unit_privileges", "ok", "not forbidden");
}

#[test]
fn drop_ins_count() {
    let site = Site::new();
    fs::create_dir(site.directory().join("app.service.d")).unwrap();
    site.write("app.service.d/10.conf", "[Service]\nRestart=no\n");
    site.write("app.service.d/20.txt", "[Service]\nKillMode=process\n");
    let seen = with(&site, "");
    seen.is("unit_restart", "warning", "Restart=no");
    seen.is("unit_kill_mode", "ok", "mixed");
}

#[test]
fn the_user_of_the_unit_is_who_replaces_the_binary() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    let seen = with(&site, "User=nobody");
    seen.is("directory", "failure", "user nobody may create no file");
    assert_eq!(seen.document["user"], "user nobody");
}

#[test]
fn a_unit_is_asked_for_by_its_name() {
    let site = Site::new();
    let tools = tempfile::tempdir().unwrap();
    let path = site.path().canonicalize().unwrap();
    let answer = format!(
        "LoadState=loaded\nType=exec\nKillMode=process\nRestart=always\nUser=\nPrivateTmp=no\n\
         ExecStart={{ path={} ; argv[]=app ; ignore_errors=no ; pid=0 }}",
        path.display()
    );
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2 $3\" = 'show --no-pager --property' ] || exit 9\n\
         case \"$6\" in app.service) cat <<'E'\n{answer}\nE\n;; *) echo LoadState=not-found;; esac\n"
    );
    install(&tools.path().join("systemctl"), script.as_bytes());
    let search = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let named = |name: &str| {
        let mut command = selfup(&["doctor", "--json", path.to_str().unwrap(), "--unit", name]);
        Seen::of(&Ran::of(command.env("PATH", &search).output().unwrap()))
    };
    let seen = named("app.service");
    seen.is("unit_kill_mode", "warning", "KillMode=process");
    seen.is("unit_command", "ok", "ExecStart=");
    assert_eq!(seen.document["unit"], "app.service");
    named("other.service").is("unit", "warning", "other.service is not-found");
    named("/nowhere/app.service").is("unit", "warning", "there is no such file");
}
