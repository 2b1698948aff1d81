//! Where a master would wedge, die or go deaf at the edge of what it was told or given.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{
    Answer, Published, Publisher, Release, Service, ServiceBuilder, children_of, eventually,
};

#[test]
fn a_generation_that_was_stopped_over_pause_and_resume_accepts_again() {
    let mut service = Service::with(&[("PROBATION", "1h")]);
    let first = service.pid_of(1);
    kill(first, Signal::SIGSTOP).unwrap();
    service.signal(Signal::SIGUSR2);
    let second = service.pid_of(2);
    service.wait_for("event child_ready: generation 2 ");
    kill(second, Signal::SIGKILL).unwrap();
    service.wait_for("event resumed: generation 1 ");
    kill(first, Signal::SIGCONT).unwrap();
    assert!(service.get("/").contains(&format!("hello {first} 1 ")));
    assert!(service.stop().success());
}

#[test]
fn a_timeout_of_never_is_one() {
    let never = "500000000000years";
    let mut service = Service::with(&[
        ("TERMINATE_TIMEOUT", never),
        ("READY_TIMEOUT", never),
        ("PROBATION", never),
    ]);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    assert!(service.stop().success());
}

#[test]
fn a_program_that_never_stops_asking_holds_up_neither_an_upgrade_nor_a_succession() {
    let release = Release::good();
    let source = Publisher::start(Answer::Whole(release.clone()));
    let variables = [("INTERVAL", "1h"), ("MIN_FETCH_INTERVAL", "100ms")];
    let mut published = Published::of(ServiceBuilder::new(&release), source, &variables);
    assert_eq!(published.service.get("/flood"), "flooding\n");
    published.succeed(&release.again());
    assert!(published.service.stop().success());
}

#[test]
fn polls_that_are_asked_for_keep_to_the_shortest_interval() {
    let began = Instant::now();
    let release = Release::good();
    let source = Publisher::start(Answer::Whole(release.clone()));
    let variables = [("INTERVAL", "1h"), ("MIN_FETCH_INTERVAL", "2s")];
    let service = Published::of(ServiceBuilder::new(&release), publisher, &variables);
    for _ in 0..100 {
        assert_eq!(service.service.get("/check"), "Ok(())\n");
    }
    service.publisher.wait_for("GET 304", 1);
    let polls = service.publisher.answered().len();
    let most = began.elapsed().as_secs() / 2 + 2;
    assert!(polls as u64 <= most, "{polls} polls, at most {most} fit");
}

#[test]
fn a_stop_frees_the_port_while_the_last_request_is_still_answered() {
    let mut service = Service::with(&[]);
    let address = service.address();
    let (mut slow, _) = service.hold();
    slow.ask("/sleep?1500");
    service.signal(Signal::SIGTERM);
    eventually("the port is free", || std::net::TcpListener::bind(address).ok());
    slow.answer().unwrap();
    assert!(service.wait().success());
}

#[test]
fn a_user_who_may_start_nothing_at_all_gets_a_warning_and_the_program() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("SKIPPED: only root can become a user whose processes are counted");
        assert!(std::env::var_os("CI").is_none(), "skipped in CI");
        return;
    }
    let builder = ServiceBuilder::new(&Release::of_fixture("plain")).set("RETURNS", "code");
    fs::set_permissions(builder.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let nobody = ["setpriv", "--reuid=65432", "--regid=65432", "--clear-groups"];
    let limited = [&nobody[..], &["prlimit", "--nproc=1:1"]].concat();
    let mut service = builder.under(&limited).spawn();
    service.wait_for("[selfup] the program runs without a master");
    assert_eq!(service.wait().code(), Some(5), "the program ran, in the first process");
}

#[test]
fn a_child_for_which_there_are_too_few_descriptors_leaves_no_zombie() {
    let mut service = Service::with(&[]);
    let (master, first) = (service.pid(), service.pid_of(1));
    // With every descriptor more, its start fails one step later.
    let set_limit = |limit: usize| {
        let limit = format!("--nofile={limit}:");
        let prlimit = Command::new("prlimit").args(["--pid", &master.to_string(), &limit]).status();
        assert!(prlimit.unwrap().success());
    };
    for attempt in 1.. {
        assert!(attempt < 100, "a restart needs some descriptors, not a hundred");
        set_limit(limit_with(master, attempt - 1));
        service.signal(Signal::SIGUSR2);
        let is_abandoned = eventually("the restart has ended", || {
            let abandoned = service.lines("event restart_abandoned: ").len();
            let is_done = service.lines("event committed: ").len() == 1;
            (is_done || abandoned == attempt).then_some(!is_done)
        });
        if !is_abandoned {
            assert!(attempt > 3, "it failed at every step before");
            break;
        }
        assert_eq!(children_of(master), [first], "with room for {}", attempt - 1);
        assert!(service.get("/").contains(" 1 "));
    }
    // The program that was started with so few cannot hear a signal.
    set_limit(1024);
    service.signal(Signal::SIGUSR2);
    service.wait_for_nth("event committed: ", 2);
    assert!(service.stop().success());
}

#[test]
fn a_child_that_cannot_be_held_or_followed_leaves_no_zombie() {
    let mut service = Service::with(&[]);
    let (master, first) = (service.pid(), service.pid_of(1));
    service.wait_for("event child_ready: generation 1 ");
    // What is heard from a child comes from three descriptors, each registered in its turn.
    let faults =
        ["pidfd_open 1 EMFILE", "epoll_ctl 1 ENOSPC", "epoll_ctl 2 ENOSPC", "epoll_ctl 3 ENOSPC"];
    for (attempt, fault) in (1..).zip(faults) {
        let [call, when, error] = fault.split(' ').collect::<Vec<_>>()[..] else { unreachable!() };
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:error={error}:when={when}");
        let pid = master.to_string();
        let tracer = ["-p", &pid, "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let mut tracer =
            Command::new("strace").args(tracer).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(tracer.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        if !line.contains("attached") {
            tracer.wait().unwrap();
            println!("SKIPPED: this user may not trace a process that runs: {line}");
            assert!(std::env::var_os("CI").is_none(), "skipped in CI");
            return;
        }
        service.signal(Signal::SIGUSR2);
        service.wait_for_nth("event restart_abandoned: ", attempt);
        assert_eq!(children_of(master), [first], "{fault}");
        tracer.kill().unwrap();
        tracer.wait().unwrap();
    }
    service.signal(Signal::SIGUSR2);
    service.wait_for("event committed: ");
    assert!(service.stop().success());
}

/// The limit of open files with which `pid` may open so many `more`.
fn limit_with(pid: Pid, more: usize) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let open = open.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap());
    let open: BTreeSet<usize> = open.collect();
    (0..).filter(|number| !open.contains(number)).nth(more).unwrap()
}

#[test]
fn a_stderr_that_nobody_reads_holds_nobody_up() {
    let (unread, full) = std::io::pipe().unwrap();
    fill(&full).unwrap();
    let builder = ServiceBuilder::new(&Release::good()).set("DEBUG", "1").stderr(full);
    let mut service = builder.spawn();
    // Its events come through a hook behind the same stderr: it is watched by asking it.
    let _ = service.pid_of(1);
    service.signal(Signal::SIGUSR2);
    let second = service.pid_of(2);
    kill(second, None).unwrap();
    service.signal(Signal::SIGTERM);
    assert!(service.wait().success());
    drop(unread);
}

fn fill(pipe: &std::io::PipeWriter) -> nix::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    while std::io::Write::write(&mut &*pipe, &[b'x'; 4096]).is_ok() {}
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::empty())).map(drop)
}
