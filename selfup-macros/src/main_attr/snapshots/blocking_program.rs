// #[selfup::main(address = ":3000")]
// fn prog(state: State) -> ExitCode { ExitCode::SUCCESS }

fn prog(state: State) -> ExitCode {
    ExitCode::SUCCESS
}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || ::selfup::Config::builder().address(":3000").build(),
        ::selfup::__private::Program::blocking(|state| prog(
            ::selfup::__private::argument(state),
        )),
    )
}
::selfup::__private::note!();
