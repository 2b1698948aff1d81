// #[selfup::main(flavor = "current_thread")]
// async fn prog() {}

async fn prog() {}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || ::selfup::Config::builder().build(),
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::current_thread(),
            |_| prog(),
        ),
    )
}
::selfup::__private::note!();
