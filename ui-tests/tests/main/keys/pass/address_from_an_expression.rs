use std::env;

const LOCAL: &str = "127.0.0.1:0";

#[selfup::main(address = env::var("NO_SUCH_VARIABLE").unwrap_or_else(|_| LOCAL.to_owned()))]
async fn prog(_: selfup::State) {}
