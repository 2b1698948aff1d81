// #[selfup::main(addresses = [":3000", "[::1]:3001"], fetcher = http("https://example.com/{os}/{arch}/app", interval = "1m", header = ("authorization", TOKEN), header = ("x-a", "b"), timeout = "5s"), min_fetch_interval = "500ms", verify = [KEY, NEXT_KEY], pre_upgrade = |candidate| check(candidate), allow_downgrade = false, allow_unmarked, bin = "bin/app", max_size = "64MiB", state_dir = "/var/lib/app", no_restart, no_restart_after_fetch = cfg!(debug_assertions), required = true, debug, no_warn = false, restart_signal = "SIGHUP", terminate_timeout = Duration::from_secs(20), ready_timeout = "30s", probation = "0s", ready = "manual", health = async |state| check_health(state).await, max_draining = 2, overlap = false, upgrade_master = cfg!(unix), control = "/run/app/selfup.sock?mode=0660&group=ops", backlog = 4096, name = "company/app", version = "1.2.3-rc.1", init = init_tracing, on_event = |event| println!("{event:?}"), flavor = "multi_thread", worker_threads = 4, configure = |builder| builder.backlog(128), crate = crate::deps::selfup,)]
// async fn prog(state: State) {}

async fn prog(state: State) {}
fn main() -> crate::deps::selfup::__private::ExitCode {
    crate::deps::selfup::__private::run(
        || {
            crate::deps::selfup::Config::builder()
                .addresses([":3000", "[::1]:3001"])
                .fetcher(
                    crate::deps::selfup::fetcher::http(
                            "https://example.com/{os}/{arch}/app",
                        )
                        .interval("1m")
                        .header("authorization", TOKEN)
                        .header("x-a", "b")
                        .timeout("5s"),
                )
                .min_fetch_interval("500ms")
                .verify([KEY, NEXT_KEY])
                .pre_upgrade(|candidate| check(candidate))
                .allow_downgrade(false)
                .allow_unmarked(true)
                .bin("bin/app")
                .max_size("64MiB")
                .state_dir("/var/lib/app")
                .no_restart(true)
                .no_restart_after_fetch(cfg!(debug_assertions))
                .required(true)
                .debug(true)
                .no_warn(false)
                .restart_signal("SIGHUP")
                .terminate_timeout(Duration::from_secs(20))
                .ready_timeout("30s")
                .probation("0s")
                .ready("manual")
                .max_draining(2)
                .overlap(false)
                .upgrade_master(cfg!(unix))
                .control("/run/app/selfup.sock?mode=0660&group=ops")
                .backlog(4096)
                .on_event(|event| println!("{event:?}"))
                .configure(|builder| builder.backlog(128))
                .build()
        },
        crate::deps::selfup::__private::Program::on(
                crate::deps::selfup::__private::Runtime::multi_thread()
                    .worker_threads(4),
                |state| prog(crate::deps::selfup::__private::argument(state)),
            )
            .init(init_tracing)
            .health(async |state| check_health(state).await),
    )
}
crate::deps::selfup::__private::note!(name = "company/app", version = "1.2.3-rc.1");
