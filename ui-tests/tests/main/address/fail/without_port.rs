#[selfup::main(address = "127.0.0.1")]
async fn prog(_: selfup::State) {}
