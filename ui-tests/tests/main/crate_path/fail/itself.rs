#[selfup::main(crate = crate)]
async fn prog(_: selfup::State) {}
