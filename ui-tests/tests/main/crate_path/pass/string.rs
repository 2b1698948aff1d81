#[selfup::main(crate = "::selfup", address = "127.0.0.1:0")]
async fn prog(_: selfup::State) {}
