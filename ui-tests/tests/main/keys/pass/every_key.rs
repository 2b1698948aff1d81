use std::time::Duration;

use selfup::{Builder, Candidate, Event, Role, State};

const VERSION: &str = "1.2.3-rc.1";

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

#[selfup::main(
    addresses = ["127.0.0.1:0"],
    fetcher = http("http://127.0.0.1:9/{os}/{arch}/{target}", interval = "1h", timeout = "5s", sha256 = ".sha256", signature = ".sig"),
    min_fetch_interval = "2s",
    verify = [KEY],
    pre_upgrade = check,
    allow_downgrade,
    allow_unmarked = cfg!(any()),
    bin = "app",
    max_size = "64MiB",
    state_dir = "/var/lib/app",
    no_restart = cfg!(any()),
    no_restart_after_fetch,
    required = true,
    debug = false,
    no_warn,
    restart_signal = "SIGHUP",
    terminate_timeout = Duration::from_secs(3),
    ready_timeout = "3s",
    probation = "0s",
    ready = "auto",
    health = well,
    max_draining = 2,
    overlap = cfg!(all()),
    upgrade_master = false,
    control = "/tmp/selfup-every-key.sock?mode=0660",
    backlog = 128,
    name = "company/app",
    version = VERSION,
    init = initialise,
    on_event = |event| log(event),
    flavor = "multi_thread",
    worker_threads = 1 + 1,
    configure = configure,
    crate = ::selfup,
)]
async fn prog(_: State) {}

fn check(candidate: &Candidate) -> Result<(), String> {
    let _ = candidate.path();
    Ok(())
}

fn initialise(_: Role) {}

async fn well(_: State) -> std::io::Result<()> {
    Ok(())
}

fn log(_: &Event) {}

fn configure(builder: Builder) -> Builder {
    builder.backlog(64)
}
