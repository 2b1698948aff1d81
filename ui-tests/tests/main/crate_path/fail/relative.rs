#[selfup::main(crate = renamed)]
async fn prog(_: selfup::State) {}
