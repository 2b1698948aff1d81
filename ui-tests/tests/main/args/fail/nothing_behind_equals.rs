#[selfup::main(address = , debug)]
async fn prog(_: selfup::State) {}
