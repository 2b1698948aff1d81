// #[selfup::main(fetcher = fallback(http("https://example.com/app", interval = "1m"), fallback(mine(), file("/srv/app"))))]
// async fn prog() {}

async fn prog() {}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || {
            ::selfup::Config::builder()
                .fetcher(
                    ::selfup::fetcher::fallback(
                        ::selfup::fetcher::http("https://example.com/app")
                            .interval("1m"),
                        ::selfup::fetcher::fallback(
                            mine(),
                            ::selfup::fetcher::file("/srv/app"),
                        ),
                    ),
                )
                .build()
        },
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread(),
            |_| prog(),
        ),
    )
}
::selfup::__private::note!();
