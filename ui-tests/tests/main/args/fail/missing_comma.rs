#[selfup::main(address = ":3000" debug)]
async fn prog(_: selfup::State) {}
