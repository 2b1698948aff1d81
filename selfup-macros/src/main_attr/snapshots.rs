//! What the attribute expands to, shape by shape, beside the input that it came from.
//!
//! The snapshots are in `snapshots/`, one shape a file. `SELFUP_BLESS=1 cargo test -p
//! selfup-macros` writes them anew; read the difference before keeping it.

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use proc_macro2::TokenStream;

use super::rewrite;

fn check(name: &str, args: &str, item: &str) {
    let expansion = rewrite(args.parse().unwrap(), item.parse().unwrap());
    let file = syn::parse2(expansion).unwrap();
    let actual = format!(
        "// #[selfup::main({args})]\n// {}\n\n{}",
        item.replace('\n', "\n// "),
        prettyplease::unparse(&file)
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/main_attr/snapshots")
        .join(name)
        .with_extension("rs");
    if env::var_os("SELFUP_BLESS").is_some() {
        fs::write(&path, &actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "the expansion differs from {}", path.display());
}

#[test]
fn async_program() {
    check(
        "async_program",
        r#"address = ":3000""#,
        "async fn prog(state: selfup::State) -> Result<(), Box<dyn Error>> { serve(state).await }",
    );
}

#[test]
fn blocking_program() {
    check(
        "blocking_program",
        r#"address = ":3000""#,
        "fn prog(state: State) -> ExitCode { ExitCode::SUCCESS }",
    );
}

#[test]
fn no_keys() {
    check("no_keys", "", "async fn prog(state: State) {}");
}

#[test]
fn named_main() {
    check(
        "named_main",
        r#"address = ":3000""#,
        "/// Docs.\n#[cfg(unix)]\npub async fn main(mut state: State) { work(&mut state).await }",
    );
}

#[test]
fn without_an_argument() {
    check("without_an_argument", r#"flavor = "current_thread""#, "async fn prog() {}");
}

#[test]
fn never_returns() {
    check("never_returns", "", "fn prog(State { .. }: State) -> ! { loop {} }");
}

#[test]
fn never_returns_async() {
    check(
        "never_returns_async",
        "worker_threads = 2",
        "async fn prog(mut state: State) -> ! { loop { state.tick().await } }",
    );
}

#[test]
fn several_addresses() {
    check(
        "several_addresses",
        r#"address = [":3000", "unix:/run/app.sock", "udp::5353", METRICS]"#,
        "async fn prog(state: State) {}",
    );
}

#[test]
fn fetcher_with_a_mirror() {
    check(
        "fetcher_with_a_mirror",
        r#"fetcher = fallback(http("https://example.com/app", interval = "1m"), fallback(mine(), file("/srv/app")))"#,
        "async fn prog() {}",
    );
}

#[test]
fn renamed_crate() {
    let args = r#"crate = ::up, address = ":3000", fetcher = http("https://example.com/app", interval = "1s")"#;
    let item = "async fn prog(state: up::State) {}";
    check("renamed_crate", args, item);
    let expansion = rewrite(args.parse().unwrap(), item.parse().unwrap());
    assert!(!has_identifier(expansion, "selfup"));
}

#[test]
fn every_key() {
    check("every_key", &every_key_arguments(), "async fn prog(state: State) {}");
}

fn every_key_arguments() -> String {
    let args = r#"
        addresses = [":3000", "[::1]:3001"],
        fetcher = http("https://example.com/{os}/{arch}/app", interval = "1m", header = ("authorization", TOKEN), header = ("x-a", "b"), timeout = "5s"),
        min_fetch_interval = "500ms",
        verify = [KEY, NEXT_KEY],
        pre_upgrade = |candidate| check(candidate),
        allow_downgrade = false,
        allow_unmarked,
        bin = "bin/app",
        max_size = "64MiB",
        state_dir = "/var/lib/app",
        no_restart,
        no_restart_after_fetch = cfg!(debug_assertions),
        required = true,
        debug,
        no_warn = false,
        restart_signal = "SIGHUP",
        terminate_timeout = Duration::from_secs(20),
        ready_timeout = "30s",
        probation = "0s",
        ready = "manual",
        health = async |state| check_health(state).await,
        max_draining = 2,
        overlap = false,
        upgrade_master = cfg!(unix),
        control = "/run/app/selfup.sock?mode=0660&group=ops",
        backlog = 4096,
        name = "company/app",
        version = "1.2.3-rc.1",
        init = init_tracing,
        on_event = |event| println!("{event:?}"),
        flavor = "multi_thread",
        worker_threads = 4,
        configure = |builder| builder.backlog(128),
        crate = crate::deps::selfup,
    "#;
    args.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[test]
fn fetchers() {
    check(
        "fetcher_of_files",
        r#"fetcher = file("/srv/app", interval = "1s")"#,
        "async fn prog() {}",
    );
    check("fetcher_with_methods", "fetcher = http(URL).interval(EVERY)", "async fn prog() {}");
    check(
        "fetcher_from_a_function",
        "fetcher = from_fn(|current| fetch(current))",
        "async fn prog() {}",
    );
    check(
        "fetcher_of_the_users_own",
        r#"fetcher = self::http("anything at all")"#,
        "async fn prog() {}",
    );
}

#[test]
fn mistakes() {
    check(
        "mistakes",
        r#"adress = ":3000", debug = 3"#,
        "async fn prog(state: &State) -> Result<(), Error> { work(state).await }",
    );
    check(
        "mistakes_in_main",
        r#"address = "3000""#,
        "#[tokio::main]\nasync fn main() { work().await }",
    );
    check("mistakes_without_a_function", "", "struct Program;");
}

fn has_identifier(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(identifier) => identifier == name,
        proc_macro2::TokenTree::Group(group) => has_identifier(group.stream(), name),
        _ => false,
    })
}

/// Not a measure of the machine: it prints what an expansion costs, in this build, for whoever
/// wants to know (`cargo test --release -p selfup-macros cost -- --nocapture`).
#[test]
fn the_cost_of_an_expansion() {
    let args: TokenStream = every_key_arguments().parse().unwrap();
    let item: TokenStream = "async fn prog(state: State) {}".parse().unwrap();
    let rounds = 200;
    let started = Instant::now();
    for _ in 0..rounds {
        assert!(!rewrite(args.clone(), item.clone()).is_empty());
    }
    println!("{:?} an expansion with every key", started.elapsed() / rounds);
}
