#[selfup::main(address = 3000 + 1)]
async fn prog(_: selfup::State) {}
