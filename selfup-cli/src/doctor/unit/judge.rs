//! What the settings of a unit mean for an upgrade.

use std::path::Path;

use super::Unit;
use super::paths::{self, Right};
use crate::doctor::finding::{Findings, Verdict};
use crate::doctor::subject::Subject;

pub(in crate::doctor) fn judge(unit: &Unit, subject: &Subject, findings: &mut Findings) {
    start_up(unit, findings);
    reload(unit, findings);
    sockets(unit, findings);
    kill_mode(unit, findings);
    restart(unit, findings);
    command(unit, &subject.path, findings);
    if subject.master.is_some() {
        findings.ok("unit_paths", "the service runs: what it sees was looked at itself");
    } else {
        view(unit, subject.path.parent().unwrap_or(Path::new("/")), findings);
    }
    user(unit, findings);
    privileges(unit, subject, findings);
}

fn start_up(unit: &Unit, findings: &mut Findings) {
    match unit.get("Type") {
        Some("forking") => findings.fail(
            "unit_type",
            "Type=forking waits until the process that was started ends, and the master never does",
            "set Type=notify-reload, or Type=exec without the feature `systemd`",
        ),
        Some("oneshot") => findings.fail(
            "unit_type",
            "Type=oneshot takes the service for started when it has ended",
            "set Type=notify-reload, or Type=exec without the feature `systemd`",
        ),
        found => findings.ok("unit_type", format!("Type={}", found.unwrap_or("simple"))),
    }
}

/// A reload is over when the master says so, which it does for the signal that restarts it.
fn reload(unit: &Unit, findings: &mut Findings) {
    if unit.get("Type") != Some("notify-reload") {
        return;
    }
    // systemctl tells it by its number.
    let signal = unit.get("ReloadSignal").unwrap_or("SIGHUP");
    if ["SIGHUP", "HUP", "1"].contains(&signal) {
        return findings.warn(
            "unit_reload",
            "a reload sends SIGHUP, which is the program's own and restarts nothing: systemctl reload \
             waits until its timeout",
            "set ReloadSignal=SIGUSR2, or what the key `restart_signal` says",
        );
    }
    findings.ok("unit_reload", format!("ReloadSignal={signal}"));
}

/// systemd is told over a UNIX socket, and the control socket is one.
fn sockets(unit: &Unit, findings: &mut Findings) {
    if !unit.forbids_family("AF_UNIX") {
        return findings.ok("unit_sockets", "UNIX sockets are not forbidden");
    }
    let advice = "add AF_UNIX to RestrictAddressFamilies";
    if unit.get("Type").is_some_and(|kind| kind.starts_with("notify")) {
        return findings.fail(
            "unit_sockets",
            "RestrictAddressFamilies forbids AF_UNIX: systemd is never told that the service is ready",
            advice,
        );
    }
    findings.warn(
        "unit_sockets",
        "RestrictAddressFamilies forbids AF_UNIX: there is no control socket, and no word to systemd",
        advice,
    );
}

fn kill_mode(unit: &Unit, findings: &mut Findings) {
    let found = unit.get("KillMode").unwrap_or("control-group");
    let consequence = match found {
        "mixed" => return findings.ok("unit_kill_mode", "KillMode=mixed"),
        "control-group" => {
            "systemctl stop signals the generations, too, which are the master's to end"
        }
        _ => "generations outlive a master that is killed",
    };
    findings.warn(
        "unit_kill_mode",
        format!("KillMode={found}: {consequence}"),
        "set KillMode=mixed",
    );
}

fn restart(unit: &Unit, findings: &mut Findings) {
    match unit.get("Restart").unwrap_or("no") {
        "no" => findings.warn(
            "unit_restart",
            "Restart=no: a release that ends the service is never put back, for that takes its third \
             start",
            "set Restart=on-failure or Restart=always",
        ),
        found => findings.ok("unit_restart", format!("Restart={found}")),
    }
}

/// The master has to be the main process, and of this binary.
fn command(unit: &Unit, binary: &Path, findings: &mut Findings) {
    let Some(start) = unit.get("ExecStart") else {
        return findings.fail(
            "unit_command",
            "there is no ExecStart",
            "name a unit that starts the binary",
        );
    };
    let path = program(start);
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if SHELLS.contains(&name.as_str()) {
        return findings.warn(
            "unit_command",
            format!(
                "ExecStart starts {path}: the main process is a shell's, unless it uses `exec`"
            ),
            format!("set ExecStart={}", binary.display()),
        );
    }
    let leads = Path::new(path).canonicalize();
    if path.contains('%') || leads.is_ok_and(|leads| leads == binary) || Path::new(path) == binary {
        return findings.ok("unit_command", format!("ExecStart={path}"));
    }
    findings.warn(
        "unit_command",
        format!("ExecStart starts {path}, and not {}", binary.display()),
        "name the binary that the unit starts",
    );
}

