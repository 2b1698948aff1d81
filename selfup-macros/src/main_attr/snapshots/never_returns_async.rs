// #[selfup::main(worker_threads = 2)]
// async fn prog(mut state: State) -> ! { loop { state.tick().await } }

async fn prog(mut state: State) -> ! {
    loop {
        state.tick().await
    }
}
fn main() -> ::selfup::__private::ExitCode {
    ::selfup::__private::run(
        || ::selfup::Config::builder().build(),
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread().worker_threads(2),
            async |state| -> ::selfup::__private::ExitCode {
                prog(::selfup::__private::argument(state)).await
            },
        ),
    )
}
::selfup::__private::note!();
