// #[selfup::main(fetcher = from_fn(|current| fetch(current)))]
// async fn prog() {}

async fn prog() {}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || {
            ::selfup::Config::builder()
                .fetcher(::selfup::fetcher::from_fn(|current| fetch(current)))
                .build()
        },
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread(),
            |_| prog(),
        ),
    )
}
::selfup::__private::note!();
