#[selfup::main(address = "fd:")]
async fn prog(_: selfup::State) {}
