#[selfup::main(address = "unix:")]
async fn prog(_: selfup::State) {}
