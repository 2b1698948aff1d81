#[selfup::main(crate = 3)]
async fn prog(_: selfup::State) {}
