// #[selfup::main(address = [":3000", "unix:/run/app.sock", "udp::5353", METRICS])]
// async fn prog(state: State) {}

async fn prog(state: State) {}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || {
            ::selfup::Config::builder()
                .address([":3000", "unix:/run/app.sock", "udp::5353", METRICS])
                .build()
        },
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread(),
            |state| prog(::selfup::__private::argument(state)),
        ),
    )
}
::selfup::__private::note!();
