#![allow(dead_code, non_camel_case_types, non_upper_case_globals)]

mod core {}
mod std {}
mod alloc {}
struct Result;
struct Option;
struct String;
struct Box;
struct Vec;
struct ExitCode;
struct Duration;
struct Program;
struct Runtime;
struct Config;
enum None_ {}
fn Some() {}
fn None() {}
fn Ok() {}
fn Err() {}
fn drop() {}
trait Into {}
trait Fn {}
trait FnOnce {}
trait Future {}
trait Send {}
macro_rules! option_env {
    ($($tokens:tt)*) => { compile_error!("shadowed") };
}
macro_rules! concat {
    ($($tokens:tt)*) => { compile_error!("shadowed") };
}
macro_rules! note {
    ($($tokens:tt)*) => { compile_error!("shadowed") };
}

#[selfup::main(
    address = "127.0.0.1:0",
    fetcher = http("http://127.0.0.1:9/app", interval = "1h", header = ("a", "b")),
    terminate_timeout = "1s",
    name = "company/app",
    required = false
)]
async fn prog(_: selfup::State) {}
