extern crate selfup as up;

mod selfup {}

#[up::main(crate = ::up)]
async fn prog(_: up::State) {}
