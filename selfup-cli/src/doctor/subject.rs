//! Whom the doctor looks at: a binary, who would replace it, and in which view of the file systems.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use super::finding::Findings;
use super::unit::Unit;
use crate::client::Client;
use crate::end::Failure;
use crate::service::status::Upgrades;
use crate::service::{block_on, status};

#[derive(Debug)]
pub(super) struct Subject {
    /// As it was named.
    pub(super) given: PathBuf,
    /// Without links, where it is there.
    pub(super) path: PathBuf,
    /// The same, as this process can open it.
    pub(super) seen: PathBuf,
    /// Where the files of the service are, if it has another view than this process.
    pub(super) root: Option<String>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) candidate: Option<PathBuf>,
    /// The master of the service.
    pub(super) master: Option<u32>,
    /// What it says of upgrades.
    upgrades: Option<Upgrades>,
    /// Who would replace the binary.
    pub(super) who: Who,
    pub(super) unit: Option<Unit>,
    unit_problem: Option<String>,
    /// What of the unit's user is not known here.
    user_problem: Option<String>,
}

/// A user, and the groups it is in.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gids: Vec<u32>,
    /// Whether that is who runs this, so that things can be tried.
    pub(super) is_us: bool,
}

impl Subject {
    pub(super) fn new(matches: &ArgMatches) -> Result<Self, Failure> {
        let (given, service) = given(matches)?;
        let (master, upgrades) = service.unzip();
        let root = master.and_then(other_root);
        let path = match &root {
            // A link of another root would be followed in this one.
            Some(_) => master.and_then(executed).unwrap_or_else(|| given.clone()),
            None => given.canonicalize().unwrap_or_else(|_| given.clone()),
        };
        let seen = match &root {
            Some(root) => Path::new(root).join(path.strip_prefix("/").unwrap_or(&path)),
            None => path.clone(),
        };
        let asked = matches.get_one::<String>("unit").cloned().map(|name| (name, false));
        let unit = asked.or_else(|| master.and_then(super::unit::of_process));
        let (unit, unit_problem) = match unit.map(|(name, is_user)| Unit::load(&name, is_user)) {
            Some(Ok(unit)) => (Some(unit), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        let (who, user_problem) = match (matches.get_one::<String>("user"), master, &unit) {
            (Some(name), ..) => (Who::named(name)?, None),
            (None, Some(master), _) => (Who::of_process(master)?, None),
            (None, None, Some(unit)) => Who::of_unit(unit),
            (None, None, None) => (Who::us(), None),
        };
        let path_of = |name| matches.get_one::<PathBuf>(name).cloned();
        let candidate = path_of("candidate");
        let state_dir = path_of("state-dir").map(|directory| match &root {
            Some(root) => Path::new(root).join(directory.strip_prefix("/").unwrap_or(&directory)),
            None => directory,
        });
        Ok(Self {
            given,
            path,
            seen,
            root,
            state_dir,
            candidate,
            master,
            upgrades,
            who,
            unit,
            unit_problem,
            user_problem,
        })
    }

    /// The directory of the binary, as this process can open it.
    pub(super) fn directory(&self) -> &Path {
        self.seen.parent().unwrap_or(Path::new("/"))
    }

    pub(super) fn user_name(&self) -> String {
        format!("user {}", self.who.name)
    }

    /// What is to be known of the subject itself.
    pub(super) fn tell(&self, findings: &mut Findings) {
        if !self.who.is_us {
            findings.ok(
                "user",
                format!(
                    "checked for user {} by mode bits, access control lists left aside; as that \
                     user, it would be tried",
                    self.who.name
                ),
            );
        }
        if let Some(problem) = &self.user_problem {
            findings.warn(
                "user",
                format!("{problem}; what follows is for user {}", self.who.name),
                "make what is missing, as the unit needs it to start, or name a user by --user",
            );
        }
        if let Some(problem) = &self.unit_problem {
            findings.warn("unit", problem.clone(), "name the unit, or its file, by --unit");
        }
        if let Some(upgrades) = &self.upgrades {
            tell_upgrades(upgrades, findings);
        }
    }
}

/// What the service says itself.
fn tell_upgrades(upgrades: &Upgrades, findings: &mut Findings) {
    let reason = upgrades.reason.clone().unwrap_or_else(|| "it does not say why".to_owned());
    match upgrades.state.as_str() {
        "disabled" => findings.fail(
            "upgrades",
            format!("the service says that its binary cannot be replaced: {reason}"),
            "do what the reason says; it looks again at each poll",
        ),
        "paused" => findings.warn(
            "upgrades",
            format!("they are paused: {reason}"),
            "have them go on by `selfup resume`",
        ),
        "following" => findings.warn(
            "upgrades",
            format!("another service upgrades the binary: {reason}"),
            "give this one a copy of its own to have it upgrade itself",
        ),
        "none" => findings
            .ok("upgrades", "the service has no fetcher: its binary is put in place by hand"),
        state => findings.ok("upgrades", format!("they are {state}")),
    }
}

impl Who {
    fn us() -> Self {
        let uid = Uid::effective();
        let mut gids: Vec<_> = nix::unistd::getgroups().unwrap_or_default();
        gids.push(Gid::effective());
        let gids = gids.into_iter().map(Gid::as_raw).collect();
        Self { name: name_of(uid), uid: uid.as_raw(), gids, is_us: true }
    }

    fn named(name: &str) -> Result<Self, Failure> {
        let by_number =
            || name.parse().ok().and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok()?);
        let user = User::from_name(name).ok().flatten().or_else(by_number);
        let user = user.ok_or_else(|| {
            Failure::usage(format!("--user: there is no user {name}; name one of this machine"))
        })?;
        Ok(Self::from(&user))
    }

    /// Whom the unit names, or who runs this, and what of it is not known on this machine.
    fn of_unit(unit: &Unit) -> (Self, Option<String>) {
        let Some(name) = unit.get("User") else { return (Self::us(), None) };
        let Ok(mut who) = Self::named(name) else {
            // A dynamic user is there only while its service runs.
            let problem = (!unit.is_on("DynamicUser"))
                .then(|| format!("the unit has User={name}, who is no user of this machine"));
            return (Self::us(), problem);
        };
        let mut problem = None;
        let mut known = |group: &str, key: &str| {
            let gid = gid_of(group);
            if gid.is_none() {
                problem =
                    Some(format!("the unit has {key}={group}, which is no group of this machine"));
            }
            gid
        };
        if let Some(gid) = unit.get("Group").and_then(|group| known(group, "Group")) {
            // In place of the one of the login.
            who.gids = groups_of(&who.name, gid);
        }
        let more = unit.words("SupplementaryGroups");
        who.gids.extend(more.filter_map(|group| known(group, "SupplementaryGroups")));
        // What is tried is tried with the groups of who runs this.
        let ours = Self::us().gids;
        who.is_us &= who.is_root() || who.gids.iter().all(|gid| ours.contains(gid));
        (who, problem)
    }

    fn of_process(pid: u32) -> Result<Self, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| {
            Failure::unreachable(format!("the master, process {pid}, cannot be looked at: {error}"))
        })?;
        let numbers = |field: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let words = line.unwrap_or_default().split_whitespace();
            words.filter_map(|number| number.parse().ok()).collect()
        };
        // Real, effective, saved, of file systems.
        let uid = numbers("Uid:").get(1).copied().unwrap_or(0);
        let mut gids = numbers("Groups:");
        gids.extend(numbers("Gid:").get(1));
        let is_us = uid == Uid::effective().as_raw();
        Ok(Self { name: name_of(Uid::from_raw(uid)), uid, gids, is_us })
    }

    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }
}

