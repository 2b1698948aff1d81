//! Units, as they are written, and as systemd shows them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;

use super::{Seen, doctor};
use crate::ran::{Ran, selfup};
use crate::site::{Site, install, is_root, tool};

const GOOD: &str = "Type=notify-reload\nReloadSignal=SIGUSR2\nKillMode=mixed\nRestart=on-failure\n";

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
        "unit_reload",
        "unit_sockets",
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
        ("ReloadSignal=", "unit_reload", "warning", "a reload sends SIGHUP"),
        ("ReloadSignal=1", "unit_reload", "warning", "a reload sends SIGHUP"),
        ("RestrictAddressFamilies=AF_INET AF_INET6", "unit_sockets", "failure", "never told"),
        ("Type=exec\nRestrictAddressFamilies=~AF_UNIX", "unit_sockets", "warning", "control"),
        (&format!("BindReadOnlyPaths={root}"), "unit_paths", "failure", "by BindReadOnlyPaths"),
        (&format!("BindPaths=/nowhere:{root}"), "unit_paths", "warning", "another directory"),
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
fn what_a_unit_binds_can_be_written() {
    let site = Site::new();
    let directory = site.directory().canonicalize().unwrap();
    let settings = format!("ProtectSystem=strict\nBindPaths={}", directory.display());
    with(&site, &settings).is("unit_paths", "ok", "by BindPaths");
}

#[test]
fn the_groups_of_the_unit_count() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    chown(site.directory(), Some(0), Some(1)).unwrap();
    fs::set_permissions(site.directory(), Permissions::from_mode(0o775)).unwrap();
    with(&site, "User=nobody").is("directory", "failure", "user nobody may create no file");
    for groups in
        ["Group=daemon", "Group=1", "SupplementaryGroups=games daemon", "SupplementaryGroups=1"]
    {
        let seen = with(&site, &format!("User=nobody\n{groups}"));
        seen.is("directory", "ok", "user nobody may create files");
    }
    // In place of the one that the user logs in with.
    chown(site.directory(), Some(0), Some(65534)).unwrap();
    with(&site, "User=nobody").is("directory", "ok", "may create files");
    with(&site, "User=nobody\nGroup=daemon").is("directory", "failure", "may create no file");
    let seen = with(&site, "User=nobody\nGroup=nobody-s-own");
    seen.is("user", "warning", "Group=nobody-s-own, which is no group of this machine");
}

#[test]
fn a_user_of_the_unit_who_is_not_here_is_a_warning() {
    let site = Site::new();
    let seen = with(&site, "User=nobody-here");
    seen.is("user", "warning", "User=nobody-here, who is no user of this machine");
    let seen = with(&site, "User=nobody-here\nDynamicUser=yes");
    let findings = seen.document["findings"].as_array().unwrap();
    assert!(!findings.iter().any(|it| it["name"] == "user"), "systemd makes one: {findings:?}");
}

#[test]
fn the_unit_of_the_example_is_good() {
    if !is_root() {
        return;
    }
    let (site, example) = (Site::new(), include_str!("../../../../examples/systemd/app.service"));
    assert!(example.contains("\nUser=app\n"), "{example}");
    let unit = site.write("app.service", example.replace("\nUser=app\n", "\nUser=nobody\n"));
    // As its head says, in a mount namespace.
    let script = "mount -t tmpfs none /opt && install -D -m 755 \"$1\" /opt/app/app \
                  && chown -R nobody: /opt/app && exec \"$1\" doctor --json --unit \"$2\" /opt/app/app";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(site.path()).arg(unit);
    let seen = Seen::of(&Ran::of(command.output().unwrap()));
    let findings = seen.document["findings"].as_array().unwrap();
    let bad: Vec<_> = findings.iter().filter(|finding| finding["verdict"] != "ok").collect();
    assert!(bad.is_empty(), "{bad:?}");
    seen.is("unit_paths", "ok", "by ReadWritePaths");
}

#[test]
fn a_manager_that_does_not_answer_is_not_waited_for() {
    let (site, tools) = (Site::new(), tempfile::tempdir().unwrap());
    install(&tools.path().join("systemctl"), b"#!/bin/sh\nexec sleep 100000\n");
    let search = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let path = site.path();
    let mut command = selfup(&["doctor", "--json", path.to_str().unwrap(), "--unit", "app"]);
    let seen = Seen::of(&Ran::of(command.env("PATH", &search).output().unwrap()));
    seen.is("unit", "warning", "has not answered within 10 s");
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
