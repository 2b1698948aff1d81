#[selfup::main(address = ":99999")]
async fn prog(_: selfup::State) {}
