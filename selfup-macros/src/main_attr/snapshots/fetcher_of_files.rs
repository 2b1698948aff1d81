// #[selfup::main(fetcher = file("/srv/app", interval = "1s"))]
// async fn prog() {}

async fn prog() {}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || {
            ::selfup::Config::builder()
                .fetcher(::selfup::fetcher::file("/srv/app").interval("1s"))
                .build()
        },
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread(),
            |_| prog(),
        ),
    )
}
::selfup::__private::note!();
