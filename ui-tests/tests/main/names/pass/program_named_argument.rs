#![deny(warnings)]

#[selfup::main(address = "127.0.0.1:0")]
async fn argument(_: ::selfup::State) {}
