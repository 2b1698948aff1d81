#![deny(warnings)]

#[selfup::main]
async fn prog() -> ! {
    std::process::exit(0)
}