impl From<&User> for Who {
    fn from(user: &User) -> Self {
        let gids = groups_of(&user.name, user.gid.as_raw());
        let is_us = user.uid == Uid::effective();
        Self { name: user.name.clone(), uid: user.uid.as_raw(), gids, is_us }
    }
}

/// The groups that user `name` is a member of, and `gid`.
fn groups_of(name: &str, gid: u32) -> Vec<u32> {
    let groups = std::ffi::CString::new(name).ok();
    let groups = groups.and_then(|name| getgrouplist(&name, Gid::from_raw(gid)).ok());
    groups.map_or_else(|| vec![gid], |groups| groups.into_iter().map(Gid::as_raw).collect())
}

/// Of a group by its name or number.
fn gid_of(group: &str) -> Option<u32> {
    let named = Group::from_name(group).ok().flatten().map(|group| group.gid.as_raw());
    named.or_else(|| group.parse().ok())
}

fn name_of(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// The binary that was named, or that of the service, and its master.
fn given(matches: &ArgMatches) -> Result<(PathBuf, Option<(u32, Upgrades)>), Failure> {
    let binary = matches.get_one::<PathBuf>("BINARY");
    let socket = matches.get_one::<PathBuf>("socket").filter(|path| !path.as_os_str().is_empty());
    let is_asked = matches.value_source("socket") == Some(ValueSource::CommandLine);
    match (binary, socket) {
        (Some(_), Some(_)) if is_asked => {
            Err(Failure::usage("BINARY and --socket are both named; name one"))
        }
        (Some(binary), _) => {
            Ok((std::path::absolute(binary).unwrap_or_else(|_| binary.clone()), None))
        }
        (None, Some(socket)) => {
            let client = Client::new(socket);
            let (status, _) = block_on(status::ask(&client, Duration::from_secs(10)))?;
            Ok((PathBuf::from(status.path), Some((status.master_pid, status.upgrades))))
        }
        (None, None) => Err(Failure::usage(
            "no binary is named; do it by its path, or name the control socket of its service by \
             --socket",
        )),
    }
}

/// Where the files of a process are that has a view of its own.
fn other_root(pid: u32) -> Option<String> {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let root = |pid: &str| std::fs::read_link(format!("/proc/{pid}/root")).ok();
    let is_ours = |of: &dyn Fn(&str) -> Option<PathBuf>| of(&pid.to_string()) == of("self");
    let is_known = namespace(&pid.to_string()).is_some();
    (is_known && !(is_ours(&namespace) && is_ours(&root))).then(|| format!("/proc/{pid}/root"))
}

/// What a process executes; gone, if it was replaced by another.
fn executed(pid: u32) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let text = path.to_str()?;
    Some(PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(text)))
}
