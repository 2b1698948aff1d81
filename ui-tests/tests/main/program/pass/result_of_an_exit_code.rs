use std::process::ExitCode;

#[derive(Debug)]
struct Failure;

#[selfup::main]
fn prog(_: selfup::State) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