/// Of `-/bin/app --option`, or of "{ path=/bin/app ; argv[]=... }", as systemctl shows it.
fn program(start: &str) -> &str {
    let word = match start.strip_prefix("{ path=") {
        Some(rest) => rest.split(" ;").next(),
        None => start.trim_start_matches(['-', '@', ':', '+', '!', '|']).split_whitespace().next(),
    };
    word.unwrap_or_default().trim_matches('"')
}

/// What the unit lets the service do with the directory of the binary.
fn view(unit: &Unit, directory: &Path, findings: &mut Findings) {
    if let Some(root) = unit.get("RootDirectory").or(unit.get("RootImage")) {
        return findings.warn(
            "unit_paths",
            format!("the unit has a root of its own, {root}, in which nothing was looked at"),
            "name the control socket of the service while it runs",
        );
    }
    let shown = directory.display();
    if let Some(setting) = paths::no_exec(unit, directory) {
        findings.fail(
            "unit_exec",
            format!("nothing in {shown} may be executed, by {setting}"),
            format!("add ExecPaths={shown}"),
        );
    }
    let Some(rule) = paths::rule_of(unit, directory) else {
        return findings.ok("unit_paths", format!("the unit says nothing of {shown}"));
    };
    let setting = &rule.setting;
    let (found, advice) = match rule.right {
        Right::ReadWrite => {
            return findings.ok("unit_paths", format!("{shown} can be written, by {setting}"));
        }
        Right::Elsewhere => {
            return findings.warn(
                "unit_paths",
                format!("the unit shows another directory at {shown}, by {setting}: it was not looked at"),
                "name the control socket of the service while it runs",
            );
        }
        Right::ReadOnly => (
            format!("{shown} is read-only for the unit, by {setting}"),
            format!("add ReadWritePaths={shown}, or have the binary in its StateDirectory"),
        ),
        Right::Hidden => (
            format!("the unit does not see {shown}, by {setting}"),
            "have the binary in its StateDirectory, or take that setting away".to_owned(),
        ),
    };
    let verdict = if paths::has_specifiers(unit) { Verdict::Warning } else { Verdict::Failure };
    findings.add("unit_paths", verdict, found, advice);
}

fn user(unit: &Unit, findings: &mut Findings) {
    if unit.is_on("DynamicUser") {
        return findings.warn(
            "unit_user",
            "DynamicUser=yes: only directories that systemd makes belong to the service's user",
            "have the binary in its StateDirectory, copied there at the first start; or set User=",
        );
    }
    findings.ok("unit_user", format!("User={}", unit.get("User").unwrap_or("root")));
}

/// File capabilities and set-id bits give nothing where no new privileges are given.
fn privileges(unit: &Unit, subject: &Subject, findings: &mut Findings) {
    use std::os::unix::fs::MetadataExt as _;
    if !unit.is_on("NoNewPrivileges") && !unit.is_on("DynamicUser") {
        return findings.ok("unit_privileges", "new privileges are not forbidden");
    }
    let capabilities = xattr::get(&subject.seen, "security.capability");
    let has_capabilities = capabilities.is_ok_and(|it| it.is_some());
    let has_bits = subject.seen.metadata().is_ok_and(|it| it.mode() & 0o6000 != 0);
    if has_capabilities || has_bits {
        return findings.fail(
            "unit_privileges",
            "NoNewPrivileges=yes: the capabilities or set-id bits of the binary have no effect",
            "set AmbientCapabilities in the unit, and take them from the file",
        );
    }
    findings.ok("unit_privileges", "new privileges are forbidden, and the binary has none");
}

const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_known_in_a_file_and_from_systemctl() {
        assert_eq!(program("-/srv/app --x"), "/srv/app");
        assert_eq!(program("\"/srv/app\" --x"), "/srv/app");
        let shown = "{ path=/bin/sh ; argv[]=/bin/sh -c x ; ignore_errors=no ; pid=0 }";
        assert_eq!(program(shown), "/bin/sh");
    }
}
