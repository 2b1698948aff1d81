// #[selfup::main()]
// fn prog(State { .. }: State) -> ! { loop {} }

fn prog(State { .. }: State) -> ! {
    loop {}
}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || ::selfup::Config::builder().build(),
        ::selfup::__private::Program::blocking(|state| -> ::selfup::__private::ExitCode {
            prog(::selfup::__private::argument(state))
        }),
    )
}
::selfup::__private::note!();
