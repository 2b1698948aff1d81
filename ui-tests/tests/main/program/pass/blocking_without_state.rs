use std::process::ExitCode;

#[selfup::main]
fn prog() -> ExitCode {
    ExitCode::SUCCESS
}
