// #[selfup::main(address = ":3000")]
// async fn prog(state: selfup::State) -> Result<(), Box<dyn Error>> { serve(state).await }

async fn prog(state: selfup::State) -> Result<(), Box<dyn Error>> {
    serve(state).await
}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || ::selfup::Config::builder().address(":3000").build(),
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread(),
            |state| prog(::selfup::__private::argument(state)),
        ),
    )
}
::selfup::__private::note!();
