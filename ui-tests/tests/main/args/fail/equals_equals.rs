#[selfup::main(address == ":3000")]
async fn prog(_: selfup::State) {}
