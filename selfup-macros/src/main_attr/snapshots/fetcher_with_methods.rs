// #[selfup::main(fetcher = http(URL).interval(EVERY))]
// async fn prog() {}

async fn prog() {}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || {
            ::selfup::Config::builder()
                .fetcher(::selfup::fetcher::http(URL).interval(EVERY))
                .build()
        },
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread(),
            |_| prog(),
        ),
    )
}
::selfup::__private::note!();
