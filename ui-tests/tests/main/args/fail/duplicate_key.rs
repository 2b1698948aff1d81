#[selfup::main(address = ":3000", debug, address = ":3001")]
async fn prog(_: selfup::State) {}
