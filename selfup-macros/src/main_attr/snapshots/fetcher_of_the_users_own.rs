// #[selfup::main(fetcher = self::http("anything at all"))]
// async fn prog() {}

async fn prog() {}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || ::selfup::Config::builder().fetcher(self::http("anything at all")).build(),
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread(),
            |_| prog(),
        ),
    )
}
::selfup::__private::note!();
