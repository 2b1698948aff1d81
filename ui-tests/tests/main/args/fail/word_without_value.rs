#[selfup::main(address)]
async fn prog(_: selfup::State) {}
