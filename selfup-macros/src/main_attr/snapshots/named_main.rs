// #[selfup::main(address = ":3000")]
// /// Docs.
// #[cfg(unix)]
// pub async fn main(mut state: State) { work(&mut state).await }

#[cfg(unix)]
/// Docs.
pub fn main() -> ::selfup::__private::ExitCode {
    /// Docs.
    #[cfg(unix)]
    async fn main(mut state: State) {
        work(&mut state).await
    }
    ::selfup::__private::run(
        || ::selfup::Config::builder().address(":3000").build(),
        ::selfup::__private::Program::on(
            ::selfup::__private::Runtime::multi_thread(),
            |state| main(::selfup::__private::argument(state)),
        ),
    )
}
#[cfg(unix)]
::selfup::__private::note!();
