// #[selfup::main(crate = ::up, address = ":3000", fetcher = http("https://example.com/app", interval = "1s"))]
// async fn prog(state: up::State) {}

async fn prog(state: up::State) {}
fn main() -> ::up::__private::ExitCode {
    ::up::__private::run(
        || {
            ::up::Config::builder()
                .address(":3000")
                .fetcher(::up::fetcher::http("https://example.com/app").interval("1s"))
                .build()
        },
        ::up::__private::Program::on(
            ::up::__private::Runtime::multi_thread(),
            |state| prog(::up::__private::argument(state)),
        ),
    )
}
::up::__private::note!();
