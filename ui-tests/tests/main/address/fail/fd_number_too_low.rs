#[selfup::main(address = "fd:2")]
async fn prog(_: selfup::State) {}
